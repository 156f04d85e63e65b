#include "policy/identity_pattern.h"

#include <gtest/gtest.h>

namespace caponier::policy {
namespace {

base::IpAddress address(const char* text) { return base::IpAddress::parse(text).value(); }

IdentityPattern below_domain() {
  return IdentityPattern::below({wire::IdType::fqdn, base::to_vec(base::as_bytes(".example.org"))});
}

TEST(IdentityPattern, of_one_identity_matches_that_one) {
  const IdentityPattern pattern = Identity::parse("gw.example.org");
  EXPECT_TRUE(pattern.matches(Identity::parse("GW.example.org")));
  EXPECT_FALSE(pattern.matches(Identity::parse("gw2.example.org")));
  EXPECT_FALSE(pattern.matches(Identity::parse("a.gw.example.org")));
  ASSERT_NE(pattern.only(), nullptr);
  EXPECT_EQ(pattern.to_string(), "gw.example.org");
}

TEST(IdentityPattern, below_a_domain_matches_every_name_in_it_and_not_the_domain) {
  const IdentityPattern pattern = below_domain();
  EXPECT_TRUE(pattern.matches(Identity::parse("gw.example.org")));
  EXPECT_TRUE(pattern.matches(Identity::parse("a.b.Example.ORG")));
  EXPECT_FALSE(pattern.matches(Identity::parse("example.org")));
  EXPECT_FALSE(pattern.matches(Identity::parse("gw.badexample.org")));
  EXPECT_FALSE(pattern.matches(Identity::parse("gw.example.org.evil.net")));
  EXPECT_FALSE(pattern.matches(Identity::parse("alice@gw.example.org")));
  EXPECT_EQ(pattern.only(), nullptr);
  EXPECT_EQ(pattern.to_string(), "*.example.org");
}

TEST(IdentityPattern, of_a_mail_domain_matches_its_addresses) {
  const auto pattern = IdentityPattern::below(
      {wire::IdType::rfc822_addr, base::to_vec(base::as_bytes("@example.org"))});
  EXPECT_TRUE(pattern.matches(Identity::parse("alice@example.org")));
  EXPECT_FALSE(pattern.matches(Identity::parse("alice@sub.example.org")));
  EXPECT_FALSE(pattern.matches(Identity::parse("alice@badexample.org")));
  EXPECT_EQ(pattern.to_string(), "*@example.org");
}

//= rfc4301#4.4.3.1-3 type=test
TEST(IdentityPattern, of_addresses_matches_a_range_of_one_family) {
  const auto v4 = IdentityPattern::range(address("192.0.2.1"), address("192.0.2.9"));
  EXPECT_TRUE(v4.matches(Identity::parse("192.0.2.1")));
  EXPECT_TRUE(v4.matches(Identity::parse("192.0.2.9")));
  EXPECT_FALSE(v4.matches(Identity::parse("192.0.2.10")));
  EXPECT_FALSE(v4.matches(Identity::parse("192.0.2.0")));
  EXPECT_FALSE(v4.matches(Identity::parse("2001:db8::1")));
  const auto v6 = IdentityPattern::range(address("2001:db8::"), address("2001:db8::ffff"));
  EXPECT_TRUE(v6.matches(Identity::parse("2001:db8::7")));
  EXPECT_FALSE(v6.matches(Identity::parse("2001:db8:1::7")));
  EXPECT_FALSE(v4.matches({wire::IdType::ipv4_addr, base::ByteVec(3)}));
  EXPECT_EQ(v4.to_string(), "192.0.2.1-192.0.2.9");
}

TEST(IdentityPattern, is_the_same_as_one_that_matches_the_same) {
  const IdentityPattern one = Identity::parse("gw.example.org");
  const IdentityPattern upper = Identity::parse("GW.EXAMPLE.ORG");
  EXPECT_TRUE(is_same(one, upper));
  EXPECT_TRUE(is_same(below_domain(), below_domain()));
  EXPECT_FALSE(is_same(one, below_domain()));
}

}  // namespace
}  // namespace caponier::policy
