// Views of clear packets, the header writers, and the ICMP error built from a hostile packet.

#include "fuzz/fuzz.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace {

using namespace caponier;
using base::Bytes;
using base::ByteVec;
using base::IpAddress;
using fuzz::require;

void check_v4(const wire::Ipv4View& ip) {
  ByteVec header(wire::ipv4_header_size_min);
  wire::write_ipv4_header(header,
                          {.source = ip.source(),
                           .destination = ip.destination(),
                           .protocol = ip.protocol(),
                           .total_length = ip.total_length(),
                           .ttl = ip.ttl(),
                           .tos = ip.tos(),
                           .identification = ip.identification(),
                           .dont_fragment = ip.dont_fragment(),
                           .more_fragments = ip.more_fragments(),
                           .fragment_offset = static_cast<std::uint16_t>(ip.fragment_offset())});
  require(wire::internet_checksum(header) == 0, "written headers have a correct checksum");
  // Not written: options, the reserved flag, and a wrong checksum.
  require(base::equal(Bytes{header}.subspan(1, 5), ip.packet().subspan(1, 5)), "IPv4 rewrites");
  require(base::equal(Bytes{header}.subspan(7, 3), ip.packet().subspan(7, 3)), "IPv4 rewrites");
  require(base::equal(Bytes{header}.subspan(12, 8), ip.packet().subspan(12, 8)), "IPv4 rewrites");
  require(ip.options().size() + 20 + ip.payload().size() == ip.packet().size(), "parts add up");
}

void check_v6(const wire::Ipv6View& ip) {
  ByteVec header(wire::ipv6_header_size);
  wire::write_ipv6_header(header, {.source = ip.source(),
                                   .destination = ip.destination(),
                                   .next_header = ip.next_header(),
                                   .payload_length = ip.payload_length(),
                                   .hop_limit = ip.hop_limit(),
                                   .traffic_class = ip.traffic_class(),
                                   .flow_label = ip.flow_label()});
  require(base::equal(header, ip.packet().first(wire::ipv6_header_size)), "IPv6 rewrites");
}

void check_tcp(Bytes segment) {
  const auto tcp = wire::TcpView::checked(segment);
  if (!tcp) return;
  require(tcp->header_length() + tcp->payload().size() == segment.size(), "parts add up");
  ByteVec clamped = base::to_vec(segment);
  const bool changed = wire::clamp_tcp_mss(clamped, 1000);
  require(changed != base::equal(clamped, segment), "true exactly when something changed");
  const std::uint16_t before = wire::internet_checksum(segment);
  const std::uint16_t after = wire::internet_checksum(clamped);
  // 0 and 0xffff are the two zeros of one's complement arithmetic.
  require(before == after || (before % 0xffff == 0 && after % 0xffff == 0),
          "clamping keeps the checksum as right or wrong as it was");
  require(!wire::clamp_tcp_mss(clamped, 1000), "clamping twice changes nothing");
}

void check_udp(Bytes bytes) {
  const auto udp = wire::UdpView::checked(bytes);
  if (!udp) return;
  ByteVec header(wire::udp_header_size);
  wire::write_udp_header(
      header, {udp->source_port(), udp->destination_port(), udp->length(), udp->checksum()});
  require(base::equal(header, bytes.first(wire::udp_header_size)), "UDP rewrites");
  require(udp->payload().size() + wire::udp_header_size == udp->length(), "parts add up");
}

void check_too_big(Bytes packet, const IpAddress& from) {
  const ByteVec error = wire::make_too_big(packet, 1280, from);
  if (error.empty()) return;
  const auto upper = wire::upper_layer(error);
  require(upper.has_value() && upper->end == error.size(), "errors are well-formed packets");
  require(error.size() <= (from.is_v4() ? wire::icmp_error_size_max : wire::icmpv6_error_size_max),
          "errors respect the size limit");
  const Bytes message = Bytes{error}.subspan(upper->offset);
  const auto fields = wire::selector_fields(error);
  require(fields && fields->source == from, "errors come from us");
  const std::uint16_t sum =
      from.is_v4() ? wire::internet_checksum(message)
                   : wire::transport_checksum(from, fields->destination, upper->protocol, message);
  require(sum == 0, "errors have a correct checksum");
  require(wire::make_too_big(error, 1280, from).empty(), "errors are never answered with errors");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = fuzz::bytes_of(data, size);
  if (const auto ip = wire::Ipv4View::checked(input)) check_v4(*ip);
  if (const auto ip = wire::Ipv6View::checked(input)) check_v6(*ip);
  const auto upper = wire::upper_layer(input);
  const auto fields = wire::selector_fields(input);
  if (fields) require(upper.has_value(), "selector fields need an upper layer");
  if (upper) {
    require(upper->offset <= upper->end && upper->end <= size, "the upper layer is inside");
    require(input[upper->protocol_at] == std::byte{upper->protocol}, "protocol_at names it");
    const Bytes transport = input.subspan(upper->offset, upper->end - upper->offset);
    check_tcp(transport);
    check_udp(transport);
    if (const auto icmp = wire::IcmpView::checked(transport)) {
      require(icmp->body().size() + wire::icmp_header_size == transport.size(), "parts add up");
    }
  }
  check_too_big(input, IpAddress::v4(0x0a000001));
  check_too_big(input, IpAddress::highest(base::Family::v6).with_low_bits(1, false));
  return 0;
}
