#pragma once
// A folder such as /etc/swanctl as a configuration of ours.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/os/file_source.h"
#include "io/os/swan_files.h"
#include "swan/document.h"
#include "swan/report.h"

namespace caponier::io {

/// Whether the configuration at this path is strongSwan's.
[[nodiscard]] bool is_swanctl(std::string_view path);

/// Certificates and keys are read where strongSwan has them, secrets stand in swanctl.conf.
class SwanctlSource final : public config::Source {
 public:
  /// As FileSource. `path` is that of swanctl.conf.
  SwanctlSource(const std::string& path, const pki::PkiProvider* pki,
                const config::HeldKeys* held = nullptr);
  void use_configs_of(const FilesRead& before) { frozen_ = before; }
  [[nodiscard]] FilesRead files_read() const;
  /// What there is to say about the files; errors mean that nothing was translated of them.
  [[nodiscard]] const swan::Report& report() const { return report_; }
  /// The report's errors as a configuration's.
  [[nodiscard]] std::vector<config::ConfigError> errors() const;
  /// What config::load() has said, with the places in strongSwan's files.
  [[nodiscard]] std::vector<config::ConfigError> placed(
      std::vector<config::ConfigError> errors) const;

  [[nodiscard]] std::expected<std::string, config::FileError> read_config(
      const std::string& path) override;
  [[nodiscard]] std::vector<std::string> list_fragments(const std::string&) override { return {}; }
  [[nodiscard]] std::expected<base::SecretBytes, config::FileError> read_secret(
      std::string_view reference) override;
  [[nodiscard]] const pki::PkiProvider* pki() const override { return files_.pki(); }
  [[nodiscard]] std::expected<base::SecretBytes, config::FileError> read_pki(
      const std::string& name, bool is_private) override {
    return files_.read_pki(name, is_private);
  }
  [[nodiscard]] bool has_pki(const std::string& name) const override {
    return files_.has_pki(name);
  }
  [[nodiscard]] const config::HeldKeys* held_keys() const override { return files_.held_keys(); }
  [[nodiscard]] bool takes_weak_secrets() const override { return true; }
  [[nodiscard]] std::expected<std::map<std::string, base::SecretBytes>, config::FileError>
  read_users() override;

 private:
  std::string path_;
  FileSource files_;
  std::optional<FilesRead> frozen_;
  swan::Report report_;
  swan::Document document_;
};

}  // namespace caponier::io
