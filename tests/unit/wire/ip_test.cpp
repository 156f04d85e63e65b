#include "wire/ip.h"

#include <gtest/gtest.h>

#include "unit/wire/samples.h"

namespace caponier::wire {
namespace {

using base::ByteVec;
using base::WireFault;

ByteVec hex(std::string_view text) { return samples::bytes(text); }

// 192.0.2.1 > 198.51.100.1, UDP 1024 > 53, DSCP 46 with ECT(0), DF, 7 octets of data.
constexpr std::string_view udp4 =
    "45ba0023123440004011"
    "0000"
    "c0000201"
    "c6336401"
    "04000035000f0000"
    "7061796c6f6164";

// 2001:db8::1 > 2001:db8::2, traffic class 0xba, flow 0x12345, UDP.
constexpr std::string_view udp6 =
    "6ba12345000f1140"
    "20010db8000000000000000000000001"
    "20010db8000000000000000000000002"
    "04000035000f0000"
    "7061796c6f6164";

/// An IPv6 packet whose first header has that number.
ByteVec v6_packet(std::string_view first_header, std::string_view payload) {
  ByteVec packet =
      hex("6000000000000040"
          "20010db8000000000000000000000001"
          "20010db8000000000000000000000002" +
          std::string{payload});
  packet[6] = hex(first_header)[0];
  base::store_be(&packet[4], static_cast<std::uint16_t>(packet.size() - ipv6_header_size));
  return packet;
}

template <class T>
WireFault fault_of(const Wire<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? WireFault{} : result.error().fault;
}

TEST(Ipv4View, reads_every_field) {
  const ByteVec bytes = hex(udp4);
  const auto ip = Ipv4View::checked(bytes);
  ASSERT_TRUE(ip.has_value());
  EXPECT_EQ(ip->header_length(), 20U);
  EXPECT_EQ(ip->total_length(), 35U);
  EXPECT_EQ(ip->dscp(), 46U);
  EXPECT_EQ(ip->ecn(), Ecn::ect0);
  EXPECT_EQ(ip->identification(), 0x1234U);
  EXPECT_TRUE(ip->dont_fragment());
  EXPECT_FALSE(ip->more_fragments());
  EXPECT_FALSE(ip->is_fragment());
  EXPECT_EQ(ip->ttl(), 64U);
  EXPECT_EQ(ip->protocol(), ip_protocol::udp);
  EXPECT_EQ(ip->source().to_string(), "192.0.2.1");
  EXPECT_EQ(ip->destination().to_string(), "198.51.100.1");
  EXPECT_EQ(ip->payload().size(), 15U);
  EXPECT_TRUE(ip->options().empty());
}

TEST(Ipv4View, leaves_out_what_lies_beyond_the_total_length) {
  const ByteVec bytes = hex(std::string{udp4} + "0000");
  const auto ip = Ipv4View::checked(bytes);
  ASSERT_TRUE(ip.has_value());
  EXPECT_EQ(ip->packet().size(), 35U);
  EXPECT_EQ(ip->payload().size(), 15U);
}

TEST(Ipv4View, refuses_lengths_and_versions_that_do_not_hold) {
  const ByteVec good = hex(udp4);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(fault_of(Ipv4View::checked(Bytes{good}.first(size))), WireFault::truncated) << size;
  }
  ByteVec bad = good;
  bad[0] = std::byte{0x44};
  EXPECT_EQ(fault_of(Ipv4View::checked(bad)), WireFault::bad_length);
  bad[0] = std::byte{0x65};
  EXPECT_EQ(fault_of(Ipv4View::checked(bad)), WireFault::out_of_range);
  bad[0] = std::byte{0x4f};
  EXPECT_EQ(fault_of(Ipv4View::checked(bad)), WireFault::bad_length);
  bad = good;
  bad[3] = std::byte{19};
  EXPECT_EQ(fault_of(Ipv4View::checked(bad)), WireFault::bad_length);
}

TEST(Ipv6View, reads_every_field) {
  const ByteVec bytes = hex(std::string{udp6} + "00");
  const auto ip = Ipv6View::checked(bytes);
  ASSERT_TRUE(ip.has_value());
  EXPECT_EQ(ip->traffic_class(), 0xbaU);
  EXPECT_EQ(ip->dscp(), 46U);
  EXPECT_EQ(ip->ecn(), Ecn::ect0);
  EXPECT_EQ(ip->flow_label(), 0x12345U);
  EXPECT_EQ(ip->next_header(), ip_protocol::udp);
  EXPECT_EQ(ip->hop_limit(), 64U);
  EXPECT_EQ(ip->source().to_string(), "2001:db8::1");
  EXPECT_EQ(ip->destination().to_string(), "2001:db8::2");
  EXPECT_EQ(ip->payload_length(), 15U);
  EXPECT_EQ(ip->payload().size(), 15U);
}

TEST(Ipv6View, refuses_truncation_and_other_versions) {
  const ByteVec good = hex(udp6);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(fault_of(Ipv6View::checked(Bytes{good}.first(size))), WireFault::truncated) << size;
  }
  ByteVec bad = good;
  bad[0] = std::byte{0x45};
  EXPECT_EQ(fault_of(Ipv6View::checked(bad)), WireFault::out_of_range);
}

