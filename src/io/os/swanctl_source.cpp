#include "io/os/swanctl_source.h"

#include <fmt/format.h>

#include "swan/source.h"

namespace caponier::io {

bool is_swanctl(std::string_view path) {
  return path == "swanctl.conf" || path.ends_with("/swanctl.conf");
}

SwanctlSource::SwanctlSource(const std::string& path, const pki::PkiProvider* pki,
                             const config::HeldKeys* held)
    : path_(path), files_(path, {}, pki, held) {
  SwanFiles files;
  swan::SwanctlFolder folder;
  folder.folder = swan::folder_of(path);
  const std::string settings = swan::path_below(folder.folder, "../strongswan.conf");
  if (files.read(settings)) folder.strongswan_conf = settings;
  document_ = swan::translate_folder(folder, files, pki, report_);
}

FilesRead SwanctlSource::files_read() const {
  FilesRead read = files_.files_read();
  read.configs[path_] = document_.text();
  return read;
}

std::vector<config::ConfigError> SwanctlSource::errors() const {
  std::vector<config::ConfigError> errors;
  for (const swan::Remark& remark : report_.remarks()) {
    if (remark.gravity != swan::Gravity::error) continue;
    const std::string path = remark.path.empty() ? "" : remark.path + ": ";
    errors.push_back({remark.where, path + remark.message, remark.fix});
  }
  return errors;
}

std::vector<config::ConfigError> SwanctlSource::placed(
    std::vector<config::ConfigError> errors) const {
  for (config::ConfigError& error : errors) {
    const swan::Origin* const origin =
        error.where.file == path_ ? document_.origin_of(error.where.line) : nullptr;
    if (origin == nullptr) continue;
    error.where = origin->where;
    error.message = fmt::format("{}: {}", origin->path, error.message);
  }
  return errors;
}

std::expected<std::string, config::FileError> SwanctlSource::read_config(const std::string&) {
  if (report_.error_count() > 0) {
    return std::unexpected{config::FileError{"it holds mistakes", "see the others"}};
  }
  if (frozen_) {
    const auto before = frozen_->configs.find(path_);
    if (before != frozen_->configs.end()) return before->second;
  }
  return document_.text();
}

std::expected<base::SecretBytes, config::FileError> SwanctlSource::read_secret(
    std::string_view reference) {
  if (reference.starts_with('@')) {
    const auto known = document_.secrets.find(std::string{reference.substr(1)});
    if (known != document_.secrets.end()) return known->second->duplicate();
  }
  return std::unexpected{config::FileError{"there is no such secret", ""}};
}

std::expected<std::map<std::string, base::SecretBytes>, config::FileError>
SwanctlSource::read_users() {
  std::map<std::string, base::SecretBytes> users;
  for (const auto& [name, password] : document_.users) users.emplace(name, password->duplicate());
  return users;
}

}  // namespace caponier::io
