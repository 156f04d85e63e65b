#pragma once
// Packets on their way into and out of IP sockets.

#include <cstdint>

#include "base/address.h"
#include "ipsec/packet.h"

namespace caponier::io {

/// One datagram, or raw packet; `packet` is empty when it was cut short or is not valid IP.
struct Received {
  ipsec::PacketBuffer* packet = nullptr;
  base::Path path;
  std::uint8_t tos = 0;
  /// It begins with its IP header, and has what stood between that and ESP or AH: of AH always, of
  /// ESP when there was anything.
  bool is_whole = false;
};

struct Outgoing {
  base::Bytes bytes;
  base::Path path;  ///< an unspecified local address lets the kernel choose
  std::uint8_t tos = 0;
  std::uint8_t ttl = 0;          ///< or hop limit; 0: the system's
  std::uint32_t flow_label = 0;  ///< IPv6; 0: the system's
  /// The packet leaves whole, with DF in IPv4, whatever the kernel believes of the path; what the
  /// device cannot carry is refused. Otherwise the kernel may fragment it, and routers may.
  bool dont_fragment = false;
};

}  // namespace caponier::io
