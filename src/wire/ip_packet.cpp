#include "wire/ip_packet.h"

#include "wire/ip.h"

namespace caponier::wire {

base::ByteVec make_ip_packet(const IpPacketFields& fields, std::size_t payload_size) {
  constexpr std::size_t length_max = 0xffff;
  if (fields.source.family() != fields.destination.family() || payload_size > length_max) return {};
  if (!fields.source.is_v4()) {
    base::ByteVec packet(ipv6_header_size + payload_size);
    write_ipv6_header(packet, {.source = fields.source,
                               .destination = fields.destination,
                               .next_header = fields.protocol,
                               .payload_length = static_cast<std::uint16_t>(payload_size),
                               .hop_limit = fields.ttl});
    return packet;
  }
  const std::size_t total = ipv4_header_size_min + payload_size;
  if (total > length_max) return {};
  base::ByteVec packet(total);
  write_ipv4_header(packet, {.source = fields.source,
                             .destination = fields.destination,
                             .protocol = fields.protocol,
                             .total_length = static_cast<std::uint16_t>(total),
                             .ttl = fields.ttl,
                             .dont_fragment = true});
  return packet;
}

}  // namespace caponier::wire
