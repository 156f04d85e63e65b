// Dropped packets become events, as long as the administrator wants to hear of them.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

std::size_t audited(const Node& node) {
  return static_cast<std::size_t>(
      std::ranges::count(node.events(), base::EventKind::audit, &base::Event::kind));
}

/// Every packet arrives twice.
std::uint64_t replay_for_a_while(World& w, const Node& from, const Node& to) {
  Flow& flow = w.flow(from, to, 100ms);
  w.network().set_quality({.duplicate = 1});
  w.run_for(2s);
  flow.running = false;
  w.network().set_quality({});
  w.run_for(10s);
  return to.status().drops[base::DropReason::esp_replay];
}

//= rfc4303#4-1 rfc4302#4-1 type=test
TEST(Auditing, is_switched_by_a_reload_while_the_tunnel_stays) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  auto [a, b] = w.pair(psk_tunnel());
  a.initiate();
  w.run_until_idle();
  const auto first = replay_for_a_while(w, a, b);
  const std::size_t burst_max = b.options.engine_limits.audit_burst_max;
  EXPECT_GT(first, burst_max);
  EXPECT_EQ(audited(b), burst_max);
  b.audit = false;
  b.reload();
  const auto second = replay_for_a_while(w, a, b);
  EXPECT_GT(second, first);
  EXPECT_EQ(audited(b), burst_max);
  b.audit = true;
  b.reload();
  EXPECT_GT(replay_for_a_while(w, a, b), second);
  EXPECT_EQ(audited(b), 2 * burst_max);
  EXPECT_TRUE(a.is_up());
}

}  // namespace
}  // namespace caponier::sim
