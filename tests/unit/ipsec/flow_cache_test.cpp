#include "ipsec/flow_cache.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace caponier::ipsec::test {
namespace {

FlowKey flow_of(std::uint64_t number) {
  FlowKey key;
  key.source = 0x0a000000 + number;
  key.destination = 0x14000000 + number;
  return key;
}

/// Every flow once; how many were not there, and now are.
std::size_t misses(FlowCache& cache, std::uint64_t flows, std::uint64_t generation) {
  std::size_t count = 0;
  for (std::uint64_t i = 0; i < flows; ++i) {
    if (cache.find(flow_of(i), generation) != nullptr) continue;
    cache.insert(flow_of(i), generation, {});
    ++count;
  }
  return count;
}

TEST(FlowCache, flows_that_drive_each_other_out_find_places) {
  FlowCache cache;
  constexpr std::uint64_t flows = FlowCache::places_max * 3 / 8;
  constexpr int passes = 30;
  for (int pass = 0; pass < passes; ++pass) (void)misses(cache, flows, 1);
  EXPECT_LT(misses(cache, flows, 1), flows / 1000);
}

TEST(FlowCache, what_another_generation_knew_is_not_found) {
  FlowCache cache;
  EXPECT_EQ(misses(cache, 100, 1), 100u);
  EXPECT_EQ(misses(cache, 100, 1), 0u);
  EXPECT_EQ(misses(cache, 100, 2), 100u);
  EXPECT_EQ(cache.find(flow_of(7), 1), nullptr);
}

}  // namespace
}  // namespace caponier::ipsec::test
