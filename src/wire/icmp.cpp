#include "wire/icmp.h"

#include <algorithm>
#include <utility>

#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/ip_packet.h"

namespace caponier::wire {

using base::MutBytes;
using base::store_be;
using base::WireError;
using base::WireFault;

Wire<IcmpView> IcmpView::checked(Bytes bytes) {
  if (bytes.size() < icmp_header_size) {
    return std::unexpected{WireError{WireFault::truncated, bytes.size(), "icmp.header"}};
  }
  return IcmpView{bytes};
}

namespace {

bool is_multicast(const IpAddress& address) {
  const auto first = std::to_integer<unsigned>(address.bytes()[0]);
  return address.is_v4() ? (first & 0xf0U) == 0xe0U : first == 0xffU;
}

/// An address that cannot be one host's own: nobody would be told.
bool names_no_host(const IpAddress& address) {
  if (address.is_unspecified() || is_multicast(address)) return true;
  return address == IpAddress::highest(base::Family::v4);
}

/// That a packet did not arrive.
bool is_failure(std::uint8_t protocol, std::uint8_t type) {
  constexpr std::uint8_t icmp_failures[] = {3, 4, 11, 12};
  if (protocol == ip_protocol::icmp) return std::ranges::count(icmp_failures, type) != 0;
  return protocol == ip_protocol::icmpv6 && type < 128;
}

bool is_icmp_error(std::uint8_t protocol, std::uint8_t type) {
  constexpr std::uint8_t icmp_redirect = 5;
  constexpr std::uint8_t icmpv6_redirect = 137;
  return is_failure(protocol, type) || (protocol == ip_protocol::icmp && type == icmp_redirect) ||
         (protocol == ip_protocol::icmpv6 && type == icmpv6_redirect);
}

/// RFC 1122 s3.2.2, RFC 1812 s4.3.2.7, RFC 4443 s2.4(e).
bool may_answer_with_error(Bytes offending, base::Family family) {
  const bool is_v4 = family == base::Family::v4;
  if (ip_version(offending) != (is_v4 ? 4 : 6)) return false;
  const auto fields = selector_fields(offending);
  if (!fields) return false;
  if (fields->is_fragment && !fields->is_first_fragment) return false;
  if (names_no_host(fields->source)) return false;
  // ICMPv6 too-big is exempt for groups (RFC 4443 s2.4(e.3)): path MTU discovery for multicast.
  if (is_v4 && names_no_host(fields->destination)) return false;
  const auto type = static_cast<std::uint8_t>(fields->source_port >> 8);
  return !is_icmp_error(fields->protocol, type);
}

/// Enough for all headers of a quoted packet.
constexpr std::size_t quoted_size_max = 576;

/// Stores the checksum of the ICMP message that is the last `size` bytes of `packet`.
void seal_icmp(ByteVec& packet, std::size_t size, const IpPacketFields& fields) {
  const MutBytes message = MutBytes{packet}.last(size);
  const std::uint16_t checksum =
      fields.source.is_v4()
          ? internet_checksum(message)
          : transport_checksum(fields.source, fields.destination, ip_protocol::icmpv6, message);
  store_be(&message[2], checksum);
}

}  // namespace

ByteVec make_too_big(Bytes offending, std::uint32_t mtu, const IpAddress& from) {
  if (!may_answer_with_error(offending, from.family())) return {};
  const bool is_v4 = from.is_v4();
  const auto upper = upper_layer(offending);
  const auto offender = selector_fields(offending);
  if (!upper || !offender) return {};
  const std::size_t room = is_v4 ? icmp_error_size_max - ipv4_header_size_min - icmp_header_size
                                 : icmpv6_error_size_max - ipv6_header_size - icmp_header_size;
  const Bytes quoted = offending.first(std::min(upper->end, room));
  const IpPacketFields fields{from, offender->source,
                              is_v4 ? ip_protocol::icmp : ip_protocol::icmpv6, 64};
  const std::size_t size = icmp_header_size + quoted.size();
  ByteVec packet = make_ip_packet(fields, size);
  const MutBytes message = MutBytes{packet}.last(size);
  if (is_v4) {
    message[0] = std::byte{icmp_type::destination_unreachable};
    message[1] = std::byte{icmp_code_fragmentation_needed};
    store_be(&message[6], static_cast<std::uint16_t>(std::min<std::uint32_t>(mtu, 0xffff)));
  } else {
    message[0] = std::byte{icmpv6_type::packet_too_big};
    store_be(&message[4], mtu);
  }
  base::copy_into(message.subspan(icmp_header_size), quoted);
  seal_icmp(packet, size, fields);
  return packet;
}

std::optional<PacketSelectorFields> return_traffic_of(Bytes ip_packet) {
  const auto upper = upper_layer(ip_packet);
  const auto fields = selector_fields(ip_packet);
  if (!upper || !fields || fields->is_fragment) return std::nullopt;
  const auto icmp = IcmpView::checked(ip_packet.subspan(upper->offset, upper->end - upper->offset));
  if (!icmp || !is_failure(upper->protocol, icmp->type())) return std::nullopt;
  // Only its first octets are quoted, so that it is as long as it says no more.
  ByteVec quoted = base::to_vec(icmp->body().first(std::min(icmp->body().size(), quoted_size_max)));
  if (ip_version(quoted) != ip_version(ip_packet)) return std::nullopt;
  const bool is_v4 = fields->source.is_v4();
  if (quoted.size() < (is_v4 ? ipv4_header_size_min : ipv6_header_size)) return std::nullopt;
  store_be(&quoted[is_v4 ? 2 : 4],
           static_cast<std::uint16_t>(is_v4 ? quoted.size() : quoted.size() - ipv6_header_size));
  auto back = selector_fields(quoted);
  if (!back) return std::nullopt;
  std::swap(back->source, back->destination);
  std::swap(back->source_port, back->destination_port);
  return *back;
}

ByteVec make_echo_packet(const IpAddress& source, const IpAddress& destination, const Echo& echo,
                         std::uint8_t ttl) {
  const bool is_v4 = source.is_v4();
  const IpPacketFields fields{source, destination, is_v4 ? ip_protocol::icmp : ip_protocol::icmpv6,
                              ttl};
  const std::size_t size = icmp_header_size + echo.data.size();
  ByteVec packet = make_ip_packet(fields, size);
  if (packet.empty()) return packet;
  const MutBytes message = MutBytes{packet}.last(size);
  const std::uint8_t request = is_v4 ? icmp_type::echo_request : icmpv6_type::echo_request;
  const std::uint8_t reply = is_v4 ? icmp_type::echo_reply : icmpv6_type::echo_reply;
  message[0] = std::byte{echo.is_reply ? reply : request};
  store_be(&message[4], echo.id);
  store_be(&message[6], echo.sequence);
  base::copy_into(message.subspan(icmp_header_size), echo.data);
  seal_icmp(packet, size, fields);
  return packet;
}

}  // namespace caponier::wire
