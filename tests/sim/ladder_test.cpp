// Ways to a peer when some are blocked: port 500, all of UDP, everything for a while.

#include <gtest/gtest.h>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

Tunnel started(bool by_a, bool by_b = false) {
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = by_a;
  tunnel.b_starts = by_b;
  return tunnel;
}

void block_udp(Link& link, bool blocked = true) { link.blocks_udp = link.blocks_esp = blocked; }

bool is_on_tcp(const Node& node) {
  const auto ike = node.peer().ike;
  return ike && ike->path.transport == base::Transport::tcp;
}

/// Two gateways between which only TCP passes; up.
struct OverTcp {
  TestWorld w;
  std::pair<Node&, Node&> nodes;
  Node& a = nodes.first;
  Node& b = nodes.second;
  Link& link = w.link(a, b);

  explicit OverTcp(std::uint64_t seed, const Tunnel& tunnel = psk_tunnel())
      : w(seed), nodes(w.pair(tunnel)) {
    w.allow_weather();
    block_udp(link);
    a.initiate();
    EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 20s));
    EXPECT_TRUE(is_on_tcp(a));
    EXPECT_TRUE(is_on_tcp(b));
  }
  /// Both directions, `count` of each.
  void expect_traffic(std::uint64_t count = 10) {
    Flow& there = w.flow(a, b, 100ms);
    Flow& back = w.flow(b, a, 100ms);
    EXPECT_TRUE(w.run_until(
        [&] { return there.replies_arrived >= count && back.replies_arrived >= count; }, 60s));
    there.running = back.running = false;
  }
};

TEST(Ladder, a_dead_port_500_costs_four_seconds) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(started(true));
  w.link(a, b).blocked_ports = {500};
  EXPECT_TRUE(w.run_until([&] { return a.is_up(); }, 5s));
  EXPECT_FALSE(is_on_tcp(a));
  EXPECT_EQ(a.peer().ike->path.local.port, 4500);
}

TEST(Ladder, without_udp_the_tunnel_comes_up_over_tcp_and_carries_traffic) {
  OverTcp over{seed_from_env(1)};
  over.expect_traffic();
  over.w.run_until_idle();
  EXPECT_EQ(over.w.streams().count(), 1u);
  EXPECT_EQ(over.a.status().ike_sas, 1u);
  EXPECT_EQ(over.b.status().ike_sas, 1u);
}

TEST(Ladder, both_sides_start_at_once_over_tcp_and_one_sa_is_left) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    TestWorld w{seed};
    w.allow_weather();
    Node& a = w.add();
    Node& b = w.add();
    w.connect(a, b, started(true, true));
    block_udp(w.link(a, b));
    a.start();
    b.start();
    EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 30s));
    // Attempts to go back to UDP come and go.
    const auto is_one_left = [&] { return a.status().ike_sas == 1 && b.status().ike_sas == 1; };
    w.run_for(20s);
    EXPECT_TRUE(w.run_until(is_one_left, 60s)) << seed;
  }
}

TEST(Ladder, a_stream_that_breaks_is_replaced_and_the_sa_stays) {
  OverTcp over{seed_from_env(1)};
  const auto sa = over.a.peer().ike->id;
  for (int i = 0; i < 3; ++i) {
    over.link.partition();
    over.w.run_for(40s);
    over.link.heal();
    EXPECT_TRUE(over.w.run_until([&] { return over.w.is_settled(); }, 60s));
    over.expect_traffic();
    EXPECT_EQ(over.a.peer().ike->id, sa);
  }
}

TEST(Ladder, what_the_responder_sends_waits_for_its_peers_next_stream) {
  OverTcp over{seed_from_env(1)};
  over.link.blocks_tcp = true;
  Flow& back = over.w.flow(over.b, over.a, 100ms);
  over.w.run_for(5s);
  over.link.blocks_tcp = false;
  EXPECT_TRUE(over.w.run_until([&] { return back.replies_arrived >= 5; }, 40s));
  back.running = false;
}

