#include "gateway/refused_traffic.h"

#include <algorithm>

namespace caponier::gateway {

bool RefusedTraffic::may_ask(const base::IpAddress& destination, base::Instant now) const {
  const auto found = refused_.find(destination);
  return found == refused_.end() || found->second.until <= now;
}

unsigned RefusedTraffic::note_refusal(const base::IpAddress& destination) {
  const auto found = refused_.find(destination);
  if (found != refused_.end()) return ++found->second.times;
  if (refused_.size() >= destinations_max) {
    refused_.erase(std::ranges::min_element(refused_, {},
                                            [](const auto& entry) { return entry.second.until; }));
  }
  return refused_[destination].times = 1;
}

void RefusedTraffic::pause(const base::IpAddress& destination, base::Instant until) {
  if (const auto found = refused_.find(destination); found != refused_.end()) {
    found->second.until = until;
  }
}

}  // namespace caponier::gateway
