#pragma once
// IP packets as Ethernet frames behind a virtio header (packet(7), PACKET_VNET_HDR), and what a
// router changes in them. No sockets.

#include <array>
#include <cstddef>

#include "base/bytes.h"
#include "io/netlink/neighbour_messages.h"
#include "offload/virtio_header.h"

namespace caponier::io {

inline constexpr std::size_t ethernet_header_size = 14;

/// An Ethernet neighbour through which a destination is reached.
struct NextHop {
  unsigned interface = 0;
  MacAddress local{};
  MacAddress remote{};
  std::size_t mtu = 0;
  bool is_stale = false;  ///< the kernel has not heard of the neighbour for a while
};

/// What stands in front of the rest of a packet.
struct FrameHead {
  static constexpr std::size_t size_max = offload::VirtioHeader::size + ethernet_header_size + 40;

  std::array<std::byte, size_max> bytes;
  std::size_t size = 0;
  std::size_t copied = 0;  ///< octets of the packet that are in `bytes`
};

/// `packet` is whole IP headers at least, and has_hops_left(); in the frame it has one fewer.
/// `header` counts from the packet's first octet.
[[nodiscard]] FrameHead make_frame_head(const NextHop& hop, const offload::VirtioHeader& header,
                                        base::Bytes packet);
/// The header of a frame, as it counts in the packet that the frame carries.
[[nodiscard]] offload::VirtioHeader without_link_header(const offload::VirtioHeader& header);

/// Whether a router may pass the packet on; the last hop is the kernel's, which tells the sender.
[[nodiscard]] bool has_hops_left(base::Bytes packet);
/// RFC 1812 s5.3.1, RFC 8200 s3. Only where has_hops_left().
void take_hop(base::MutBytes packet);

}  // namespace caponier::io
