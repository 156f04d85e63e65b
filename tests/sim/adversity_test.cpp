// What befalls gateways besides bad weather: sleep, jumps of the clock, one-way links, small MTUs.

#include <gtest/gtest.h>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

Tunnel started_by_a() {
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  return tunnel;
}

void expect_up_in_time(World& w, Node& a, Node& b, const Tunnel& tunnel) {
  const base::Duration limit = recovery_max(a.options, tunnel.dpd, 20ms);
  EXPECT_TRUE(w.run_until([&] { return w.disagreement(a, b).empty(); }, limit))
      << w.disagreement(a, b);
  const Flow& flow = w.flow(a, b, 100ms);
  EXPECT_TRUE(w.run_until([&] { return flow.replies_arrived >= 10; }, 30s));
}

TEST(Recovery, its_bound_is_liveness_plus_retransmissions_plus_back_off) {
  const ike::IkeLimits limits;
  // 1 + 1.8 + 1.8^2 + ... + 1.8^6
  EXPECT_NEAR(base::seconds_of(retransmission_time(limits)), 75.3, 0.1);
  EXPECT_NEAR(base::seconds_of(recovery_max({}, 30s, 0ns)), 30 + 75.3 + 75, 0.1);
}

TEST(Adversity, a_gateway_that_slept_past_its_lifetimes_comes_back) {
  TestWorld w{1};
  w.allow_weather();
  const Tunnel tunnel = started_by_a();
  auto [a, b] = w.pair(tunnel);
  w.run_until_idle();
  a.fall_asleep();
  w.run_for(std::chrono::hours{3});
  a.wake();
  expect_up_in_time(w, a, b, tunnel);
}

TEST(Adversity, a_jump_of_the_clock_under_both_is_survived) {
  TestWorld w{1};
  w.allow_weather();
  const Tunnel tunnel = started_by_a();
  auto [a, b] = w.pair(tunnel);
  w.run_until_idle();
  w.jump(std::chrono::hours{30});
  expect_up_in_time(w, a, b, tunnel);
}

TEST(Adversity, a_link_that_loses_one_direction_is_noticed_and_recovers) {
  for (const HostId deaf : {HostId{0}, HostId{1}}) {
    TestWorld w{deaf + 1};
    w.allow_weather();
    Tunnel tunnel = started_by_a();
    tunnel.dpd = 5s;
    auto [a, b] = w.pair(tunnel);
    w.run_until_idle();
    w.link(a, b).set_one_way(deaf, {.loss = 1});
    EXPECT_TRUE(w.run_until([&] { return !a.is_up(); }, 600s));
    w.link(a, b).reset_one_way();
    expect_up_in_time(w, a, b, tunnel);
  }
}

TEST(Adversity, an_ike_sa_whose_delete_was_lost_does_not_outlive_the_next_one_for_long) {
  TestWorld w{1};
  w.allow_weather();
  Tunnel tunnel = started_by_a();
  tunnel.b_takes_any = tunnel.named_ids = true;
  tunnel.dpd = 5s;
  auto [a, b] = w.pair(tunnel);
  w.run_until_idle();
  w.link(a, b).set_one_way(a.id(), {.loss = 1});
  a.peers.front().dpd += 1s;
  a.reload();
  w.run_for(90s);
  w.link(a, b).reset_one_way();
  expect_up_in_time(w, a, b, tunnel);
}

TEST(Adversity, both_gateways_killed_at_once_come_back) {
  TestWorld w{1};
  w.allow_weather();
  const Tunnel tunnel = started_by_a();
  auto [a, b] = w.pair(tunnel);
  w.run_until_idle();
  a.kill();
  b.kill();
  w.run_for(10s);
  a.restart();
  b.restart();
  expect_up_in_time(w, a, b, tunnel);
}

TEST(Adversity, a_link_of_576_bytes_carries_a_handshake) {
  TestWorld w{1};
  Node& a = w.add();
  Node& b = w.add();
  const Tunnel tunnel = started_by_a();
  w.connect(a, b, tunnel);
  w.link(a, b).mtu = 576;
  a.start();
  b.start();
  w.run_until_idle();
  expect_up_in_time(w, a, b, tunnel);
}

}  // namespace
}  // namespace caponier::sim
