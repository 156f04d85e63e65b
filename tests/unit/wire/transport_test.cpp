#include <gtest/gtest.h>

#include "unit/wire/samples.h"
#include "wire/checksum.h"
#include "wire/esp.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/natt.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace caponier::wire {
namespace {

using base::ByteVec;
using base::WireFault;

const IpAddress v4_a = IpAddress::v4(0xc0000201);
const IpAddress v4_b = IpAddress::v4(0xc6336401);
const IpAddress v6_a = *IpAddress::parse("2001:db8::1");
const IpAddress v6_b = *IpAddress::parse("2001:db8::2");

ByteVec hex(std::string_view text) { return samples::bytes(text); }

TEST(Checksum, agrees_with_the_example_of_rfc_1071) {
  EXPECT_EQ(internet_checksum(hex("0001f203f4f5f6f7")), 0x220dU);
  EXPECT_EQ(internet_checksum({}), 0xffffU);
  EXPECT_EQ(internet_checksum(hex("01")), 0xfeffU) << "an odd octet is a high one";
}

TEST(Checksum, pieces_of_even_size_add_up_to_the_whole) {
  ByteVec data(1501);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 31 + 7);
  const std::uint16_t whole = internet_checksum(data);
  for (std::size_t cut = 0; cut < data.size(); cut += 2) {
    const ChecksumSum first = checksum_add(0, Bytes{data}.first(cut));
    EXPECT_EQ(checksum_finish(checksum_add(first, Bytes{data}.subspan(cut))), whole);
  }
}

/// Octet by octet, as RFC 1071 s1 words it.
std::uint16_t slow_checksum(Bytes data) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    sum += std::to_integer<std::uint32_t>(data[i]) << (i % 2 == 0 ? 8 : 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<std::uint16_t>(~sum);
}

TEST(Checksum, of_any_size_agrees_with_a_slow_one_copying_or_not) {
  for (std::size_t size = 0; size < 200; ++size) {
    ByteVec data(size);
    for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>(i * i + size);
    EXPECT_EQ(internet_checksum(data), slow_checksum(data)) << size;
    ByteVec copy(size + 1, std::byte{0x5a});
    EXPECT_EQ(checksum_finish(checksum_copy(0, copy, data)), slow_checksum(data)) << size;
    EXPECT_EQ(copy.back(), std::byte{0x5a}) << size;
    copy.pop_back();
    EXPECT_EQ(copy, data);
  }
}

TEST(Checksum, of_nothing_but_ones_does_not_overflow) {
  const ByteVec data(1 << 20, std::byte{0xff});
  EXPECT_EQ(internet_checksum(data), 0U);
}

TEST(Checksum, incremental_update_agrees_with_the_example_of_rfc_1624) {
  EXPECT_EQ(checksum_update(0xdd2f, 0x5555, 0x3285), 0x0000U);
}

TEST(Checksum, incremental_update_equals_recomputation) {
  ByteVec packet = make_udp_packet({v4_a, 1024}, {v4_b, 53}, base::as_bytes("x"));
  const ByteVec new_source = hex("0a000007");
  const auto before = base::load_be<std::uint16_t>(&packet[10]);
  const std::uint16_t updated = checksum_update(before, v4_a.bytes(), new_source);
  base::store_be(&packet[10], std::uint16_t{0});
  base::copy_into(base::MutBytes{packet}.subspan(12), new_source);
  EXPECT_EQ(updated, internet_checksum(Bytes{packet}.first(20)));
}

