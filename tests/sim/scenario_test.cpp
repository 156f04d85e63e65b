// Named stories: what happens on the way to a tunnel, and to one that is up.

#include <gtest/gtest.h>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

Tunnel started_by_a() {
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  return tunnel;
}

void expect_traffic(World& w, const Node& a, const Node& b) {
  const Flow& there = w.flow(a, b, 100ms);
  const Flow& back = w.flow(b, a, 100ms);
  EXPECT_TRUE(
      w.run_until([&] { return there.replies_arrived >= 5 && back.replies_arrived >= 5; }, 60s));
}

TEST(IkeRetransmit, lost_first_request_is_repeated_and_the_sa_comes_up) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(psk_tunnel());
  w.link(a, b).drop_next(1);
  a.initiate();
  EXPECT_TRUE(w.run_until([&] { return a.is_up(); }, 2s));
  w.run_until_idle();
  EXPECT_EQ(a.ike_state(), IkeState::established);
  EXPECT_EQ(w.sent(a, Exchange::ike_sa_init), 2u);
}

TEST(IkeRetransmit, lost_response_brings_the_request_again_and_one_sa) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = w.pair(psk_tunnel());
  w.link(a, b).drop_next_from(b.id(), 1);
  a.initiate();
  EXPECT_TRUE(w.run_until([&] { return a.is_up(); }, 2s));
  w.run_until_idle();
  EXPECT_EQ(a.ike_state(), IkeState::established);
  EXPECT_EQ(w.sent(a, Exchange::ike_sa_init), 2u);
  EXPECT_EQ(b.status().ike_sas, 1u);
}

TEST(IkeRetransmit, lost_auth_response_is_answered_from_memory) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = w.pair(psk_tunnel());
  w.link(a, b).drop_if([answers = 0, from = b.address()](const Datagram& datagram) mutable {
    return datagram.source.address == from && ++answers == 2;
  });
  a.initiate();
  w.run_until_idle();
  EXPECT_EQ(w.sent(a, Exchange::ike_auth), 2u);
  EXPECT_EQ(b.status().ike_sas, 1u);
  expect_traffic(w, a, b);
}

//= rfc4301#3.1-1 type=test
TEST(Gateway, brings_a_tunnel_up_without_being_asked_and_carries_traffic) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  EXPECT_TRUE(a.is_up());
  EXPECT_EQ(b.peer().state, gateway::PeerState::idle);
  expect_traffic(w, a, b);
  EXPECT_EQ(a.peer().state, gateway::PeerState::up);
  EXPECT_EQ(b.peer().state, gateway::PeerState::up);
  ASSERT_EQ(a.peer().children.size(), 1u);
  EXPECT_FALSE(a.peer().children[0].sa.udp_encap);
}

TEST(Gateway, puts_esp_in_udp_where_both_ends_prefer_it) {
  using config::Encap;
  struct Case {
    Encap a;
    Encap b;
    bool is_in_udp;
  };
  for (const Case& one :
       {Case{Encap::automatic, Encap::automatic, true},
        Case{Encap::automatic, Encap::native, false}, Case{Encap::native, Encap::automatic, false},
        Case{Encap::automatic, Encap::never, false}}) {
    for (const bool mobike : {true, false}) {
      TestWorld w{seed_from_env(1)};
      Node& a = w.add();
      Node& b = w.add();
      w.connect(a, b, started_by_a());
      a.peers.front().encap = one.a;
      b.peers.front().encap = one.b;
      for (Node* node : {&a, &b}) {
        node->peers.front().mobike = mobike;
        node->start();
      }
      w.run_until_idle();
      expect_traffic(w, a, b);
      for (Node* node : {&a, &b}) {
        const auto peer = node->peer();
        ASSERT_EQ(peer.children.size(), 1u);
        EXPECT_EQ(peer.children[0].sa.udp_encap, one.is_in_udp);
        // Nobody takes the preference for a NAT, and encapsulated ESP never goes to port 500.
        EXPECT_FALSE(peer.ike->local_behind_nat || peer.ike->remote_behind_nat);
        if (one.is_in_udp) {
          EXPECT_EQ(peer.ike->path.remote.port, 4500);
        }
        EXPECT_FALSE(node->has_event(base::EventKind::ike_nat_detected));
      }
    }
  }
}

