#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

const policy::TrafficSelectors everything{prefix("0.0.0.0/0"), prefix("::/0")};

Verdict verdict_of(Engine& engine, const ByteVec& packet, Instant now = {}) {
  return protect_one(engine, packet, now).item.verdict;
}

TEST(Waiting, the_first_packets_go_out_in_their_order_when_the_sa_is_there) {
  Pair pair;
  pair.a.remove({1});
  const std::vector sent{v4_packet(1), v6_packet(2), v4_packet(3)};
  for (const ByteVec& packet : sent) EXPECT_EQ(verdict_of(pair.a, packet), Verdict::held);
  EXPECT_TRUE(take_all(pair.a).empty());
  Spec second;
  second.id = 2;
  ASSERT_TRUE(pair.install(second));
  EXPECT_EQ(take_all(pair.a), sent);
  EXPECT_TRUE(take_all(pair.a).empty());
  for (const ByteVec& packet : sent) EXPECT_EQ(pair.a_to_b(packet), packet);
  EXPECT_EQ(pair.a.drops().total(), 0u);
}

TEST(Waiting, the_acquire_carries_the_packet_that_asks) {
  Pair pair;
  pair.a.remove({1});
  (void)protect_one(pair.a, udp_packet("10.1.0.5", "10.2.0.9", 1, 1000, 2000));
  const auto asked = notices_of<Acquire>(pair.a);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_FALSE(asked[0].trigger.is_exact);
  EXPECT_EQ(policy::to_string(asked[0].trigger.local), "10.1.0.5/32[udp/1000]");
  EXPECT_EQ(policy::to_string(asked[0].trigger.remote), "10.2.0.9/32[udp/2000]");
}

TEST(Waiting, more_packets_than_one_child_may_have_are_dropped_and_the_first_stay) {
  EngineLimits limits;
  limits.waiting_packets_max = 2;
  Pair pair{{}, limits};
  pair.a.remove({1});
  EXPECT_EQ(verdict_of(pair.a, v4_packet(1)), Verdict::held);
  EXPECT_EQ(verdict_of(pair.a, v4_packet(2)), Verdict::held);
  const Protected third = protect_one(pair.a, v4_packet(3));
  EXPECT_EQ(third.item.verdict, Verdict::drop);
  EXPECT_EQ(third.item.drop, DropReason::clear_queue_full);
  Spec second;
  second.id = 2;
  ASSERT_TRUE(pair.install(second));
  EXPECT_EQ(take_all(pair.a), (std::vector{v4_packet(1), v4_packet(2)}));
  EXPECT_EQ(pair.a.drops()[DropReason::clear_queue_full], 1u);
}

TEST(Waiting, more_octets_than_one_child_may_have_are_dropped) {
  EngineLimits limits;
  limits.waiting_bytes_max = v4_packet(100).size() + v4_packet(10).size();
  Pair pair{{}, limits};
  pair.a.remove({1});
  EXPECT_EQ(verdict_of(pair.a, v4_packet(100)), Verdict::held);
  EXPECT_EQ(verdict_of(pair.a, v4_packet(11)), Verdict::drop);
  EXPECT_EQ(verdict_of(pair.a, v4_packet(10)), Verdict::held);
  EXPECT_EQ(verdict_of(pair.a, v4_packet(0)), Verdict::drop);
  EXPECT_EQ(pair.a.drops()[DropReason::clear_queue_full], 2u);
}

TEST(Waiting, all_children_together_have_a_limit_of_packets_and_one_of_octets) {
  EngineLimits by_count;
  by_count.waiting_packets_all_max = 1;
  EngineLimits by_bytes;
  by_bytes.waiting_bytes_all_max = v4_packet(1).size();
  for (const EngineLimits& limits : {by_count, by_bytes}) {
    Pair pair{{}, limits};
    pair.a.remove({1});
    pair.a.set_policies(
        {{PolicyAction::protect, "site", "one", {prefix("10.1.0.0/16")}, everything},
         {PolicyAction::protect, "site", "two", everything, everything}});
    EXPECT_EQ(verdict_of(pair.a, v4_packet(1)), Verdict::held);
    const Protected other = protect_one(pair.a, udp_packet("10.3.0.1", "10.2.0.1", 1));
    EXPECT_EQ(other.item.drop, DropReason::clear_queue_full);
  }
}

