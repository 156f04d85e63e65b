#include <gtest/gtest.h>

#include "daemon/questions.h"

namespace caponier::daemon {
namespace {

base::Instant at(int milliseconds) {
  return base::Instant{} + std::chrono::hours{1} + std::chrono::milliseconds{milliseconds};
}

TEST(Questions, each_destination_is_asked_for_once_in_a_while) {
  const io::WayQuestion host{base::IpAddress::v4(0x0a01000a), {}};
  Questions questions;
  questions.add(host, at(0));
  questions.add(host, at(1));
  EXPECT_EQ(questions.poll(), host);
  EXPECT_FALSE(questions.poll());
  questions.add(host, at(999));
  EXPECT_FALSE(questions.poll());
  questions.add(host, at(1000));
  EXPECT_EQ(questions.poll(), host);
}

TEST(Questions, are_few_at_once) {
  Questions questions;
  for (std::uint32_t i = 0; i < 10'000; ++i) questions.add({base::IpAddress::v4(i), {}}, at(0));
  std::size_t count = 0;
  while (questions.poll()) ++count;
  EXPECT_EQ(count, Questions::open_max);
}

TEST(Questions, a_scan_of_a_network_asks_few) {
  Questions questions;
  std::size_t count = 0;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    questions.add({base::IpAddress::v4(i), {}}, at(0));
    if (questions.poll()) ++count;
    questions.reset();
  }
  EXPECT_EQ(count, Questions::per_interval_max);
}

TEST(Questions, may_be_asked_again_after_an_answer) {
  const io::WayQuestion host{base::IpAddress::v4(0x0a01000a), {}};
  Questions questions;
  questions.add(host, at(0));
  EXPECT_TRUE(questions.poll());
  questions.reset();
  questions.add(host, at(1));
  EXPECT_TRUE(questions.poll());
}

TEST(Questions, tell_a_packet_of_this_host_from_a_forwarded_one) {
  const auto host = base::IpAddress::v4(0x0a01000a);
  const auto source = base::IpAddress::v4(0x0a010001);
  Questions questions;
  questions.add({host, {}}, at(0));
  questions.add({host, source}, at(0));
  EXPECT_EQ(questions.poll(), (io::WayQuestion{host, source}));
  EXPECT_EQ(questions.poll(), (io::WayQuestion{host, {}}));
}

}  // namespace
}  // namespace caponier::daemon