TEST(Gateway, keeps_esp_in_udp_when_keys_are_renewed) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = started_by_a();
  tunnel.encap = config::Encap::automatic;
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  a.peers.front().child().lifetime.soft_time = 7s;
  a.peers.front().ike_lifetime = 11s;
  a.start();
  b.start();
  w.run_for(60s);
  ASSERT_TRUE(a.is_up());
  for (Node* node : {&a, &b}) EXPECT_TRUE(node->peer().children[0].sa.udp_encap);
  expect_traffic(w, a, b);
}

TEST(Gateway, traffic_asks_for_a_tunnel_that_waits_for_it) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(psk_tunnel());
  w.run_for(60s);
  EXPECT_EQ(a.peer().state, gateway::PeerState::off);
  expect_traffic(w, a, b);
  EXPECT_EQ(a.unrouted(), 0u);
}

TEST(Gateway, the_first_packet_brings_the_tunnel_up_and_is_not_lost) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(psk_tunnel());
  w.run_for(10s);
  Flow& flow = w.flow(a, b, 1h);
  EXPECT_EQ(flow.requests_sent, 1u);
  EXPECT_TRUE(w.run_until([&] { return flow.replies_arrived == 1; }, 2s));
  EXPECT_EQ(a.status().drops.total() + b.status().drops.total(), 0u);
}

TEST(Gateway, packets_wait_for_a_tunnel_that_is_wanted_and_down_and_never_go_in_clear) {
  TestWorld w{seed_from_env(1)};
  w.allow({base::DropReason::clear_queue_full});
  auto [a, b] = w.pair(started_by_a());
  w.link(a, b).partition();
  Flow& flow = w.flow(a, b, 1s);
  w.run_for(60s);
  EXPECT_EQ(flow.replies_arrived, 0u);
  EXPECT_EQ(a.unrouted(), 0u);
  const auto late = a.status().drops[base::DropReason::clear_queue_full];
  EXPECT_GE(late, 40u);
  EXPECT_LE(late, 55u) << "the rest still waits";
  w.link(a, b).heal();
  EXPECT_TRUE(w.run_until([&] { return flow.replies_arrived >= 5; }, 70s));
}

TEST(Gateway, each_address_gets_a_tunnel_of_its_own_when_it_is_populated_from_the_packet) {
  TestWorld w{seed_from_env(1)};
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, psk_tunnel());
  for (Node* node : {&a, &b}) {
    node->peers.front().child().pfp.local_address = true;
    node->peers.front().child().pfp.remote_address = true;
    node->start();
  }
  Flow& flow = w.flow(a, b, 1s);
  EXPECT_TRUE(w.run_until([&] { return flow.replies_arrived >= 3; }, 10s));
  ASSERT_EQ(a.peer().children.size(), 1u);
  const auto sa = a.peer().children.front().sa;
  EXPECT_EQ(policy::to_string(sa.local), a.inner().to_string() + "/32");
  EXPECT_EQ(policy::to_string(sa.remote), b.inner().to_string() + "/32");
}

TEST(Gateway, traffic_asks_for_a_host_by_name_too) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.kind = config::PeerKind::host;
  tunnel.by_name = true;
  tunnel.a_fixes_local = false;
  auto [a, b] = w.pair(tunnel);
  w.run_for(60s);
  EXPECT_EQ(a.peer().state, gateway::PeerState::off);
  expect_traffic(w, a, b);
  EXPECT_EQ(a.unrouted(), 0u);
}

TEST(Gateway, both_sides_initiating_at_once_ends_in_working_traffic) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    TestWorld w{seed_from_env(seed)};
    w.allow_weather();
    w.network().set_quality({.jitter = 30ms});
    Tunnel tunnel = started_by_a();
    tunnel.b_starts = true;
    auto [a, b] = w.pair(tunnel);
    w.run_until_idle();
    expect_traffic(w, a, b);
    w.run_for(60s);
    w.run_until_idle();
    EXPECT_EQ(a.status().ike_sas, 1u) << seed;
    EXPECT_EQ(a.status().associations, 1u) << seed;
  }
}

//= rfc4301#3.1-1 type=test
TEST(Gateway, transport_mode_carries_traffic_between_the_hosts) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = started_by_a();
  tunnel.kind = config::PeerKind::host;
  tunnel.a_fixes_local = false;
  auto [a, b] = w.pair(tunnel);
  w.run_until_idle();
  expect_traffic(w, a, b);
  EXPECT_EQ(a.peer().children[0].sa.mode, policy::SaMode::transport);
}

