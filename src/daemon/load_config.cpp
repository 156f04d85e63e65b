// From the configuration's files, ours or strongSwan's, to what the daemon runs with.

#include <cstdlib>

#include "base/error.h"
#include "daemon/app.h"
#include "io/os/swanctl_source.h"

namespace caponier::daemon {

namespace {

using Loaded = std::expected<LoadedConfig, std::vector<config::ConfigError>>;

/// Errors of the other process, which has translated the same files, at their places in these.
std::vector<config::ConfigError> in_swanctl(const std::string& path, const pki::PkiProvider& pki,
                                            std::vector<config::ConfigError> errors) {
  if (!io::is_swanctl(path)) return errors;
  const io::SwanctlSource source{path, &pki};
  std::vector<config::ConfigError> own = source.errors();
  return own.empty() ? source.placed(std::move(errors)) : own;
}

Loaded load_swanctl(const std::string& path, const pki::PkiProvider& pki,
                    const config::HeldKeys& held, const io::FilesRead* before) {
  io::SwanctlSource source{path, &pki, &held};
  if (before != nullptr) source.use_configs_of(*before);
  if (source.report().error_count() > 0) return std::unexpected{source.errors()};
  auto config = config::load(path, source);
  if (!config) return std::unexpected{source.placed(std::move(config.error()))};
  LoadedConfig loaded{*std::move(config), source.files_read(), {}};
  for (const swan::Remark& remark : source.report().remarks()) {
    if (remark.gravity == swan::Gravity::warning) loaded.warnings.push_back(remark.to_string());
  }
  return loaded;
}

}  // namespace

std::expected<LoadedConfig, std::vector<config::ConfigError>> load_config(
    const std::string& path, const pki::PkiProvider& pki, KeySide& keys,
    const io::FilesRead* before) {
  const auto held = keys.load(before != nullptr);
  if (!held) return std::unexpected{in_swanctl(path, pki, held.error())};
  const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");
  if (io::is_swanctl(path)) return load_swanctl(path, pki, *held, before);
  io::FileSource source{path, credentials == nullptr ? "" : credentials, &pki, &*held};
  if (before != nullptr) source.use_configs_of(*before);
  ConfigPtr config = TRY(config::load(path, source));
  return LoadedConfig{std::move(config), source.files_read(), {}};
}

std::string to_text(const std::vector<config::ConfigError>& errors) {
  std::string text;
  for (const config::ConfigError& error : errors) {
    text += (text.empty() ? "" : "\n") + error.to_string();
  }
  return text;
}

}  // namespace caponier::daemon
