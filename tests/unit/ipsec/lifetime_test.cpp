#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

ByteVec reply() { return udp_packet("10.2.0.9", "10.1.0.5", 100); }

std::vector<bool> hardness(const std::vector<Expired>& notices) {
  std::vector<bool> hard;
  for (const Expired& notice : notices) hard.push_back(notice.hard);
  return hard;
}

TEST(Lifetime, in_packets_is_announced_at_the_soft_limit_and_ends_at_the_hard_one) {
  Spec spec;
  spec.lifetime.soft_packets = 3;
  spec.lifetime.hard_packets = 5;
  Pair pair{spec};
  std::vector<bool> announced;
  for (int i = 1; i <= 5; ++i) {
    EXPECT_TRUE(pair.a_to_b(v4_packet())) << i;
    for (const bool hard : hardness(notices_of<Expired>(pair.a))) announced.push_back(hard);
    EXPECT_EQ(announced.size(), i < 3 ? 0u : i < 5 ? 1u : 2u) << i;
  }
  EXPECT_EQ(announced, (std::vector<bool>{false, true}));
  EXPECT_EQ(protect_one(pair.a, v4_packet()).item.drop, DropReason::clear_expired);
  EXPECT_FALSE(pair.b_to_a(reply()));
  EXPECT_EQ(pair.a.drops()[DropReason::esp_expired], 1u);
  EXPECT_TRUE(notices_of<Expired>(pair.a).empty());
}

TEST(Lifetime, in_packets_counts_each_direction_and_holds_within_a_batch) {
  Spec spec;
  spec.lifetime.hard_packets = 4;
  Pair pair{spec};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pair.a_to_b(v4_packet()));
  std::vector<ByteVec> esp;
  for (const Protected& sent : protect_all(pair.b, std::vector<ByteVec>(6, reply()), {})) {
    esp.push_back(sent.esp);
  }
  const auto got = open_all(pair.a, esp, {}, {});
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].item.verdict, i < 4 ? Verdict::forward : Verdict::drop) << i;
  }
  EXPECT_EQ(pair.a.drops()[DropReason::esp_expired], 2u);
  const auto sent = protect_all(pair.a, std::vector<ByteVec>(2, v4_packet()), {});
  EXPECT_EQ(sent[0].item.drop, DropReason::clear_expired);
}

TEST(Lifetime, in_bytes_is_announced_and_ends) {
  Spec spec;
  spec.lifetime.soft_bytes = 1000;
  spec.lifetime.hard_bytes = 2000;
  Pair pair{spec};
  std::size_t passed = 0;
  while (pair.a_to_b(v4_packet(172)).has_value()) ++passed;  // 200 bytes and padding
  EXPECT_EQ(passed, 10u);
  EXPECT_EQ(hardness(notices_of<Expired>(pair.a)), (std::vector<bool>{false, true}));
}

//= rfc4301#4.4.2.1-6 type=test
TEST(Lifetime, in_time_is_announced_by_the_deadlines) {
  Spec spec;
  spec.lifetime.soft_time = std::chrono::seconds{50};
  spec.lifetime.hard_time = std::chrono::seconds{60};
  Pair pair{spec};
  ASSERT_TRUE(pair.a.poll_deadline().has_value());
  EXPECT_EQ(pair.a.poll_deadline()->at, at_seconds(50));
  pair.a.handle_deadline(at_seconds(49));
  EXPECT_TRUE(notices_of<Expired>(pair.a).empty());
  pair.a.handle_deadline(at_seconds(50));
  EXPECT_EQ(hardness(notices_of<Expired>(pair.a)), std::vector<bool>{false});
  EXPECT_EQ(pair.a.poll_deadline()->at, at_seconds(60));
  EXPECT_TRUE(pair.a_to_b(v4_packet(), at_seconds(59)));
  pair.a.handle_deadline(at_seconds(60));
  EXPECT_EQ(hardness(notices_of<Expired>(pair.a)), std::vector<bool>{true});
  EXPECT_FALSE(pair.a.poll_deadline().has_value());
  EXPECT_EQ(protect_one(pair.a, v4_packet()).item.drop, DropReason::clear_expired);
}

//= rfc7296#2.8-1 type=test
TEST(Lifetime, in_time_ends_on_the_packet_path_too_and_is_announced_once) {
  Spec spec;
  spec.lifetime.hard_time = std::chrono::seconds{60};
  Pair pair{spec};
  EXPECT_TRUE(pair.a_to_b(v4_packet(), at_seconds(59)));
  EXPECT_EQ(protect_one(pair.a, v4_packet(), at_seconds(60)).item.drop, DropReason::clear_expired);
  EXPECT_FALSE(pair.b_to_a(reply(), at_seconds(61)));
  pair.a.handle_deadline(at_seconds(62));
  EXPECT_EQ(hardness(notices_of<Expired>(pair.a)), std::vector<bool>{true});
}

