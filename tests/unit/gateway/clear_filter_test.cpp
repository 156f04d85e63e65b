#include "gateway/clear_filter.h"

#include <gtest/gtest.h>

#include <utility>

#include "gateway/translate.h"
#include "unit/gateway/peers.h"
#include "wire/ip.h"

namespace caponier::gateway {
namespace {

using base::DropReason;

struct Sent {
  const char* from;
  const char* to;
  std::uint8_t protocol = wire::ip_protocol::udp;
  std::uint16_t from_port = 1000;
  std::uint16_t to_port = 2000;
  std::uint8_t hop_limit = 64;
};

/// A packet as it would arrive; for ICMP the first port is type << 8 | code.
base::ByteVec packet_of(const Sent& sent) {
  const auto from = address(sent.from);
  const auto to = address(sent.to);
  const std::size_t head = from.is_v4() ? 20 : 40;
  base::ByteVec packet(head + 8);
  if (from.is_v4()) {
    wire::Ipv4Header header;
    header.total_length = static_cast<std::uint16_t>(packet.size());
    header.protocol = sent.protocol;
    header.ttl = sent.hop_limit;
    header.source = from;
    header.destination = to;
    wire::write_ipv4_header(packet, header);
  } else {
    wire::Ipv6Header header;
    header.payload_length = 8;
    header.next_header = sent.protocol;
    header.hop_limit = sent.hop_limit;
    header.source = from;
    header.destination = to;
    wire::write_ipv6_header(packet, header);
  }
  base::store_be(packet.data() + head, sent.from_port);
  base::store_be(packet.data() + head + 2, sent.to_port);
  return packet;
}

std::optional<DropReason> judge(const ClearRules& rules, const Sent& sent) {
  return judge_clear(rules, packet_of(sent));
}

ClearRules rules_of(const config::PeerConfig& peer, const char* local = "192.0.2.1",
                    const char* remote = "192.0.2.2") {
  return make_clear_rules(make_policies(peer, {address(local), {address(remote)}}));
}

config::PeerConfig site_between(const char* local, const char* remote) {
  config::PeerConfig peer = site_peer();
  peer.child().local = config::Reach::of({base::Prefix::parse(local).value()});
  peer.child().remote = config::Reach::of({base::Prefix::parse(remote).value()});
  return peer;
}

TEST(ClearFilter, a_packet_from_a_remote_to_a_local_net_is_unprotected) {
  const auto rules = rules_of(site_between("10.1.0.0/16", "10.2.0.0/16"));
  EXPECT_EQ(judge(rules, {"10.2.0.9", "10.1.0.9"}), DropReason::clear_unprotected);
  EXPECT_EQ(judge(rules, {"10.2.255.255", "10.1.0.0"}), DropReason::clear_unprotected);
}

TEST(ClearFilter, other_packets_pass) {
  const auto rules = rules_of(site_between("10.1.0.0/16", "10.2.0.0/16"));
  EXPECT_FALSE(judge(rules, {"10.3.0.9", "10.1.0.9"}));
  EXPECT_FALSE(judge(rules, {"10.2.0.9", "10.3.0.9"}));
  EXPECT_FALSE(judge(rules, {"10.1.0.9", "10.2.0.9"}));
  EXPECT_FALSE(judge(rules, {"fd02::9", "fd01::9"}));
}

TEST(ClearFilter, without_policies_there_is_nothing_to_filter) {
  EXPECT_TRUE(make_clear_rules({}).empty());
}

TEST(ClearFilter, our_nets_inside_a_remote_one_go_on_talking_to_each_other) {
  config::PeerConfig peer = site_between("10.1.0.0/16", "0.0.0.0/0");
  peer.child().local.nets.push_back(
      policy::TrafficSelector::from_prefix(base::Prefix::parse("10.3.0.0/16").value()));
  const auto rules = rules_of(peer);
  EXPECT_FALSE(judge(rules, {"10.3.0.9", "10.1.0.9"}));
  EXPECT_EQ(judge(rules, {"10.2.0.9", "10.1.0.9"}), DropReason::clear_unprotected);
}

TEST(ClearFilter, a_host_is_filtered_by_its_ports_at_either_end) {
  config::PeerConfig peer = host_peer();
  peer.child().ports = {{wire::ip_protocol::tcp, 5432, 5433}};
  const auto rules = rules_of(peer);
  const auto tcp = wire::ip_protocol::tcp;
  EXPECT_EQ(judge(rules, {"192.0.2.2", "192.0.2.1", tcp, 999, 5433}),
            DropReason::clear_unprotected);
  EXPECT_EQ(judge(rules, {"192.0.2.2", "192.0.2.1", tcp, 5432, 999}),
            DropReason::clear_unprotected);
  EXPECT_FALSE(judge(rules, {"192.0.2.2", "192.0.2.1", tcp, 999, 5434}));
  EXPECT_FALSE(judge(rules, {"192.0.2.2", "192.0.2.1", wire::ip_protocol::udp, 999, 5432}));
  EXPECT_FALSE(judge(rules, {"192.0.2.3", "192.0.2.1", tcp, 999, 5432}));
}

TEST(ClearFilter, a_whole_host_is_filtered_but_not_how_ipv6_finds_it) {
  const auto rules = rules_of(host_peer(), "2001:db8::1", "2001:db8::2");
  Sent advertisement{"2001:db8::2", "2001:db8::1", wire::ip_protocol::icmpv6, 136 << 8, 0, 255};
  EXPECT_FALSE(judge(rules, advertisement));
  advertisement.hop_limit = 254;  // a router has passed it on
  EXPECT_EQ(judge(rules, advertisement), DropReason::clear_unprotected);
  Sent echo = advertisement;
  echo.hop_limit = 255;
  echo.from_port = 128 << 8;
  EXPECT_EQ(judge(rules, echo), DropReason::clear_unprotected);
}

TEST(ClearFilter, the_first_policy_that_matches_decides) {
  const auto any = policy::TrafficSelector::any(base::Family::v4);
  const auto one = policy::TrafficSelector::from_prefix(base::Prefix::parse("10.2.0.9/32").value());
  const auto net = policy::TrafficSelector::from_prefix(base::Prefix::parse("10.2.0.0/16").value());
  const auto rules = make_clear_rules({{ipsec::PolicyAction::bypass, {}, {}, {any}, {one}},
                                       {ipsec::PolicyAction::discard, {}, {}, {any}, {net}},
                                       {ipsec::PolicyAction::protect, "p", "p", {any}, {any}}});
  EXPECT_FALSE(judge(rules, {"10.2.0.9", "10.1.0.9"}));
  EXPECT_EQ(judge(rules, {"10.2.0.8", "10.1.0.9"}), DropReason::clear_policy_discard);
  EXPECT_EQ(judge(rules, {"10.3.0.8", "10.1.0.9"}), DropReason::clear_unprotected);
}

/// The later half of a datagram: it shows no ports.
base::ByteVec later_fragment_of(const Sent& sent) {
  base::ByteVec packet = packet_of(sent);
  base::store_be<std::uint16_t>(packet.data() + 6, 1480 / 8);
  return packet;
}

//= rfc4301#7.4-2 type=test
TEST(ClearFilter, a_later_fragment_that_might_be_protected_traffic_is_not_bypassed) {
  const auto net = [](const char* prefix, std::uint8_t protocol, std::uint16_t first,
                      std::uint16_t last) {
    return policy::TrafficSelector::from_prefix(*base::Prefix::parse(prefix), protocol, first,
                                                last);
  };
  const auto tcp = wire::ip_protocol::tcp;
  const auto here = net("10.1.0.0/16", tcp, 0, 0xffff);
  const auto telnet = net("10.2.0.0/16", tcp, 23, 23);
  const auto news = net("10.2.0.0/16", tcp, 119, 119);
  const auto rules = make_clear_rules({{ipsec::PolicyAction::protect, "p", "p", {here}, {telnet}},
                                       {ipsec::PolicyAction::bypass, {}, {}, {here}, {news}}});
  const Sent bypassed{"10.2.0.9", "10.1.0.9", tcp, 119, 2000};
  EXPECT_FALSE(judge(rules, bypassed));
  EXPECT_EQ(judge_clear(rules, later_fragment_of(bypassed)), DropReason::clear_unprotected);
  Sent elsewhere = bypassed;
  elsewhere.from = "10.3.0.9";
  EXPECT_FALSE(judge_clear(rules, later_fragment_of(elsewhere)));
  Sent udp = bypassed;
  udp.protocol = wire::ip_protocol::udp;
  EXPECT_FALSE(judge_clear(rules, later_fragment_of(udp)));
}

TEST(ClearFilter, a_later_fragment_of_discarded_ports_may_pass_as_it_completes_nothing) {
  const auto any = policy::TrafficSelector::any(base::Family::v4);
  auto netbios = any;
  netbios.protocol = wire::ip_protocol::udp;
  netbios.first_port = netbios.last_port = 137;
  const auto rules = make_clear_rules({{ipsec::PolicyAction::discard, {}, {}, {netbios}, {any}}});
  EXPECT_FALSE(judge_clear(rules, later_fragment_of({"10.2.0.9", "10.1.0.9"})));
}

SetClearFilter closed_filter() {
  auto policies = make_policies(site_between("10.1.0.0/16", "10.2.0.0/16"), {});
  const auto of = [](const char* text) {
    return policy::TrafficSelector::from_prefix(*base::Prefix::parse(text));
  };
  policies.push_back(
      {ipsec::PolicyAction::bypass, {}, {}, {of("10.1.0.0/16")}, {of("8.8.8.8/32")}});
  return make_closed_filter(policies);
}

//= rfc4301#4.4.1-4 rfc4301#5-1..2 rfc4301#5.2-2 type=test
TEST(ClearFilter, when_closed_lets_nothing_in_that_no_policy_names) {
  const auto rules = closed_filter().rules;
  EXPECT_EQ(judge(rules, {"203.0.113.9", "10.1.0.9"}), DropReason::clear_unmatched);
  EXPECT_EQ(judge(rules, {"203.0.113.9", "192.0.2.1"}), DropReason::clear_unmatched);
  EXPECT_EQ(judge(rules, {"2001:db8::9", "2001:db8::1"}), DropReason::clear_unmatched);
  EXPECT_EQ(judge(rules, {"10.2.0.9", "10.1.0.9"}), DropReason::clear_unprotected);
  EXPECT_FALSE(judge(rules, {"8.8.8.8", "10.1.0.9"}));
}

//= rfc4301#5-1..2 type=test
TEST(ClearFilter, when_closed_forwards_what_a_tunnel_or_a_bypass_takes_and_nothing_else) {
  const auto rules = closed_filter().rules;
  EXPECT_FALSE(judge(rules, {"10.1.0.9", "10.2.0.9"}));
  EXPECT_FALSE(judge(rules, {"10.1.0.9", "8.8.8.8"}));
  EXPECT_EQ(judge(rules, {"10.1.0.9", "203.0.113.9"}), DropReason::clear_unmatched);
}

//= rfc4301#5-1..2 type=test
TEST(ClearFilter, when_closed_lets_nothing_out_that_no_policy_names) {
  ClearRules turned;
  for (ClearRule rule : closed_filter().departing) {
    std::swap(rule.local, rule.remote);
    turned.push_back(rule);
  }
  EXPECT_FALSE(judge(turned, {"10.1.0.1", "10.2.0.9"}));
  EXPECT_FALSE(judge(turned, {"10.1.0.1", "8.8.8.8"}));
  EXPECT_EQ(judge(turned, {"10.1.0.1", "203.0.113.9"}), DropReason::clear_unmatched);
}

TEST(ClearFilter, when_closed_leaves_neighbour_discovery_alone) {
  const auto rules = closed_filter().rules;
  const Sent solicitation{"fe80::1", "ff02::1", wire::ip_protocol::icmpv6, 135 << 8, 0, 255};
  const Sent report{"fe80::1", "ff02::16", wire::ip_protocol::icmpv6, 143 << 8, 0, 1};
  EXPECT_FALSE(judge(rules, solicitation));
  EXPECT_FALSE(judge(rules, report));
  Sent echo = solicitation;
  echo.from_port = 128 << 8;
  EXPECT_EQ(judge(rules, echo), DropReason::clear_unmatched);
}

//= rfc4301#6.1.1-1..2 type=test
TEST(ClearFilter, unauthenticated_icmp_is_accepted_or_not_by_type_and_code) {
  const auto icmp = [](std::uint16_t first, std::uint16_t last) {
    auto selector = policy::TrafficSelector::any(base::Family::v4);
    selector.protocol = wire::ip_protocol::icmp;
    selector.first_port = first;
    selector.last_port = last;
    return selector;
  };
  const auto needed = icmp(0x0304, 0x0304);
  const auto unreachable = icmp(0x0300, 0x03ff);
  const auto rules =
      make_clear_rules({{ipsec::PolicyAction::bypass, {}, {}, {needed}, {needed}},
                        {ipsec::PolicyAction::discard, {}, {}, {unreachable}, {unreachable}}});
  const auto judge_icmp = [&](std::uint16_t type_and_code) {
    return judge(rules, {"203.0.113.9", "192.0.2.1", wire::ip_protocol::icmp, type_and_code, 0});
  };
  EXPECT_FALSE(judge_icmp(0x0304));
  EXPECT_EQ(judge_icmp(0x0301), DropReason::clear_policy_discard);
  EXPECT_FALSE(judge_icmp(0x0b00));
}

TEST(ClearFilter, many_sites_behind_one_net_are_one_rule_of_disjoint_ranges) {
  std::vector<ipsec::Policy> policies;
  for (const char* remote : {"10.2.0.0/16", "10.3.0.0/16", "10.2.7.0/24", "10.9.0.0/16"}) {
    for (auto& policy : make_policies(site_between("10.1.0.0/16", remote), {})) {
      policies.push_back(std::move(policy));
    }
  }
  const auto rules = make_clear_rules(policies);
  ASSERT_EQ(rules.size(), 1u);
  const std::vector<AddressRange> expected{{address("10.2.0.0"), address("10.3.255.255")},
                                           {address("10.9.0.0"), address("10.9.255.255")}};
  EXPECT_EQ(rules.front().remote, expected);
}

TEST(ClearFilter, ranges_up_to_the_last_address_are_merged_too) {
  const AddressRange low{address("255.0.0.0"), address("255.255.255.255")};
  const AddressRange high{address("255.255.255.255"), address("255.255.255.255")};
  EXPECT_EQ(merged({high, low}), std::vector{low});
}

}  // namespace
}  // namespace caponier::gateway
