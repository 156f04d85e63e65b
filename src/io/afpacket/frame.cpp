#include "io/afpacket/frame.h"

#include <algorithm>

#include "base/error.h"
#include "wire/checksum.h"
#include "wire/ip.h"

namespace caponier::io {
namespace {

using offload::VirtioHeader;

constexpr std::size_t ipv4_ttl_at = 8;
constexpr std::size_t ipv4_checksum_at = 10;
constexpr std::size_t ipv6_hop_limit_at = 7;
constexpr std::uint16_t ethertype_ipv4 = 0x0800;
constexpr std::uint16_t ethertype_ipv6 = 0x86dd;

bool is_v4(base::Bytes packet) { return wire::ip_version(packet) == 4; }
std::size_t header_size(base::Bytes packet) {
  return is_v4(packet) ? wire::ipv4_header_size_min : wire::ipv6_header_size;
}

VirtioHeader with_link_header(VirtioHeader header) {
  if (header.hdr_len != 0) {
    header.hdr_len = static_cast<std::uint16_t>(header.hdr_len + ethernet_header_size);
  }
  if (header.needs_checksum()) {
    header.csum_start = static_cast<std::uint16_t>(header.csum_start + ethernet_header_size);
  }
  return header;
}

}  // namespace

VirtioHeader without_link_header(const VirtioHeader& header) {
  VirtioHeader inner = header;
  // Out of range is what remains out of range.
  if (header.needs_checksum()) {
    inner.csum_start = static_cast<std::uint16_t>(
        header.csum_start - std::min<std::size_t>(header.csum_start, ethernet_header_size));
  }
  return inner;
}

FrameHead make_frame_head(const NextHop& hop, const VirtioHeader& header, base::Bytes packet) {
  FrameHead head;
  head.copied = header_size(packet);
  head.size = VirtioHeader::size + ethernet_header_size + head.copied;
  CAPONIER_ASSERT(packet.size() >= head.copied);
  base::MutBytes to{head.bytes};
  base::copy_into(to, with_link_header(header).encode());
  to = to.subspan(VirtioHeader::size);
  base::copy_into(to, hop.remote);
  base::copy_into(to.subspan(hop.remote.size()), hop.local);
  base::store_be(&to[hop.remote.size() + hop.local.size()],
                 is_v4(packet) ? ethertype_ipv4 : ethertype_ipv6);
  to = to.subspan(ethernet_header_size);
  base::copy_into(to, packet.first(head.copied));
  take_hop(to.first(head.copied));
  return head;
}

bool has_hops_left(base::Bytes packet) {
  if (packet.size() < header_size(packet)) return false;
  return std::to_integer<unsigned>(packet[is_v4(packet) ? ipv4_ttl_at : ipv6_hop_limit_at]) > 1;
}

void take_hop(base::MutBytes packet) {
  CAPONIER_ASSERT(has_hops_left(packet));
  if (!is_v4(packet)) {
    packet[ipv6_hop_limit_at] = std::byte(std::to_integer<unsigned>(packet[ipv6_hop_limit_at]) - 1);
    return;
  }
  const auto before = base::load_be<std::uint16_t>(&packet[ipv4_ttl_at]);
  packet[ipv4_ttl_at] = std::byte(std::to_integer<unsigned>(packet[ipv4_ttl_at]) - 1);
  const auto after = base::load_be<std::uint16_t>(&packet[ipv4_ttl_at]);
  const auto checksum = base::load_be<std::uint16_t>(&packet[ipv4_checksum_at]);
  base::store_be(&packet[ipv4_checksum_at], wire::checksum_update(checksum, before, after));
}

}  // namespace caponier::io
