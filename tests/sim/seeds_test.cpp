// Random worlds in five parts that run side by side, and each world twice the same.

#include <gtest/gtest.h>

#include "sim/random_run.h"
#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

constexpr double loss_max = 0.3;
constexpr std::uint64_t seeds_per_part = 400;

class Seeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Seeds, end_with_the_tunnel_up_and_nothing_repeated_or_leaked) {
  const std::uint64_t first = seed_from_env(1) + GetParam() * seeds_per_part;
  for (std::uint64_t seed = first; seed < first + seeds_per_part; ++seed) {
    const RunResult result = random_run(seed, loss_max);
    if (!result.violations.empty()) ADD_FAILURE() << describe(seed, result);
  }
}

INSTANTIATE_TEST_SUITE_P(Hundreds, Seeds, testing::Range<std::uint64_t>(0, 5));

TEST(Replay, a_seed_run_twice_is_the_same_run_byte_for_byte) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const RunResult once = random_run(seed, loss_max);
    const RunResult again = random_run(seed, loss_max);
    EXPECT_EQ(once.trace_hash, again.trace_hash) << seed;
    EXPECT_EQ(once.trace_count, again.trace_count) << seed;
  }
}

TEST(Replay, different_seeds_are_different_runs) {
  EXPECT_NE(random_run(1, loss_max).trace_hash, random_run(2, loss_max).trace_hash);
}

}  // namespace
}  // namespace caponier::sim