TEST(HeaderWriters, reproduce_what_the_views_read) {
  const ByteVec bytes = hex(udp4);
  const auto ip = Ipv4View::checked(bytes);
  ByteVec header(ipv4_header_size_min);
  write_ipv4_header(header, {.source = ip->source(),
                             .destination = ip->destination(),
                             .protocol = ip->protocol(),
                             .total_length = ip->total_length(),
                             .ttl = ip->ttl(),
                             .tos = ip->tos(),
                             .identification = ip->identification(),
                             .dont_fragment = true});
  EXPECT_EQ(base::to_hex(header), "45ba00231234400040113ba6c0000201c6336401");
  const ByteVec bytes6 = hex(udp6);
  const auto ip6 = Ipv6View::checked(bytes6);
  ByteVec header6(ipv6_header_size);
  write_ipv6_header(header6, {.source = ip6->source(),
                              .destination = ip6->destination(),
                              .next_header = ip6->next_header(),
                              .payload_length = ip6->payload_length(),
                              .traffic_class = ip6->traffic_class(),
                              .flow_label = ip6->flow_label()});
  EXPECT_EQ(base::to_hex(header6), udp6.substr(0, 80));
}

TEST(HeaderWriters, write_fragment_fields) {
  ByteVec header(ipv4_header_size_min);
  write_ipv4_header(header, {.source = IpAddress::v4(1),
                             .destination = IpAddress::v4(2),
                             .total_length = 20,
                             .more_fragments = true,
                             .fragment_offset = 1480});
  const auto ip = Ipv4View::checked(header);
  ASSERT_TRUE(ip.has_value());
  EXPECT_TRUE(ip->more_fragments());
  EXPECT_FALSE(ip->dont_fragment());
  EXPECT_EQ(ip->fragment_offset(), 1480U);
  EXPECT_TRUE(ip->is_fragment());
}

TEST(SelectorFields, carry_addresses_protocol_and_ports_of_both_families) {
  const auto v4 = selector_fields(hex(udp4));
  ASSERT_TRUE(v4.has_value());
  EXPECT_EQ(*v4, (PacketSelectorFields{.source = IpAddress::v4(0xc0000201),
                                       .destination = IpAddress::v4(0xc6336401),
                                       .protocol = 17,
                                       .has_ports = true,
                                       .source_port = 1024,
                                       .destination_port = 53}));
  const auto v6 = selector_fields(hex(udp6));
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->destination.to_string(), "2001:db8::2");
  EXPECT_EQ(v6->destination_port, 53U);
}

TEST(SelectorFields, skip_ipv4_options) {
  const auto fields =
      selector_fields(hex("4600001c0000000040060000c0000201c6336401"
                          "94040000"
                          "01bb0050"));
  ASSERT_TRUE(fields.has_value());
  EXPECT_EQ(fields->source_port, 443U);
}

TEST(SelectorFields, put_icmp_type_and_code_into_both_ports) {
  const auto fields =
      selector_fields(hex("4500001c0000000040010000c0000201c6336401"
                          "0304000000000000"));
  ASSERT_TRUE(fields.has_value());
  EXPECT_EQ(fields->source_port, 0x0304U);
  EXPECT_EQ(fields->destination_port, 0x0304U);
  EXPECT_TRUE(fields->has_ports);
  const auto mobility = selector_fields(v6_packet("87", "3b00050000000000"));
  ASSERT_TRUE(mobility.has_value());
  EXPECT_EQ(mobility->source_port, 0x0500U);
}

TEST(SelectorFields, of_protocols_without_ports_have_none) {
  const auto fields = selector_fields(v6_packet("32", "c0ffee0100000001"));
  ASSERT_TRUE(fields.has_value());
  EXPECT_EQ(fields->protocol, ip_protocol::esp);
  EXPECT_FALSE(fields->has_ports);
  EXPECT_EQ(fields->source_port, 0U);
}

