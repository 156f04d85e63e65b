#pragma once
// The security policy database (RFC 4301 s4.4.1): an ordered list, the first match decides.
//
// A lookup is linear; the flow cache in front of it makes that rare. It is the one place to change
// when tables of thousands of policies need an index: match() is the whole interface.

#include <cstdint>
#include <set>
#include <vector>

#include "ipsec/engine.h"
#include "ipsec/notices.h"
#include "wire/ip.h"

namespace caponier::ipsec {

struct SpdEntry {
  Policy policy;
  ChildName child;  ///< policy.connection and policy.child, ready for lookups
};

class Spd {
 public:
  void set(std::vector<Policy> policies);

  /// The entry for a packet that leaves us: its source is local. Null when none matches. Borrowed
  /// until the next set().
  [[nodiscard]] const SpdEntry* match(const wire::PacketSelectorFields& packet) const;
  /// The children that protecting policies name.
  [[nodiscard]] std::set<ChildName> children() const;
  /// Changes whenever an earlier match() may no longer hold.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

 private:
  std::vector<SpdEntry> entries_;
  std::uint64_t generation_ = 1;
};

/// A packet between our selectors and theirs; fragments without ports match only selectors for any
/// or OPAQUE ports (RFC 4301 s7).
[[nodiscard]] bool is_outbound_match(const policy::TrafficSelectors& local,
                                     const policy::TrafficSelectors& remote,
                                     const wire::PacketSelectorFields& packet);
[[nodiscard]] bool is_inbound_match(const policy::TrafficSelectors& local,
                                    const policy::TrafficSelectors& remote,
                                    const wire::PacketSelectorFields& packet);

}  // namespace caponier::ipsec
