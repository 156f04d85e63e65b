#pragma once
// struct virtio_net_hdr (Virtio 1.3 s5.1.6), which Linux puts before every packet of a TUN device
// with IFF_VNET_HDR or a packet socket with PACKET_VNET_HDR: what is still to be done to the
// packet.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace caponier::offload {

/// The kernel's names of its bits and numbers.
namespace virtio {
inline constexpr std::uint8_t flag_needs_csum =
    1;  ///< the field holds only the pseudo header's sum
inline constexpr std::uint8_t flag_data_valid = 2;  ///< the checksum was verified
inline constexpr std::uint8_t gso_none = 0;
inline constexpr std::uint8_t gso_tcpv4 = 1;
inline constexpr std::uint8_t gso_udp = 3;  ///< fragments of one datagram, which nobody makes now
inline constexpr std::uint8_t gso_tcpv6 = 4;
inline constexpr std::uint8_t gso_udp_l4 = 5;
inline constexpr std::uint8_t gso_ecn =
    0x80;  ///< a bit beside TCP's: CWR belongs to the first only
}  // namespace virtio

/// In the machine's byte order, as Linux has it unless told otherwise. Offsets count from the
/// packet's first octet, which here is the IP header's.
struct VirtioHeader {
  static constexpr std::size_t size = 10;

  std::uint8_t flags = 0;
  std::uint8_t gso_type = virtio::gso_none;
  std::uint16_t hdr_len = 0;      ///< a hint; kernels say more than the headers' true length
  std::uint16_t gso_size = 0;     ///< payload octets of each segment but the last
  std::uint16_t csum_start = 0;   ///< where what the checksum covers begins
  std::uint16_t csum_offset = 0;  ///< of the checksum, from csum_start

  /// Any ten octets are a header; whether it suits its packet is seen later.
  [[nodiscard]] static VirtioHeader decode(std::span<const std::byte, size> from);
  [[nodiscard]] std::array<std::byte, size> encode() const;

  [[nodiscard]] bool needs_checksum() const { return (flags & virtio::flag_needs_csum) != 0; }
  friend bool operator==(const VirtioHeader&, const VirtioHeader&) = default;
};

}  // namespace caponier::offload