TEST(SelectorFields, of_a_first_fragment_have_ports_and_of_later_ones_not) {
  ByteVec packet = hex(udp4);
  base::store_be(&packet[6], std::uint16_t{0x2000});
  auto fields = selector_fields(packet);
  ASSERT_TRUE(fields.has_value());
  EXPECT_TRUE(fields->is_fragment);
  EXPECT_TRUE(fields->is_first_fragment);
  EXPECT_TRUE(fields->has_ports);
  base::store_be(&packet[6], std::uint16_t{0x0001});
  fields = selector_fields(packet);
  ASSERT_TRUE(fields.has_value());
  EXPECT_TRUE(fields->is_fragment);
  EXPECT_FALSE(fields->is_first_fragment);
  EXPECT_FALSE(fields->has_ports);
  EXPECT_EQ(fields->protocol, ip_protocol::udp);
}

TEST(SelectorFields, packets_that_end_before_their_ports_are_refused) {
  EXPECT_EQ(fault_of(selector_fields(hex("450000170000000040060000c0000201c6336401"
                                         "01bb00"))),
            WireFault::truncated);
  EXPECT_EQ(fault_of(selector_fields(hex("450000150000000040010000c0000201c6336401"
                                         "08"))),
            WireFault::truncated);
  EXPECT_EQ(fault_of(selector_fields(v6_packet("87", "3b00"))), WireFault::truncated);
  EXPECT_EQ(fault_of(selector_fields({})), WireFault::truncated);
}

TEST(UpperLayer, walks_ipv6_extension_headers) {
  // Hop-by-hop, destination options of 16 octets, routing, atomic fragment, destination options.
  const ByteVec packet = v6_packet("00",
                                   "3c00010400000000"
                                   "2b01010c000000000000000000000000"
                                   "2c00000000000000"
                                   "3c00000000000007"
                                   "0600010400000000"
                                   "01bb0050");
  const auto upper = upper_layer(packet);
  ASSERT_TRUE(upper.has_value());
  EXPECT_EQ(upper->protocol, ip_protocol::tcp);
  EXPECT_EQ(upper->offset, 40U + 48U);
  EXPECT_EQ(upper->protocol_at, 40U + 40U);
  EXPECT_EQ(upper->end, packet.size());
  EXPECT_FALSE(upper->is_fragment) << "atomic (RFC 6946)";
  const auto fields = selector_fields(packet);
  ASSERT_TRUE(fields.has_value());
  EXPECT_EQ(fields->source_port, 443U);
}

TEST(UpperLayer, stops_behind_the_fragment_header_of_later_fragments) {
  const auto later = upper_layer(v6_packet("2c",
                                           "3c00000900000007"
                                           "ffffffffffffffff"));
  ASSERT_TRUE(later.has_value());
  EXPECT_EQ(later->protocol, ip_protocol::destination_options);
  EXPECT_TRUE(later->is_fragment);
  EXPECT_FALSE(later->is_first_fragment);
  const auto first = upper_layer(v6_packet("2c",
                                           "1100000100000007"
                                           "0400003500080000"));
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(first->is_first_fragment);
}

TEST(UpperLayer, does_not_look_behind_ah_or_esp) {
  const auto upper = upper_layer(v6_packet("33", "1104000000000001000000010000000000000000"));
  ASSERT_TRUE(upper.has_value());
  EXPECT_EQ(upper->protocol, ip_protocol::ah);
}

TEST(UpperLayer, truncated_or_endless_extension_chains_are_refused) {
  EXPECT_EQ(fault_of(upper_layer(v6_packet("00", "3c000104"))), WireFault::truncated);
  EXPECT_EQ(fault_of(upper_layer(v6_packet("00", "3c01010400000000"))), WireFault::truncated);
  const auto chain_of = [](std::size_t count) {
    std::string chain;
    for (std::size_t i = 0; i < count; ++i) {
      chain += i + 1 == count ? "3b00010400000000" : "3c00010400000000";
    }
    return v6_packet("3c", chain);
  };
  EXPECT_TRUE(upper_layer(chain_of(ipv6_extension_count_max)).has_value());
  EXPECT_EQ(fault_of(upper_layer(chain_of(ipv6_extension_count_max + 1))), WireFault::out_of_range);
}

}  // namespace
}  // namespace caponier::wire
