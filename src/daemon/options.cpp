#include "daemon/options.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <system_error>

#include "control/protocol.h"

namespace caponier::daemon {

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app{"Caponier's daemon: IKEv2 and ESP in user space.", "caponierd"};
  const CLI::Option* const config =
      app.add_option("--config", options.config, "Configuration file")->capture_default_str();
  std::string swanctl;
  app.add_option("--swanctl", swanctl, "Folder of a swanctl.conf, instead of a configuration");
  app.add_option("--run-dir", options.run_dir, "Control socket and lock")->capture_default_str();
  app.add_option("--state-dir", options.state_dir, "What outlives a restart")
      ->capture_default_str();
  app.add_option("--vici", options.vici, "Serve strongSwan's control interface on this socket");
  app.add_flag("--foreground", options.foreground, "Stay in the terminal, log to stderr");
  app.add_flag("--check", options.check, "Only say what is wrong with the configuration");
  app.add_flag("--log-json", options.log_json, "One JSON document per log line");
  app.add_option("--hold-keys", options.hold_keys)->group("");  // ours alone
  app.set_version_flag("--version", std::string{"caponierd "} + CAPONIER_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(control::ExitCode::usage);
  }
  if (!swanctl.empty()) options.config = swanctl + "/swanctl.conf";
  // The background has another working directory.
  std::error_code missing;
  const bool is_without = !options.vici.empty() && config->count() == 0 && options.hold_keys < 0 &&
                          !std::filesystem::exists(options.config, missing);
  if (is_without) {
    options.config.clear();
    options.foreground = true;
  }
  for (std::string* path : {&options.config, &options.run_dir, &options.state_dir, &options.vici}) {
    if (path->empty()) continue;
    std::error_code error;
    const auto absolute = std::filesystem::absolute(*path, error);
    if (!error) *path = absolute.string();
  }
  return options;
}

}  // namespace caponier::daemon
