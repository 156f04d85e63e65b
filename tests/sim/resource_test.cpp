// An SA for each worker (RFC 9611): they come up with the traffic, each worker sends on its own,
// and neither rekeys nor bad weather take them away for good.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

constexpr unsigned everybody = 99;

struct End {
  unsigned workers = 2;
  unsigned per_cpu_sas = config::workers_max;
  base::Duration lifetime = std::chrono::hours{1};
  std::optional<base::Duration> reauth{};
};

std::pair<Node&, Node&> resource_pair(World& w, const End& of_a = {}, const End& of_b = {}) {
  Node& a = w.add();
  Node& b = w.add();
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  w.connect(a, b, tunnel);
  const auto start = [](Node& node, const End& end) {
    node.workers = end.workers;
    node.peers.front().child().per_cpu_sas = end.per_cpu_sas;
    node.peers.front().child().lifetime.soft_time = end.lifetime;
    node.peers.front().reauth = end.reauth;
    node.start();
  };
  start(a, of_a);
  start(b, of_b);
  EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 10s));
  return {a, b};
}

/// How many SAs each worker has.
std::map<unsigned, unsigned> uses(const Node& node) {
  std::map<unsigned, unsigned> counts;
  for (const auto& child : node.peer().children) {
    ++counts[child.sa.resource ? child.sa.resource->value : everybody];
  }
  return counts;
}

const std::map<unsigned, unsigned> one_each{{0, 1}, {1, 1}, {everybody, 1}};

bool has_each(const Node& a, const Node& b) { return uses(a) == one_each && uses(b) == one_each; }

/// What a worker has sent and received on an SA.
ipsec::SaCounters counters(Node& node, std::size_t worker, policy::ChildSaId id) {
  return node.gateway().worker(worker).engine().counters(id).value_or(ipsec::SaCounters{});
}

void expect_everything_arrives(World& w, Flow& flow) {
  flow.running = false;
  w.run_for(2s);
  EXPECT_GT(flow.requests_sent, 1000u);
  EXPECT_EQ(flow.requests_sent, flow.replies_arrived);
}

TEST(Resources, each_worker_sends_and_receives_on_an_sa_of_its_own) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = resource_pair(w);
  Flow& flow = w.flow(a, b, 10ms);
  ASSERT_TRUE(w.run_until([&, &a = a, &b = b] { return has_each(a, b); }, 10s));
  w.run_for(30s);  // whoever answered sends on it by now
  std::map<policy::ChildSaId, std::uint64_t> before;
  for (const auto& child : a.peer().children) {
    before[child.sa.id] = child.counters.packets_out;
  }
  w.run_for(10s);
  for (const auto& child : a.peer().children) {
    const std::uint64_t sent = child.counters.packets_out - before.at(child.sa.id);
    if (!child.sa.resource) {
      EXPECT_EQ(sent, 0u);
      continue;
    }
    EXPECT_GT(sent, 100u);
    const std::size_t own = child.sa.resource->value;
    EXPECT_EQ(base::worker_of(child.sa.spi_in, 2), own);
    EXPECT_EQ(counters(a, 1 - own, child.sa.id).packets_out, 0u);
    EXPECT_EQ(counters(a, 1 - own, child.sa.id).packets_in, 0u);
    EXPECT_GT(counters(a, own, child.sa.id).packets_in, 100u);
  }
  expect_everything_arrives(w, flow);
}

TEST(Resources, are_asked_for_by_traffic_and_not_without) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = resource_pair(w);
  w.run_for(60s);
  EXPECT_EQ(a.peer().children.size(), 1u);
  EXPECT_EQ(b.peer().children.size(), 1u);
}

TEST(Resources, of_two_ends_that_ask_at_once_are_one_for_each) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    TestWorld w{seed_from_env(seed)};
    w.allow_weather();
    w.network().set_quality({.delay = 40ms, .jitter = 30ms});
    auto [a, b] = resource_pair(w);
    Flow& there = w.flow(a, b, 15ms);
    Flow& back = w.flow(b, a, 15ms);
    ASSERT_TRUE(w.run_until([&, &a = a, &b = b] { return has_each(a, b); }, 30s));
    w.run_for(30s);
    EXPECT_TRUE(has_each(a, b));
    there.running = back.running = false;
    w.run_for(5s);
    EXPECT_EQ(w.disagreement(a, b), "");
  }
}

