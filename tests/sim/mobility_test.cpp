// Gateways whose addresses change while traffic flows.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

base::IpAddress ip(std::string_view text) { return *base::IpAddress::parse(text); }

/// `a` moves, `b` stays and does not know where `a` is.
Tunnel laptop() {
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.a_fixes_local = false;
  tunnel.b_takes_any = true;
  tunnel.named_ids = true;
  return tunnel;
}

/// Between two gateways with several addresses each.
Tunnel gateways() {
  Tunnel tunnel = laptop();
  tunnel.b_takes_any = false;
  return tunnel;
}

std::size_t count(const Node& node, base::EventKind kind) {
  return static_cast<std::size_t>(
      std::ranges::count_if(node.events(), [&](const auto& event) { return event.kind == kind; }));
}

struct Traffic {
  Flow& there;
  Flow& back;
  [[nodiscard]] std::uint64_t lost() const {
    return there.requests_sent + back.requests_sent - there.replies_arrived - back.replies_arrived;
  }
  void stop(World& w) {
    there.running = back.running = false;
    w.run_for(1s);
  }
};

Traffic start_traffic(World& w, const Node& a, const Node& b, base::Duration interval) {
  return {w.flow(a, b, interval), w.flow(b, a, interval)};
}

/// The names of both are configured without addresses of their own.
std::pair<Node&, Node&> make_pair_of(World& w, const Tunnel& tunnel, bool mobike = true) {
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  for (Node* node : {&a, &b}) {
    node->peers.front().local.reset();
    node->peers.front().mobike = mobike;
    node->start();
  }
  w.run_until_idle();
  return {a, b};
}

void expect_same_sa(const Node& a, const Node& b) {
  EXPECT_EQ(count(a, base::EventKind::ike_established), 1u);
  EXPECT_EQ(count(b, base::EventKind::ike_established), 1u);
}

TEST(Mobility, a_laptop_moves_under_traffic_and_loses_only_what_was_on_its_way) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = make_pair_of(w, laptop());
  Traffic traffic = start_traffic(w, a, b, 5ms);
  w.run_for(1s);
  const auto lost_before = w.network().lost();
  for (const auto* address : {"198.51.100.7", "203.0.113.8", "198.51.100.9"}) {
    w.roam(a, ip(address));
    w.run_for(1s);
  }
  traffic.stop(w);
  // Every packet that did not arrive was on the wire to an address that was there no more.
  EXPECT_LE(traffic.lost(), w.network().lost() - lost_before);
  // One way to b, one way back, and the proof: 40 ms in which b sends into the void.
  EXPECT_LE(traffic.lost(), 3u * (2 * 40 / 5 + 4));
  expect_same_sa(a, b);
  EXPECT_TRUE(a.is_up() && b.is_up());
}

TEST(Mobility, without_mobike_a_moved_laptop_is_back_at_once_and_not_after_a_liveness_check) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = make_pair_of(w, laptop(), false);
  w.run_for(10s);
  w.roam(a, ip("198.51.100.7"));
  EXPECT_TRUE(w.run_until([&] { return a.is_up(); }, 2s));
  const Flow& there = w.flow(a, b, 100ms);
  EXPECT_TRUE(w.run_until([&] { return there.replies_arrived >= 3; }, 2s));
  EXPECT_EQ(count(a, base::EventKind::ike_established), 2u);
}

TEST(Mobility, a_gateway_with_two_uplinks_survives_the_loss_of_either) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, gateways());
  w.add_address(b, ip("198.51.100.2"));
  for (Node* node : {&a, &b}) {
    node->peers.front().local.reset();
    node->start();
  }
  w.run_until_idle();
  for (const auto& dead : {ip("192.0.2.2"), ip("198.51.100.2")}) {
    // The provider fails silently: no interface goes down.
    w.link(a, b).drop_if([dead](const Datagram& datagram) {
      return datagram.source.address == dead || datagram.destination.address == dead;
    });
    Flow& there = w.flow(a, b, 100ms);
    const auto before = there.replies_arrived;
    EXPECT_TRUE(w.run_until([&] { return there.replies_arrived >= before + 5; }, 40s));
    there.running = false;
    w.link(a, b).drop_if({});
    w.run_for(5s);
  }
  expect_same_sa(a, b);
}

TEST(Mobility, an_interface_that_goes_down_is_left_within_a_second_on_either_side) {
  for (const bool initiators : {true, false}) {
    TestWorld w{seed_from_env(1)};
    w.allow_weather();
    Node& a = w.add();
    Node& b = w.add();
    w.connect(a, b, gateways());
    Node& hit = initiators ? a : b;
    w.add_address(hit, ip("198.51.100.2"));
    for (Node* node : {&a, &b}) {
      node->peers.front().local.reset();
      node->start();
    }
    w.run_until_idle();
    const base::IpAddress first = hit.addresses().front();
    w.set_interface(hit, first, false);
    Flow& there = w.flow(a, b, 50ms);
    EXPECT_TRUE(w.run_until([&] { return there.replies_arrived >= 5; }, 1s)) << initiators;
    w.set_interface(hit, first, true);
    w.run_for(5s);
    there.running = false;
    w.run_for(1s);
    EXPECT_LE(there.requests_sent - there.replies_arrived, 8u) << initiators;
    expect_same_sa(a, b);
  }
}

