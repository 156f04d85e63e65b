#pragma once
// What must not arrive in clear (RFC 4301 s5.2): the policies, turned round into rules that a
// packet filter of the host can keep. The driver sees to what is no clear traffic at all: packets
// out of the tunnel device, and IKE, ESP and AH to this host itself.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/drops.h"
#include "ipsec/engine.h"

namespace caponier::gateway {

struct AddressRange {
  base::IpAddress first;
  base::IpAddress last;
  friend constexpr auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

/// first > last: only packets whose ports cannot be seen (RFC 4301's OPAQUE). For ICMP and the
/// Mobility Header what policy::TrafficSelector says.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0xffff;
  [[nodiscard]] bool is_any() const { return first == 0 && last == 0xffff; }
  [[nodiscard]] bool is_opaque() const { return first > last; }
  friend constexpr auto operator<=>(const PortRange&, const PortRange&) = default;
};

/// `unmatched`: what no policy names.
enum class ClearVerdict : std::uint8_t { admit, unprotected, discard, unmatched };

/// A packet from one of `remote` to one of `local`, both sorted, disjoint and of one family.
struct ClearRule {
  ClearVerdict verdict = ClearVerdict::unprotected;
  std::uint8_t protocol = 0;  ///< 0 = any
  PortRange remote_ports;
  PortRange local_ports;
  std::vector<AddressRange> remote;
  std::vector<AddressRange> local;
  friend auto operator<=>(const ClearRule&, const ClearRule&) = default;
};

/// The first rule that matches decides; what none matches passes.
using ClearRules = std::vector<ClearRule>;

/// Replaces all rules at once; none: nothing is filtered any more.
struct SetClearFilter {
  ClearRules rules;
  /// For what leaves this host itself: a packet from one of `local` to one of `remote`.
  ClearRules departing;
  friend bool operator==(const SetClearFilter&, const SetClearFilter&) = default;
};

/// A later fragment shows no ports: it might belong to the packets that `rule` wants protected, and
/// overlap theirs, so it matches without any (RFC 4301 s7.4). A filter that sees packets whole, as
/// behind connection tracking, never meets one.
[[nodiscard]] bool takes_later_fragments(const ClearRule& rule);

/// Sorted, and without overlaps.
[[nodiscard]] std::vector<AddressRange> merged(std::vector<AddressRange> ranges);
[[nodiscard]] ClearRules make_clear_rules(const std::vector<ipsec::Policy>& policies);
/// As RFC 4301 s5 has it: what no policy names does not pass, whichever way it goes.
[[nodiscard]] SetClearFilter make_closed_filter(const std::vector<ipsec::Policy>& policies);

/// What the rules say of a whole IP packet: the reason to drop it, or nothing. The twin of what the
/// driver's filter does, for where there is none.
[[nodiscard]] std::optional<base::DropReason> judge_clear(const ClearRules& rules,
                                                          base::Bytes ip_packet);

}  // namespace caponier::gateway