TEST(Gateway, a_name_is_looked_up_again_at_every_attempt) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Tunnel tunnel = started_by_a();
  tunnel.by_name = true;
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  const auto right = w.names.at("gw2.example");
  w.names["gw2.example"] = base::IpAddress::parse("192.0.2.200").value();
  a.start();
  b.start();
  w.run_for(120s);
  EXPECT_EQ(a.peer().note, "no answer from 192.0.2.200 on UDP 500, UDP 4500, TCP 4500 and TCP 443");
  EXPECT_EQ(a.peer().state, gateway::PeerState::connecting);
  w.names["gw2.example"] = right;
  w.run_until_idle();
  EXPECT_TRUE(a.is_up());
}

TEST(Gateway, a_name_that_does_not_resolve_is_said_and_tried_again) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = started_by_a();
  tunnel.by_name = true;
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  const auto right = w.names.at("gw2.example");
  w.names.clear();
  a.start();
  b.start();
  w.run_for(1s);
  EXPECT_EQ(a.peer().note, "the name gw2.example does not resolve");
  EXPECT_EQ(a.peer().state, gateway::PeerState::down);
  w.names["gw2.example"] = right;
  w.run_until_idle();
  EXPECT_TRUE(a.is_up());
}

TEST(Gateway, a_wrong_key_is_named_and_tried_again_with_growing_pauses) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = started_by_a();
  tunnel.psk_b = "quite another pre-shared key of the simulation";
  auto [a, b] = w.pair(tunnel);
  w.run_for(300s);
  EXPECT_EQ(a.peer().state, gateway::PeerState::down);
  EXPECT_NE(a.peer().note.find("AUTHENTICATION_FAILED"), std::string::npos) << a.peer().note;
  EXPECT_GE(a.peer().attempts, 5u);
  EXPECT_LE(a.peer().attempts, 15u);
  EXPECT_TRUE(b.has_event(base::EventKind::ike_auth_failed));
}

TEST(Gateway, down_deletes_at_the_peer_and_stays_down_until_up) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  w.allow({base::DropReason::ike_unknown_peer});
  Tunnel tunnel = started_by_a();
  tunnel.b_starts = true;
  auto [a, b] = w.pair(tunnel);
  w.run_until_idle();
  EXPECT_EQ(a.routes().size(), 1u);
  a.take_down();
  w.run_for(120s);
  EXPECT_EQ(a.peer().state, gateway::PeerState::off);
  EXPECT_EQ(a.status().ike_sas, 0u);
  EXPECT_EQ(a.status().associations, 0u);
  EXPECT_EQ(b.status().associations, 0u);
  EXPECT_TRUE(a.routes().empty());
  a.initiate();
  w.run_until_idle();
  EXPECT_TRUE(b.is_up());
  EXPECT_EQ(a.routes().size(), 1u);
  expect_traffic(w, a, b);
}

TEST(Gateway, down_also_ends_what_the_peer_is_just_negotiating) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  w.allow({base::DropReason::ike_unknown_peer});
  Tunnel tunnel = started_by_a();
  tunnel.b_starts = true;
  auto [a, b] = w.pair(tunnel);
  w.link(a, b).drop_next_from(a.id(), 1);
  EXPECT_TRUE(w.run_until([&] { return a.status().half_open > 0; }, 10s));
  a.take_down();
  w.run_for(20s);
  EXPECT_EQ(a.status().ike_sas, 0u);
  EXPECT_EQ(b.status().associations, 0u);
  a.initiate();
  w.run_until_idle();
  expect_traffic(w, a, b);
}

TEST(Gateway, no_packet_leaves_unprotected_while_the_wished_tunnel_is_down) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  const Flow& flow = w.flow(a, b, 100ms);
  w.link(a, b).partition();
  w.run_for(300s);
  EXPECT_FALSE(a.is_up());
  w.link(a, b).heal();
  const std::uint64_t before = flow.replies_arrived;
  EXPECT_TRUE(w.run_until([&] { return flow.replies_arrived > before + 10; }, 120s));
  EXPECT_EQ(a.unrouted(), 0u);
}

