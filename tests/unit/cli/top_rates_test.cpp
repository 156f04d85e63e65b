#include "cli/top_rates.h"

#include <gtest/gtest.h>

namespace caponier::cli {
namespace {

constexpr std::uint64_t second = 1'000'000;
const TunnelName branch{"branch", "branch"};

Snapshot snapshot(std::uint64_t clock_us, std::map<TunnelName, TunnelCounters> tunnels) {
  return {clock_us, 5 * second, 0, {}, std::move(tunnels), {}};
}

Rates rates(const Snapshot& before, const Snapshot& after) {
  const auto found = rates_between(before, after);
  EXPECT_TRUE(found);
  return found.value_or(Rates{});
}

TEST(TopRates, are_differences_over_the_time_of_the_daemons_clock) {
  const auto found = rates(snapshot(10 * second, {{branch, {100, 10'000, 200, 20'000, 1}}}),
                           snapshot(12 * second, {{branch, {300, 14'000, 800, 26'000, 5}}}));
  EXPECT_EQ(found.seconds, 2);
  EXPECT_EQ(found.uptime_seconds, 7);
  ASSERT_EQ(found.tunnels.size(), 1U);
  EXPECT_EQ(found.tunnels[0].name, branch);
  EXPECT_EQ(found.tunnels[0].packets_in, 100);
  EXPECT_EQ(found.tunnels[0].bits_in, 16'000);
  EXPECT_EQ(found.tunnels[0].packets_out, 300);
  EXPECT_EQ(found.tunnels[0].bits_out, 24'000);
  EXPECT_EQ(found.tunnels[0].drops, 2);
}

TEST(TopRates, the_total_is_of_all_tunnels_and_of_every_drop) {
  Snapshot before = snapshot(10 * second, {});
  Snapshot after = snapshot(
      11 * second, {{branch, {10, 100, 20, 200, 3}}, {{"other", "net"}, {1, 10, 2, 20, 0}}});
  before.drops = {{"esp_replay", 5}};
  after.drops = {{"esp_replay", 8}, {"clear_no_sa", 7}, {"ike_malformed", 0}};
  const auto found = rates(before, after);
  EXPECT_EQ(found.total.packets_in, 11);
  EXPECT_EQ(found.total.bits_out, 8 * 220);
  EXPECT_EQ(found.total.drops, 10);
  ASSERT_EQ(found.drops.size(), 2U) << "only reasons that happened";
  EXPECT_EQ(found.drops[0].first, "clear_no_sa") << "the most first";
  EXPECT_EQ(found.drops[1].second, 3);
}

TEST(TopRates, the_busiest_tunnel_comes_first_and_equals_by_name) {
  const auto found =
      rates(snapshot(10 * second, {}), snapshot(11 * second, {{{"a", "a"}, {}},
                                                              {{"b", "b"}, {}},
                                                              {{"c", "c"}, {1, 50, 0, 0, 0}},
                                                              {{"d", "d"}, {0, 0, 1, 900, 0}}}));
  std::string order;
  for (const auto& tunnel : found.tunnels) order += tunnel.name.peer;
  EXPECT_EQ(order, "dcab");
}

TEST(TopRates, the_processor_share_is_of_the_same_time) {
  Snapshot before = snapshot(10 * second, {});
  Snapshot after = snapshot(12 * second, {});
  before.cpu_us = 3 * second;
  after.cpu_us = 4 * second;
  EXPECT_EQ(rates(before, after).cpu_percent, 50);
}

TEST(TopRates, each_worker_has_a_share_of_its_own) {
  Snapshot before = snapshot(10 * second, {});
  Snapshot after = snapshot(12 * second, {});
  before.worker_cpu_us = {1 * second};
  after.worker_cpu_us = {3 * second, 1 * second};
  EXPECT_EQ(rates(before, after).worker_cpu_percent, (std::vector<double>{100, 50}))
      << "the second began in between";
}

TEST(TopRates, a_counter_that_begins_anew_counts_from_zero) {
  const auto found = rates(snapshot(10 * second, {{branch, {1'000'000, 9'000'000, 500, 500, 9}}}),
                           snapshot(11 * second, {{branch, {7, 70, 600, 600, 2}}}));
  EXPECT_EQ(found.tunnels[0].packets_in, 7);
  EXPECT_EQ(found.tunnels[0].bits_in, 560);
  EXPECT_EQ(found.tunnels[0].packets_out, 100);
  EXPECT_EQ(found.tunnels[0].drops, 2);
}

TEST(TopRates, a_daemon_that_was_restarted_counts_from_its_start) {
  Snapshot before = snapshot(10 * second, {{branch, {50, 50, 50, 50, 0}}});
  before.cpu_us = 1 * second;
  before.drops = {{"esp_replay", 1}};
  Snapshot after = snapshot(14 * second, {{branch, {200, 200, 200, 200, 0}}});
  after.started_us = 12 * second;
  after.cpu_us = 1 * second;
  after.drops = {{"esp_replay", 4}};
  const auto found = rates(before, after);
  EXPECT_EQ(found.seconds, 2);
  EXPECT_EQ(found.uptime_seconds, 2);
  EXPECT_EQ(found.tunnels[0].packets_in, 100) << "although it is more than it was";
  EXPECT_EQ(found.cpu_percent, 50);
  EXPECT_EQ(found.total.drops, 2);
}

TEST(TopRates, nothing_is_said_when_no_time_has_passed) {
  const Snapshot one = snapshot(10 * second, {{branch, {1, 1, 1, 1, 0}}});
  EXPECT_FALSE(rates_between(one, one));
  EXPECT_FALSE(rates_between(one, snapshot(10 * second + 10, {{branch, {9, 9, 9, 9, 0}}})));
  EXPECT_FALSE(rates_between(one, snapshot(9 * second, {}))) << "and never backwards";
}

TEST(TopSnapshot, is_read_from_the_daemons_answer) {
  const auto document = Json::parse(R"({"clock_us":12,"started_us":3,"cpu_us":4,
      "workers":[{"worker":0,"cpu_us":1},{"worker":1,"cpu_us":2}],
      "peers":[{"name":"branch","children":[{"name":"net","associations":1,"packets_in":1,
        "bytes_in":18446744073709551615,"packets_out":3,"bytes_out":4,
        "drops":{"esp_replay":2,"esp_bad_icv":3}}]},{"name":"idle","children":[]}],
      "drops":{"esp_replay":5}})");
  const Snapshot found = snapshot_of(document);
  EXPECT_EQ(found.clock_us, 12U);
  EXPECT_EQ(found.started_us, 3U);
  EXPECT_EQ(found.cpu_us, 4U);
  EXPECT_EQ(found.worker_cpu_us, (std::vector<std::uint64_t>{1, 2}));
  ASSERT_EQ(found.tunnels.size(), 1U);
  const TunnelCounters& counters = found.tunnels.at({"branch", "net"});
  EXPECT_EQ(counters.packets_in, 1U);
  EXPECT_EQ(counters.bytes_in, UINT64_MAX);
  EXPECT_EQ(counters.drops, 5U);
  EXPECT_EQ(found.drops.at("esp_replay"), 5U);
}

TEST(TopSnapshot, what_is_missing_or_no_number_is_zero) {
  const Snapshot found = snapshot_of(
      Json::parse(R"({"clock_us":"soon","peers":[{"name":7,"children":[{"packets_in":-1}]}]})"));
  EXPECT_EQ(found.clock_us, 0U);
  EXPECT_EQ(found.tunnels.at({"", ""}).packets_in, 0U);
}

}  // namespace
}  // namespace caponier::cli
