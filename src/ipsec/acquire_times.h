#pragma once
// When an SA was last asked for, so that traffic does not ask for it with every packet.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "ipsec/engine.h"

namespace caponier::ipsec {

/// A configured connection and its child.
using ChildName = std::pair<std::string, std::string>;

class AcquireTimes {
 public:
  explicit AcquireTimes(const EngineLimits& limits)
      : interval_(limits.acquire_interval), remembered_max_(limits.acquires_remembered_max) {}

  /// Whether it may be asked for now: at most once per interval and child, exact trigger, resource.
  [[nodiscard]] bool is_due(const Acquire& acquire, base::Instant now) {
    const auto is_fresh = [&](base::Instant at) { return now - at < interval_; };
    const auto last = times_.find(name_of(acquire));
    if (last != times_.end()) return !is_fresh(last->second);
    if (times_.size() < remembered_max_) return true;
    std::erase_if(times_, [&](const auto& entry) { return !is_fresh(entry.second); });
    return times_.size() < remembered_max_;
  }
  void note(const Acquire& acquire, base::Instant now) {
    times_.insert_or_assign(name_of(acquire), now);
  }
  /// Forgets all children but these.
  void keep(const std::set<ChildName>& children) {
    std::erase_if(times_,
                  [&](const auto& entry) { return !children.contains(std::get<0>(entry.first)); });
  }

 private:
  /// With the trigger where there may be an SA for each.
  using Name =
      std::tuple<ChildName, std::optional<policy::Trigger>, std::optional<policy::ResourceId>>;
  [[nodiscard]] static Name name_of(const Acquire& acquire) {
    const auto& [connection, child, trigger, resource] = acquire;
    return {
        {connection, child}, trigger.is_exact ? std::optional{trigger} : std::nullopt, resource};
  }

  base::Duration interval_;
  std::size_t remembered_max_;
  std::map<Name, base::Instant> times_;
};

}  // namespace caponier::ipsec
