#pragma once
// TCP and UDP packets of any kind, with checksums from a model of its own: slow, and written
// without a look at the code under test.

#include <utility>
#include <vector>

#include "offload/virtio_header.h"
#include "wire/ip.h"

namespace caponier::offload::packets {

using base::Bytes;
using base::ByteVec;
using base::MutBytes;

namespace flag {
inline constexpr std::uint8_t fin = 1;
inline constexpr std::uint8_t syn = 2;
inline constexpr std::uint8_t rst = 4;
inline constexpr std::uint8_t psh = 8;
inline constexpr std::uint8_t ack = 16;
inline constexpr std::uint8_t urg = 32;
inline constexpr std::uint8_t ece = 64;
inline constexpr std::uint8_t cwr = 128;
}  // namespace flag

inline ByteVec pattern(std::size_t size, unsigned seed = 3) {
  ByteVec data(size);
  for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>(i * 7 + i / 256 + seed);
  return data;
}

/// What a packet is made of.
struct Spec {
  bool is_v6 = false;
  bool is_tcp = true;
  std::uint8_t host = 5;  ///< the last octet of the source
  std::uint8_t tos = 0;
  std::uint8_t ttl = 64;
  std::uint16_t identification = 1;
  bool dont_fragment = true;
  std::uint32_t flow_label = 0;
  ByteVec ip_extra{};  ///< IPv4 options, or an IPv6 header of destination options
  std::uint16_t source_port = 1000;
  std::uint16_t destination_port = 2000;
  std::uint32_t sequence = 100;
  std::uint32_t acknowledgment = 7;
  std::uint8_t flags = flag::ack;
  std::uint16_t window = 512;
  std::uint16_t urgent_pointer = 0;
  ByteVec tcp_options{};
  ByteVec payload{};