TEST(Udp, a_built_packet_of_either_family_verifies) {
  const ByteVec v4 = make_udp_packet({v4_a, 1024}, {v4_b, 53}, base::as_bytes("payload"));
  const auto ip = Ipv4View::checked(v4);
  ASSERT_TRUE(ip.has_value());
  EXPECT_EQ(internet_checksum(ip->header()), 0U);
  EXPECT_EQ(transport_checksum(v4_a, v4_b, ip_protocol::udp, ip->payload()), 0U);
  const auto udp = UdpView::checked(ip->payload());
  ASSERT_TRUE(udp.has_value());
  EXPECT_EQ(udp->source_port(), 1024U);
  EXPECT_EQ(udp->destination_port(), 53U);
  EXPECT_EQ(udp->length(), 15U);
  EXPECT_EQ(base::as_text(udp->payload()), "payload");
  const ByteVec v6 = make_udp_packet({v6_a, 1024}, {v6_b, 53}, base::as_bytes("payload"));
  const auto ip6 = Ipv6View::checked(v6);
  ASSERT_TRUE(ip6.has_value());
  EXPECT_EQ(transport_checksum(v6_a, v6_b, ip_protocol::udp, ip6->payload()), 0U);
}

TEST(Udp, packets_that_cannot_be_are_not_built) {
  EXPECT_TRUE(make_udp_packet({v4_a, 1}, {v6_b, 1}, {}).empty());
  EXPECT_TRUE(make_udp_packet({v4_a, 1}, {v4_b, 1}, ByteVec(65508)).empty());
  EXPECT_EQ(make_udp_packet({v4_a, 1}, {v4_b, 1}, ByteVec(65507)).size(), 65535U);
  EXPECT_TRUE(make_udp_packet({v6_a, 1}, {v6_b, 1}, ByteVec(65528)).empty());
}

TEST(Udp, a_zero_checksum_is_sent_as_all_ones) {
  // The port makes the sum 0xffff: 0x0001 each for the addresses' low words and so on.
  ByteVec datagram = hex("0000000000080000");
  const IpAddress zero;
  std::uint16_t port = 0;
  base::store_be(&datagram[6], std::uint16_t{0});
  port = udp_checksum(zero, zero, datagram);  // what must be added to reach the sum 0xffff
  base::store_be(datagram.data(), port);
  EXPECT_EQ(udp_checksum(zero, zero, datagram), 0xffffU);
}

TEST(Udp, lengths_must_hold) {
  EXPECT_EQ(UdpView::checked(hex("00010002000700")).error().fault, WireFault::truncated);
  EXPECT_EQ(UdpView::checked(hex("0001000200070000")).error().fault, WireFault::bad_length);
  EXPECT_EQ(UdpView::checked(hex("0001000200090000")).error().fault, WireFault::truncated);
  EXPECT_EQ(UdpView::checked(hex("0001000200080000ff"))->payload().size(), 0U);
}

TEST(Tcp, reads_header_and_payload) {
  const ByteVec segment =
      hex("01bb0050000000010000000260120400abcd0000020405b4"
          "6869");
  const auto tcp = TcpView::checked(segment);
  ASSERT_TRUE(tcp.has_value());
  EXPECT_EQ(tcp->source_port(), 443U);
  EXPECT_EQ(tcp->destination_port(), 80U);
  EXPECT_EQ(tcp->sequence(), 1U);
  EXPECT_EQ(tcp->acknowledgment(), 2U);
  EXPECT_EQ(tcp->flags(), TcpView::flag_syn | TcpView::flag_ack);
  EXPECT_EQ(tcp->window(), 1024U);
  EXPECT_EQ(tcp->options().size(), 4U);
  EXPECT_EQ(base::as_text(tcp->payload()), "hi");
  EXPECT_EQ(TcpView::checked(Bytes{segment}.first(19)).error().fault, WireFault::truncated);
  EXPECT_EQ(TcpView::checked(Bytes{segment}.first(23)).error().fault, WireFault::truncated);
  ByteVec bad = segment;
  bad[12] = std::byte{0x40};
  EXPECT_EQ(TcpView::checked(bad).error().fault, WireFault::bad_length);
}

