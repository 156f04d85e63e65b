#pragma once
// ESP, native or in UDP (RFC 3948), as Ethernet frames with all their headers. No sockets.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "io/afpacket/frame.h"
#include "io/socket/packet_io.h"

namespace caponier::io {

/// What the kernel would fill in.
struct OuterDefaults {
  std::uint8_t ttl = 64;        ///< IPv4
  std::uint8_t hop_limit = 64;  ///< IPv6
};

/// Of the IP packet around `item`: in UDP where its path has ports, otherwise native.
[[nodiscard]] std::size_t outer_packet_size(const Outgoing& item);
/// Writes the whole frame; `to` must have room for it. `identification`: of an IPv4 packet that may
/// be fragmented on its way (RFC 6864). UDP has a checksum in IPv6 only.
void write_outer_frame(base::MutBytes to, const NextHop& hop, const Outgoing& item,
                       std::uint16_t identification, const OuterDefaults& defaults);

struct OuterPacket {
  base::Path path;  ///< without ports: native ESP
  std::uint8_t tos = 0;
  base::Bytes esp;
};
/// Of a frame that make_outer_program() takes; empty where its lengths, its IPv4 header checksum or
/// its source make no sense. Filling behind the packet is left out.
[[nodiscard]] std::optional<OuterPacket> read_outer_frame(base::Bytes frame);

}  // namespace caponier::io
