#pragma once
// The process that has the keys: this program once more, started with a socket and little else.

#include <string>

namespace caponier::daemon {

/// Serves gateway::KeyServer on the socket until it is closed; the exit code.
[[nodiscard]] int run_key_process(int socket, const std::string& config_path);

}  // namespace caponier::daemon
