#include "daemon/event_limiter.h"

namespace caponier::daemon {

std::optional<std::uint64_t> EventLimiter::admit(const base::Event& event, base::Instant now) {
  const auto key = std::pair{event.kind, event.peer};
  auto found = windows_.find(key);
  if (found == windows_.end()) {
    if (windows_.size() >= pairs_max) return 0;
    found = windows_.emplace(key, Window{now + window}).first;
  }
  Window& current = found->second;
  std::uint64_t withheld = 0;
  if (now >= current.ends) {
    withheld = current.withheld;
    current = Window{now + window};
  }
  if (current.admitted >= burst_max) {
    ++current.withheld;
    return std::nullopt;
  }
  ++current.admitted;
  return withheld;
}

}  // namespace caponier::daemon
