#pragma once
// Which script runs next: those of one tunnel in order and one after the other, a few of different
// tunnels beside each other.

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "gateway/updown.h"

namespace caponier::daemon {

inline constexpr std::size_t scripts_running_max = 8;
inline constexpr std::size_t scripts_waiting_max = 8192;

class ScriptQueue {
 public:
  /// False: there is no room.
  [[nodiscard]] bool add(gateway::RunUpdown run);
  /// What may run now, until end(). Empty: nothing.
  [[nodiscard]] std::optional<gateway::RunUpdown> next();
  void end(const std::string& queue);
  [[nodiscard]] bool is_idle() const { return waiting_count_ == 0 && busy_.empty(); }

 private:
  std::map<std::string, std::deque<gateway::RunUpdown>> waiting_;
  std::size_t waiting_count_ = 0;
  std::deque<std::string> ready_;  ///< have something that waits, and nothing that runs
  std::set<std::string> busy_;
};

}  // namespace caponier::daemon
