#pragma once
// What the XDP program on an outer interface takes from the kernel: ESP and ESP in UDP to this
// host's own addresses, in whole packets without IP options or extension headers. All else passes:
// IKE and keepalives, ICMP, fragments, what is not for us.

#include <linux/bpf.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/address.h"

namespace caponier::io {

/// As the program looks it up: IPv4 addresses are mapped into IPv6 (RFC 4291 s2.5.5.2).
using AddressKey = std::array<std::byte, 16>;
[[nodiscard]] AddressKey address_key(const base::IpAddress& address);

struct OuterProgramOptions {
  std::uint16_t natt_port = 0;
  std::size_t frame_max = 0;  ///< larger ones pass
  int addresses = -1;         ///< a map: AddressKey to anything of 4 octets
  int sockets = -1;           ///< an XSKMAP by receive queue; where it has none, the packet passes
};
[[nodiscard]] std::vector<bpf_insn> make_outer_program(const OuterProgramOptions& options);

}  // namespace caponier::io