TEST(Waiting, packets_that_have_waited_too_long_are_dropped_at_the_deadline) {
  EngineLimits limits;
  limits.waiting_age_max = std::chrono::seconds{10};
  Pair pair{{}, limits};
  pair.a.remove({1});
  (void)protect_one(pair.a, v4_packet(1), at_seconds(1));
  (void)protect_one(pair.a, v4_packet(2), at_seconds(5));
  ASSERT_TRUE(pair.a.poll_deadline().has_value());
  EXPECT_EQ(pair.a.poll_deadline()->at, at_seconds(11));
  pair.a.handle_deadline(at_seconds(11));
  EXPECT_EQ(pair.a.drops()[DropReason::clear_queue_full], 1u);
  EXPECT_EQ(pair.a.poll_deadline()->at, at_seconds(15));
  Spec second;
  second.id = 2;
  ASSERT_TRUE(pair.install(second, at_seconds(12)));
  EXPECT_EQ(take_all(pair.a), std::vector<ByteVec>{v4_packet(2)});
  EXPECT_FALSE(pair.a.poll_deadline().has_value());
}

TEST(Waiting, packets_whose_policy_goes_are_dropped_with_it) {
  Pair pair;
  pair.a.remove({1});
  (void)protect_one(pair.a, v4_packet(1));
  pair.a.set_policies({});
  EXPECT_EQ(pair.a.drops()[DropReason::clear_no_sa], 1u);
  Spec second;
  second.id = 2;
  ASSERT_TRUE(pair.install(second));
  EXPECT_TRUE(take_all(pair.a).empty());
}

TEST(Waiting, a_packet_larger_than_the_drivers_buffer_is_dropped) {
  Pair pair;
  pair.a.remove({1});
  (void)protect_one(pair.a, v4_packet(1000));
  Spec second;
  second.id = 2;
  ASSERT_TRUE(pair.install(second));
  EXPECT_TRUE(take_all(pair.a, 500).empty());
  EXPECT_EQ(pair.a.drops()[DropReason::clear_queue_full], 1u);
}

TEST(Waiting, switched_off_packets_are_dropped_by_their_own_name) {
  EngineLimits limits;
  limits.waiting_packets_max = 0;
  Pair pair{{}, limits};
  pair.a.remove({1});
  EXPECT_EQ(protect_one(pair.a, v4_packet()).item.drop, DropReason::clear_no_sa);
  EXPECT_EQ(notices_of<Acquire>(pair.a).size(), 1u);
}

TEST(PopulateFromPacket, each_value_asks_for_an_sa_of_its_own_and_waits_for_that) {
  Pair pair;
  pair.a.remove({1});
  Policy policy{PolicyAction::protect, "site", "net", everything, everything};
  policy.pfp.remote_address = true;
  pair.a.set_policies({policy});
  const ByteVec to_nine = udp_packet("10.1.0.5", "10.2.0.9", 1);
  const ByteVec to_ten = udp_packet("10.1.0.5", "10.2.0.10", 1);
  for (const ByteVec& packet : {to_nine, to_ten, to_nine}) {
    EXPECT_EQ(verdict_of(pair.a, packet), Verdict::held);
  }
  const auto asked = notices_of<Acquire>(pair.a);
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_TRUE(asked[0].trigger.is_exact);
  EXPECT_EQ(policy::to_string(asked[0].trigger.local), "0.0.0.0/0");
  EXPECT_EQ(policy::to_string(asked[0].trigger.remote), "10.2.0.9/32");
  EXPECT_EQ(policy::to_string(asked[1].trigger.remote), "10.2.0.10/32");
  Spec nine;
  nine.id = 2;
  nine.a_nets = asked[0].trigger.local;
  nine.b_nets = asked[0].trigger.remote;
  ASSERT_TRUE(pair.install(nine, at_seconds(2)));
  EXPECT_EQ(take_all(pair.a), (std::vector{to_nine, to_nine}));
  // What has no SA yet asks once more.
  const auto again = notices_of<Acquire>(pair.a);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].trigger, asked[1].trigger);
  EXPECT_EQ(pair.a_to_b(to_nine), to_nine);
  EXPECT_EQ(verdict_of(pair.a, to_ten, at_seconds(2)), Verdict::held);
}

TEST(PopulateFromPacket, no_more_triggers_are_remembered_than_the_limit) {
  EngineLimits limits;
  limits.acquires_remembered_max = 2;
  Pair pair{{}, limits};
  pair.a.remove({1});
  Policy policy{PolicyAction::protect, "site", "net", everything, everything};
  policy.pfp.remote_port = true;
  pair.a.set_policies({policy});
  for (std::uint16_t port = 1; port <= 5; ++port) {
    (void)protect_one(pair.a, udp_packet("10.1.0.5", "10.2.0.9", 1, 1000, port), at_seconds(1));
  }
  EXPECT_EQ(notices_of<Acquire>(pair.a).size(), 2u);
  (void)protect_one(pair.a, udp_packet("10.1.0.5", "10.2.0.9", 1, 1000, 9), at_seconds(3));
  EXPECT_EQ(notices_of<Acquire>(pair.a).size(), 1u);
}

}  // namespace
}  // namespace caponier::ipsec::test
