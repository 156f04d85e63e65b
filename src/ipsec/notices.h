#pragma once
// What the engine tells its owner: bounded, and limited in rate where traffic causes it.

#include <optional>
#include <set>
#include <utility>

#include "base/bounded.h"
#include "ipsec/acquire_times.h"
#include "ipsec/engine.h"

namespace caponier::ipsec {

class Notices {
 public:
  explicit Notices(const EngineLimits& limits)
      : limits_(limits), queue_(limits.notice_queue_max), acquires_(limits) {}

  /// Each is false when the queue is full: the caller may try again later.
  [[nodiscard]] bool expired(policy::ChildSaId id, bool hard) {
    return queue_.push(Expired{id, hard});
  }
  [[nodiscard]] bool peer_moved(policy::ChildSaId id, const base::Path& path) {
    return queue_.push(PeerMoved{id, path});
  }
  [[nodiscard]] bool peer_sends(policy::ChildSaId id) { return queue_.push(PeerSends{id}); }
  [[nodiscard]] bool dhcp_asked(policy::ChildSaId id, base::Bytes packet) {
    return queue_.push(DhcpAsked{id, base::to_vec(packet)});
  }
  /// Lost when the queue is full: the drop is counted all the same.
  void audited(Audited event) { (void)queue_.push(std::move(event)); }
  /// At most as often as AcquireTimes says.
  void acquire(Acquire acquire, base::Instant now);
  /// Makes the ICMP error about `offending`, which may carry `mtu` octets; at most
  /// too_big_burst_max in too_big_interval.
  void too_big(base::Bytes offending, std::size_t mtu, base::Instant now);
  /// Forgets the acquire times of all children but these.
  void keep_children(const std::set<ChildName>& children) { acquires_.keep(children); }

  [[nodiscard]] std::optional<Notice> poll() { return queue_.pop(); }
  [[nodiscard]] bool is_empty() const { return queue_.empty(); }

 private:
  EngineLimits limits_;
  base::BoundedQueue<Notice> queue_;
  AcquireTimes acquires_;
  std::optional<base::Instant> too_big_since_;
  std::size_t too_big_count_ = 0;
};

}  // namespace caponier::ipsec
