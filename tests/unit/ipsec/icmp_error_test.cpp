// ICMP errors about protected packets (RFC 4301 s6.2): whose own header fits no SA they go the way
// of the answer to the packet that they quote.

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"
#include "wire/icmp.h"

namespace caponier::ipsec::test {
namespace {

constexpr std::string_view router_of_b = "172.16.0.1";
constexpr std::string_view router6_of_b = "2001:db8:ffff::1";

/// From `router` to the sender of `offending`.
ByteVec error_about(const ByteVec& offending, std::string_view router) {
  return wire::make_too_big(offending, 1300, ip(router));
}

/// A and B protect UDP to port 2000 of B's network, and what comes back.
Spec one_port() {
  Spec spec;
  spec.a_nets = {prefix("10.1.0.0/16", wire::ip_protocol::udp)};
  spec.b_nets = {prefix("10.2.0.0/16", wire::ip_protocol::udp, 2000, 2000)};
  return spec;
}

//= rfc4301#6.2-2..4 type=test
TEST(IcmpError, of_a_router_behind_the_gateway_reaches_the_sender) {
  Pair pair;
  EXPECT_TRUE(pair.b_to_a(error_about(v4_packet(1200), router_of_b)).has_value());
  EXPECT_TRUE(pair.b_to_a(error_about(v6_packet(1200), router6_of_b)).has_value());
}

//= rfc4301#6.2-3..4 type=test
TEST(IcmpError, finds_its_sa_by_the_ports_that_it_quotes) {
  Pair pair{one_port()};
  const ByteVec protected_one = udp_packet("10.1.0.5", "10.2.0.9", 100, 1000, 2000);
  const ByteVec other = udp_packet("10.1.0.5", "10.2.0.9", 100, 1000, 2001);
  EXPECT_TRUE(pair.b_to_a(error_about(protected_one, "10.2.0.9")).has_value());
  EXPECT_FALSE(pair.b_to_a(error_about(other, "10.2.0.9")).has_value());
  EXPECT_EQ(pair.b.drops()[DropReason::clear_no_policy], 1u);
}

TEST(IcmpError, of_a_host_in_transport_mode_needs_no_policy_of_its_own) {
  Spec spec = one_port();
  spec.mode = policy::SaMode::transport;
  spec.a_nets = {prefix("192.0.2.1/32", wire::ip_protocol::udp)};
  spec.b_nets = {prefix("198.51.100.1/32", wire::ip_protocol::udp, 2000, 2000)};
  Pair pair{spec};
  const ByteVec packet = udp_packet("192.0.2.1", "198.51.100.1", 100);
  EXPECT_TRUE(pair.b_to_a(error_about(packet, "198.51.100.1")).has_value());
  EXPECT_FALSE(pair.b_to_a(error_about(packet, router_of_b)).has_value());
}

//= rfc4301#6.2-1 rfc4301#6.2-5 type=test
TEST(IcmpError, about_somebody_elses_packet_is_not_delivered) {
  Pair pair;
  Spec wide;
  wide.b_nets.push_back(prefix("172.16.0.0/12"));
  wide.b_nets.push_back(prefix("10.3.0.0/16"));
  // B is no friend: its policies let it send what A never agreed to.
  pair.b.remove({1});
  ASSERT_TRUE(pair.b.install(install_for_b(wide), {}).has_value());
  pair.b.set_policies({{PolicyAction::protect, "site", "net", wide.b_nets, wide.a_nets}});
  const auto deliver = [&](const ByteVec& packet) { return pair.b_to_a(packet).has_value(); };
  EXPECT_TRUE(deliver(error_about(v4_packet(), router_of_b)));
  EXPECT_FALSE(deliver(error_about(udp_packet("10.1.0.5", "10.3.0.9", 100), router_of_b)));
  EXPECT_EQ(pair.a.drops()[DropReason::esp_selector], 1u);
  // To another host than the one that has sent the quoted packet.
  ByteVec astray = error_about(v4_packet(), router_of_b);
  astray[19] ^= std::byte{1};
  set_v4_word(astray, 4, 0);
  EXPECT_FALSE(deliver(astray));
  // Each error is judged by itself.
  EXPECT_TRUE(deliver(error_about(v4_packet(), router_of_b)));
}

//= rfc4301#6.2-1 type=test
TEST(IcmpError, that_the_selectors_let_through_is_not_looked_into) {
  Pair pair;
  const ByteVec about_another = udp_packet("10.1.0.5", "203.0.113.9", 100);
  EXPECT_TRUE(pair.b_to_a(error_about(about_another, "10.2.0.1")).has_value());
}

TEST(IcmpError, is_subject_to_a_policy_that_discards_it) {
  Pair pair;
  const policy::TrafficSelectors everybody{prefix("0.0.0.0/0", wire::ip_protocol::icmp)};
  const Policy protect{PolicyAction::protect, "site", "net", pair.spec.a_nets, pair.spec.b_nets};
  pair.a.set_policies({{PolicyAction::discard, {}, {}, everybody, everybody}, protect});
  EXPECT_FALSE(pair.b_to_a(error_about(v4_packet(), router_of_b)).has_value());
  EXPECT_EQ(pair.a.drops()[DropReason::clear_policy_discard], 1u);
}

//= rfc4301#6.2-3 type=test
TEST(IcmpError, asks_for_no_sa_and_is_told_of) {
  Pair pair;
  pair.b.set_audit(true);
  pair.b.remove({1});
  const auto sent = protect_one(pair.b, error_about(v4_packet(), router_of_b));
  EXPECT_EQ(sent.item.drop, DropReason::clear_no_sa);
  std::size_t told = 0;
  while (const auto notice = pair.b.poll_notice()) {
    EXPECT_FALSE(std::holds_alternative<Acquire>(*notice));
    if (const auto* audited = std::get_if<Audited>(&*notice)) {
      ++told;
      EXPECT_EQ(audited->inner->source, ip(router_of_b));
    }
  }
  EXPECT_EQ(told, 1u);
}

TEST(IcmpError, about_a_policy_that_protects_nothing_stays_here) {
  Pair pair;
  const ByteVec packet = udp_packet("10.1.0.5", "203.0.113.9", 100);
  EXPECT_EQ(protect_one(pair.b, error_about(packet, router_of_b)).item.drop,
            DropReason::clear_no_policy);
  pair.b.set_policies(
      {{PolicyAction::bypass, {}, {}, {prefix("203.0.113.0/24")}, {prefix("10.1.0.0/16")}}});
  EXPECT_EQ(protect_one(pair.b, error_about(packet, router_of_b)).item.drop,
            DropReason::clear_no_policy);
}

TEST(IcmpError, must_quote_enough_and_be_an_error) {
  Pair pair;
  const auto drop_of = [&](const ByteVec& packet) { return protect_one(pair.b, packet).item.drop; };
  ByteVec redirect = error_about(v4_packet(), router_of_b);
  redirect[20] = std::byte{5};
  EXPECT_EQ(drop_of(redirect), DropReason::clear_no_policy);
  ByteVec cut = error_about(v4_packet(), router_of_b);
  for (const std::size_t size : {50U, 47U, 30U, 28U}) {
    cut.resize(size);
    set_v4_word(cut, 2, static_cast<std::uint16_t>(size));
    EXPECT_EQ(drop_of(cut), DropReason::clear_no_policy) << size;
  }
  const auto echo = wire::make_echo_packet(ip(router_of_b), ip("10.1.0.5"), {});
  EXPECT_EQ(drop_of(echo), DropReason::clear_no_policy);
}

}  // namespace
}  // namespace caponier::ipsec::test
