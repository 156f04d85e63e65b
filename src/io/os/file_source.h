#pragma once
// Configuration files and secrets from the file system.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/config.h"

namespace caponier::io {

inline constexpr std::size_t config_file_size_max = 1 << 20;
inline constexpr std::size_t secret_file_size_max = 65536;
inline constexpr std::size_t users_max = 100000;

/// What a source has read.
struct FilesRead {
  std::map<std::string, std::string> configs;  ///< the texts, by path
  std::vector<std::string> fragments;
  std::set<std::string> pki;  ///< paths of certificates, keys and CRLs, also of those that are not
};

/// Secrets "@name" live in <folder of the configuration file>/secrets, "cred:name" in
/// $CREDENTIALS_DIRECTORY, fragments in <folder>/conf.d, certificates and keys in <folder>/pki,
/// passwords of users in <folder>/secrets/users. Without a path the configuration is empty.
class FileSource final : public config::Source {
 public:
  /// `credentials_folder`: empty when no service manager gave one. `pki` must outlive the object;
  /// null: no certificates. `held`, likewise: pre-shared and private keys are another process's.
  FileSource(const std::string& config_path, std::string credentials_folder,
             const pki::PkiProvider* pki = nullptr, const config::HeldKeys* held = nullptr);
  /// The configuration is these texts, whatever the files say by now; all else is read.
  void use_configs_of(const FilesRead& before) { frozen_ = before; }
  [[nodiscard]] const FilesRead& files_read() const { return read_; }

  [[nodiscard]] std::expected<std::string, config::FileError> read_config(
      const std::string& path) override;
  [[nodiscard]] std::vector<std::string> list_fragments(const std::string& path) override;
  [[nodiscard]] std::expected<base::SecretBytes, config::FileError> read_secret(
      std::string_view reference) override;
  [[nodiscard]] const pki::PkiProvider* pki() const override { return pki_; }
  [[nodiscard]] std::expected<base::SecretBytes, config::FileError> read_pki(
      const std::string& name, bool is_private) override;
  [[nodiscard]] bool has_pki(const std::string& name) const override;
  [[nodiscard]] const config::HeldKeys* held_keys() const override { return held_; }
  [[nodiscard]] std::expected<std::map<std::string, base::SecretBytes>, config::FileError>
  read_users() override;

 private:
  [[nodiscard]] std::string pki_path(const std::string& name) const;

  std::string secrets_folder_;
  std::string pki_folder_;
  const pki::PkiProvider* pki_ = nullptr;
  const config::HeldKeys* held_ = nullptr;
  std::string credentials_folder_;
  std::optional<FilesRead> frozen_;
  mutable FilesRead read_;
};

}  // namespace caponier::io
