#pragma once
// The command line of caponierd.

#include <string>
#include <variant>

namespace caponier::daemon {

struct Options {
  std::string config = "/etc/caponier/caponier.toml";  ///< empty: there is none
  std::string run_dir = "/run/caponier";
  std::string state_dir = "/var/lib/caponier";
  std::string vici;  ///< where VICI is served; empty: as the configuration says
  bool foreground = false;
  bool check = false;
  bool log_json = false;
  int hold_keys = -1;  ///< we are the process that has the keys, and this is its socket
};

/// An int is the exit code: help was printed, or what is wrong.
[[nodiscard]] std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace caponier::daemon
