// Each collision in every order with every single loss or repetition. `./dev sim explore` prints
// how many schedules there are, and repeats one.

#include "sim/explorer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

namespace caponier::sim {
namespace {

const ExploreMode& quiet = explore_modes()[0];
const ExploreMode& with_traffic = explore_modes()[1];

class Explore : public testing::TestWithParam<std::size_t> {};

TEST_P(Explore, every_order_ends_with_both_ends_agreed_on_one_usable_pair) {
  const Collision& collision = collisions()[GetParam()];
  for (const ExploreMode& mode : explore_modes()) {
    if (mode.limits.repeats_max > 0 && !collision.is_repeated) continue;
    const ExploreResult result = explore(collision, mode);
    EXPECT_TRUE(result.is_complete);
    EXPECT_GT(result.lossless, 0u);
    EXPECT_EQ(result.failed, 0u) << mode.name << ": " << describe(result);
  }
}

std::string test_name(const testing::TestParamInfo<std::size_t>& info) {
  std::string name = collisions()[info.param].name;
  std::ranges::replace_if(
      name, [](unsigned char letter) { return std::isalnum(letter) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Collisions, Explore, testing::Range(std::size_t{0}, collisions().size()),
                         test_name);

Collision harmless() {
  Collision collision;
  collision.name = "canary";
  collision.first = [](ExploredPair& pair) {
    pair.a.command(ike::CheckLiveness{pair.a.connection()});
  };
  collision.second = [](ExploredPair& pair) {
    pair.b.command(ike::CheckLiveness{pair.b.connection()});
  };
  return collision;
}

TEST(ExploreCanary, a_harmless_collision_has_every_schedule_and_no_failure) {
  const ExploreResult result = explore(harmless(), with_traffic);
  EXPECT_TRUE(result.is_complete);
  EXPECT_EQ(result.failed, 0u) << describe(result);
  // The ways to merge request, answer with command, request, answer: 5 over 2.
  EXPECT_EQ(result.lossless, 10u);
  EXPECT_GT(result.schedules, 4 * result.lossless);
}

TEST(ExploreCanary, a_missing_child_is_found) {
  Collision collision = harmless();
  collision.second = [](ExploredPair& pair) {
    pair.b.command(ike::DeleteChild{pair.b.first_child()});
  };
  const ExploreResult result = explore(collision, quiet);
  EXPECT_EQ(result.failed, result.schedules);
}

TEST(ExploreCanary, a_moment_without_a_way_is_found) {
  Collision collision = harmless();
  collision.child_min = 0;
  collision.second = [](ExploredPair& pair) {
    pair.b.command(ike::DeleteChild{pair.b.first_child()});
  };
  EXPECT_EQ(explore(collision, quiet).failed, 0u);
  EXPECT_GT(explore(collision, with_traffic).failed, 0u);
}

TEST(ExploreCanary, a_duplicate_is_found) {
  Collision collision = harmless();
  collision.second = [](ExploredPair& pair) {
    pair.b.command(ike::InitiateChild{pair.b.connection(), "net"});
  };
  EXPECT_GT(explore(collision, quiet).failed, 0u);
}

TEST(ExploreCanary, ends_that_disagree_are_found) {
  Collision collision = harmless();
  collision.child_min = 0;
  collision.child_max = 2;
  collision.ike_min = 0;
  collision.ike_max = 2;
  collision.second = [](ExploredPair& pair) {
    pair.b.command(ike::Shutdown{});
    pair.a.addresses.clear();
  };
  EXPECT_GT(explore(collision, quiet).failed, 0u);
}

TEST(ExploreCanary, an_sa_that_was_not_replaced_is_found) {
  Collision collision = harmless();
  collision.is_child_new = true;
  EXPECT_GT(explore(collision, quiet).failed, 0u);
  collision.is_child_new = false;
  collision.is_ike_new = true;
  EXPECT_GT(explore(collision, quiet).failed, 0u);
}

TEST(ExploreCanary, a_pair_that_never_rests_is_found) {
  ExploreMode hasty = quiet;
  hasty.limits.steps_max = 3;
  const ExploreResult result = explore(harmless(), hasty);
  EXPECT_GT(result.failed, 0u);
}

}  // namespace
}  // namespace caponier::sim