TEST(Tcp, clamping_lowers_the_mss_and_keeps_the_checksum_right) {
  for (const std::string_view options : {"020405b4", "01020405b4010100",
                                         "0303070102"
                                         "0405b400"}) {
    ByteVec segment = hex("01bb005000000001000000000002040000000000" + std::string{options});
    segment[12] = static_cast<std::byte>(segment.size() / 4 << 4);
    base::store_be(&segment[16], transport_checksum(v4_a, v4_b, ip_protocol::tcp, segment));
    EXPECT_TRUE(clamp_tcp_mss(segment, 1360)) << options;
    EXPECT_EQ(transport_checksum(v4_a, v4_b, ip_protocol::tcp, segment), 0U) << options;
    EXPECT_NE(base::to_hex(segment).find("02040550"), std::string::npos) << options;
    EXPECT_FALSE(clamp_tcp_mss(segment, 1360)) << options;
  }
}

TEST(Tcp, clamping_leaves_other_segments_alone) {
  const auto unchanged = [](std::string_view text) {
    ByteVec segment = hex(text);
    const ByteVec before = segment;
    EXPECT_FALSE(clamp_tcp_mss(segment, 500)) << text;
    EXPECT_EQ(segment, before);
  };
  unchanged("01bb0050000000010000000060100400abcd0000020405b4");  // no SYN
  unchanged("01bb0050000000010000000060020400abcd00000204");      // truncated
  unchanged("01bb0050000000010000000060020400abcd0000020301b4");  // MSS of a wrong length
  unchanged("01bb0050000000010000000060020400abcd000008000000");  // an option of length 0
  unchanged("01bb0050000000010000000060020400abcd000000020405");  // ended before
  unchanged("01bb0050000000010000000060020400abcd000001010102");  // a kind without a length
}

TEST(Icmp, reads_type_code_and_id) {
  const ByteVec bytes =
      hex("0304abcd0001057e"
          "45");
  const auto icmp = IcmpView::checked(bytes);
  ASSERT_TRUE(icmp.has_value());
  EXPECT_EQ(icmp->type(), 3U);
  EXPECT_EQ(icmp->code(), 4U);
  EXPECT_EQ(icmp->checksum(), 0xabcdU);
  EXPECT_EQ(icmp->id(), 1U);
  EXPECT_EQ(icmp->next_hop_mtu(), 1406U);
  EXPECT_EQ(icmp->mtu(), 0x0001057eU);
  EXPECT_EQ(icmp->body().size(), 1U);
  EXPECT_EQ(IcmpView::checked(Bytes{bytes}.first(7)).error().fault, WireFault::truncated);
}

TEST(TooBig, quotes_an_ipv4_packet_within_576_octets) {
  const ByteVec offending = make_udp_packet({v4_a, 1}, {v4_b, 2}, ByteVec(1400));
  const IpAddress gateway = IpAddress::v4(0x0a000001);
  const ByteVec error = make_too_big(offending, 1280, gateway);
  EXPECT_EQ(error.size(), icmp_error_size_max);
  const auto ip = Ipv4View::checked(error);
  ASSERT_TRUE(ip.has_value());
  EXPECT_EQ(ip->source(), gateway);
  EXPECT_EQ(ip->destination(), v4_a);
  EXPECT_EQ(ip->protocol(), ip_protocol::icmp);
  EXPECT_EQ(internet_checksum(ip->header()), 0U);
  EXPECT_EQ(internet_checksum(ip->payload()), 0U);
  const auto icmp = IcmpView::checked(ip->payload());
  EXPECT_EQ(icmp->type(), icmp_type::destination_unreachable);
  EXPECT_EQ(icmp->code(), icmp_code_fragmentation_needed);
  EXPECT_EQ(icmp->next_hop_mtu(), 1280U);
  EXPECT_TRUE(base::equal(icmp->body(), Bytes{offending}.first(icmp->body().size())));
}