TEST(Gateway, partition_and_heal_brings_traffic_back_on_both_sides) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Tunnel tunnel = started_by_a();
  tunnel.b_starts = true;
  auto [a, b] = w.pair(tunnel);
  w.run_until_idle();
  w.link(a, b).partition();
  w.run_for(400s);
  w.link(a, b).heal();
  w.run_until_idle();
  expect_traffic(w, a, b);
}

TEST(Gateway, a_rebound_nat_moves_the_peer_without_losing_the_sa) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Node& a = w.add();
  Node& b = w.add();
  Nat& nat = w.put_behind_nat(a);
  Tunnel tunnel = started_by_a();
  tunnel.b_takes_any = true;
  tunnel.named_ids = true;
  w.connect(a, b, tunnel);
  a.start();
  b.start();
  w.run_until_idle();
  const Flow& flow = w.flow(a, b, 100ms);
  w.run_for(5s);
  const auto before = b.peer();
  ASSERT_TRUE(before.ike.has_value());
  EXPECT_TRUE(before.ike->remote_behind_nat);
  nat.rebind();
  const std::uint64_t replies = flow.replies_arrived;
  w.run_for(5s);
  EXPECT_GT(flow.replies_arrived, replies + 40);
  const auto after = b.peer();
  EXPECT_EQ(after.ike->id, before.ike->id);
  EXPECT_NE(after.ike->path.remote.port, before.ike->path.remote.port);
  EXPECT_TRUE(b.has_event(base::EventKind::ike_peer_moved));
}

TEST(Gateway, keepalives_hold_the_mapping_of_a_silent_nat_open) {
  TestWorld w{seed_from_env(1)};
  Node& a = w.add();
  Node& b = w.add();
  w.put_behind_nat(a, 30s);
  Tunnel tunnel = started_by_a();
  tunnel.b_takes_any = true;
  tunnel.named_ids = true;
  tunnel.dpd = 600s;
  w.connect(a, b, tunnel);
  a.start();
  b.start();
  w.run_until_idle();
  w.run_for(590s);
  const Flow& back = w.flow(b, a, 100ms);
  w.run_for(5s);
  EXPECT_GE(back.replies_arrived, 45u);
}

TEST(Gateway, a_restarted_peer_comes_back_and_its_old_sa_is_cleaned_up) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  a.kill();
  w.run_for(2s);
  a.restart();
  w.run_until_idle();
  EXPECT_EQ(b.status().ike_sas, 1u);
  EXPECT_EQ(b.status().associations, 1u);
  expect_traffic(w, a, b);
}

TEST(Gateway, a_peer_that_restarts_between_two_sas_comes_back_to_one) {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    TestWorld w{seed};
    Tunnel tunnel = started_by_a();
    tunnel.b_starts = true;
    auto [a, b] = w.pair(tunnel);
    ASSERT_TRUE(w.run_until([&, &b = b] { return b.status().ike_sas == 2 && b.is_up(); }, 5s));
    a.kill();
    w.run_for(100ms);
    a.restart();
    ASSERT_TRUE(w.run_until([&, &a = a] { return a.is_up(); }, 30s));
    w.run_for(100ms);
    EXPECT_EQ(b.status().ike_sas, 1u) << seed;
    expect_traffic(w, a, b);
  }
}

TEST(Gateway, a_restarted_responder_is_found_out_and_the_tunnel_comes_back) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  b.kill();
  w.run_for(2s);
  b.restart();
  EXPECT_TRUE(w.run_until([&] { return b.is_up() && a.is_up() && w.spis_match(); }, 300s));
  expect_traffic(w, a, b);
}

TEST(Gateway, a_reload_that_changes_one_of_two_tunnels_leaves_the_other_alone) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Node& a = w.add();
  Node& b = w.add();
  Node& c = w.add();
  w.connect(a, b, started_by_a());
  w.connect(a, c, started_by_a());
  for (Node* node : {&a, &b, &c}) node->start();
  w.run_until_idle();
  const Flow& flow = w.flow(a, b, 50ms);
  w.run_for(1s);
  const auto untouched = a.peer("to-gw2");
  const auto touched = a.peer("to-gw3");
  a.peers[1].dpd = 17s;
  a.reload();
  w.run_until_idle();
  w.run_for(1s);
  EXPECT_EQ(a.peer("to-gw2").ike->id, untouched.ike->id);
  EXPECT_NE(a.peer("to-gw3").ike->id, touched.ike->id);
  EXPECT_TRUE(a.is_up("to-gw3"));
  // Nothing lost: all but what is on its way.
  EXPECT_LE(flow.requests_sent - flow.replies_arrived, 2u);
}

