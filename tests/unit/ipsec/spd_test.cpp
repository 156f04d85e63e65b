#include <gtest/gtest.h>

#include <string>

#include "ipsec/spd.h"
#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

const policy::TrafficSelectors everything{prefix("0.0.0.0/0"), prefix("::/0")};

Policy named(std::string name, policy::TrafficSelectors local, policy::TrafficSelectors remote,
             PolicyDirection direction = PolicyDirection::both) {
  return {PolicyAction::bypass, std::move(name),   {},
          std::move(local),     std::move(remote), direction};
}

wire::PacketSelectorFields fields(std::string_view from, std::string_view to,
                                  std::uint8_t protocol = 17, std::uint16_t from_port = 1000,
                                  std::uint16_t to_port = 2000) {
  return {ip(from), ip(to), protocol, false, false, true, from_port, to_port};
}

std::string name_of(const SpdEntry* entry) {
  return entry == nullptr ? "none" : entry->policy.connection;
}

Spd spd_of(std::vector<Policy> policies, SpdLimits limits = {}) {
  Spd spd{limits};
  spd.set(std::move(policies));
  return spd;
}

//= rfc4301#4.4.1-3 type=test
TEST(Spd, the_first_that_matches_decides_in_both_directions) {
  const Spd spd = spd_of({named("narrow", {prefix("10.1.0.5/32")}, {prefix("10.2.0.0/16")}),
                          named("wide", {prefix("10.1.0.0/16")}, {prefix("10.0.0.0/8")})});
  EXPECT_EQ(name_of(spd.match_outbound(fields("10.1.0.5", "10.2.0.1"))), "narrow");
  EXPECT_EQ(name_of(spd.match_outbound(fields("10.1.0.6", "10.2.0.1"))), "wide");
  EXPECT_EQ(name_of(spd.match_outbound(fields("10.1.0.5", "10.3.0.1"))), "wide");
  EXPECT_EQ(name_of(spd.match_inbound(fields("10.2.0.1", "10.1.0.5"))), "narrow");
  EXPECT_EQ(name_of(spd.match_inbound(fields("10.1.0.5", "10.2.0.1"))), "none");
}

TEST(Spd, a_policy_may_be_for_one_direction_only) {
  const Spd spd = spd_of({named("out", everything, everything, PolicyDirection::outbound),
                          named("in", everything, everything, PolicyDirection::inbound)});
  EXPECT_EQ(name_of(spd.match_outbound(fields("10.1.0.5", "10.2.0.1"))), "out");
  EXPECT_EQ(name_of(spd.match_inbound(fields("10.2.0.1", "10.1.0.5"))), "in");
}

//= rfc4301#4.4.1.1-1 type=test
TEST(Spd, ranges_need_not_be_prefixes) {
  policy::TrafficSelector range = prefix("10.1.0.0/16");
  range.first = ip("10.1.0.5");
  range.last = ip("10.1.1.3");
  const Spd spd = spd_of({named("range", {range}, everything)});
  EXPECT_EQ(name_of(spd.match_outbound(fields("10.1.0.4", "10.2.0.1"))), "none");
  EXPECT_EQ(name_of(spd.match_outbound(fields("10.1.0.5", "10.2.0.1"))), "range");
  EXPECT_EQ(name_of(spd.match_outbound(fields("10.1.1.3", "10.2.0.1"))), "range");
  EXPECT_EQ(name_of(spd.match_outbound(fields("10.1.1.4", "10.2.0.1"))), "none");
}

TEST(Spd, icmp_may_be_sent_and_not_received_when_the_remote_end_is_opaque) {
  constexpr std::uint8_t icmp = wire::ip_protocol::icmp;
  const auto echo = prefix("0.0.0.0/0", icmp, 8 << 8, (8 << 8) | 0xff);
  const auto opaque = prefix("0.0.0.0/0", icmp, 0xffff, 0);
  const Spd spd = spd_of({named("send", {echo}, {opaque})});
  EXPECT_EQ(name_of(spd.match_outbound(fields("10.1.0.1", "10.2.0.1", icmp, 8 << 8, 8 << 8))),
            "send");
  EXPECT_EQ(name_of(spd.match_inbound(fields("10.2.0.1", "10.1.0.1", icmp, 8 << 8, 8 << 8))),
            "none");
}

//= rfc4301#4.4.1.1-1 type=test
TEST(Spd, the_mobility_header_type_is_compared_in_both_families_of_policies) {
  constexpr std::uint8_t mobility = wire::ip_protocol::mobility;
  const auto update = prefix("::/0", mobility, 5 << 8, (5 << 8) | 0xff);
  const Spd spd = spd_of({named("update", {update}, {update})});
  EXPECT_EQ(name_of(spd.match_outbound(fields("fd01::1", "fd02::1", mobility, 5 << 8, 5 << 8))),
            "update");
  EXPECT_EQ(name_of(spd.match_outbound(fields("fd01::1", "fd02::1", mobility, 6 << 8, 6 << 8))),
            "none");
}