TEST(TooBig, quotes_an_ipv6_packet_within_the_minimum_mtu) {
  const ByteVec offending = make_udp_packet({v6_a, 1}, {v6_b, 2}, ByteVec(1400));
  const IpAddress gateway = *IpAddress::parse("2001:db8::ffff");
  const ByteVec error = make_too_big(offending, 1300, gateway);
  EXPECT_EQ(error.size(), icmpv6_error_size_max);
  const auto ip = Ipv6View::checked(error);
  ASSERT_TRUE(ip.has_value());
  EXPECT_EQ(ip->destination(), v6_a);
  EXPECT_EQ(transport_checksum(gateway, v6_a, ip_protocol::icmpv6, ip->payload()), 0U);
  const auto icmp = IcmpView::checked(ip->payload());
  EXPECT_EQ(icmp->type(), icmpv6_type::packet_too_big);
  EXPECT_EQ(icmp->mtu(), 1300U);
}

TEST(TooBig, small_packets_are_quoted_whole_and_without_what_follows_them) {
  ByteVec offending = make_udp_packet({v4_a, 1}, {v4_b, 2}, base::as_bytes("x"));
  const std::size_t size = offending.size();
  offending.resize(size + 10);
  EXPECT_EQ(make_too_big(offending, 68, v4_b).size(), 28 + size);
}

TEST(TooBig, is_not_sent_where_no_error_may_be) {
  const auto answer = [](const IpAddress& source, const IpAddress& destination) {
    return make_too_big(make_udp_packet({source, 1}, {destination, 2}, {}), 1280,
                        source.is_v4() ? v4_a : v6_a);
  };
  EXPECT_TRUE(make_too_big({}, 1280, v4_a).empty());
  EXPECT_TRUE(make_too_big(make_udp_packet({v4_a, 1}, {v4_b, 2}, {}), 1280, v6_a).empty());
  EXPECT_TRUE(answer(IpAddress{}, v4_b).empty());
  EXPECT_TRUE(answer(v4_a, *IpAddress::parse("224.0.0.5")).empty());
  EXPECT_TRUE(answer(v4_a, *IpAddress::parse("255.255.255.255")).empty());
  EXPECT_TRUE(answer(*IpAddress::parse("ff02::1"), v6_b).empty());
  EXPECT_FALSE(answer(v6_a, *IpAddress::parse("ff05::2")).empty()) << "RFC 4443 s2.4(e.3)";
  const ByteVec error = make_too_big(make_udp_packet({v4_a, 1}, {v4_b, 2}, {}), 1280, v4_b);
  EXPECT_TRUE(make_too_big(error, 1280, v4_a).empty());
  EXPECT_FALSE(make_too_big(make_echo_packet(v4_a, v4_b, {}), 1280, v4_a).empty());
  ByteVec later = make_udp_packet({v4_a, 1}, {v4_b, 2}, {});
  base::store_be(&later[6], std::uint16_t{1});
  EXPECT_TRUE(make_too_big(later, 1280, v4_a).empty());
}

TEST(Echo, requests_and_replies_of_both_families_verify) {
  const ByteVec v4 = make_echo_packet(v4_a, v4_b, {false, 7, 9, base::as_bytes("abc")});
  const auto ip = Ipv4View::checked(v4);
  EXPECT_EQ(internet_checksum(ip->payload()), 0U);
  const auto icmp = IcmpView::checked(ip->payload());
  EXPECT_EQ(icmp->type(), icmp_type::echo_request);
  EXPECT_EQ(icmp->id(), 7U);
  EXPECT_EQ(icmp->sequence(), 9U);
  EXPECT_EQ(base::as_text(icmp->body()), "abc");
  const ByteVec v6 = make_echo_packet(v6_a, v6_b, {true, 7, 9, {}});
  const auto ip6 = Ipv6View::checked(v6);
  EXPECT_EQ(transport_checksum(v6_a, v6_b, ip_protocol::icmpv6, ip6->payload()), 0U);
  EXPECT_EQ(IcmpView::checked(ip6->payload())->type(), icmpv6_type::echo_reply);
  EXPECT_TRUE(make_echo_packet(v4_a, v6_b, {}).empty());
}

