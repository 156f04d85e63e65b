#pragma once
// Traffic selectors as sets (RFC 7296 s2.9 and s3.13, RFC 4301 s4.4.1.1): intersection, inclusion,
// narrowing, and the translation from and to the wire.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "wire/ike.h"

namespace caponier::policy {

/// Addresses first..last of one family, protocol 0 = any, ports first..last. For ICMP the ports
/// hold type << 8 | code. OPAQUE ports (RFC 4301) are first_port 65535, last_port 0.
struct TrafficSelector {
  base::IpAddress first;
  base::IpAddress last;
  std::uint8_t protocol = 0;
  std::uint16_t first_port = 0;
  std::uint16_t last_port = 0xffff;

  [[nodiscard]] static TrafficSelector from_prefix(const base::Prefix& prefix,
                                                   std::uint8_t protocol = 0,
                                                   std::uint16_t first_port = 0,
                                                   std::uint16_t last_port = 0xffff);
  [[nodiscard]] static TrafficSelector any(base::Family family);
  [[nodiscard]] bool is_any_port() const { return first_port == 0 && last_port == 0xffff; }
  /// "10.1.0.0/16", "10.1.0.5-10.1.0.9[tcp/443]".
  [[nodiscard]] std::string to_string() const;
  friend constexpr auto operator<=>(const TrafficSelector&, const TrafficSelector&) = default;
};

using TrafficSelectors = std::vector<TrafficSelector>;

/// The addresses of a selector as networks: the fewest, lowest first.
[[nodiscard]] std::vector<base::Prefix> prefixes_of(const TrafficSelector& selector);

[[nodiscard]] std::optional<TrafficSelector> intersect(const TrafficSelector& a,
                                                       const TrafficSelector& b);
/// Every packet `inner` matches, `outer` matches too.
[[nodiscard]] bool contains(const TrafficSelector& outer, const TrafficSelector& inner);
/// True when each element of `inner` lies within one element of `outer`.
[[nodiscard]] bool contains(const TrafficSelectors& outer, const TrafficSelectors& inner);

/// What a responder answers (s2.9): the pairwise intersections of `offered` and `allowed`, in the
/// order of `offered`, without elements contained in another, at most
/// wire::traffic_selector_count_max; empty means TS_UNACCEPTABLE.
[[nodiscard]] TrafficSelectors narrow(const TrafficSelectors& offered,
                                      const TrafficSelectors& allowed);

/// Our end of the packet (`local_port` etc. taken by the caller) against one selector. A packet
/// without ports (`has_ports` false) matches only selectors for any port or OPAQUE ones.
[[nodiscard]] bool matches(const TrafficSelector& selector, const base::IpAddress& address,
                           std::uint8_t protocol, bool has_ports, std::uint16_t port);
[[nodiscard]] bool matches_any(const TrafficSelectors& selectors, const base::IpAddress& address,
                               std::uint8_t protocol, bool has_ports, std::uint16_t port);

/// Skips selectors of unknown type, and those whose first address or port lies behind the last.
[[nodiscard]] TrafficSelectors from_wire(const wire::TsPayload& payload);
[[nodiscard]] wire::TsPayload to_wire(const TrafficSelectors& selectors, bool initiator);
[[nodiscard]] std::string to_string(const TrafficSelectors& selectors);

}  // namespace caponier::policy
