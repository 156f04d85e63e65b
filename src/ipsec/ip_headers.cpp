#include "ipsec/ip_headers.h"

#include <algorithm>

#include "wire/checksum.h"
#include "wire/ip.h"

namespace caponier::ipsec {

namespace {

using base::DropReason;
namespace protocols = wire::ip_protocol;

constexpr std::size_t ipv4_protocol_at = 9;
constexpr std::size_t ipv4_checksum_at = 10;
constexpr std::size_t ipv6_next_header_at = 6;

IpHeaders headers_of(const wire::Ipv4View& packet) {
  return {packet.header_length(), ipv4_protocol_at, packet.protocol()};
}

/// Goes from one extension header to the next; `visit` says whether to go on.
template <class Visit>
bool walk(const wire::Ipv6View& packet, Visit visit) {
  const base::Bytes bytes = packet.packet();
  IpHeaders headers{wire::ipv6_header_size, ipv6_next_header_at, packet.next_header()};
  for (std::size_t count = 0; count <= wire::ipv6_extension_count_max; ++count) {
    if (!visit(headers)) return true;
    if (bytes.size() - headers.size < 8) return false;
    const std::size_t size = (std::to_integer<std::size_t>(bytes[headers.size + 1]) + 1) * 8;
    if (size > bytes.size() - headers.size || headers.size + size > headers_size_max) return false;
    headers.protocol_at = headers.size;
    headers.protocol = std::to_integer<std::uint8_t>(bytes[headers.size]);
    headers.size += size;
  }
  return false;
}

bool is_walkable(std::uint8_t protocol) {
  return protocol == protocols::hop_by_hop || protocol == protocols::routing ||
         protocol == protocols::destination_options;
}

}  // namespace

std::expected<IpHeaders, DropReason> headers_outside(base::Bytes ip_packet) {
  if (const auto v4 = wire::Ipv4View::checked(ip_packet)) {
    if (v4->is_fragment()) return std::unexpected{DropReason::clear_fragment};
    return headers_of(*v4);
  }
  const auto v6 = wire::Ipv6View::checked(ip_packet);
  if (!v6.has_value()) return std::unexpected{DropReason::clear_malformed};
  IpHeaders outside{wire::ipv6_header_size, ipv6_next_header_at, v6->next_header()};
  std::uint8_t before = protocols::no_next_header;
  bool is_fragment = false;
  const bool ended = walk(*v6, [&](const IpHeaders& headers) {
    // Destination options are for the last destination, unless more destinations follow.
    if (before == protocols::hop_by_hop || before == protocols::routing) outside = headers;
    before = headers.protocol;
    is_fragment = headers.protocol == protocols::fragment;
    return is_walkable(headers.protocol);
  });
  if (is_fragment) return std::unexpected{DropReason::clear_fragment};
  if (!ended) return std::unexpected{DropReason::clear_headers};
  return outside;
}

std::expected<IpHeaders, DropReason> headers_before(base::Bytes ip_packet, std::uint8_t protocol) {
  const auto malformed = std::unexpected{DropReason::esp_malformed};
  if (const auto v4 = wire::Ipv4View::checked(ip_packet)) {
    //= rfc4303#3.4.1-1 rfc4302#3.4.1-1
    if (v4->is_fragment() || v4->protocol() != protocol) return malformed;
    return headers_of(*v4);
  }
  const auto v6 = wire::Ipv6View::checked(ip_packet);
  if (!v6.has_value()) return malformed;
  IpHeaders found;
  const bool ended = walk(*v6, [&](const IpHeaders& headers) {
    found = headers;
    return is_walkable(headers.protocol);
  });
  if (!ended || found.protocol != protocol) return malformed;
  return found;
}

std::optional<wire::EspView> numbers_of(base::Bytes packet, policy::SaProtocol protocol,
                                        bool is_whole) {
  constexpr std::size_t ah_spi_at = 4;
  const bool is_ah = protocol == policy::SaProtocol::ah;
  if (is_ah || is_whole) {
    const auto headers = headers_before(packet, is_ah ? protocols::ah : protocols::esp);
    if (!headers.has_value()) return std::nullopt;
    packet = packet.subspan(headers->size);
    if (is_ah) packet = packet.subspan(std::min(ah_spi_at, packet.size()));
  }
  const auto numbers = wire::EspView::checked(packet);
  return numbers.has_value() ? std::optional{*numbers} : std::nullopt;
}

void adjust_headers(base::MutBytes ip_packet, const IpHeaders& headers, std::uint8_t protocol) {
  ip_packet[headers.protocol_at] = std::byte{protocol};
  const auto size = static_cast<std::uint16_t>(ip_packet.size());
  if (wire::ip_version(ip_packet) == 6) {
    base::store_be(ip_packet.data() + 4, static_cast<std::uint16_t>(size - wire::ipv6_header_size));
    return;
  }
  base::store_be(ip_packet.data() + 2, size);
  base::store_be<std::uint16_t>(ip_packet.data() + ipv4_checksum_at, 0);
  base::store_be(ip_packet.data() + ipv4_checksum_at,
                 wire::internet_checksum(ip_packet.first(headers.size)));
}

}  // namespace caponier::ipsec
