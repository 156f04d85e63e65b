#include "policy/identity.h"

#include <gtest/gtest.h>

#include "policy/child_sa.h"

namespace caponier::policy {
namespace {

using wire::IdType;

//= rfc7296#3.5-4..6 type=test
TEST(IdentityText, tells_the_type_from_its_form) {
  EXPECT_EQ(Identity::parse("192.0.2.1").type, IdType::ipv4_addr);
  EXPECT_EQ(Identity::parse("2001:db8::1").type, IdType::ipv6_addr);
  EXPECT_EQ(Identity::parse("vpn.example.org").type, IdType::fqdn);
  EXPECT_EQ(Identity::parse("joe@example.org").type, IdType::rfc822_addr);
  EXPECT_EQ(Identity::parse("@vpn.example.org"), Identity::parse("vpn.example.org"));
  const Identity key{IdType::key_id, *base::from_hex("cafe01")};
  EXPECT_EQ(Identity::parse("keyid:cafe01"), key);
}

TEST(IdentityText, a_key_id_that_is_not_hexadecimal_is_its_own_characters) {
  EXPECT_EQ(Identity::parse("keyid:staff"),
            (Identity{IdType::key_id, base::to_vec(base::as_bytes("staff"))}));
}

TEST(IdentityText, a_distinguished_name_is_its_der_in_hexadecimal) {
  EXPECT_EQ(Identity::parse("dn:3000").type, IdType::der_asn1_dn);
  EXPECT_EQ(Identity::parse("dn:3000").to_string(), "dn:3000");
  EXPECT_EQ(Identity::parse("dn:31").type, IdType::fqdn);
}

TEST(IdentityText, survives_a_round_trip) {
  for (const auto* text : {"192.0.2.1", "2001:db8::1", "vpn.example.org", "joe@example.org",
                           "keyid:cafe01", "@10.0.0.1", "@joe@example.org"}) {
    EXPECT_EQ(Identity::parse(text).to_string(), text);
    EXPECT_EQ(Identity::parse(Identity::parse(text).to_string()), Identity::parse(text));
  }
}

TEST(IdentityText, escapes_and_shortens_what_a_peer_sent) {
  EXPECT_EQ((Identity{IdType::fqdn, base::to_vec(base::as_bytes("a\nb\x1b"))}).to_string(),
            "a\\x0ab\\x1b");
  EXPECT_LT((Identity{IdType::key_id, base::ByteVec(60000)}).to_string().size(), 200U);
  EXPECT_LT((Identity{IdType::fqdn, base::ByteVec(60000)}).to_string().size(), 200U);
  EXPECT_EQ((Identity{IdType::ipv4_addr, base::ByteVec(3)}).to_string(), "ipv4:000000");
  EXPECT_EQ((Identity{static_cast<IdType>(99), base::ByteVec(1)}).to_string(), "id99:00");
}

//= rfc4301#4.4.3.1-4 type=test
TEST(IdentityComparison, ignores_case_in_names_only) {
  EXPECT_TRUE(is_same(Identity::parse("VPN.Example.org"), Identity::parse("vpn.example.ORG")));
  EXPECT_TRUE(is_same(Identity::parse("Joe@Example.org"), Identity::parse("joe@example.org")));
  EXPECT_FALSE(is_same(Identity::parse("vpn.example.org"), Identity::parse("vpn.example.com")));
  EXPECT_FALSE(is_same(Identity::parse("keyid:4a"), Identity::parse("keyid:6a")));
  EXPECT_FALSE(is_same(Identity::parse("@10.0.0.1"), Identity::parse("10.0.0.1")));
}

TEST(IdentityWire, keeps_type_and_octets) {
  const auto id = Identity::parse("2001:db8::1");
  const auto payload = id.to_wire(false);
  EXPECT_FALSE(payload.initiator);
  EXPECT_EQ(payload.data.size(), 16U);
  EXPECT_EQ(Identity::from_wire(payload), id);
}

TEST(SaModeName, is_the_word_of_the_rfc) {
  EXPECT_EQ(name_of(SaMode::tunnel), "tunnel");
  EXPECT_EQ(name_of(SaMode::transport), "transport");
}

}  // namespace
}  // namespace caponier::policy