TEST(Resources, keep_their_workers_through_rekeys_and_no_packet_is_lost) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TestWorld w{seed_from_env(seed)};
    auto [a, b] = resource_pair(w, {.lifetime = 6s}, {.lifetime = 7s});
    Flow& flow = w.flow(a, b, 10ms);
    ASSERT_TRUE(w.run_until([&, &a = a, &b = b] { return has_each(a, b); }, 10s));
    w.run_for(120s);
    expect_everything_arrives(w, flow);
    EXPECT_TRUE(w.run_until([&, &a = a, &b = b] { return has_each(a, b); }, 10s));
    EXPECT_FALSE(a.has_event(base::EventKind::child_failed));
  }
}

TEST(Resources, come_again_when_the_peer_is_authenticated_anew) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TestWorld w{seed_from_env(seed)};
    auto [a, b] = resource_pair(w, {.reauth = 10s});
    Flow& flow = w.flow(a, b, 10ms);
    w.run_for(60s);
    EXPECT_TRUE(w.run_until([&, &a = a, &b = b] { return has_each(a, b); }, 30s));
    expect_everything_arrives(w, flow);
  }
}

TEST(Resources, are_not_asked_of_a_peer_that_has_none) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = resource_pair(w, {}, {.per_cpu_sas = 0});
  Flow& flow = w.flow(a, b, 10ms);
  w.run_for(60s);
  EXPECT_EQ(a.peer().children.size(), 1u);
  EXPECT_EQ(w.sent(a, Exchange::create_child_sa), 0u);
  EXPECT_EQ(w.sent(b, Exchange::create_child_sa), 0u);
  expect_everything_arrives(w, flow);
}

TEST(Resources, beyond_what_the_peer_will_have_are_left_alone) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = resource_pair(w, {.workers = 4}, {.workers = 4, .per_cpu_sas = 1});
  Flow& flow = w.flow(a, b, 10ms);
  w.run_for(60s);
  EXPECT_EQ(a.peer().children.size(), 3u);
  EXPECT_EQ(b.peer().children.size(), 3u);
  EXPECT_LE(w.sent(a, Exchange::create_child_sa), 4u);
  EXPECT_LE(w.sent(b, Exchange::create_child_sa), 1u);
  const bool is_told = std::ranges::any_of(a.events(), [](const base::Event& event) {
    return event.text.find("TS_MAX_QUEUE") != std::string::npos;
  });
  EXPECT_TRUE(is_told);
  expect_everything_arrives(w, flow);
}

TEST(Resources, of_an_end_with_one_worker_are_the_peers_alone) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = resource_pair(w, {.workers = 3}, {.workers = 1});
  Flow& flow = w.flow(a, b, 10ms);
  w.run_for(60s);
  EXPECT_EQ(uses(a), (std::map<unsigned, unsigned>{{0, 1}, {1, 1}, {2, 1}, {everybody, 1}}));
  EXPECT_EQ(uses(b), (std::map<unsigned, unsigned>{{0, 3}, {everybody, 1}}));
  EXPECT_EQ(w.sent(b, Exchange::create_child_sa), 0u);
  expect_everything_arrives(w, flow);
}

TEST(Resources, survive_a_peer_that_restarts) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TestWorld w{seed_from_env(seed)};
    w.allow_weather();
    auto [a, b] = resource_pair(w);
    w.flow(a, b, 10ms);
    ASSERT_TRUE(w.run_until([&, &a = a, &b = b] { return has_each(a, b); }, 10s));
    b.kill();
    w.run_for(5s);
    b.restart();
    EXPECT_TRUE(w.run_until([&, &a = a, &b = b] { return has_each(a, b); }, 600s));
  }
}

}  // namespace
}  // namespace caponier::sim
