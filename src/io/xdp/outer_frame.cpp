#include "io/xdp/outer_frame.h"

#include <algorithm>

#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/udp.h"

namespace caponier::io {
namespace {

constexpr std::uint16_t ethertype_ipv4 = 0x0800;
constexpr std::uint16_t ethertype_ipv6 = 0x86dd;

bool is_v4(const Outgoing& item) { return item.path.remote.address.is_v4(); }
bool is_in_udp(const Outgoing& item) { return item.path.remote.port != 0; }

std::size_t ip_payload_size(const Outgoing& item) {
  return item.bytes.size() + (is_in_udp(item) ? wire::udp_header_size : 0);
}

base::MutBytes write_link_header(base::MutBytes to, const NextHop& hop, std::uint16_t ethertype) {
  base::copy_into(to, hop.remote);
  base::copy_into(to.subspan(hop.remote.size()), hop.local);
  base::store_be(&to[ethernet_header_size - sizeof ethertype], ethertype);
  return to.subspan(ethernet_header_size);
}

base::MutBytes write_ip_header(base::MutBytes to, const Outgoing& item,
                               std::uint16_t identification, const OuterDefaults& defaults) {
  const auto payload = static_cast<std::uint16_t>(ip_payload_size(item));
  const std::uint8_t protocol = is_in_udp(item) ? wire::ip_protocol::udp : wire::ip_protocol::esp;
  if (is_v4(item)) {
    wire::write_ipv4_header(
        to, {.source = item.path.local.address,
             .destination = item.path.remote.address,
             .protocol = protocol,
             .total_length = static_cast<std::uint16_t>(payload + wire::ipv4_header_size_min),
             .ttl = item.ttl != 0 ? item.ttl : defaults.ttl,
             .tos = item.tos,
             .identification = item.dont_fragment ? std::uint16_t{0} : identification,
             .dont_fragment = item.dont_fragment});
    return to.subspan(wire::ipv4_header_size_min);
  }
  wire::write_ipv6_header(to, {.source = item.path.local.address,
                               .destination = item.path.remote.address,
                               .next_header = protocol,
                               .payload_length = payload,
                               .hop_limit = item.ttl != 0 ? item.ttl : defaults.hop_limit,
                               .traffic_class = item.tos,
                               .flow_label = item.flow_label});
  return to.subspan(wire::ipv6_header_size);
}

/// The whole datagram.
void write_udp(base::MutBytes to, const Outgoing& item) {
  const auto size = static_cast<std::uint16_t>(ip_payload_size(item));
  const base::MutBytes payload = to.subspan(wire::udp_header_size);
  wire::write_udp_header(to, {item.path.local.port, item.path.remote.port, size, 0});
  if (is_v4(item)) return base::copy_into(payload, item.bytes);
  wire::ChecksumSum sum = wire::pseudo_header_sum(item.path.local.address, item.path.remote.address,
                                                  wire::ip_protocol::udp, size);
  sum = wire::checksum_add(sum, to.first(wire::udp_header_size));
  sum = wire::checksum_copy(sum, payload, item.bytes);
  const std::uint16_t checksum = wire::checksum_finish(sum);
  constexpr std::size_t checksum_at = 6;
  base::store_be(&to[checksum_at], checksum == 0 ? std::uint16_t{0xffff} : checksum);
}

/// Packets to such an address never leave this host for one other host (RFC 1122 s3.2.1.3, RFC 4291
/// s2.7): nothing comes from there, and an SA must not be moved there.
bool is_nobodys(const base::IpAddress& address) {
  const auto first = std::to_integer<unsigned>(address.bytes().front());
  if (address.is_v4()) return first == 0 || first == 127 || first >= 224;
  static const base::IpAddress loopback = *base::IpAddress::lowest(base::Family::v6).next();
  return first == 0xff || address <= loopback;
}

/// `payload`: of IP.
std::optional<OuterPacket> read_payload(OuterPacket packet, std::uint8_t protocol,
                                        base::Bytes payload) {
  if (is_nobodys(packet.path.remote.address)) return std::nullopt;
  if (protocol == wire::ip_protocol::esp) {
    packet.esp = payload;
    return packet;
  }
  const auto udp = wire::UdpView::checked(payload);
  if (protocol != wire::ip_protocol::udp || !udp) return std::nullopt;
  packet.path.remote.port = udp->source_port();
  packet.path.local.port = udp->destination_port();
  packet.esp = udp->payload();
  return packet;
}

}  // namespace

std::size_t outer_packet_size(const Outgoing& item) {
  return ip_payload_size(item) +
         (is_v4(item) ? wire::ipv4_header_size_min : wire::ipv6_header_size);
}

void write_outer_frame(base::MutBytes to, const NextHop& hop, const Outgoing& item,
                       std::uint16_t identification, const OuterDefaults& defaults) {
  to = write_link_header(to, hop, is_v4(item) ? ethertype_ipv4 : ethertype_ipv6);
  to = write_ip_header(to, item, identification, defaults);
  if (is_in_udp(item)) return write_udp(to, item);
  base::copy_into(to, item.bytes);
}

std::optional<OuterPacket> read_outer_frame(base::Bytes frame) {
  if (frame.size() < ethernet_header_size) return std::nullopt;
  const base::Bytes bytes = frame.subspan(ethernet_header_size);
  if (wire::ip_version(bytes) == 4) {
    const auto ip = wire::Ipv4View::checked(bytes);
    if (!ip || wire::internet_checksum(ip->header()) != 0) return std::nullopt;
    return read_payload({{{ip->destination(), 0}, {ip->source(), 0}}, ip->tos(), {}},
                        ip->protocol(), ip->payload());
  }
  const auto ip = wire::Ipv6View::checked(bytes);
  if (!ip) return std::nullopt;
  return read_payload({{{ip->destination(), 0}, {ip->source(), 0}}, ip->traffic_class(), {}},
                      ip->next_header(), ip->payload());
}

}  // namespace caponier::io
