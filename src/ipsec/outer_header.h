#pragma once
// What the outer header says (RFC 4301 s5.1.2): DSCP and ECN, hop limit, flow label, and whether
// the packet may be fragmented on its way.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "ipsec/ecn.h"
#include "ipsec/engine.h"
#include "ipsec/ip_summary.h"
#include "ipsec/sa.h"

namespace caponier::ipsec {

inline constexpr std::size_t ipv6_mtu_min = 1280;  ///< RFC 8200 s5
inline constexpr std::uint8_t ecn_mask = 3;

/// In transport mode the packet keeps its header, as far as a socket can be told.
void keep_header(ProtectItem& item, const IpSummary& packet);
[[nodiscard]] std::uint32_t flow_label_in(base::Bytes ipv6_packet);
/// For flows of an SA to stay together wherever labels are hashed (RFC 6438).
[[nodiscard]] std::uint32_t flow_label_of(base::Spi spi_out);

/// Of the outer packet, `outer_size` octets long, around `packet`.
inline void set_outer_header(ProtectItem& item, const Sa& sa, const IpSummary& packet,
                             std::size_t outer_size) {
  const policy::OuterHeader& outer = sa.outer;
  if (sa.mode == policy::SaMode::transport) {
    keep_header(item, packet);
  } else {
    const unsigned dscp = outer.dscp ? *outer.dscp : unsigned{packet.tos} >> 2;
    const unsigned ecn = outer.ecn ? packet.tos & ecn_mask : 0U;
    item.tos = static_cast<std::uint8_t>(dscp << 2 | ecn);
    item.ttl = outer.ttl;
    item.flow_label = outer.copy_flow_label && !packet.is_v4 ? flow_label_in(item.packet->bytes())
                                                             : sa.flow_label;
  }
  item.dont_fragment = false;
  item.fragment_to = 0;
  if (!sa.params.path.remote.address.is_v4()) {
    if (outer_size <= sa.proven_mtu) return;
    item.fragment_to = std::max(std::min(sa.proven_mtu, sa.path_mtu), ipv6_mtu_min);
    return;
  }
  //= rfc4301#8.1-1..2
  switch (outer.df) {
    // What nobody knows to pass must not vanish, should nobody tell us that it does not.
    case policy::OuterDf::copy:
      item.dont_fragment = packet.dont_fragment && outer_size <= sa.proven_mtu;
      break;
    case policy::OuterDf::set: item.dont_fragment = outer_size <= sa.path_mtu; break;
    case policy::OuterDf::clear: break;
  }
}

/// The DSCP and ECN that the inner packet leaves with: its own, with the congestion that `outer`
/// tells (RFC 6040) and, where the SA says so, the DSCP of `outer` (RFC 2983). Empty when the
/// packet must be dropped.
[[nodiscard]] inline std::optional<std::uint8_t> tos_inward(const policy::OuterHeader& treatment,
                                                            std::uint8_t inner,
                                                            std::uint8_t outer) {
  unsigned ecn = inner & ecn_mask;
  if (treatment.ecn) {
    const auto merged =
        decapsulated_ecn(static_cast<wire::Ecn>(ecn), static_cast<wire::Ecn>(outer & ecn_mask));
    if (!merged.has_value()) return std::nullopt;
    ecn = static_cast<unsigned>(*merged);
  }
  const unsigned dscp = unsigned{treatment.copy_dscp_inward ? outer : inner} >> 2;
  return static_cast<std::uint8_t>(dscp << 2 | ecn);
}

}  // namespace caponier::ipsec