TEST(Ladder, when_udp_works_again_the_tunnel_goes_back_without_losing_a_packet) {
  OverTcp over{seed_from_env(1)};
  Flow& there = over.w.flow(over.a, over.b, 50ms);
  Flow& back = over.w.flow(over.b, over.a, 50ms);
  over.w.run_for(200s);
  EXPECT_TRUE(is_on_tcp(over.a)) << "UDP is still blocked";
  block_udp(over.link, false);
  EXPECT_TRUE(
      over.w.run_until([&] { return !is_on_tcp(over.a) && over.w.streams().count() == 0; }, 600s));
  over.w.run_for(10s);
  there.running = back.running = false;
  over.w.run_for(1s);
  EXPECT_EQ(there.replies_arrived, there.requests_sent);
  EXPECT_EQ(back.replies_arrived, back.requests_sent);
  EXPECT_EQ(over.a.status().ike_sas, 1u);
  EXPECT_EQ(over.b.status().ike_sas, 1u);
}

TEST(Ladder, of_two_that_started_at_once_only_the_originator_seeks_the_way_back) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    TestWorld w{seed};
    w.allow_weather();
    Node& a = w.add();
    Node& b = w.add();
    w.connect(a, b, started(true, true));
    block_udp(w.link(a, b));
    a.start();
    b.start();
    EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 30s));
    w.run_for(20s);
    block_udp(w.link(a, b), false);
    EXPECT_TRUE(w.run_until([&] { return !is_on_tcp(a) && !is_on_tcp(b); }, 200s)) << seed;
    w.run_for(60s);
    EXPECT_EQ(a.status().ike_sas, 1u) << seed;
    EXPECT_EQ(b.status().ike_sas, 1u) << seed;
    EXPECT_EQ(w.streams().count(), 0u) << seed;
  }
}

TEST(Ladder, a_peer_that_restarts_is_reached_again_over_tcp) {
  OverTcp over{seed_from_env(1)};
  over.b.kill();
  over.w.run_for(5s);
  over.b.restart();
  EXPECT_TRUE(over.w.run_until(
      [&] { return over.a.is_up() && over.b.is_up() && over.w.spis_match(); }, 240s));
  over.expect_traffic();
}

TEST(Ladder, never_means_never) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = w.pair(psk_tunnel());
  a.peers.front().tcp = config::Tcp::never;
  a.reload();
  block_udp(w.link(a, b));
  a.initiate();
  w.run_for(300s);
  EXPECT_FALSE(a.is_up());
  EXPECT_EQ(w.streams().count(), 0u);
  block_udp(w.link(a, b), false);
  EXPECT_TRUE(w.run_until([&] { return a.is_up(); }, 180s));
}

TEST(Ladder, always_does_not_even_try_udp) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(psk_tunnel());
  a.peers.front().tcp = config::Tcp::always;
  a.reload();
  a.initiate();
  EXPECT_TRUE(w.run_until([&] { return a.is_up(); }, 2s));
  EXPECT_TRUE(is_on_tcp(a));
}

TEST(Ladder, through_a_nat_that_forgets_the_stream_the_tunnel_comes_back) {
  Tunnel tunnel = psk_tunnel();
  tunnel.a_fixes_local = false;
  tunnel.named_ids = true;
  tunnel.b_takes_any = true;
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Node& a = w.add();
  Node& b = w.add();
  Nat& nat = w.put_behind_nat(a);
  w.connect(a, b, tunnel);
  a.start();
  b.start();
  a.peers.front().tcp = config::Tcp::always;
  a.reload();
  a.initiate();
  EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 10s));
  nat.rebind();
  w.run_for(60s);
  Flow& flow = w.flow(a, b, 100ms);
  EXPECT_TRUE(w.run_until([&] { return flow.replies_arrived >= 10; }, 120s));
  flow.running = false;
}

}  // namespace
}  // namespace caponier::sim
