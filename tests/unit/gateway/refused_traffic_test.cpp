#include "gateway/refused_traffic.h"

#include <gtest/gtest.h>

namespace caponier::gateway {
namespace {

using namespace std::chrono_literals;

base::IpAddress host(std::size_t number) {
  return base::IpAddress::parse("10.0." + std::to_string(number / 256) + "." +
                                std::to_string(number % 256))
      .value();
}

TEST(RefusedTraffic, waits_until_its_pause_is_over) {
  RefusedTraffic refused;
  const base::Instant now{1h};
  EXPECT_TRUE(refused.may_ask(host(1), now));
  EXPECT_EQ(refused.note_refusal(host(1)), 1u);
  refused.pause(host(1), now + 5s);
  EXPECT_FALSE(refused.may_ask(host(1), now + 4s));
  EXPECT_TRUE(refused.may_ask(host(2), now));
  EXPECT_TRUE(refused.may_ask(host(1), now + 5s));
  EXPECT_EQ(refused.note_refusal(host(1)), 2u) << "in a row";
  refused.forget(host(1));
  EXPECT_EQ(refused.note_refusal(host(1)), 1u);
}

TEST(RefusedTraffic, remembers_so_many_and_no_more) {
  RefusedTraffic refused;
  const base::Instant now{1h};
  for (std::size_t i = 0; i <= RefusedTraffic::destinations_max; ++i) {
    EXPECT_EQ(refused.note_refusal(host(i)), 1u);
    refused.pause(host(i), now + 1s * static_cast<int>(i + 1));
  }
  EXPECT_TRUE(refused.may_ask(host(0), now)) << "the first that may ask again is forgotten";
  EXPECT_FALSE(refused.may_ask(host(1), now));
  EXPECT_FALSE(refused.may_ask(host(RefusedTraffic::destinations_max), now));
}

}  // namespace
}  // namespace caponier::gateway
