#pragma once
// What the engine tells its owner: bounded, and limited in rate where traffic causes it.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/bounded.h"
#include "ipsec/engine.h"

namespace caponier::ipsec {

/// A configured connection and its child.
using ChildName = std::pair<std::string, std::string>;

class Notices {
 public:
  explicit Notices(const EngineLimits& limits) : limits_(limits), queue_(limits.notice_queue_max) {}

  /// Each is false when the queue is full: the caller may try again later.
  [[nodiscard]] bool expired(policy::ChildSaId id, bool hard) {
    return queue_.push(Expired{id, hard});
  }
  [[nodiscard]] bool peer_moved(policy::ChildSaId id, const base::Path& path) {
    return queue_.push(PeerMoved{id, path});
  }
  [[nodiscard]] bool peer_sends(policy::ChildSaId id) { return queue_.push(PeerSends{id}); }
  /// At most once per acquire_interval and child, or exact trigger.
  void acquire(const ChildName& child, policy::Trigger trigger, base::Instant now);
  /// Makes the ICMP error about `offending`, which may carry `mtu` octets; at most
  /// too_big_burst_max in too_big_interval.
  void too_big(base::Bytes offending, std::size_t mtu, base::Instant now);
  /// Forgets the acquire times of all children but these.
  void keep_children(const std::set<ChildName>& children);

  [[nodiscard]] std::optional<Notice> poll() { return queue_.pop(); }

 private:
  /// With the trigger where there may be an SA for each.
  using AcquireName = std::pair<ChildName, std::optional<policy::Trigger>>;

  EngineLimits limits_;
  base::BoundedQueue<Notice> queue_;
  std::map<AcquireName, base::Instant> last_acquire_;
  std::optional<base::Instant> too_big_since_;
  std::size_t too_big_count_ = 0;
};

}  // namespace caponier::ipsec
