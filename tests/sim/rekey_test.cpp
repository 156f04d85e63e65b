// Keys that are renewed every few seconds under a flow in both directions: not one packet is lost,
// on a path that loses none.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

struct Lifetimes {
  base::Duration child{};
  base::Duration ike{};
  std::optional<base::Duration> reauth{};
};

std::pair<Node&, Node&> renewing_pair(World& w, const Lifetimes& of_a, const Lifetimes& of_b) {
  Node& a = w.add();
  Node& b = w.add();
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  w.connect(a, b, tunnel);
  const auto set = [](Node& node, const Lifetimes& lifetimes) {
    config::PeerConfig& peer = node.peers.front();
    peer.child().lifetime.soft_time = lifetimes.child;
    peer.ike_lifetime = lifetimes.ike;
    peer.reauth = lifetimes.reauth;
    node.start();
  };
  set(a, of_a);
  set(b, of_b);
  EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 10s));
  return {a, b};
}

std::size_t count(const Node& node, base::EventKind kind) {
  return static_cast<std::size_t>(
      std::ranges::count_if(node.events(), [&](const auto& event) { return event.kind == kind; }));
}

/// By all SAs the tunnel has had.
ipsec::SaCounters carried(Node& node) {
  const gateway::Traffic traffic = node.gateway().traffic();
  EXPECT_EQ(traffic.peers.size(), 1u);
  EXPECT_EQ(traffic.peers.front().children.size(), 1u);
  return traffic.peers.front().children.front().total;
}

void expect_no_loss(World& w, Node& a, Node& b, base::Duration duration) {
  Flow& there = w.flow(a, b, 10ms);
  Flow& back = w.flow(b, a, 10ms);
  w.run_for(duration);
  there.running = back.running = false;
  w.run_for(2s);
  EXPECT_GT(there.requests_sent, 1000u);
  EXPECT_EQ(there.requests_sent, there.replies_arrived);
  EXPECT_EQ(back.requests_sent, back.replies_arrived);
  for (Node* node : {&a, &b}) {
    const ipsec::SaCounters total = carried(*node);
    EXPECT_EQ(total.packets_out, there.requests_sent + back.requests_sent);
    EXPECT_EQ(total.packets_in, total.packets_out);
    EXPECT_EQ(total.bytes_in, total.bytes_out);
  }
  EXPECT_LE(a.status().associations, 4u);
  EXPECT_LE(b.status().associations, 4u);
}

TEST(Rekey, of_the_child_every_few_seconds_loses_no_packet) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TestWorld w{seed_from_env(seed)};
    auto [a, b] = renewing_pair(w, {5s, 1h}, {5s, 1h});
    expect_no_loss(w, a, b, 120s);
    EXPECT_GE(count(a, base::EventKind::child_rekeyed), 20u);
    EXPECT_EQ(count(a, base::EventKind::child_failed), 0u);
  }
}

TEST(Rekey, of_the_ike_sa_every_few_seconds_loses_no_packet) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TestWorld w{seed_from_env(seed)};
    auto [a, b] = renewing_pair(w, {1h, 5s}, {1h, 5s});
    expect_no_loss(w, a, b, 120s);
    EXPECT_GE(count(a, base::EventKind::ike_rekeyed), 20u);
  }
}

TEST(Rekey, of_both_at_once_from_both_sides_loses_no_packet_even_out_of_order) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TestWorld w{seed_from_env(seed)};
    w.allow_weather();
    w.network().set_quality({.jitter = 30ms});
    auto [a, b] = renewing_pair(w, {5s, 7s}, {5s, 6s});
    expect_no_loss(w, a, b, 120s);
    EXPECT_GE(count(a, base::EventKind::child_rekeyed), 15u);
    EXPECT_GE(count(a, base::EventKind::ike_rekeyed), 10u);
  }
}

TEST(Rekey, reauthentication_every_few_seconds_loses_no_packet) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    TestWorld w{seed_from_env(seed)};
    auto [a, b] = renewing_pair(w, {1h, 1h, 10s}, {1h, 1h, 13s});
    expect_no_loss(w, a, b, 120s);
    const auto both = count(a, base::EventKind::ike_reauthenticating) +
                      count(b, base::EventKind::ike_reauthenticating);
    EXPECT_GE(both, 8u) << seed;
    EXPECT_LE(both, 20u) << seed << ": two that take the place of one";
  }
}

}  // namespace
}  // namespace caponier::sim
