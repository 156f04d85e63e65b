#include "policy/traffic_selector.h"

#include <gtest/gtest.h>

namespace caponier::policy {
namespace {

using base::IpAddress;
using base::Prefix;

constexpr std::uint8_t icmp = 1;
constexpr std::uint8_t tcp = 6;
constexpr std::uint8_t udp = 17;

TrafficSelector net(std::string_view text, std::uint8_t protocol = 0, std::uint16_t first_port = 0,
                    std::uint16_t last_port = 0xffff) {
  return TrafficSelector::from_prefix(*Prefix::parse(text), protocol, first_port, last_port);
}

TrafficSelector range(std::string_view first, std::string_view last) {
  return {*IpAddress::parse(first), *IpAddress::parse(last)};
}

TrafficSelector opaque(std::string_view text, std::uint8_t protocol) {
  return net(text, protocol, 0xffff, 0);
}

TEST(TrafficSelectorIntersection, of_nested_prefixes_is_the_inner_one) {
  EXPECT_EQ(intersect(net("10.0.0.0/8"), net("10.1.0.0/16")), net("10.1.0.0/16"));
  EXPECT_EQ(intersect(net("2001:db8::/32"), net("2001:db8:1::/48", tcp)),
            net("2001:db8:1::/48", tcp));
}

TEST(TrafficSelectorIntersection, of_overlapping_ranges_need_not_be_a_prefix) {
  EXPECT_EQ(intersect(range("10.0.0.3", "10.0.0.9"), range("10.0.0.7", "10.0.0.20")),
            range("10.0.0.7", "10.0.0.9"));
  EXPECT_EQ(intersect(range("2001:db8::3", "2001:db8::9"), range("2001:db8::7", "2001:db8::ffff")),
            range("2001:db8::7", "2001:db8::9"));
}

TEST(TrafficSelectorIntersection, is_empty_across_families_addresses_protocols_and_ports) {
  EXPECT_FALSE(intersect(net("0.0.0.0/0"), net("::/0")));
  EXPECT_FALSE(intersect(net("10.0.0.0/24"), net("10.0.1.0/24")));
  EXPECT_FALSE(intersect(net("10.0.0.0/24", tcp), net("10.0.0.0/24", udp)));
  EXPECT_FALSE(intersect(net("10.0.0.0/24", tcp, 1, 2), net("10.0.0.0/24", tcp, 3, 4)));
}

TEST(TrafficSelectorIntersection, keeps_the_common_icmp_types_and_codes) {
  const auto echo = net("10.0.0.0/24", icmp, 0x0800, 0x08ff);
  const auto some = net("10.0.0.0/24", icmp, 0x0300, 0x0801);
  EXPECT_EQ(intersect(echo, some), net("10.0.0.0/24", icmp, 0x0800, 0x0801));
}

TEST(TrafficSelectorIntersection, treats_opaque_as_a_port_of_its_own) {
  EXPECT_EQ(intersect(net("10.0.0.0/8"), opaque("10.0.0.0/8", tcp)), opaque("10.0.0.0/8", tcp));
  EXPECT_EQ(intersect(opaque("10.0.0.0/8", tcp), opaque("10.0.0.0/9", 0)),
            opaque("10.0.0.0/9", tcp));
  EXPECT_FALSE(intersect(net("10.0.0.0/8", tcp, 1, 0xffff), opaque("10.0.0.0/8", tcp)));
}

TEST(TrafficSelectorInclusion, does_not_let_a_port_range_hold_packets_without_ports) {
  EXPECT_TRUE(contains(net("10.0.0.0/8"), opaque("10.0.0.0/8", tcp)));
  EXPECT_FALSE(contains(net("10.0.0.0/8", tcp, 1, 0xffff), net("10.0.0.0/8", tcp)));
  EXPECT_FALSE(contains(opaque("10.0.0.0/8", tcp), net("10.0.0.0/8", tcp)));
}

TEST(TrafficSelectorInclusion, of_lists_asks_for_one_element_around_each) {
  const TrafficSelectors outer{net("10.0.0.0/25"), net("10.0.0.128/25")};
  EXPECT_TRUE(contains(outer, TrafficSelectors{net("10.0.0.1/32"), net("10.0.0.200/32")}));
  EXPECT_FALSE(contains(outer, TrafficSelectors{net("10.0.0.0/24")}));
  EXPECT_FALSE(contains(TrafficSelectors{}, TrafficSelectors{net("10.0.0.0/24")}));
}

TEST(Narrow, answers_the_common_part_in_the_order_of_the_offer) {
  const TrafficSelectors offered{net("10.9.0.0/16"), net("10.1.0.0/16"), net("172.16.0.0/12")};
  const TrafficSelectors allowed{net("10.1.2.0/24"), net("10.9.9.0/24"), net("::/0")};
  EXPECT_EQ(narrow(offered, allowed), (TrafficSelectors{net("10.9.9.0/24"), net("10.1.2.0/24")}));
}

TEST(Narrow, drops_the_packet_selector_that_the_next_offer_contains) {
  const TrafficSelectors offered{net("10.1.0.5/32", tcp, 443, 443), net("10.1.0.0/16")};
  EXPECT_EQ(narrow(offered, {net("10.0.0.0/8")}), TrafficSelectors{net("10.1.0.0/16")});
  EXPECT_EQ(narrow({net("10.1.0.0/16"), net("10.1.0.0/16")}, {net("10.0.0.0/8")}),
            TrafficSelectors{net("10.1.0.0/16")});
}

TEST(Narrow, is_empty_when_nothing_is_common) {
  EXPECT_TRUE(narrow({net("10.1.0.0/16")}, {net("10.2.0.0/16")}).empty());
  EXPECT_TRUE(narrow({}, {net("10.2.0.0/16")}).empty());
}

TEST(Narrow, answers_no_more_than_a_payload_can_carry) {
  TrafficSelectors offered;
  TrafficSelectors allowed;
  for (std::uint32_t i = 0; i < 255; ++i) {
    const auto address = IpAddress::v4(0x0a000000U + 2 * i);
    offered.push_back({address, address});
  }
  allowed.push_back(net("10.0.0.0/8", tcp));
  allowed.push_back(net("10.0.0.0/8", udp));
  const auto result = narrow(offered, allowed);
  EXPECT_EQ(result.size(), wire::traffic_selector_count_max);
  EXPECT_TRUE(contains(offered, result));
}

TEST(Matches, compares_address_protocol_and_port) {
  const auto web = net("10.1.0.0/16", tcp, 80, 443);
  const auto inside = *IpAddress::parse("10.1.2.3");
  EXPECT_TRUE(matches(web, inside, tcp, true, 80));
  EXPECT_TRUE(matches(web, inside, tcp, true, 443));
  EXPECT_FALSE(matches(web, inside, tcp, true, 444));
  EXPECT_FALSE(matches(web, inside, udp, true, 80));
  EXPECT_FALSE(matches(web, *IpAddress::parse("10.2.0.0"), tcp, true, 80));
  EXPECT_FALSE(matches(net("0.0.0.0/0"), *IpAddress::parse("::1"), tcp, true, 80));
}

TEST(Matches, a_packet_without_ports_only_for_any_port_or_opaque) {
  const auto inside = *IpAddress::parse("10.1.2.3");
  EXPECT_TRUE(matches(net("10.1.0.0/16", tcp), inside, tcp, false, 0));
  EXPECT_TRUE(matches(opaque("10.1.0.0/16", tcp), inside, tcp, false, 0));
  EXPECT_FALSE(matches(net("10.1.0.0/16", tcp, 0, 80), inside, tcp, false, 0));
  EXPECT_FALSE(matches(opaque("10.1.0.0/16", tcp), inside, tcp, true, 0));
}

TEST(TrafficSelectorWire, keeps_ranges_and_opaque_ports_through_a_round_trip) {
  const TrafficSelectors selectors{range("10.0.0.3", "10.0.0.9"), opaque("10.0.0.0/8", tcp),
                                   net("2001:db8::/32", icmp, 0x0800, 0x08ff)};
  const auto payload = to_wire(selectors, false);
  EXPECT_FALSE(payload.initiator);
  EXPECT_EQ(payload.selectors[2].type, wire::TsType::ipv6_addr_range);
  EXPECT_EQ(from_wire(payload), selectors);
}

TEST(TrafficSelectorWire, skips_unknown_types_and_backward_ranges) {
  auto payload = to_wire({net("10.0.0.0/8"), net("10.0.0.0/8"), net("10.0.0.0/8")}, true);
  payload.selectors[0].type = static_cast<wire::TsType>(9);
  payload.selectors[1].last = IpAddress::v4(0);
  payload.selectors[2].first_port = 9;
  payload.selectors[2].last_port = 8;
  EXPECT_TRUE(from_wire(payload).empty());
}

TEST(TrafficSelectorText, is_a_prefix_where_possible) {
  EXPECT_EQ(net("10.1.0.0/16").to_string(), "10.1.0.0/16");
  EXPECT_EQ(net("10.1.0.5").to_string(), "10.1.0.5/32");
  EXPECT_EQ(TrafficSelector::any(base::Family::v6).to_string(), "::/0");
  EXPECT_EQ(range("10.1.0.5", "10.1.0.9").to_string(), "10.1.0.5-10.1.0.9");
}

TEST(TrafficSelectorText, names_protocol_and_ports) {
  EXPECT_EQ(net("10.1.0.0/16", tcp).to_string(), "10.1.0.0/16[tcp]");
  EXPECT_EQ(net("10.1.0.0/16", tcp, 443, 443).to_string(), "10.1.0.0/16[tcp/443]");
  EXPECT_EQ(net("10.1.0.0/16", 47, 1, 9).to_string(), "10.1.0.0/16[47/1-9]");
  EXPECT_EQ(opaque("10.1.0.0/16", udp).to_string(), "10.1.0.0/16[udp/opaque]");
  EXPECT_EQ(net("10.1.0.0/16", icmp, 0x0800, 0x08ff).to_string(), "10.1.0.0/16[icmp/8]");
  EXPECT_EQ(net("10.1.0.0/16", icmp, 0x0301, 0x0301).to_string(), "10.1.0.0/16[icmp/3(1)]");
  EXPECT_EQ(to_string(TrafficSelectors{}), "none");
  EXPECT_EQ(to_string({net("10.1.0.0/16"), net("::/0")}), "10.1.0.0/16, ::/0");
}

TEST(TrafficSelectorPrefixes, are_the_fewest_that_cover_the_range) {
  const auto of = [](const char* first, const char* last) {
    std::string text;
    for (const base::Prefix& prefix :
         prefixes_of({*base::IpAddress::parse(first), *base::IpAddress::parse(last)})) {
      text += prefix.to_string() + ' ';
    }
    return text;
  };
  EXPECT_EQ(of("10.1.0.0", "10.1.255.255"), "10.1.0.0/16 ");
  EXPECT_EQ(of("10.1.0.5", "10.1.0.9"), "10.1.0.5/32 10.1.0.6/31 10.1.0.8/31 ");
  EXPECT_EQ(of("0.0.0.0", "255.255.255.255"), "0.0.0.0/0 ");
  EXPECT_EQ(of("255.255.255.254", "255.255.255.255"), "255.255.255.254/31 ");
  EXPECT_EQ(of("2001:db8::1", "2001:db8::2"), "2001:db8::1/128 2001:db8::2/128 ");
  EXPECT_EQ(of("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "::/0 ");
  EXPECT_EQ(of("10.1.0.9", "10.1.0.5"), "");
}

}  // namespace
}  // namespace caponier::policy
