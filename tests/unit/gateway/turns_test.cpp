#include "gateway/turns.h"

#include <gtest/gtest.h>

#include "unit/gateway/peers.h"

namespace caponier::gateway {
namespace {

using namespace std::chrono_literals;

constexpr base::Instant start{1h};

std::string name(std::size_t number) { return "c" + std::to_string(number); }

/// Everybody who may begin now.
std::vector<std::string> all(Turns& turns, base::Instant now) {
  std::vector<std::string> names;
  while (auto next = turns.poll(now)) names.push_back(*next);
  return names;
}

/// As many as there is room for, and two more.
Turns crowded() {
  Turns turns;
  for (std::size_t i = 0; i < turns_per_address_max + 2; ++i) {
    turns.ask(name(i), address("192.0.2.2"));
  }
  return turns;
}

TEST(Turns, whoever_comes_after_the_fourth_waits_until_one_is_through) {
  Turns turns = crowded();
  EXPECT_EQ(all(turns, start).size(), turns_per_address_max);
  turns.give_back(name(1));
  EXPECT_EQ(all(turns, start), std::vector{name(turns_per_address_max)});
  turns.give_back(name(0));
  EXPECT_EQ(all(turns, start), std::vector{name(turns_per_address_max + 1)});
}

TEST(Turns, addresses_do_not_wait_for_each_other) {
  Turns turns = crowded();
  EXPECT_EQ(all(turns, start).size(), turns_per_address_max);
  turns.ask("other", address("192.0.2.3"));
  EXPECT_EQ(all(turns, start), std::vector<std::string>{"other"});
}

TEST(Turns, a_silent_peer_is_not_waited_for_longer_than_a_turn) {
  Turns turns = crowded();
  EXPECT_EQ(all(turns, start).size(), turns_per_address_max);
  ASSERT_EQ(turns.poll_deadline(), start + turn_time);
  EXPECT_TRUE(all(turns, start + turn_time - 1us).empty());
  EXPECT_EQ(all(turns, start + turn_time).size(), 2u);
  EXPECT_FALSE(turns.poll_deadline().has_value());
}

TEST(Turns, who_is_not_wanted_any_more_is_not_called) {
  Turns turns = crowded();
  EXPECT_EQ(all(turns, start).size(), turns_per_address_max);
  turns.give_back(name(turns_per_address_max));
  turns.give_back(name(0));
  EXPECT_EQ(all(turns, start), std::vector{name(turns_per_address_max + 1)});
}

TEST(Turns, asking_anew_gives_back_the_place_and_goes_to_the_end) {
  Turns turns = crowded();
  EXPECT_EQ(all(turns, start).size(), turns_per_address_max);
  turns.ask(name(0), address("192.0.2.2"));
  EXPECT_EQ(all(turns, start), std::vector{name(turns_per_address_max)});
}

TEST(Turns, giving_back_twice_makes_no_room) {
  Turns turns = crowded();
  EXPECT_EQ(all(turns, start).size(), turns_per_address_max);
  turns.give_back(name(0));
  turns.give_back(name(0));
  EXPECT_EQ(all(turns, start).size(), 1u);
}

}  // namespace
}  // namespace caponier::gateway
