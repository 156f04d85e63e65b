#include "gateway/clear_filter.h"

#include <gtest/gtest.h>

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
  peer.local_nets = {base::Prefix::parse(local).value()};
  peer.remote_nets = {base::Prefix::parse(remote).value()};
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
  peer.local_nets.push_back(base::Prefix::parse("10.3.0.0/16").value());
  const auto rules = rules_of(peer);
  EXPECT_FALSE(judge(rules, {"10.3.0.9", "10.1.0.9"}));
  EXPECT_EQ(judge(rules, {"10.2.0.9", "10.1.0.9"}), DropReason::clear_unprotected);
}

TEST(ClearFilter, a_host_is_filtered_by_its_ports_at_either_end) {
  config::PeerConfig peer = host_peer();
  peer.ports = {{wire::ip_protocol::tcp, 5432, 5433}};
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
