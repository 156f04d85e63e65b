// Packets that a user sends to the gateway itself.

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

constexpr std::size_t burst = 3;

/// A is the user, B the gateway, which answers at the broadcast address and at 10.2.0.1.
struct Service : Pair {
  static EngineLimits limits() {
    EngineLimits limits;
    limits.dhcp_burst_max = burst;
    return limits;
  }
  static Spec user() {
    Spec spec;
    spec.b_nets.push_back(prefix("255.255.255.255/32"));
    return spec;
  }
  Service() : Pair(user(), limits()) {
    b.remove({spec.id});
    policy::InstallSa sa = install_for_b(spec);
    sa.services = {prefix("255.255.255.255/32"), prefix("10.2.0.1/32", 17, 67, 67)};
    EXPECT_TRUE(b.install(std::move(sa), {}));
  }
  Opened ask(std::string_view to, std::uint16_t port, Instant now = {}) {
    const ByteVec packet = udp_packet("10.1.0.5", to, 300, 68, port);
    return open_one(b, protect_one(a, packet, now).esp, {}, now);
  }
};

TEST(Services, what_is_asked_by_dhcp_goes_to_the_control_side_and_not_on) {
  Service s;
  EXPECT_EQ(s.ask("255.255.255.255", 67).item.verdict, Verdict::held);
  EXPECT_EQ(s.ask("10.2.0.1", 67).item.verdict, Verdict::held);
  const auto asked = notices_of<DhcpAsked>(s.b);
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].id, policy::ChildSaId{s.spec.id});
  EXPECT_EQ(asked[0].packet, udp_packet("10.1.0.5", "255.255.255.255", 300, 68, 67));
  EXPECT_EQ(s.b.drops().total(), 0u);
}

TEST(Services, other_traffic_passes_as_ever) {
  Service s;
  EXPECT_EQ(s.ask("10.2.0.1", 53).item.verdict, Verdict::forward);
  EXPECT_EQ(s.ask("10.2.0.9", 67).item.verdict, Verdict::forward);
  EXPECT_TRUE(notices_of<DhcpAsked>(s.b).empty());
}

TEST(Services, what_is_no_dhcp_is_dropped_where_only_dhcp_is_answered) {
  Service s;
  const Opened got = s.ask("255.255.255.255", 137);
  EXPECT_EQ(got.item.verdict, Verdict::drop);
  EXPECT_EQ(got.item.drop, DropReason::esp_service);
}

TEST(Services, one_sa_asks_only_so_often) {
  Service s;
  for (std::size_t i = 0; i < burst; ++i) {
    EXPECT_EQ(s.ask("255.255.255.255", 67).item.verdict, Verdict::held);
  }
  EXPECT_EQ(s.ask("255.255.255.255", 67).item.drop, DropReason::esp_service);
  EXPECT_EQ(notices_of<DhcpAsked>(s.b).size(), burst);
  EXPECT_EQ(s.ask("255.255.255.255", 67, at_seconds(10)).item.verdict, Verdict::held);
}

TEST(Services, a_packet_of_our_own_is_given_back_to_be_protected) {
  Service s;
  const ByteVec answer = udp_packet("10.2.0.1", "10.1.0.5", 300, 67, 68);
  EXPECT_FALSE(s.b.has_released());
  EXPECT_TRUE(s.b.send(answer));
  EXPECT_TRUE(s.b.has_released());
  const auto packets = take_all(s.b);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(s.b_to_a(packets[0]), answer);
}

}  // namespace
}  // namespace caponier::ipsec::test
