#pragma once
// Packets between two hosts with IPv4 options or IPv6 extension headers.

#include <cstdint>
#include <string_view>
#include <vector>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {

inline constexpr std::string_view host_a = "192.0.2.1";
inline constexpr std::string_view host_b = "198.51.100.1";
inline constexpr std::string_view host6_a = "2001:db8::1";
inline constexpr std::string_view host6_b = "2001:db8::2";

/// UDP; IPv4 with an identification, which what protects it may otherwise choose.
inline ByteVec host_packet(bool v4, std::size_t payload) {
  if (!v4) return udp_packet(host6_a, host6_b, payload);
  ByteVec packet = udp_packet(host_a, host_b, payload);
  set_v4_word(packet, 4, 0x1234);
  return packet;
}

/// `options` must fill whole words.
inline ByteVec with_v4_options(const std::vector<int>& options,
                               std::string_view destination = host_b) {
  ByteVec packet = udp_packet(host_a, destination, 40);
  ByteVec inserted;
  for (const int octet : options) inserted.push_back(static_cast<std::byte>(octet));
  packet.insert(packet.begin() + 20, inserted.begin(), inserted.end());
  packet[0] = static_cast<std::byte>(0x45 + inserted.size() / 4);
  base::store_be(&packet[2], static_cast<std::uint16_t>(packet.size()));
  base::store_be<std::uint16_t>(&packet[4], 0x1234);
  base::store_be<std::uint16_t>(&packet[10], 0);
  base::store_be(&packet[10], wire::internet_checksum(Bytes{packet}.first(20 + inserted.size())));
  return packet;
}

struct Extension {
  std::uint8_t type = 0;
  std::vector<std::uint8_t> data;  ///< behind Next Header and length: 6 octets, 14, 22 ...
};

inline ByteVec with_extensions(const std::vector<Extension>& extensions,
                               std::string_view destination = host6_b) {
  ByteVec packet = udp_packet(host6_a, destination, 40);
  std::size_t at = wire::ipv6_header_size;
  std::size_t next_at = 6;
  for (const Extension& extension : extensions) {
    ByteVec header{packet[next_at], static_cast<std::byte>((extension.data.size() + 2) / 8 - 1)};
    for (const std::uint8_t octet : extension.data) header.push_back(std::byte{octet});
    packet[next_at] = std::byte{extension.type};
    packet.insert(packet.begin() + static_cast<std::ptrdiff_t>(at), header.begin(), header.end());
    next_at = at;
    at += header.size();
  }
  base::store_be(&packet[4], static_cast<std::uint16_t>(packet.size() - wire::ipv6_header_size));
  return packet;
}

inline std::vector<std::uint8_t> routing_data(std::uint8_t type, std::uint8_t left,
                                              const std::vector<std::string_view>& addresses) {
  std::vector<std::uint8_t> data{type, left, 0, 0, 0, 0};
  for (const std::string_view address : addresses) {
    const IpAddress parsed = ip(address);
    for (const std::byte octet : parsed.bytes())
      data.push_back(std::to_integer<std::uint8_t>(octet));
  }
  return data;
}

}  // namespace caponier::ipsec::test
