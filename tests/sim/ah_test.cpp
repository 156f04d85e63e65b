// Tunnels of AH.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

Tunnel of_ah(std::string_view offer = "sha256-x25519") {
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.ah = {policy::parse_offer(offer, wire::ProtocolId::ah).value()};
  return tunnel;
}

TEST(AhTunnel, carries_traffic_and_is_rekeyed_without_losing_any) {
  for (const std::string_view offer : {"sha256-x25519", "aes256gmac-noesn"}) {
    TestWorld w{seed_from_env(1)};
    Tunnel tunnel = of_ah(offer);
    tunnel.lifetime = 20s;
    auto [a, b] = w.pair(tunnel);
    ASSERT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 5s));
    const ike::ChildSaInfo first = a.peer().children.front().sa;
    EXPECT_EQ(first.protocol, policy::SaProtocol::ah);
    Flow& flow = w.flow(a, b, 20ms);
    w.run_for(60s);
    EXPECT_NE(a.peer().children.front().sa.spi_in, first.spi_in);
    EXPECT_GT(flow.requests_sent, 2900u);
    EXPECT_GE(flow.replies_arrived + 3, flow.requests_sent) << "the last are on their way";
  }
}

TEST(AhTunnel, does_not_come_up_through_a_nat_and_says_why) {
  TestWorld w{seed_from_env(1)};
  Node& a = w.add();
  Node& b = w.add();
  w.put_behind_nat(a);
  Tunnel tunnel = of_ah();
  tunnel.named_ids = true;
  tunnel.b_takes_any = true;
  tunnel.a_fixes_local = false;
  w.connect(a, b, tunnel);
  a.start();
  b.start();
  w.run_for(5s);
  EXPECT_FALSE(a.is_up());
  const bool is_told = std::ranges::any_of(a.events(), [](const base::Event& event) {
    return event.text.find("cannot pass a NAT") != std::string::npos;
  });
  EXPECT_TRUE(is_told);
}

}  // namespace
}  // namespace caponier::sim
