#include "gateway/due_list.h"

#include <gtest/gtest.h>

namespace caponier::gateway {
namespace {

using namespace std::chrono_literals;

constexpr base::Instant start{1h};

TEST(DueList, the_earliest_is_first_and_an_earlier_one_takes_its_place) {
  DueList list;
  EXPECT_EQ(list.first(), "");
  list.set("a", start + 2s);
  list.set("b", start + 1s);
  EXPECT_EQ(list.first(), "b");
  list.set("a", start);
  EXPECT_EQ(list.first(), "a");
}

TEST(DueList, a_deadline_that_is_moved_or_taken_back_is_not_left_behind) {
  DueList list;
  list.set("a", start);
  list.set("a", start + 2s);
  EXPECT_TRUE(list.until(start + 1s).empty());
  EXPECT_EQ(list.until(start + 2s), std::vector<std::string>{"a"});
  list.set("a", std::nullopt);
  EXPECT_TRUE(list.until(start + 2s).empty());
  EXPECT_EQ(list.first(), "");
}

}  // namespace
}  // namespace caponier::gateway
