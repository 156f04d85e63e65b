// The rules of tolerance that concern a whole gateway; see tolerance_test.cpp.

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

TEST(Tolerance, rule_10_a_rebooted_peer_is_reached_again_by_our_own_wish) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  auto [a, b] = w.pair(tunnel);
  const auto both_up = [&] { return a.is_up() && b.is_up(); };
  ASSERT_TRUE(w.run_until(both_up, 10s));
  b.kill();
  b.restart();
  EXPECT_TRUE(w.run_until([&] { return b.is_up(); }, 300s)) << "nobody asked B to begin";
}

}  // namespace
}  // namespace caponier::sim
