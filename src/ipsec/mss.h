#pragma once
// The MSS option of TCP SYNs, lowered to what fits the tunnel, so that no path MTU discovery has to
// work for TCP to work.

#include <cstddef>

#include "base/bytes.h"

namespace caponier::ipsec {

/// An MSS is never lowered below this: such a path is broken in a way no clamp mends.
inline constexpr std::size_t mss_min = 64;

/// Clamps a whole IP packet's MSS to `inner_mtu` less IP and TCP headers, checksums included.
/// Leaves alone whatever is not an unfragmented, well-formed SYN.
void clamp_packet_mss(base::MutBytes ip_packet, std::size_t inner_mtu);

}  // namespace caponier::ipsec
