#include <gtest/gtest.h>

#include "policy/proposal.h"

namespace caponier::policy {
namespace {

using crypto::CipherSuite;
using crypto::EncrId;
using crypto::IntegId;
using crypto::KeGroup;
using wire::ProtocolId;
using wire::TransformType;

Offer ah(std::string_view text) { return parse_offer(text, ProtocolId::ah).value(); }
Offer esp(std::string_view text) { return parse_offer(text, ProtocolId::esp).value(); }

std::string ah_error(std::string_view text) {
  const auto offer = parse_offer(text, ProtocolId::ah);
  return offer ? "accepted" : offer.error();
}

wire::SaPayload payload_of(const Offers& offers, bool with_ke = false) {
  return to_wire(offers, base::from_hex("c0ffee01").value(), with_ke);
}

TEST(AhProposal, is_read_as_integrity_with_groups_and_esn) {
  const Offer offer = ah("sha256-sha512-x25519");
  EXPECT_TRUE(offer.encryption.empty());
  EXPECT_EQ(offer.integrity, (std::vector{IntegId::hmac_sha2_256_128, IntegId::hmac_sha2_512_256}));
  EXPECT_EQ(offer.ke, std::vector{KeGroup::curve25519});
  EXPECT_EQ(offer.esn, (std::vector{true, false}));
  EXPECT_EQ(ah("sha384-noesn").esn, std::vector{false});
}

TEST(AhProposal, names_gmac_as_esp_does_and_carries_it_as_a_mac) {
  EXPECT_EQ(ah("aes128gmac-aes192gmac-aes256gmac").integrity,
            (std::vector{IntegId::aes_128_gmac, IntegId::aes_192_gmac, IntegId::aes_256_gmac}));
  const auto choice =
      choose_child(payload_of({ah("aes256gmac")}), {ah("aes256gmac")}, KeGroup::none, true);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->suite.cipher, (CipherSuite{EncrId::null, 0, IntegId::aes_256_gmac}));
  EXPECT_TRUE(crypto::is_valid(choice->suite.cipher));
  EXPECT_NE(to_string(payload_of({ah("aes256gmac")})).find("1 ah: aes256gmac"), std::string::npos)
      << to_string(payload_of({ah("aes256gmac")}));
}

TEST(AhProposal, says_what_does_not_belong_into_it) {
  EXPECT_EQ(ah_error("aes256-sha256"),
            "'aes256' has no place in an AH proposal, which encrypts nothing; use 'sha256'");
  EXPECT_EQ(ah_error("sha256-prfsha256"),
            "'prfsha256' has no place in an AH proposal, which takes its PRF from the IKE SA");
  EXPECT_EQ(ah_error("x25519"), "the integrity algorithm is missing; add 'sha256'");
}

//= rfc7296#3.3.3-1 type=test
TEST(AhProposal, carries_integrity_and_esn_and_no_encryption) {
  const auto payload = payload_of({ah("sha256-x25519")}, true);
  ASSERT_EQ(payload.proposals.size(), 1U);
  EXPECT_EQ(payload.proposals[0].protocol, ProtocolId::ah);
  std::vector<TransformType> types;
  for (const auto& transform : payload.proposals[0].transforms) types.push_back(transform.type);
  EXPECT_EQ(types, (std::vector{TransformType::integ, TransformType::ke, TransformType::esn,
                                TransformType::esn}));
}

//= rfc4302#2.5.1-2 type=test
TEST(AhProposal, is_chosen_and_the_answer_accepted) {
  const Offers ours{ah("sha512-sha256-x25519")};
  const auto choice =
      choose_child(payload_of({ah("sha256-x25519")}, true), ours, KeGroup::curve25519, false);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->suite.cipher, (CipherSuite{EncrId::null, 0, IntegId::hmac_sha2_256_128}));
  EXPECT_EQ(choice->suite.ke, KeGroup::curve25519);
  EXPECT_TRUE(choice->suite.esn);
  EXPECT_EQ(choice->answer.protocol, ProtocolId::ah);
  EXPECT_EQ(choice->peer_spi, base::from_hex("c0ffee01").value());
  const auto accepted = accept_child({{choice->answer}}, ours, false);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->suite, choice->suite);
}

TEST(AhProposal, takes_part_without_a_group_in_ike_auth) {
  const auto choice =
      choose_child(payload_of({ah("sha256")}), {ah("sha256-x25519")}, KeGroup::none, true);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->suite.ke, KeGroup::none);
}

//= rfc4302#2.4-6 type=test
TEST(AhProposal, with_an_spi_of_zero_is_refused_from_either_side) {
  const Offers ours{ah("sha256")};
  EXPECT_FALSE(choose_child(to_wire(ours, base::ByteVec(4), false), ours, KeGroup::none, true));
  auto answer = choose_child(payload_of(ours), ours, KeGroup::none, true)->answer;
  EXPECT_TRUE(accept_child({{answer}}, ours, true));
  answer.spi = base::ByteVec(4);
  EXPECT_FALSE(accept_child({{answer}}, ours, true));
}

TEST(AhProposal, never_matches_esp) {
  EXPECT_FALSE(
      choose_child(payload_of({esp("aes128-sha256")}), {ah("sha256")}, KeGroup::none, true));
  const auto refused =
      choose_child(payload_of({ah("sha256")}), {esp("aes128-sha256")}, KeGroup::none, true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().ours, "an ESP proposal");
  EXPECT_EQ(choose_child(payload_of({esp("aes128-sha256")}), {ah("sha256")}, KeGroup::none, true)
                .error()
                .ours,
            "an AH proposal");
}

TEST(AhProposal, stands_beside_esp_in_the_order_of_our_preference) {
  const Offers ours{ah("sha256"), esp("aes128-sha256")};
  const auto both = payload_of({esp("aes128-sha256"), ah("sha256")});
  EXPECT_EQ(choose_child(both, ours, KeGroup::none, true)->answer.protocol, ProtocolId::ah);
  const auto esp_only = payload_of({esp("aes128-sha256")});
  EXPECT_EQ(choose_child(esp_only, ours, KeGroup::none, true)->answer.protocol, ProtocolId::esp);
}

TEST(AhProposal, with_encryption_or_without_integrity_is_refused) {
  auto payload = payload_of({ah("sha256")});
  payload.proposals[0].transforms.push_back(wire::make_transform(TransformType::encr, 12, 128));
  EXPECT_FALSE(choose_child(payload, {ah("sha256")}, KeGroup::none, true));
  auto empty = payload_of({ah("sha256")});
  std::erase_if(empty.proposals[0].transforms,
                [](const auto& transform) { return transform.type == TransformType::integ; });
  EXPECT_FALSE(choose_child(empty, {ah("sha256")}, KeGroup::none, true));
}

}  // namespace
}  // namespace caponier::policy
