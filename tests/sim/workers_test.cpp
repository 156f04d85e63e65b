// Gateways whose packets are carried by several workers, each packet by another one.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

std::pair<Node&, Node&> pair_of_workers(
    World& w, const std::function<void(config::PeerConfig&)>& edit = [](config::PeerConfig&) {}) {
  Node& a = w.add();
  Node& b = w.add();
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  w.connect(a, b, tunnel);
  a.workers = 3;
  b.workers = 2;
  edit(a.peers.front());
  a.start();
  b.start();
  return {a, b};
}

std::size_t count(const Node& node, base::EventKind kind) {
  return static_cast<std::size_t>(
      std::ranges::count_if(node.events(), [&](const auto& event) { return event.kind == kind; }));
}

void expect_no_loss(World& w, Node& a, Node& b, base::Duration duration) {
  ASSERT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 10s));
  Flow& there = w.flow(a, b, 10ms);
  Flow& back = w.flow(b, a, 10ms);
  w.run_for(duration);
  there.running = back.running = false;
  w.run_for(2s);
  EXPECT_GT(there.requests_sent, 1000u);
  EXPECT_EQ(there.requests_sent, there.replies_arrived);
  EXPECT_EQ(back.requests_sent, back.replies_arrived);
}

TEST(SeveralWorkers, renew_keys_by_time_without_losing_a_packet) {
  World w{11};
  auto [a, b] = pair_of_workers(w, [](config::PeerConfig& peer) {
    peer.child().lifetime.soft_time = 5s;
    peer.ike_lifetime = 17s;
  });
  const auto worker_at = [](const Node& node) {
    return base::worker_of(node.peer().children.at(0).sa.spi_in,
                           static_cast<std::uint32_t>(node.workers));
  };
  ASSERT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 10s));
  const auto before = std::pair{worker_at(a), worker_at(b)};
  expect_no_loss(w, a, b, 60s);
  EXPECT_GE(count(a, base::EventKind::child_rekeyed), 10u);
  // What two workers opened would come out in another order.
  EXPECT_EQ((std::pair{worker_at(a), worker_at(b)}), before);
}

TEST(SeveralWorkers, count_packets_together_and_renew_keys_once) {
  World w{12};
  auto [a, b] = pair_of_workers(
      w, [](config::PeerConfig& peer) { peer.child().lifetime.soft_packets = 2000; });
  expect_no_loss(w, a, b, 60s);
  // Each side sends 200 packets a second.
  EXPECT_GE(count(a, base::EventKind::child_rekeyed), 5u);
  EXPECT_LE(count(a, base::EventKind::child_rekeyed), 8u);
}

TEST(SeveralWorkers, make_one_tunnel_of_first_packets_and_lose_none) {
  World w{13};
  auto [a, b] = pair_of_workers(
      w, [](config::PeerConfig& peer) { peer.child().start = config::Start::trap; });
  w.run_for(1s);
  EXPECT_FALSE(a.is_up());
  Flow& flow = w.flow(a, b, 20ms);
  w.run_for(10s);
  flow.running = false;
  w.run_for(2s);
  EXPECT_EQ(flow.requests_sent, flow.replies_arrived);
  EXPECT_EQ(a.status().associations, 1u);
  EXPECT_EQ(b.status().associations, 1u);
  EXPECT_EQ(count(a, base::EventKind::child_up), 1u);
}

}  // namespace
}  // namespace caponier::sim