TEST(Mobility, a_nat_appears_on_the_way_and_is_gone_again) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = make_pair_of(w, laptop());
  Traffic traffic = start_traffic(w, a, b, 20ms);
  w.run_for(1s);
  EXPECT_FALSE(a.peer().children.at(0).sa.udp_encap);
  (void)w.put_behind_nat(a);
  w.roam(a, ip("192.168.1.7"));
  w.run_for(1s);
  EXPECT_TRUE(a.peer().children.at(0).sa.udp_encap);
  EXPECT_TRUE(b.peer().children.at(0).sa.udp_encap);
  w.network().remove_nat(a.id());
  w.roam(a, ip("198.51.100.7"));
  w.run_for(1s);
  EXPECT_FALSE(a.peer().children.at(0).sa.udp_encap);
  EXPECT_FALSE(b.peer().children.at(0).sa.udp_encap);
  traffic.stop(w);
  EXPECT_LE(traffic.lost(), 30u);
  expect_same_sa(a, b);
}

TEST(Mobility, a_nat_that_forgets_its_mappings_interrupts_traffic_for_one_packet) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, laptop());
  Nat& nat = w.put_behind_nat(a);
  for (Node* node : {&a, &b}) {
    node->peers.front().local.reset();
    node->start();
  }
  w.run_until_idle();
  Traffic traffic = start_traffic(w, a, b, 20ms);
  w.run_for(1s);
  for (int i = 0; i < 3; ++i) {
    nat.rebind();
    w.run_for(1s);
  }
  traffic.stop(w);
  EXPECT_LE(traffic.lost(), 3u * 6) << "replies that were on their way to the old mapping";
  EXPECT_GE(count(b, base::EventKind::ike_peer_moved), 3u);
  expect_same_sa(a, b);
}

TEST(Mobility, a_carrier_whose_mappings_expire_early_needs_a_short_keepalive) {
  for (const base::Duration keepalive : {base::Duration{5s}, base::Duration{60s}}) {
    TestWorld w{seed_from_env(1)};
    w.allow_weather();
    Tunnel tunnel = laptop();
    tunnel.dpd = 1h;
    Node& a = w.add();
    Node& b = w.add();
    w.connect(a, b, tunnel);
    (void)w.put_behind_nat(a, 10s);
    for (Node* node : {&a, &b}) {
      node->peers.front().local.reset();
      node->peers.front().keepalive = keepalive;
      node->start();
    }
    w.run_until_idle();
    w.run_for(45s);
    Flow& back = w.flow(b, a, 100ms);
    w.run_for(3s);
    back.running = false;
    w.run_for(1s);
    EXPECT_EQ(back.replies_arrived > 0, keepalive == 5s);
  }
}

TEST(Mobility, a_laptop_that_slept_in_another_network_comes_back) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = make_pair_of(w, laptop());
  w.set_interface(a, a.addresses().front(), false);
  w.run_for(150s);
  w.roam(a, ip("198.51.100.7"));
  Flow& there = w.flow(a, b, 100ms);
  EXPECT_TRUE(w.run_until([&] { return there.replies_arrived >= 5; }, 5s));
  expect_same_sa(a, b);
}

TEST(Mobility, moves_rekeys_and_loss_at_once_end_in_one_working_tunnel) {
  constexpr std::uint64_t seeds = 40;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    TestWorld w{seed_from_env(seed)};
    w.allow_weather();
    w.allow({base::DropReason::ike_unproven_address});
    Tunnel tunnel = laptop();
    tunnel.lifetime = 20s;
    auto [a, b] = make_pair_of(w, tunnel);
    w.network().set_quality({.loss = 0.1, .duplicate = 0.05, .reorder = 0.1, .jitter = 5ms});
    for (int i = 0; i < 8; ++i) {
      w.run_for(base::Duration{w.rng().public_below(8'000'000'000)});
      w.roam(a, base::IpAddress::v4(0xc6336400U + 10 + static_cast<std::uint32_t>(i)));
    }
    w.network().set_quality({});
    Flow& there = w.flow(a, b, 100ms);
    const auto before = there.replies_arrived;
    EXPECT_TRUE(w.run_until([&] { return there.replies_arrived >= before + 5; }, 90s))
        << "seed " << seed;
    there.running = false;
    w.run_until_idle();
  }
}

}  // namespace
}  // namespace caponier::sim
