#include "ipsec/transport.h"

#include <algorithm>
#include <optional>

#include "ipsec/esp_size.h"
#include "wire/checksum.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace caponier::ipsec {

namespace {

constexpr std::uint8_t rebuilt_ttl = 64;
constexpr std::size_t tcp_checksum_at = 16;
constexpr std::size_t udp_checksum_at = 6;
constexpr std::size_t icmpv6_checksum_at = 2;
constexpr std::size_t icmpv6_header_size = 4;

std::optional<base::IpAddress> single_address(const policy::TrafficSelectors& selectors) {
  if (selectors.empty()) return std::nullopt;
  const base::IpAddress& address = selectors.front().first;
  const bool all_alike = std::ranges::all_of(selectors, [&](const policy::TrafficSelector& ts) {
    return ts.first == address && ts.last == address;
  });
  return all_alike ? std::optional{address} : std::nullopt;
}

void store_checksum(base::MutBytes segment, std::size_t at, std::uint16_t checksum) {
  base::store_be(segment.data() + at, checksum);
}

}  // namespace

TransportAddresses transport_addresses(const policy::InstallSa& params) {
  TransportAddresses addresses{params.path.remote.address, params.path.local.address};
  const auto local = single_address(params.local);
  const auto remote = single_address(params.remote);
  if (local.has_value() && local->family() == addresses.local.family()) addresses.local = *local;
  if (params.udp_encap && remote.has_value() && remote->family() == addresses.remote.family()) {
    addresses.remote = *remote;
  }
  return addresses;
}

bool rebuild_ip_header(PacketBuffer& packet, const TransportAddresses& addresses,
                       std::uint8_t protocol, std::uint8_t tos) {
  const std::size_t header_size = ip_header_size(addresses.local.family());
  const std::size_t payload_size = packet.size();
  if (packet.front_space() < header_size) return false;
  packet.grow_front(header_size);
  if (addresses.local.is_v4()) {
    if (packet.size() > PacketBuffer::payload_max) return false;
    // Identification 0 is right for what is never fragmented (RFC 6864 s4.1), as here.
    wire::write_ipv4_header(packet.bytes(),
                            {.source = addresses.remote,
                             .destination = addresses.local,
                             .protocol = protocol,
                             .total_length = static_cast<std::uint16_t>(packet.size()),
                             .ttl = rebuilt_ttl,
                             .tos = tos,
                             .dont_fragment = true});
    return true;
  }
  if (payload_size > PacketBuffer::payload_max) return false;
  wire::write_ipv6_header(packet.bytes(),
                          {.source = addresses.remote,
                           .destination = addresses.local,
                           .next_header = protocol,
                           .payload_length = static_cast<std::uint16_t>(payload_size),
                           .hop_limit = rebuilt_ttl,
                           .traffic_class = tos});
  return true;
}

// The peer computed it over addresses that a NAT has since replaced, and which ones those were the
// selectors only sometimes tell. The ICV has already vouched for the payload, so computing it
// afresh is as safe as a correction and right in every case.
void fix_transport_checksum(base::MutBytes ip_packet) {
  const auto upper = wire::upper_layer(ip_packet);
  if (!upper.has_value() || upper->is_fragment) return;
  const bool v4 = wire::ip_version(ip_packet) == 4;
  const base::Bytes whole = ip_packet;
  const base::IpAddress source =
      base::IpAddress::from_bytes(v4 ? whole.subspan(12, 4) : whole.subspan(8, 16));
  const base::IpAddress destination =
      base::IpAddress::from_bytes(v4 ? whole.subspan(16, 4) : whole.subspan(24, 16));
  const base::MutBytes segment = ip_packet.subspan(upper->offset, upper->end - upper->offset);
  const auto recompute = [&](std::size_t at) {
    store_checksum(segment, at, 0);
    store_checksum(segment, at,
                   wire::transport_checksum(source, destination, upper->protocol, segment));
  };
  if (upper->protocol == wire::ip_protocol::tcp && segment.size() >= wire::tcp_header_size_min) {
    recompute(tcp_checksum_at);
  } else if (upper->protocol == wire::ip_protocol::icmpv6 && segment.size() >= icmpv6_header_size) {
    recompute(icmpv6_checksum_at);
  } else if (upper->protocol == wire::ip_protocol::udp) {
    const auto udp = wire::UdpView::checked(segment);
    if (!udp.has_value() || udp->checksum() == 0) return;  // 0: the sender made none
    store_checksum(segment, udp_checksum_at,
                   wire::udp_checksum(source, destination, udp->datagram()));
  }
}

}  // namespace caponier::ipsec