//= rfc4301#4.4.2.1-3 type=test
TEST(Lifetime, of_bytes_and_of_time_hold_together) {
  Spec spec;
  spec.lifetime.hard_bytes = 1000;
  spec.lifetime.hard_time = std::chrono::seconds{60};
  Pair by_bytes{spec};
  while (by_bytes.a_to_b(v4_packet(), at_seconds(1))) {
  }
  EXPECT_EQ(protect_one(by_bytes.a, v4_packet(), at_seconds(2)).item.drop,
            DropReason::clear_expired);
  Pair by_time{spec};
  EXPECT_TRUE(by_time.a_to_b(v4_packet(), at_seconds(59)));
  EXPECT_EQ(protect_one(by_time.a, v4_packet(), at_seconds(60)).item.drop,
            DropReason::clear_expired);
}

//= rfc4301#4.4.2.1-5 type=test
TEST(Lifetime, may_be_counted_differently_at_either_end_where_packets_are_lost) {
  Spec spec;
  spec.lifetime.soft_packets = 5;
  Pair pair{spec};
  pair.b.remove({1});
  policy::InstallSa sa = install_for_b(spec);
  sa.lifetime = spec.lifetime;
  ASSERT_TRUE(pair.b.install(std::move(sa), {}).has_value());
  for (int i = 0; i < 4; ++i) (void)protect_one(pair.a, v4_packet());  // lost
  EXPECT_TRUE(pair.a_to_b(v4_packet()));
  EXPECT_EQ(notices_of<Expired>(pair.a).size(), 1u);
  EXPECT_TRUE(notices_of<Expired>(pair.b).empty());
  EXPECT_TRUE(pair.a_to_b(v4_packet()));
  EXPECT_TRUE(pair.b_to_a(reply()));
}

TEST(Lifetime, of_the_newest_over_lets_an_older_one_carry_on) {
  Pair pair;
  Spec second;
  second.id = 2;
  second.lifetime.hard_packets = 1;
  ASSERT_TRUE(pair.install(second));
  const auto sent = protect_all(pair.a, {v4_packet(), v4_packet()}, {});
  EXPECT_EQ(sent[0].item.sa.value, 2u);
  EXPECT_EQ(sent[1].item.sa.value, 1u);
  EXPECT_EQ(sent[1].item.verdict, Verdict::forward);
}

TEST(Lifetime, announcements_survive_a_full_queue) {
  EngineLimits limits;
  limits.notice_queue_max = 1;
  Spec spec;
  spec.lifetime.hard_time = std::chrono::seconds{10};
  Pair pair{spec, limits};
  Spec second = spec;
  second.id = 2;
  ASSERT_TRUE(pair.install(second));
  pair.a.handle_deadline(at_seconds(10));
  EXPECT_TRUE(pair.a.poll_deadline().has_value());
  EXPECT_EQ(notices_of<Expired>(pair.a).size(), 1u);
  pair.a.handle_deadline(at_seconds(10));
  EXPECT_EQ(notices_of<Expired>(pair.a).size(), 1u);
  EXPECT_FALSE(pair.a.poll_deadline().has_value());
}

TEST(Lifetime, the_algorithms_own_packet_limit_always_holds) {
  Pair pair;
  const std::uint64_t limit = crypto::find(crypto::EncrId::aes_gcm_16)->packets_max;
  pair.a.advance_sequence({1}, limit / 10 * 9 + 10);
  (void)protect_one(pair.a, v4_packet());
  (void)protect_one(pair.a, v4_packet());
  EXPECT_EQ(hardness(notices_of<Expired>(pair.a)), std::vector<bool>{false});
  pair.a.advance_sequence({1}, limit - 1);
  EXPECT_EQ(protect_one(pair.a, v4_packet()).item.verdict, Verdict::forward);
  EXPECT_EQ(hardness(notices_of<Expired>(pair.a)), std::vector<bool>{true});
  EXPECT_EQ(protect_one(pair.a, v4_packet()).item.drop, DropReason::clear_expired);
}

TEST(Lifetime, a_removed_association_has_no_deadlines) {
  Spec spec;
  spec.lifetime.soft_time = std::chrono::seconds{50};
  spec.lifetime.hard_time = std::chrono::seconds{60};
  Pair pair{spec};
  pair.a.remove({1});
  EXPECT_FALSE(pair.a.poll_deadline().has_value());
  pair.a.handle_deadline(at_seconds(100));
  EXPECT_TRUE(notices_of<Expired>(pair.a).empty());
}

}  // namespace
}  // namespace caponier::ipsec::test