//= rfc4301#4.4.1.1-4 type=test
TEST(Spd, opaque_matches_what_hides_its_ports_and_nothing_else) {
  const Spd spd = spd_of(
      {named("opaque", {prefix("0.0.0.0/0", 6, 0xffff, 0)}, {prefix("0.0.0.0/0", 6, 0xffff, 0)}),
       named("ports", {prefix("0.0.0.0/0", 6, 0, 0xfffe)}, {prefix("0.0.0.0/0", 6, 80, 80)})});
  wire::PacketSelectorFields fragment = fields("10.1.0.1", "10.2.0.1", 6, 0, 0);
  fragment.has_ports = false;
  fragment.is_fragment = true;
  EXPECT_EQ(name_of(spd.match_outbound(fragment)), "opaque");
  EXPECT_EQ(name_of(spd.match_outbound(fields("10.1.0.1", "10.2.0.1", 6, 1, 80))), "ports");
}

TEST(Spd, policies_beyond_the_limit_of_pairs_are_found_all_the_same) {
  const SpdLimits limits{.pairs_max = 4, .copies_max = 16};
  std::vector<Policy> policies;
  for (int i = 0; i < 5; ++i) {
    const auto net = prefix("10." + std::to_string(i) + ".0.0/16");
    policies.push_back(named(std::to_string(i), {net}, everything));
  }
  const Spd spd = spd_of(std::move(policies), limits);
  EXPECT_GT(spd.unindexed(), 0u);
  for (int i = 0; i < 5; ++i) {
    const std::string from = "10." + std::to_string(i) + ".0.1";
    EXPECT_EQ(name_of(spd.match_outbound(fields(from, "10.9.0.1"))), std::to_string(i));
  }
}

TEST(Spd, the_index_of_overlapping_policies_keeps_within_its_limit_of_copies) {
  base::SeededRng rng{1};
  std::vector<Policy> policies;
  for (int i = 0; i < 2000; ++i) {
    policy::TrafficSelector local = prefix("0.0.0.0/0");
    local.first = base::IpAddress::v4(static_cast<std::uint32_t>(rng.public_below(1U << 31)));
    local.last = base::IpAddress::v4(local.first.v4_value() +
                                     static_cast<std::uint32_t>(rng.public_below(1U << 31)));
    policies.push_back(named(std::to_string(i), {local}, {prefix("0.0.0.0/0")}));
  }
  for (const std::size_t copies : {1U, 4U, 16U}) {
    const Spd spd = spd_of(policies, {.pairs_max = 1 << 18, .copies_max = copies});
    EXPECT_LE(spd.indexed_copies(), copies * policies.size());
  }
}

// ---- what arrives

/// What B says to a packet that A sent through the tunnel.
std::optional<DropReason> fate(Pair& pair, const ByteVec& packet) {
  const Protected sent = protect_one(pair.a, packet);
  EXPECT_EQ(sent.item.verdict, Verdict::forward);
  const Opened got = open_one(pair.b, sent.esp);
  return got.item.verdict == Verdict::forward ? std::nullopt : std::optional{got.item.drop};
}

TEST(InboundPolicy, a_decrypted_packet_that_policy_discards_goes_no_further) {
  Pair pair;
  Policy no_telnet{PolicyAction::discard, {}, {}, everything, everything};
  no_telnet.local = {prefix("0.0.0.0/0", 17, 23, 23)};
  no_telnet.direction = PolicyDirection::inbound;
  pair.b.set_policies({no_telnet, {PolicyAction::protect, "site", "net", everything, everything}});
  EXPECT_EQ(fate(pair, udp_packet("10.1.0.5", "10.2.0.9", 1, 1000, 23)),
            DropReason::clear_policy_discard);
  EXPECT_EQ(fate(pair, udp_packet("10.1.0.5", "10.2.0.9", 1, 1000, 24)), std::nullopt);
}

TEST(InboundPolicy, one_peer_cannot_speak_for_the_networks_of_another) {
  Pair pair;
  pair.b.set_policies(
      {{PolicyAction::protect, "other", "other", everything, {prefix("10.1.7.0/24")}},
       {PolicyAction::protect, "site", "net", everything, everything}});
  EXPECT_EQ(fate(pair, udp_packet("10.1.7.5", "10.2.0.9", 1)), DropReason::esp_selector);
  EXPECT_EQ(fate(pair, udp_packet("10.1.8.5", "10.2.0.9", 1)), std::nullopt);
}

TEST(InboundPolicy, a_tunnel_brings_nothing_that_policy_wants_in_clear) {
  Pair pair;
  pair.b.set_policies({{PolicyAction::bypass, {}, {}, everything, {prefix("10.1.7.0/24")}},
                       {PolicyAction::protect, "site", "net", everything, everything}});
  EXPECT_EQ(fate(pair, udp_packet("10.1.7.5", "10.2.0.9", 1)), DropReason::esp_selector);
}

//= rfc4301#4.4.1-15 type=test
TEST(InboundPolicy, that_is_new_holds_for_flows_already_seen) {
  Pair pair;
  EXPECT_EQ(fate(pair, v4_packet()), std::nullopt);
  pair.b.set_policies({{PolicyAction::discard, {}, {}, everything, everything}});
  EXPECT_EQ(fate(pair, v4_packet()), DropReason::clear_policy_discard);
}

}  // namespace
}  // namespace caponier::ipsec::test
