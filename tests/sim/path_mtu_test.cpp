// Paths that carry less than their ends, with nobody to say so.

#include <gtest/gtest.h>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

constexpr std::size_t tunnel_overhead = 54;         ///< IPv4 and AES-GCM over native ESP, 4-aligned
constexpr std::size_t ping_overhead = 20 + 8 + 16;  ///< IPv4, ICMP, and what tells pings apart

struct Narrow {
  explicit Narrow(std::size_t mtu) : w(seed_from_env(1)), a(w.add()), b(w.add()) {
    Tunnel tunnel = psk_tunnel();
    tunnel.a_starts = true;
    w.connect(a, b, tunnel);
    for (Node* const node : {&a, &b}) node->options.probe_paths = true;
    link().mtu = mtu;
    link().carries_fragments = true;
    w.allow({base::DropReason::clear_too_big});
    a.start();
    b.start();
    EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 10s));
  }
  Link& link() { return w.link(a, b); }
  [[nodiscard]] std::size_t inner_mtu(const Node& node) const {
    const auto peer = node.peer();
    return peer.children.empty() ? 0 : peer.children.front().inner_mtu;
  }
  TestWorld w;
  Node& a;
  Node& b;
};

TEST(PathMtu, is_found_out_from_both_ends_to_within_four_octets) {
  for (const std::size_t mtu : {1500U, 1492U, 1400U, 1280U, 1000U, 576U}) {
    Narrow net{mtu};
    net.w.run_for(40s);
    for (const Node* const node : {&net.a, &net.b}) {
      const std::size_t found = net.inner_mtu(*node) + tunnel_overhead;
      EXPECT_LE(found, mtu);
      EXPECT_GT(found + 8, mtu) << "padding and search each round down by less than 4";
    }
    EXPECT_EQ(net.a.ike_state(), IkeState::established);
    net.w.run_until_idle();
  }
}

TEST(PathMtu, no_packet_is_lost_while_it_is_searched) {
  Narrow net{1300};
  Flow& flow = net.w.flow(net.a, net.b, 100ms);
  flow.filler = 1200;
  net.w.run_for(30s);
  EXPECT_EQ(net.inner_mtu(net.a), 1300 - tunnel_overhead);
  flow.filler = net.inner_mtu(net.a) - ping_overhead;
  Flow& large = net.w.flow(net.b, net.a, 50ms);
  large.filler = 1390;
  net.w.run_for(1s);
  EXPECT_GT(net.b.icmp_errors(), 0u);
  EXPECT_EQ(large.requests_arrived, 1u) << "the first one is small";
  large.running = false;
  net.w.run_for(1s);
  flow.running = false;
  net.w.run_for(1s);
  EXPECT_EQ(flow.replies_arrived, flow.requests_sent);
}

TEST(PathMtu, before_it_is_known_large_packets_may_be_fragmented_on_their_way) {
  Narrow net{1300};
  Flow& flow = net.w.flow(net.a, net.b, 20ms);
  flow.filler = 1390;
  net.w.run_for(1s);
  EXPECT_GT(flow.replies_arrived, 20u);
  flow.running = false;
  net.w.run_for(30s);
}

TEST(PathMtu, that_shrinks_in_silence_is_found_again_and_so_is_one_that_grows) {
  Narrow net{1500};
  net.w.run_for(60s);
  EXPECT_EQ(net.inner_mtu(net.a) + tunnel_overhead, 1500u);
  net.link().mtu = 1350;
  net.w.run_for(std::chrono::minutes{11});
  EXPECT_LE(net.inner_mtu(net.a) + tunnel_overhead, 1350u);
  EXPECT_GT(net.inner_mtu(net.a) + tunnel_overhead, 1342u);
  net.link().mtu = 1500;
  net.w.run_for(std::chrono::minutes{11});
  EXPECT_EQ(net.inner_mtu(net.a) + tunnel_overhead, 1500u);
}

}  // namespace
}  // namespace caponier::sim
