#pragma once
// The security policy database (RFC 4301 s4.4.1): an ordered list, the first match decides. A
// lookup costs about the same for ten thousand policies as for one; see policy_index.h.

#include <cstdint>
#include <set>
#include <vector>

#include "ipsec/engine.h"
#include "ipsec/notices.h"
#include "ipsec/policy_index.h"
#include "wire/ip.h"

namespace caponier::ipsec {

struct SpdEntry {
  Policy policy;
  ChildName child;  ///< policy.connection and policy.child, ready for lookups
};

class Spd {
 public:
  explicit Spd(const SpdLimits& limits) : limits_(limits) {}

  void set(std::vector<Policy> policies);

  /// The entry for a packet that leaves us: its source is local. Null when none matches. Borrowed
  /// until the next set().
  [[nodiscard]] const SpdEntry* match_outbound(const wire::PacketSelectorFields& packet) const;
  /// Whether an earlier policy than `found`, which its fragment matches without ports, asks for
  /// ports and might be the one of the whole packet (RFC 4301 s7). Not where `found` is for OPAQUE
  /// ports: then somebody has decided where fragments go.
  [[nodiscard]] bool needs_ports(const wire::PacketSelectorFields& fragment,
                                 const SpdEntry* found) const;
  /// The same for a packet that arrives, in clear or from an SA.
  [[nodiscard]] const SpdEntry* match_inbound(const wire::PacketSelectorFields& packet) const;
  /// The children that protecting policies name.
  [[nodiscard]] std::set<ChildName> children() const;
  /// Changes whenever an earlier match may no longer hold.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  /// Policies that found no room in the index, and pairs of selectors in it.
  [[nodiscard]] std::size_t unindexed() const { return unindexed_.size(); }
  [[nodiscard]] std::size_t indexed_copies() const { return index_.copies(); }

 private:
  [[nodiscard]] const SpdEntry* match(const PolicyKey& key,
                                      const wire::PacketSelectorFields& packet) const;

  SpdLimits limits_;
  std::vector<SpdEntry> entries_;
  PolicyIndex index_;
  std::vector<std::uint32_t> unindexed_;   ///< of entries_
  std::vector<std::uint32_t> with_ports_;  ///< of entries_: outbound, and not for all ports
  std::uint64_t generation_ = 1;
};

/// A packet between our selectors and theirs. Fragments without ports match only selectors for any
/// or OPAQUE ports (RFC 4301 s7). Of ICMP and the Mobility Header, whose packets have one value for
/// both ends, the receiving end's OPAQUE lets everything pass (s4.4.1.3).
[[nodiscard]] bool is_outbound_match(const policy::TrafficSelectors& local,
                                     const policy::TrafficSelectors& remote,
                                     const wire::PacketSelectorFields& packet);
[[nodiscard]] bool is_inbound_match(const policy::TrafficSelectors& local,
                                    const policy::TrafficSelectors& remote,
                                    const wire::PacketSelectorFields& packet);
/// OPAQUE ports: what passes is later fragments, each by itself.
[[nodiscard]] bool is_for_fragments(const policy::TrafficSelectors& local,
                                    const policy::TrafficSelectors& remote);

}  // namespace caponier::ipsec
