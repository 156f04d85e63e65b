#include "base/address.h"

#include <gtest/gtest.h>

namespace caponier::base {
namespace {

TEST(IpAddress, text_forms_survive_a_round_trip) {
  for (const char* text : {"0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "fe80::1:0:0:1", "1:2:3:4:5:6:7:8", "2001:db8:0:1:1:1:1:1"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(IpAddress, refuses_what_is_not_an_address) {
  for (const char* text : {"", "10.1.2", "10.1.2.3.4", "256.1.1.1", "01.2.3.4", "1:2",
                           ":::", "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "10.0.0.1 "}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(IpAddress, embedded_ipv4_counts_as_two_groups) {
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1")->to_string(), "::ffff:c000:201");
}

TEST(IpAddress, next_and_previous_stop_at_the_ends_of_the_family) {
  EXPECT_EQ(IpAddress::parse("10.0.0.255")->next()->to_string(), "10.0.1.0");
  EXPECT_EQ(IpAddress::parse("10.0.1.0")->previous()->to_string(), "10.0.0.255");
  EXPECT_FALSE(IpAddress::highest(Family::v4).next());
  EXPECT_FALSE(IpAddress::lowest(Family::v6).previous());
}

TEST(Prefix, covers_first_to_last_and_refuses_host_bits) {
  const auto prefix = Prefix::parse("10.1.0.0/16");
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->last().to_string(), "10.1.255.255");
  EXPECT_TRUE(prefix->contains(*IpAddress::parse("10.1.9.9")));
  EXPECT_FALSE(prefix->contains(*IpAddress::parse("10.2.0.0")));
  EXPECT_FALSE(Prefix::parse("10.1.0.1/16"));
  EXPECT_FALSE(Prefix::parse("10.1.0.0/33"));
  EXPECT_EQ(Prefix::parse("::1")->to_string(), "::1/128");
}

TEST(Endpoint, brackets_ipv6) {
  EXPECT_EQ((Endpoint{*IpAddress::parse("2001:db8::1"), 500}.to_string()), "[2001:db8::1]:500");
}

}  // namespace
}  // namespace caponier::base