TEST(Esp, reads_and_writes_spi_and_sequence) {
  const ByteVec bytes = hex("c0ffee0100000007aabb");
  const auto esp = EspView::checked(bytes);
  ASSERT_TRUE(esp.has_value());
  EXPECT_EQ(esp->spi(), base::Spi{0xc0ffee01});
  EXPECT_EQ(esp->sequence(), 7U);
  EXPECT_EQ(base::to_hex(esp->rest()), "aabb");
  ByteVec header(esp_header_size);
  write_esp_header(header, esp->spi(), esp->sequence());
  EXPECT_TRUE(base::equal(header, esp->header()));
  EXPECT_EQ(EspView::checked(Bytes{bytes}.first(7)).error().fault, WireFault::truncated);
}

TEST(Natt, tells_keepalive_ike_and_esp_apart) {
  EXPECT_EQ(classify_natt(hex("ff")).kind, NattKind::keepalive);
  const ByteVec ike = hex("000000001122");
  EXPECT_EQ(classify_natt(ike).kind, NattKind::ike);
  EXPECT_EQ(base::to_hex(classify_natt(ike).body), "1122");
  EXPECT_EQ(classify_natt(hex("00000000")).kind, NattKind::ike);
  const ByteVec esp = hex("c0ffee0100000001");
  EXPECT_EQ(classify_natt(esp).kind, NattKind::esp);
  EXPECT_EQ(classify_natt(esp).body.size(), esp.size());
  for (const std::string_view text : {"", "00", "fe", "ffff", "000000", "c0ffee01000000"}) {
    EXPECT_EQ(classify_natt(hex(text)).kind, NattKind::too_short) << text;
  }
}

TEST(Natt, an_ike_message_of_the_wrong_length_on_its_port_is_still_one) {
  ByteVec ike(60, std::byte{0x11});
  const ByteVec fields = hex("21202208");  // SA, version 2.0, IKE_SA_INIT, Initiator
  base::copy_into(base::MutBytes{ike}.subspan(16, 4), fields);
  base::store_be<std::uint32_t>(ike.data() + 24, 61);
  EXPECT_EQ(classify_ike_port(ike).kind, NattKind::ike);
  EXPECT_EQ(classify_ike_port(base::Bytes{ike}.first(20)).kind, NattKind::ike) << "cut short";
  EXPECT_EQ(classify_ike_port(base::Bytes{ike}.first(19)).kind, NattKind::esp) << "who knows";
  for (std::size_t at = 16; at < 20; ++at) {
    ByteVec esp = ike;
    esp[at] ^= std::byte{0x80};
    EXPECT_EQ(classify_ike_port(esp).kind, NattKind::esp) << at;
  }
}

TEST(Natt, esp_is_recognised_on_the_port_of_ike) {
  EXPECT_EQ(classify_ike_port(hex("ff")).kind, NattKind::keepalive);
  EXPECT_EQ(classify_ike_port(hex("c0ffee0100000001")).kind, NattKind::esp);
  ByteVec ike(60, std::byte{0x11});
  EXPECT_EQ(classify_ike_port(ike).kind, NattKind::esp) << "no IKE header has this length";
  base::store_be<std::uint32_t>(ike.data() + 24, 60);
  EXPECT_EQ(classify_ike_port(ike).kind, NattKind::ike);
  EXPECT_EQ(classify_ike_port(ike).body.size(), ike.size());
  // No SA has a reserved SPI.
  for (const std::string_view text :
       {"", "00", "c0ffee01", "00000000c0ffee01", "000000ff00000001"}) {
    EXPECT_EQ(classify_ike_port(hex(text)).kind, NattKind::ike) << text;
  }
}

}  // namespace
}  // namespace caponier::wire
