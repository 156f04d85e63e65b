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
  [[nodiscard]] static std::uint64_t make_meta(std::uint32_t ports, unsigned protocol,
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

inline constexpr std::size_t ports_size = 4;

/// What stands behind an IP header of `header` octets; `to` has the rest. `flags` of the key.
[[nodiscard]] inline bool summarize_upper(base::Bytes packet, std::size_t header, unsigned protocol,
                                          std::uint64_t flags, IpSummary& to) {
  constexpr std::size_t tcp_flags_at = 13;
  const std::byte* const upper = packet.data() + header;
  const bool is_tcp = protocol == wire::ip_protocol::tcp;
  if (to.size > packet.size()) return false;
  if (!is_tcp && protocol != wire::ip_protocol::udp) return summarize_any(packet, to);
  if (to.size < header + ports_size) return false;
  to.flow.meta =
      FlowKey::make_meta(base::load_be<std::uint32_t>(upper), protocol, flags | FlowKey::has_ports);
  to.is_syn = is_tcp && to.size > header + tcp_flags_at &&
              (std::to_integer<unsigned>(upper[tcp_flags_at]) & wire::TcpView::flag_syn) != 0;
  return true;
}

/// The same as summarize_any(), faster where it can be.
[[nodiscard]] inline bool summarize(base::Bytes packet, IpSummary& to) {
  const std::byte* const at = packet.data();
  const auto octet = [&](std::size_t i) { return std::to_integer<unsigned>(at[i]); };
  if (packet.size() < wire::ipv4_header_size_min + ports_size) return summarize_any(packet, to);
  if (octet(0) == 0x45) {
    const unsigned fragmentation = base::load_be<std::uint16_t>(at + 6);
    if ((fragmentation & 0x3fff) != 0) return summarize_any(packet, to);
    to.size = base::load_be<std::uint16_t>(at + 2);
    to.tos = static_cast<std::uint8_t>(octet(1));
    to.is_v4 = true;
    to.dont_fragment = (fragmentation & 0x4000) != 0;
    to.flow.source = base::load_be<std::uint32_t>(at + 12);
    to.flow.destination = base::load_be<std::uint32_t>(at + 16);
    to.flow.source_low = to.flow.destination_low = 0;
    return summarize_upper(packet, wire::ipv4_header_size_min, octet(9), 0, to);
  }
  if (octet(0) >> 4 != 6 || packet.size() < wire::ipv6_header_size + ports_size) {
    return summarize_any(packet, to);
  }
  to.size = wire::ipv6_header_size + base::load_be<std::uint16_t>(at + 4);
  to.tos = static_cast<std::uint8_t>(base::load_be<std::uint16_t>(at) >> 4);
  to.is_v4 = false;
  to.dont_fragment = true;
  to.flow.source = base::load_be<std::uint64_t>(at + 8);
  to.flow.source_low = base::load_be<std::uint64_t>(at + 16);
  to.flow.destination = base::load_be<std::uint64_t>(at + 24);
  to.flow.destination_low = base::load_be<std::uint64_t>(at + 32);
  return summarize_upper(packet, wire::ipv6_header_size, octet(6), FlowKey::is_v6, to);
}

}  // namespace caponier::ipsec
