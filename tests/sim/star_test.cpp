// Many gateways, and many strangers.

#include <gtest/gtest.h>

#include "sim/sim_test.h"
#include "wire/ike.h"

namespace caponier::sim {
namespace {

TEST(Star, fifty_gateways_come_up_around_one_and_reach_it) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  w.network().set_quality({.loss = 0.05, .delay = 20ms, .jitter = 20ms});
  Node& hub = w.add();
  for (int i = 1; i < 50; ++i) {
    Tunnel tunnel = psk_tunnel();
    tunnel.b_starts = true;
    w.connect(hub, w.add(), tunnel);
  }
  for (HostId id = 0; id < w.size(); ++id) w.node(id).start();
  EXPECT_TRUE(w.run_until([&] { return w.is_settled() && hub.status().associations >= 49; }, 300s));
  std::vector<const Flow*> flows;
  for (HostId id = 1; id < w.size(); ++id) flows.push_back(&w.flow(w.node(id), hub, 500ms));
  EXPECT_TRUE(w.run_until(
      [&] {
        return std::all_of(flows.begin(), flows.end(),
                           [](const Flow* flow) { return flow->replies_arrived >= 3; });
      },
      60s));
}

/// One more of these on each side, with identities and networks of its own.
void add_twin(Node& node, std::size_t number, bool is_a) {
  config::PeerConfig more = node.peers.front();
  const std::string ends[] = {"a" + std::to_string(number), "b" + std::to_string(number)};
  more.name += std::to_string(number);
  more.local_id = policy::Identity::parse("@" + ends[is_a ? 0 : 1]);
  more.remote_id = policy::Identity::parse("@" + ends[is_a ? 1 : 0]);
  const auto net = [number](int side) {
    return config::Reach::of({*base::Prefix::parse("10." + std::to_string(side) + "." +
                                                   std::to_string(number) + ".0/24")});
  };
  more.child().name = more.name;
  more.child().local = net(is_a ? 101 : 102);
  more.child().remote = net(is_a ? 102 : 101);
  node.peers.push_back(std::move(more));
}

TEST(Star, hundred_tunnels_between_two_addresses_come_up_without_one_ignored_request) {
  TestWorld w{seed_from_env(1)};
  w.network().set_quality({.delay = 5ms});
  Node& a = w.add();
  Node& b = w.add();
  Tunnel tunnel = psk_tunnel();
  tunnel.named_ids = true;
  w.connect(a, b, tunnel);
  for (std::size_t i = 1; i < 100; ++i) {
    add_twin(a, i, true);
    add_twin(b, i, false);
  }
  for (config::PeerConfig& peer : a.peers) peer.child().start = config::Start::at_once;
  b.start();
  a.start();
  EXPECT_TRUE(w.run_until([&] { return b.status().associations == 100; }, 5s))
      << b.status().associations;
  EXPECT_LE(b.status().half_open, 1u);
  EXPECT_FALSE(b.has_event(base::EventKind::ike_cookie_demanded));
  w.run_until_idle();
}

/// A well-formed IKE_SA_INIT request of a stranger who never goes on.
base::ByteVec stranger_request(const base::ByteVec& genuine, std::uint64_t spi) {
  base::ByteVec request = genuine;
  base::store_be<std::uint64_t>(request.data(), spi);
  return request;
}

TEST(Flood, strangers_are_asked_for_cookies_and_the_peer_still_gets_in) {
  base::ByteVec genuine;  // outlives the world, whose link refers to it
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  w.allow({base::DropReason::ike_half_open_limit, base::DropReason::ike_bad_cookie,
           base::DropReason::ike_unknown_peer, base::DropReason::ike_rate_limited});
  Node& a = w.add();
  Node& b = w.add();
  Node& attacker = w.add();
  b.options.ike_limits.cookie_threshold = 10;
  b.options.ike_limits.half_open_max = 20;
  Tunnel tunnel = psk_tunnel();
  tunnel.b_takes_any = true;
  tunnel.named_ids = true;
  w.connect(a, b, tunnel);
  w.link(a, b).drop_if([&genuine](const Datagram& datagram) {
    if (genuine.empty()) genuine = datagram.payload;
    return false;
  });
  a.start();
  b.start();
  a.initiate();
  w.run_until_idle();
  a.take_down();
  w.run_until_idle();
  ASSERT_FALSE(genuine.empty());
  std::size_t half_open_most = 0;
  for (std::uint64_t i = 1; i <= 2000; ++i) {
    w.inject(attacker, {Carrier::udp,
                        {attacker.address(), static_cast<std::uint16_t>(1024 + i)},
                        {b.address(), 500},
                        stranger_request(genuine, 0x1000 + i)});
    w.run_for(2ms);
    half_open_most = std::max(half_open_most, b.status().half_open);
    if (i == 1000) a.initiate();
  }
  // The threshold, not the limit of one address (16), holds the strangers; the peer itself is one.
  EXPECT_LE(half_open_most, 11u);
  EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 60s));
  EXPECT_TRUE(b.has_event(base::EventKind::ike_cookie_demanded));
  w.run_for(120s);
  EXPECT_EQ(b.status().half_open, 0u);
}

}  // namespace
}  // namespace caponier::sim
