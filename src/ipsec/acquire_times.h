#pragma once
// When an SA was last asked for, so that traffic does not ask for it with every packet.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "ipsec/engine.h"

namespace caponier::ipsec {

/// A configured connection and its child.
using ChildName = std::pair<std::string, std::string>;

class AcquireTimes {
 public:
  explicit AcquireTimes(const EngineLimits& limits)
      : interval_(limits.acquire_interval), remembered_max_(limits.acquires_remembered_max) {}

  /// Whether it may be asked for now: at most once per interval and child, or exact trigger.
  [[nodiscard]] bool is_due(const ChildName& child, const policy::Trigger& trigger,
                            base::Instant now) {
    const auto is_fresh = [&](base::Instant at) { return now - at < interval_; };
    const auto last = times_.find(name_of(child, trigger));
    if (last != times_.end()) return !is_fresh(last->second);
    if (times_.size() < remembered_max_) return true;
    std::erase_if(times_, [&](const auto& entry) { return !is_fresh(entry.second); });
    return times_.size() < remembered_max_;
  }
  void note(const ChildName& child, const policy::Trigger& trigger, base::Instant now) {
    times_.insert_or_assign(name_of(child, trigger), now);
  }
  /// Forgets all children but these.
  void keep(const std::set<ChildName>& children) {
    std::erase_if(times_, [&](const auto& entry) { return !children.contains(entry.first.first); });
  }

 private:
  /// With the trigger where there may be an SA for each.
  using Name = std::pair<ChildName, std::optional<policy::Trigger>>;
  [[nodiscard]] static Name name_of(const ChildName& child, const policy::Trigger& trigger) {
    return {child, trigger.is_exact ? std::optional{trigger} : std::nullopt};
  }

  base::Duration interval_;
  std::size_t remembered_max_;
  std::map<Name, base::Instant> times_;
};

}  // namespace caponier::ipsec
