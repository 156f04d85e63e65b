#include "wire/ip.h"

#include <utility>

#include "base/error.h"
#include "wire/checksum.h"

namespace caponier::wire {

using base::load_be;
using base::store_be;
using base::WireError;
using base::WireFault;

namespace {

std::unexpected<WireError> fail(WireFault fault, std::size_t offset, std::string_view field) {
  return std::unexpected{WireError{fault, offset, field}};
}

std::uint8_t octet_at(Bytes bytes, std::size_t at) {
  return std::to_integer<std::uint8_t>(bytes[at]);
}

}  // namespace

Wire<Ipv4View> Ipv4View::checked(Bytes bytes) {
  if (bytes.size() < ipv4_header_size_min) {
    return fail(WireFault::truncated, bytes.size(), "ipv4.header");
  }
  if (ip_version(bytes) != 4) return fail(WireFault::out_of_range, 0, "ipv4.version");
  const std::size_t header = std::size_t{octet_at(bytes, 0) & 0x0fU} * 4;
  if (header < ipv4_header_size_min) return fail(WireFault::bad_length, 0, "ipv4.ihl");
  const std::size_t total = load_be<std::uint16_t>(bytes.data() + 2);
  if (total < header) return fail(WireFault::bad_length, 2, "ipv4.total_length");
  if (total > bytes.size()) return fail(WireFault::truncated, bytes.size(), "ipv4.payload");
  return Ipv4View{bytes.first(total)};
}

Wire<Ipv6View> Ipv6View::checked(Bytes bytes) {
  if (bytes.size() < ipv6_header_size) {
    return fail(WireFault::truncated, bytes.size(), "ipv6.header");
  }
  if (ip_version(bytes) != 6) return fail(WireFault::out_of_range, 0, "ipv6.version");
  const std::size_t total = ipv6_header_size + load_be<std::uint16_t>(bytes.data() + 4);
  if (total > bytes.size()) return fail(WireFault::truncated, bytes.size(), "ipv6.payload");
  return Ipv6View{bytes.first(total)};
}

namespace {

bool is_skipped_extension(std::uint8_t protocol) {
  return protocol == ip_protocol::hop_by_hop || protocol == ip_protocol::routing ||
         protocol == ip_protocol::fragment || protocol == ip_protocol::destination_options;
}

/// Reads the Fragment header at `upper.offset`; true when the walk must stop behind it.
bool enter_fragment(Bytes packet, UpperLayer& upper) {
  const auto word = load_be<std::uint16_t>(packet.data() + upper.offset + 2);
  const bool has_offset = (word & 0xfff8) != 0;
  if (has_offset || (word & 1) != 0) {
    upper.is_fragment = true;
    upper.is_first_fragment = !has_offset;
  }
  return has_offset;
}

void locate_v4(const Ipv4View& ip, UpperLayer& upper) {
  upper.protocol = ip.protocol();
  upper.protocol_at = 9;
  upper.offset = ip.header_length();
  upper.end = ip.total_length();
  upper.is_fragment = ip.is_fragment();
  upper.is_first_fragment = upper.is_fragment && ip.fragment_offset() == 0;
}

Wire<void> locate_v6(const Ipv6View& ip, UpperLayer& upper) {
  const Bytes packet = ip.packet();
  upper.protocol = ip.next_header();
  upper.protocol_at = 6;
  upper.offset = ipv6_header_size;
  upper.end = packet.size();
  for (std::size_t count = 0; is_skipped_extension(upper.protocol); ++count) {
    if (count == ipv6_extension_count_max) {
      return fail(WireFault::out_of_range, upper.offset, "ipv6.extension_count");
    }
    if (packet.size() - upper.offset < ipv6_fragment_header_size) {
      return fail(WireFault::truncated, packet.size(), "ipv6.extension");
    }
    const bool is_fragment_header = upper.protocol == ip_protocol::fragment;
    const std::size_t size = is_fragment_header
                                 ? ipv6_fragment_header_size
                                 : (std::size_t{octet_at(packet, upper.offset + 1)} + 1) * 8;
    if (packet.size() - upper.offset < size) {
      return fail(WireFault::truncated, packet.size(), "ipv6.extension");
    }
    const bool stop = is_fragment_header && enter_fragment(packet, upper);
    upper.protocol = octet_at(packet, upper.offset);
    upper.protocol_at = upper.offset;
    upper.offset += size;
    if (stop) break;
  }
  return {};
}

/// By reference, as a copy right after byte-wide stores would stall the per-packet path.
Wire<void> locate(Bytes ip_packet, UpperLayer& upper) {
  if (ip_version(ip_packet) == 6) return locate_v6(TRY(Ipv6View::checked(ip_packet)), upper);
  locate_v4(TRY(Ipv4View::checked(ip_packet)), upper);
  return {};
}

/// Fills the ports from the upper layer's first octets.
Wire<void> read_ports(Bytes packet, const UpperLayer& upper, PacketSelectorFields& fields) {
  const std::size_t left = upper.end - upper.offset;
  const std::byte* at = packet.data() + upper.offset;
  switch (fields.protocol) {
    case ip_protocol::tcp:
    case ip_protocol::udp:
    case ip_protocol::sctp:
    case ip_protocol::dccp:
    case ip_protocol::udp_lite:
      if (left < 4) return fail(WireFault::truncated, upper.end, "transport.ports");
      fields.source_port = load_be<std::uint16_t>(at);
      fields.destination_port = load_be<std::uint16_t>(at + 2);
      break;
    case ip_protocol::icmp:
    case ip_protocol::icmpv6:
      if (left < 2) return fail(WireFault::truncated, upper.end, "icmp.type");
      fields.source_port = fields.destination_port = load_be<std::uint16_t>(at);
      break;
    case ip_protocol::mobility:
      if (left < 3) return fail(WireFault::truncated, upper.end, "mobility.type");
      fields.source_port = fields.destination_port =
          static_cast<std::uint16_t>(std::to_integer<unsigned>(at[2]) << 8);
      break;
    default: return {};
  }
  fields.has_ports = true;
  return {};
}

}  // namespace

Wire<UpperLayer> upper_layer(Bytes ip_packet) {
  Wire<UpperLayer> upper;
  TRY_VOID(locate(ip_packet, *upper));
  return upper;
}

Wire<PacketSelectorFields> selector_fields(Bytes ip_packet) {
  UpperLayer upper;
  TRY_VOID(locate(ip_packet, upper));
  Wire<PacketSelectorFields> result;
  PacketSelectorFields& fields = *result;
  if (ip_version(ip_packet) == 6) {
    fields.source = IpAddress::from_bytes(ip_packet.subspan(8, 16));
    fields.destination = IpAddress::from_bytes(ip_packet.subspan(24, 16));
  } else {
    fields.source = IpAddress::v4(load_be<std::uint32_t>(ip_packet.data() + 12));
    fields.destination = IpAddress::v4(load_be<std::uint32_t>(ip_packet.data() + 16));
  }
  fields.protocol = upper.protocol;
  fields.is_fragment = upper.is_fragment;
  fields.is_first_fragment = upper.is_first_fragment;
  if (!upper.is_fragment || upper.is_first_fragment) {
    TRY_VOID(read_ports(ip_packet, upper, fields));
  }
  return result;
}

void write_ipv4_header(MutBytes to, const Ipv4Header& header) {
  CAPONIER_ASSERT(to.size() >= ipv4_header_size_min);
  CAPONIER_ASSERT(header.source.is_v4() && header.destination.is_v4());
  CAPONIER_ASSERT(header.fragment_offset % 8 == 0);
  const MutBytes out = to.first(ipv4_header_size_min);
  out[0] = std::byte{0x45};
  out[1] = std::byte{header.tos};
  store_be(&out[2], header.total_length);
  store_be(&out[4], header.identification);
  const unsigned flags = (header.dont_fragment ? 0x4000U : 0U) |
                         (header.more_fragments ? 0x2000U : 0U) | header.fragment_offset / 8U;
  store_be(&out[6], static_cast<std::uint16_t>(flags));
  out[8] = std::byte{header.ttl};
  out[9] = std::byte{header.protocol};
  store_be(&out[10], std::uint16_t{0});
  base::copy_into(out.subspan(12), header.source.bytes());
  base::copy_into(out.subspan(16), header.destination.bytes());
  store_be(&out[10], internet_checksum(out));
}

void write_ipv6_header(MutBytes to, const Ipv6Header& header) {
  CAPONIER_ASSERT(to.size() >= ipv6_header_size);
  CAPONIER_ASSERT(!header.source.is_v4() && !header.destination.is_v4());
  store_be(to.data(), 0x60000000U | std::uint32_t{header.traffic_class} << 20 |
                          (header.flow_label & 0xfffffU));
  store_be(&to[4], header.payload_length);
  to[6] = std::byte{header.next_header};
  to[7] = std::byte{header.hop_limit};
  base::copy_into(to.subspan(8), header.source.bytes());
  base::copy_into(to.subspan(24), header.destination.bytes());
}

}  // namespace caponier::wire
