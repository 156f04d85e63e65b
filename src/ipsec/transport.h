#pragma once
// Transport mode (RFC 4301 s3.2, RFC 4303 s3.1.1): the IP header stays outside, so the engine takes
// it off and later makes one.

#include <cstdint>

#include "ipsec/packet.h"
#include "policy/child_sa.h"
#include "wire/ip.h"

namespace caponier::ipsec {

/// Source and destination of what an SA delivers.
struct TransportAddresses {
  base::IpAddress remote;
  base::IpAddress local;
};

/// The path's, except that an end whose selectors name a single address has that one: it is the
/// one its own stack knows. For the remote end only behind UDP encapsulation, without which the
/// path's address is the peer's own.
[[nodiscard]] TransportAddresses transport_addresses(const policy::InstallSa& params);

/// Puts an IP header in front of a decrypted payload. False when the packet would be too long.
[[nodiscard]] bool rebuild_ip_header(PacketBuffer& packet, const TransportAddresses& addresses,
                                     std::uint8_t protocol, std::uint8_t tos);

/// Makes the checksum of TCP, UDP or ICMPv6 right for the addresses the packet now has (RFC 3948
/// s3.1.2). `ip_packet` comes from rebuild_ip_header().
void fix_transport_checksum(base::MutBytes ip_packet);

}  // namespace caponier::ipsec
