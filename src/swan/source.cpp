#include "swan/source.h"

#include <fmt/format.h>

#include "base/error.h"

namespace caponier::swan {

std::expected<std::string, config::FileError> TranslatedSource::read_config(const std::string&) {
  return document_.text();
}

std::expected<base::SecretBytes, config::FileError> TranslatedSource::read_secret(
    std::string_view reference) {
  if (reference.starts_with('@')) {
    const auto known = document_.secrets.find(std::string{reference.substr(1)});
    if (known != document_.secrets.end()) return known->second->duplicate();
  }
  return std::unexpected{config::FileError{"there is no such secret", ""}};
}

std::expected<base::SecretBytes, config::FileError> TranslatedSource::read_pki(
    const std::string& name, bool /*is_private*/) {
  auto content = TRY(files_.read(name));
  base::SecretBytes octets{base::as_bytes(content)};
  base::wipe(std::as_writable_bytes(std::span{content}));
  return octets;
}

std::expected<std::map<std::string, base::SecretBytes>, config::FileError>
TranslatedSource::read_users() {
  std::map<std::string, base::SecretBytes> users;
  for (const auto& [name, password] : document_.users) {
    users.emplace(name, password->duplicate());
  }
  return users;
}

MadeConfig make_config(const Document& document, config::Source& source) {
  auto config = config::load("translated", source);
  if (config) return *std::move(config);
  std::vector<config::ConfigError> errors = std::move(config.error());
  for (config::ConfigError& error : errors) {
    const Origin* const origin = document.origin_of(error.where.line);
    if (origin == nullptr) continue;
    error.where = origin->where;
    error.message = fmt::format("{}: {}", origin->path, error.message);
  }
  return std::unexpected{std::move(errors)};
}

namespace {

/// Null, and told, when it cannot be read.
std::optional<Section> read_file(const std::string& path, Files& files, Report& report) {
  auto settings = load_settings(path, files);
  if (!settings) {
    for (const config::ConfigError& error : settings.error()) {
      report.error(error.where, "", {error.message, error.fix});
    }
    return std::nullopt;
  }
  for (const config::ConfigError& warning : settings->warnings) {
    report.warn(warning.where, "", warning.message, warning.fix);
  }
  return std::move(settings->root);
}

}  // namespace

Document translate_folder(const SwanctlFolder& folder, Files& files, const pki::PkiProvider* pki,
                          Report& report) {
  auto root = read_file(path_below(folder.folder, folder.file), files, report);
  DaemonSettings daemon;
  if (!folder.strongswan_conf.empty()) {
    const auto settings = read_file(folder.strongswan_conf, files, report);
    if (settings) daemon = read_daemon_settings(*settings, report);
  }
  if (!root) return {};
  if (folder.offers_ike2) offer_ike2(*root, report);
  const Everything all = read_swanctl(*root, report);
  const Credentials credentials{files, pki, swanctl_folders(folder.folder), all.secrets};
  return translate(all, credentials, daemon, report);
}

Document translate_ipsec(const std::string& path, const IpsecOptions& options, Files& files,
                         const pki::PkiProvider* pki, Report& report) {
  const auto file = load_ipsec_conf(path, files);
  if (!file) {
    for (const config::ConfigError& error : file.error()) {
      report.error(error.where, "", {error.message, error.fix});
    }
    return {};
  }
  const std::string folder = folder_of(path);
  const Dialect dialect = detect_dialect(*file);
  Section root = swanctl_of(*file, dialect, options, report);
  root.sections.push_back(load_ipsec_secrets(path_below(folder, "ipsec.secrets"), files, report));
  offer_ike2(root, report);
  DaemonSettings daemon;
  const std::string settings_path = path_below(folder, "strongswan.conf");
  if (dialect == Dialect::strongswan && files.read(settings_path)) {
    const auto settings = read_file(settings_path, files, report);
    if (settings) daemon = read_daemon_settings(*settings, report);
  }
  const Everything all = read_swanctl(root, report);
  const Credentials credentials{files, pki, ipsec_folders(path_below(folder, "ipsec.d")),
                                all.secrets};
  return translate(all, credentials, daemon, report);
}

bool is_ipsec_conf(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#') || line.starts_with("include")) continue;
    const bool opens = line.starts_with("conn ") || line.starts_with("config setup") ||
                       line.starts_with("ca ") || line.starts_with("version ");
    return opens && line.find('{') == std::string_view::npos;
  }
  return false;
}

}  // namespace caponier::swan
