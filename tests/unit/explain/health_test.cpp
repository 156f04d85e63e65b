#include "explain/health.h"

#include <gtest/gtest.h>

namespace caponier::explain {
namespace {

using namespace std::chrono_literals;

Flow lively() {
  Flow flow;
  flow.child = "branch";
  flow.age = 1h;
  flow.packets_in = flow.packets_out = 1000;
  flow.silent_for = 1s;
  flow.sent_ago = 1s;
  flow.path_mtu = 1500;
  return flow;
}

std::vector<Code> codes(const Flow& flow) {
  std::vector<Code> found;
  for (const Diagnosis& one : judge(flow)) found.push_back(one.code);
  return found;
}

TEST(Health, nothing_is_said_of_a_lively_tunnel) { EXPECT_TRUE(judge(lively()).empty()); }

TEST(Health, packets_that_leave_and_none_that_come_back) {
  Flow flow = lively();
  flow.packets_in = 0;
  flow.silent_for.reset();
  ASSERT_EQ(codes(flow), std::vector{Code::esp_lost});
  EXPECT_EQ(judge(flow).front().certainty, Certainty::possible);
  EXPECT_EQ(judge(flow).front().fixes.front().settings.front().key, "encap");
  flow.in_udp = true;
  EXPECT_TRUE(judge(flow).front().fixes.front().settings.empty()) << "it is in UDP already";
}

TEST(Health, a_pause_of_both_is_no_failure) {
  Flow flow = lively();
  flow.silent_for = flow.sent_ago = 30s;
  EXPECT_TRUE(judge(flow).empty());
}

TEST(Health, a_young_tunnel_is_waited_for) {
  Flow flow = lively();
  flow.age = 5s;
  flow.packets_in = 0;
  flow.silent_for.reset();
  EXPECT_TRUE(judge(flow).empty());
}

TEST(Health, few_replays_are_the_internet_s_and_many_are_told) {
  Flow flow = lively();
  flow.replayed = 5;
  EXPECT_TRUE(judge(flow).empty());
  flow.replayed = 50;
  EXPECT_EQ(codes(flow), std::vector{Code::replayed});
}

TEST(Health, wrong_integrity_checks) {
  Flow flow = lively();
  flow.corrupted = 100;
  EXPECT_EQ(codes(flow), std::vector{Code::corrupted});
}

TEST(Health, a_narrow_path_is_told_with_what_it_leaves) {
  Flow flow = lively();
  flow.path_mtu = 1400;
  flow.inner_mtu = 1330;
  ASSERT_EQ(codes(flow), std::vector{Code::path_narrow});
  EXPECT_NE(judge(flow).front().cause.find("1330"), std::string::npos);
}

TEST(Health, nothing_of_ours_goes_out) {
  Flow flow = lively();
  flow.packets_out = 0;
  flow.sent_ago.reset();
  EXPECT_EQ(codes(flow), std::vector{Code::nothing_sent});
}

}  // namespace
}  // namespace caponier::explain