TEST(Gateway, a_reload_that_removes_a_tunnel_deletes_it_at_the_peer) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  a.peers.clear();
  a.reload();
  w.run_for(30s);
  EXPECT_TRUE(a.status().peers.empty());
  EXPECT_TRUE(a.routes().empty());
  EXPECT_EQ(b.status().associations, 0u);
  EXPECT_EQ(b.status().ike_sas, 0u);
}

TEST(Gateway, renewing_keys_under_constant_traffic_loses_no_packet) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Tunnel tunnel = started_by_a();
  tunnel.b_starts = true;
  tunnel.lifetime = 20s;
  auto [a, b] = w.pair(tunnel);
  w.run_until_idle();
  const auto first = a.peer().children.at(0).sa.id;
  const Flow& there = w.flow(a, b, 20ms);
  const Flow& back = w.flow(b, a, 20ms);
  w.run_for(600s);
  EXPECT_NE(a.peer().children.at(0).sa.id, first);
  EXPECT_LE(there.requests_sent - there.replies_arrived, 3u);
  EXPECT_LE(back.requests_sent - back.replies_arrived, 3u);
  EXPECT_LE(a.status().associations, 3u);
}

TEST(Gateway, deleting_and_making_anew_under_constant_traffic_comes_back_each_time) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  w.allow({base::DropReason::ike_unknown_peer, base::DropReason::clear_no_policy});
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  const Flow& flow = w.flow(a, b, 50ms);
  for (int round = 0; round < 10; ++round) {
    a.take_down();
    w.run_for(3s);
    a.initiate();
    const std::uint64_t before = flow.replies_arrived;
    EXPECT_TRUE(w.run_until([&] { return flow.replies_arrived > before + 10; }, 60s)) << round;
  }
  w.run_until_idle();
  EXPECT_EQ(b.status().associations, 1u);
}

TEST(Gateway, a_packet_too_big_for_the_tunnel_is_answered_with_icmp) {
  TestWorld w{seed_from_env(1)};
  w.allow({base::DropReason::clear_too_big});
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  Flow& flow = w.flow(a, b, 100ms);
  flow.filler = 1500;
  w.run_for(1s);
  EXPECT_LE(flow.requests_arrived, 1u);
  EXPECT_GE(a.icmp_errors(), 5u);
}

TEST(Gateway, a_slow_keyholder_delays_but_does_not_break) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Node& a = w.add();
  Node& b = w.add();
  a.keyholder_delay = 3s;
  b.keyholder_delay = 3s;
  w.connect(a, b, started_by_a());
  a.start();
  b.start();
  w.run_until_idle();
  expect_traffic(w, a, b);
}

//= rfc4301#3.1-1 type=test
TEST(Gateway, a_moved_laptop_is_reachable_again) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Node& a = w.add();
  Node& b = w.add();
  Tunnel tunnel = started_by_a();
  tunnel.b_takes_any = true;
  tunnel.named_ids = true;
  tunnel.a_fixes_local = false;
  w.connect(a, b, tunnel);
  a.start();
  b.start();
  w.run_until_idle();
  w.move(a, base::IpAddress::parse("198.51.100.77").value());
  EXPECT_TRUE(w.run_until(
      [&] {
        const auto peer = a.peer();
        return a.is_up() && peer.ike->path.local.address == a.address() && w.spis_match();
      },
      600s));
  expect_traffic(w, a, b);
}

TEST(Gateway, the_same_seed_gives_the_same_run) {
  const auto run = [](std::uint64_t seed) {
    TestWorld w{seed};
    w.allow_weather();
    w.network().set_quality({.loss = 0.1, .duplicate = 0.1, .reorder = 0.2, .jitter = 20ms});
    Tunnel tunnel = started_by_a();
    tunnel.b_starts = true;
    auto [a, b] = w.pair(tunnel);
    w.flow(a, b, 30ms);
    w.run_for(120s);
    return w.trace().hash();
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

}  // namespace
}  // namespace caponier::sim
