// Several Child SAs under one IKE SA: each comes up, lives and ends by itself.

#include <gtest/gtest.h>

#include <set>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

/// The lower half of the peer's network has a Child SA of its own, and so has the upper one.
void split(config::PeerConfig& peer, bool local, bool remote) {
  const auto half = [](const config::Reach& whole, unsigned which) {
    base::Prefix net = whole.prefixes().front();
    net.length += 1;
    if (which == 1) net.address = *net.last().next();
    return config::Reach::of({net});
  };
  peer.children.push_back(peer.child());
  for (unsigned which : {0u, 1u}) {
    config::ChildConfig& child = peer.children[which];
    child.name = which == 0 ? "low" : "high";
    if (local) child.local = half(child.local, which);
    if (remote) child.remote = half(child.remote, which);
  }
}

std::pair<Node&, Node&> split_pair(World& w, Tunnel tunnel = psk_tunnel()) {
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  split(a.peers.front(), false, true);
  split(b.peers.front(), true, false);
  a.start();
  b.start();
  return {a, b};
}

std::multiset<std::string> children_of(const Node& node) {
  std::multiset<std::string> names;
  for (const auto& child : node.peer().children) names.insert(child.sa.name);
  return names;
}

const std::multiset<std::string> both{"high", "low"};

TEST(Children, come_up_under_one_ike_sa) {
  for (const auto& [a_starts, b_starts] : {std::pair{true, false}, {false, true}, {true, true}}) {
    TestWorld w{seed_from_env(1)};
    Tunnel tunnel = psk_tunnel();
    tunnel.a_starts = a_starts;
    tunnel.b_starts = b_starts;
    auto [a, b] = split_pair(w, tunnel);
    w.run_for(20s);
    EXPECT_EQ(children_of(a), both) << a_starts << b_starts;
    EXPECT_EQ(children_of(b), both) << a_starts << b_starts;
  }
}

TEST(Children, come_up_under_loss_and_survive_both_kinds_of_rekey_and_reauthentication) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.lifetime = 20s;
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  split(a.peers.front(), false, true);
  split(b.peers.front(), true, false);
  a.peers.front().ike_lifetime = 50s;
  a.peers.front().reauth = 3min;
  a.start();
  b.start();
  w.run_for(10min);
  EXPECT_EQ(children_of(a), both);
  EXPECT_EQ(children_of(b), both);
}

TEST(Children, one_that_was_ended_stays_away_and_the_other_lives) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  auto [a, b] = split_pair(w, tunnel);
  w.run_for(10s);
  ASSERT_EQ(children_of(a), both);
  a.stop_child("high");
  w.run_for(2min);
  EXPECT_EQ(children_of(a), std::multiset<std::string>{"low"});
  EXPECT_EQ(children_of(b), std::multiset<std::string>{"low"});
  a.start_child("high");
  w.run_for(10s);
  EXPECT_EQ(children_of(a), both);
}

}  // namespace
}  // namespace caponier::sim
