#pragma once
// What the engine looks at in every inner IP packet, read in one pass: most packets are plain TCP
// or UDP, and theirs is read without a call.

#include <cstddef>
#include <cstdint>

#include "wire/ip.h"
#include "wire/tcp.h"

namespace caponier::ipsec {

/// wire::PacketSelectorFields in five words, for tables.
struct FlowKey {
  std::uint64_t meta = 0;  ///< ports, protocol, and the flags below
  std::uint64_t source = 0;
  std::uint64_t destination = 0;
  std::uint64_t source_low = 0;  ///< IPv6 only, as destination_low
  std::uint64_t destination_low = 0;

  static constexpr std::uint64_t is_v6 = 1;
  static constexpr std::uint64_t is_fragment = 2;
  static constexpr std::uint64_t is_first_fragment = 4;
  static constexpr std::uint64_t has_ports = 8;

  [[nodiscard]] static FlowKey of(const wire::PacketSelectorFields& fields);
  /// The four octets of the ports as they stand in the packet.
  [[nodiscard]] static std::uint64_t make_meta(std::uint32_t ports, std::uint8_t protocol,
                                               std::uint64_t flags) {
    return std::uint64_t{ports} << 32 | std::uint64_t{protocol} << 8 | flags;
  }
  [[nodiscard]] std::uint64_t hash() const {
    const std::uint64_t words = meta * 0x9e3779b97f4a7c15 + source * 0xbf58476d1ce4e5b9 +
                                destination * 0x94d049bb133111eb + source_low * 0xd6e8feb86659fd93 +
                                destination_low * 0xc2b2ae3d27d4eb4f;
    return (words ^ (words >> 32)) * 0x9e3779b97f4a7c15;
  }
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

struct IpSummary {
  FlowKey flow;
  std::size_t size = 0;  ///< the packet's own; there may be more octets behind
  std::uint8_t tos = 0;  ///< or traffic class
  bool is_v4 = false;
  bool dont_fragment = false;  ///< always for IPv6
  bool is_syn = false;         ///< TCP, and not a fragment
};

/// Of any packet; false when wire::selector_fields() would fail.
[[nodiscard]] bool summarize_any(base::Bytes packet, IpSummary& to);

/// The same, faster where it can be.
[[nodiscard]] inline bool summarize(base::Bytes packet, IpSummary& to) {
  constexpr std::size_t ports_size = 4;
  constexpr std::size_t tcp_flags_at = 13;
  const auto load16 = [&](std::size_t at) {
    return base::load_be<std::uint16_t>(packet.data() + at);
  };
  const auto load32 = [&](std::size_t at) {
    return base::load_be<std::uint32_t>(packet.data() + at);
  };
  const auto load64 = [&](std::size_t at) {
    return base::load_be<std::uint64_t>(packet.data() + at);
  };
  const auto octet = [&](std::size_t at) { return std::to_integer<std::uint8_t>(packet[at]); };
  std::size_t header = wire::ipv4_header_size_min;
  std::uint8_t protocol = 0;
  std::uint64_t flags = FlowKey::has_ports;
  if (packet.size() < header + ports_size) return summarize_any(packet, to);
  if (octet(0) == 0x45) {
    if ((load16(6) & 0x3fff) != 0) return summarize_any(packet, to);
    to.size = load16(2);
    to.tos = octet(1);
    to.is_v4 = true;
    to.dont_fragment = (load16(6) & 0x4000) != 0;
    protocol = octet(9);
    to.flow.source = load32(12);
    to.flow.destination = load32(16);
    to.flow.source_low = to.flow.destination_low = 0;
  } else {
    header = wire::ipv6_header_size;
    if (octet(0) >> 4 != 6 || packet.size() < header + ports_size) return summarize_any(packet, to);
    to.size = header + load16(4);
    to.tos = static_cast<std::uint8_t>(load16(0) >> 4);
    to.is_v4 = false;
    to.dont_fragment = true;
    protocol = octet(6);
    flags |= FlowKey::is_v6;
    to.flow.source = load64(8);
    to.flow.source_low = load64(16);
    to.flow.destination = load64(24);
    to.flow.destination_low = load64(32);
  }
  if (to.size > packet.size()) return false;
  const bool is_tcp = protocol == wire::ip_protocol::tcp;
  if (!is_tcp && protocol != wire::ip_protocol::udp) return summarize_any(packet, to);
  if (to.size < header + ports_size) return false;
  to.flow.meta = FlowKey::make_meta(load32(header), protocol, flags);
  to.is_syn = is_tcp && to.size > header + tcp_flags_at &&
              (octet(header + tcp_flags_at) & wire::TcpView::flag_syn) != 0;
  return true;
}

}  // namespace caponier::ipsec