  [[nodiscard]] std::size_t transport_at() const { return (is_v6 ? 40U : 20U) + ip_extra.size(); }
  [[nodiscard]] std::size_t transport_header_size() const {
    return is_tcp ? 20 + tcp_options.size() : 8;
  }
  [[nodiscard]] std::size_t payload_at() const { return transport_at() + transport_header_size(); }
  [[nodiscard]] std::size_t checksum_offset() const { return is_tcp ? 16 : 6; }
};

/// The one's complement sum of big-endian words.
inline std::uint32_t slow_sum(Bytes data, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    sum += std::to_integer<std::uint32_t>(data[i]) << (i % 2 == 0 ? 8 : 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

inline std::uint32_t slow_pseudo_sum(Bytes packet, std::size_t transport_at, bool is_tcp) {
  const bool is_v4 = wire::ip_version(packet) == 4;
  base::Writer pseudo;
  pseudo.bytes(is_v4 ? packet.subspan(12, 8) : packet.subspan(8, 32));
  pseudo.u32(static_cast<std::uint32_t>(packet.size() - transport_at));
  pseudo.u32(is_tcp ? 6 : 17);
  return slow_sum(pseudo.view());
}

/// The checksum to store, over a field that is zero.
inline std::uint16_t slow_checksum(Bytes packet, std::size_t transport_at, bool is_tcp) {
  const std::uint32_t pseudo = slow_pseudo_sum(packet, transport_at, is_tcp);
  const auto checksum = static_cast<std::uint16_t>(~slow_sum(packet.subspan(transport_at), pseudo));
  return checksum == 0 && !is_tcp ? std::uint16_t{0xffff} : checksum;
}

inline void put_ip_checksum(MutBytes packet) {
  if (wire::ip_version(packet) != 4) return;
  const std::size_t header = std::to_integer<std::size_t>(packet[0] & std::byte{0x0f}) * 4;
  base::store_be<std::uint16_t>(&packet[10], 0);
  base::store_be(&packet[10], static_cast<std::uint16_t>(~slow_sum(packet.first(header))));
}

inline ByteVec make_ip_header(const Spec& spec, std::size_t transport_size) {
  const auto protocol = static_cast<std::uint8_t>(spec.is_tcp ? 6 : 17);
  const std::size_t rest = spec.ip_extra.size() + transport_size;
  base::Writer out;
  if (spec.is_v6) {
    out.u32(0x60000000U | std::uint32_t{spec.tos} << 20 | spec.flow_label);
    out.u16(static_cast<std::uint16_t>(rest));
    out.u8(spec.ip_extra.empty() ? protocol : 60);
    out.u8(spec.ttl);
    out.bytes(base::IpAddress::parse("2001:db8::1:0")->bytes().first(15));
    out.u8(spec.host);
    out.bytes(base::IpAddress::parse("2001:db8::2:9")->bytes());
    if (!spec.ip_extra.empty()) {
      out.u8(protocol);
      out.bytes(Bytes{spec.ip_extra}.subspan(1));
    }
  } else {
    out.u8(static_cast<std::uint8_t>(0x45 + spec.ip_extra.size() / 4));
    out.u8(spec.tos);
    out.u16(static_cast<std::uint16_t>(20 + rest));
    out.u16(spec.identification);
    out.u16(spec.dont_fragment ? 0x4000 : 0);
    out.u8(spec.ttl);
    out.u8(protocol);
    out.u16(0);
    out.u32(0x0a010000U | spec.host);
    out.u32(0x0a020009);
    out.bytes(spec.ip_extra);
  }
  return out.finish().value();
}

inline ByteVec make_transport(const Spec& spec) {
  base::Writer out;
  out.u16(spec.source_port);
  out.u16(spec.destination_port);
  if (spec.is_tcp) {
    out.u32(spec.sequence);
    out.u32(spec.acknowledgment);
    out.u8(static_cast<std::uint8_t>((20 + spec.tcp_options.size()) / 4 * 16));
    out.u8(spec.flags);
    out.u16(spec.window);
    out.u16(0);
    out.u16(spec.urgent_pointer);
    out.bytes(spec.tcp_options);
  } else {
    out.u16(static_cast<std::uint16_t>(8 + spec.payload.size()));
    out.u16(0);
  }
  out.bytes(spec.payload);
  return out.finish().value();
}

/// With right checksums.
inline ByteVec make(const Spec& spec) {
  const ByteVec transport = make_transport(spec);
  ByteVec packet = make_ip_header(spec, transport.size());
  base::append(packet, transport);
  put_ip_checksum(packet);
  const std::size_t at = spec.transport_at();
  base::store_be(&packet[at + spec.checksum_offset()], slow_checksum(packet, at, spec.is_tcp));
  return packet;
}

/// With the pseudo header's sum in the checksum's place, as the kernel leaves it.
inline ByteVec make_partial(const Spec& spec) {
  ByteVec packet = make(spec);
  const std::size_t at = spec.transport_at();
  base::store_be(&packet[at + spec.checksum_offset()],
                 static_cast<std::uint16_t>(slow_pseudo_sum(packet, at, spec.is_tcp)));
  return packet;
}

inline VirtioHeader checksum_header(const Spec& spec) {
  return {.flags = virtio::flag_needs_csum,
          .csum_start = static_cast<std::uint16_t>(spec.transport_at()),
          .csum_offset = static_cast<std::uint16_t>(spec.checksum_offset())};
}

inline VirtioHeader gso_header(const Spec& spec, std::size_t gso_size) {
  VirtioHeader header = checksum_header(spec);
  const std::uint8_t tcp_type = spec.is_v6 ? virtio::gso_tcpv6 : virtio::gso_tcpv4;
  header.gso_type = spec.is_tcp ? tcp_type : virtio::gso_udp_l4;
  header.gso_size = static_cast<std::uint16_t>(gso_size);
  header.hdr_len = static_cast<std::uint16_t>(spec.payload_at());
  return header;
}

/// What the sender would have sent without offload, `each` octets of payload at a time.
inline std::vector<Spec> cut(const Spec& whole, std::size_t each, bool is_rfc3168_ecn = false) {
  std::vector<Spec> parts;
  for (std::size_t at = 0; at < whole.payload.size(); at += each) {
    const std::size_t size = std::min(each, whole.payload.size() - at);
    Spec part = whole;
    part.payload = base::to_vec(Bytes{whole.payload}.subspan(at, size));
    part.sequence = whole.sequence + static_cast<std::uint32_t>(at);
    part.identification = static_cast<std::uint16_t>(whole.identification + parts.size());
    if (at + size < whole.payload.size()) {
      part.flags = static_cast<std::uint8_t>(part.flags & ~unsigned{flag::fin | flag::psh});
    }
    if (at > 0 && is_rfc3168_ecn) {
      part.flags = static_cast<std::uint8_t>(part.flags & ~unsigned{flag::cwr});
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

inline std::vector<ByteVec> make_all(const std::vector<Spec>& specs) {
  std::vector<ByteVec> made;
  for (const Spec& spec : specs) made.push_back(make(spec));
  return made;
}

}  // namespace caponier::offload::packets
