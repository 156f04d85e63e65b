#include "gateway/failure_book.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace caponier::gateway {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct Book {
  FailureBook book;
  base::Instant now{seconds{1000}};

  static base::IpAddress ip(std::string_view text) { return *base::IpAddress::parse(text); }
  void fail(const std::string& user, unsigned times, std::string_view from = "192.0.2.1") {
    for (unsigned i = 0; i < times; ++i) static_cast<void>(book.note_failure(user, ip(from), now));
  }
  bool is_paused(const std::string& user, std::string_view from = "192.0.2.1") {
    return book.find(user, ip(from), now).has_value();
  }
};

TEST(FailureBook, who_mistypes_a_few_times_does_not_wait) {
  Book b;
  b.fail("alice", free_failures_of_user - 1);
  EXPECT_FALSE(b.is_paused("alice"));
}

TEST(FailureBook, each_failure_beyond_doubles_the_pause_up_to_a_limit) {
  Book b;
  b.fail("alice", free_failures_of_user);
  EXPECT_EQ(b.book.find("alice", Book::ip("192.0.2.1"), b.now)->until, b.now + pause_min);
  b.fail("alice", 1);
  EXPECT_EQ(b.book.find("alice", Book::ip("192.0.2.1"), b.now)->until, b.now + 2 * pause_min);
  b.fail("alice", 40);
  EXPECT_EQ(b.book.find("alice", Book::ip("192.0.2.1"), b.now)->until, b.now + pause_max);
  b.now = b.now + pause_max;
  EXPECT_FALSE(b.is_paused("alice"));
}

TEST(FailureBook, others_behind_the_same_nat_and_the_user_elsewhere_do_not_wait) {
  Book b;
  b.fail("alice", free_failures_of_user + 3);
  EXPECT_TRUE(b.is_paused("alice"));
  EXPECT_FALSE(b.is_paused("bob"));
  EXPECT_FALSE(b.is_paused("alice", "192.0.2.2"));
}

TEST(FailureBook, who_tries_many_users_has_to_wait_with_all) {
  Book b;
  for (unsigned i = 0; i < free_failures_of_address; ++i) b.fail(fmt::format("user{}", i), 1);
  EXPECT_TRUE(b.is_paused("somebody"));
  EXPECT_FALSE(b.is_paused("somebody", "192.0.2.2"));
}

TEST(FailureBook, whoever_does_not_say_who_he_is_counts_for_his_address_alone) {
  Book b;
  b.fail("", free_failures_of_address - 1);
  EXPECT_FALSE(b.is_paused("alice"));
  b.fail("", 1);
  EXPECT_TRUE(b.is_paused("alice"));
}

TEST(FailureBook, a_host_has_a_whole_network_of_ipv6) {
  Book b;
  b.fail("alice", free_failures_of_user, "2001:db8::1");
  EXPECT_TRUE(b.is_paused("alice", "2001:db8::2"));
  EXPECT_FALSE(b.is_paused("alice", "2001:db8:0:1::1"));
}

TEST(FailureBook, success_and_time_forget) {
  Book b;
  b.fail("alice", free_failures_of_user - 1);
  b.book.note_success("alice", Book::ip("192.0.2.1"));
  b.fail("alice", free_failures_of_user - 1);
  EXPECT_FALSE(b.is_paused("alice"));
  b.now = b.now + failure_memory;
  b.fail("alice", 1);
  EXPECT_FALSE(b.is_paused("alice"));
}

TEST(FailureBook, what_is_remembered_has_a_limit_and_the_oldest_goes) {
  Book b;
  b.fail("first", free_failures_of_user);
  for (std::size_t i = 0; i < failure_entries_max; ++i) b.fail(fmt::format("user{}", i), 1);
  EXPECT_EQ(b.book.size(), failure_entries_max);
  EXPECT_EQ(b.book.paused(b.now, 10).size(), 1u);  // the address
}

}  // namespace
}  // namespace caponier::gateway
