#pragma once
// Configuration files and secrets from the file system.

#include <string>

#include "config/config.h"

namespace caponier::io {

inline constexpr std::size_t config_file_size_max = 1 << 20;
inline constexpr std::size_t secret_file_size_max = 65536;

/// Secrets "@name" live in <folder of the configuration file>/secrets, "cred:name" in
/// $CREDENTIALS_DIRECTORY, fragments in <folder>/conf.d.
class FileSource final : public config::Source {
 public:
  /// `credentials_folder`: empty when no service manager gave one.
  FileSource(const std::string& config_path, std::string credentials_folder);

  [[nodiscard]] std::expected<std::string, config::FileError> read_config(
      const std::string& path) override;
  [[nodiscard]] std::vector<std::string> list_fragments(const std::string& path) override;
  [[nodiscard]] std::expected<base::SecretBytes, config::FileError> read_secret(
      std::string_view reference) override;

 private:
  std::string secrets_folder_;
  std::string credentials_folder_;
};

}  // namespace caponier::io
