#include <gtest/gtest.h>

#include "policy/algorithm_names.h"
#include "policy/proposal.h"

namespace caponier::policy {
namespace {

using crypto::EncrId;
using crypto::IntegId;
using crypto::KeGroup;
using crypto::PrfId;
using wire::ProtocolId;

std::string ike_error(std::string_view text) {
  const auto offer = parse_offer(text, ProtocolId::ike);
  return offer ? "accepted" : offer.error();
}

std::string esp_error(std::string_view text) {
  const auto offer = parse_offer(text, ProtocolId::esp);
  return offer ? "accepted" : offer.error();
}

TEST(ParseOffer, reads_an_aead_with_its_prf_and_group) {
  const auto offer = parse_offer("AES256gcm16-prfsha384-x25519", ProtocolId::ike);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->encryption, (std::vector<Encryption>{{EncrId::aes_gcm_16, 256}}));
  EXPECT_EQ(offer->prf, std::vector{PrfId::hmac_sha2_384});
  EXPECT_EQ(offer->ke, std::vector{KeGroup::curve25519});
  EXPECT_TRUE(offer->integrity.empty());
}

TEST(ParseOffer, takes_the_prf_from_the_integrity_algorithm) {
  const auto offer = parse_offer("aes256-sha256-modp2048", ProtocolId::ike);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->integrity, std::vector{IntegId::hmac_sha2_256_128});
  EXPECT_EQ(offer->prf, std::vector{PrfId::hmac_sha2_256});
  const auto aead = parse_offer("aes128gcm16-sha384-ecp384", ProtocolId::ike);
  ASSERT_TRUE(aead);
  EXPECT_TRUE(aead->integrity.empty());
  EXPECT_EQ(aead->prf, std::vector{PrfId::hmac_sha2_384});
}

TEST(ParseOffer, takes_several_of_a_kind_in_any_order) {
  const auto offer = parse_offer("modp2048-aes128-sha512-aes256-sha256-x25519", ProtocolId::ike);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->encryption.front().key_bits, 128);
  EXPECT_EQ(offer->integrity.front(), IntegId::hmac_sha2_512_256);
  EXPECT_EQ(offer->ke, (std::vector{KeGroup::modp_2048, KeGroup::curve25519}));
}

TEST(ParseOffer, fills_in_esn_for_esp_unless_told) {
  EXPECT_EQ(parse_offer("aes128gcm16", ProtocolId::esp)->esn, (std::vector{true, false}));
  EXPECT_EQ(parse_offer("aes128-sha256-noesn", ProtocolId::esp)->esn, std::vector{false});
  EXPECT_EQ(parse_offer("aes256gcm16-x25519", ProtocolId::esp)->ke,
            std::vector{KeGroup::curve25519});
}

TEST(ParseOffer, says_why_an_algorithm_is_refused) {
  EXPECT_EQ(ike_error("aes256-sha1-x25519"), "'sha1' is weak (a broken hash); use 'sha256'");
  EXPECT_EQ(ike_error("3des-sha256-x25519"), "'3des' is weak (64-bit blocks); use 'aes256gcm16'");
  EXPECT_EQ(ike_error("aes256-sha256-modp1024"),
            "'modp1024' is weak (its primes are in reach of attackers); use 'x25519', or "
            "'modp2048' for old peers");
  EXPECT_EQ(esp_error("aes256gcm8"),
            "'aes256gcm8' has too short an integrity value; use 'aes256gcm16'");
  EXPECT_EQ(esp_error("null-sha256"), "'null' encrypts nothing; use 'aes256gcm16'");
}

TEST(ParseOffer, suggests_the_nearest_word) {
  EXPECT_EQ(esp_error("aes256gcm"),
            "'aes256gcm' is not a known algorithm; did you mean 'aes256gcm16'?");
  EXPECT_EQ(ike_error("aes256-sha265-x25519"),
            "'sha265' is not a known algorithm; did you mean 'sha256'?");
  EXPECT_EQ(ike_error("aes256-sha256-x22519"),
            "'x22519' is not a known algorithm; did you mean 'x25519'?");
  EXPECT_EQ(esp_error("serpent"), "'serpent' is not a known algorithm");
  EXPECT_EQ(esp_error("aes256-sha256!"),
            "'sha256!' ends in '!': leave it out, nothing else is ever accepted");
}

TEST(ParseOffer, says_what_is_missing_or_misplaced) {
  EXPECT_EQ(ike_error("aes256gcm16-x25519"), "the PRF is missing; add 'prfsha384'");
  EXPECT_EQ(ike_error("aes256gcm16-prfsha384"), "the key exchange is missing; add 'x25519'");
  EXPECT_EQ(ike_error("prfsha384-x25519"), "the encryption is missing; add 'aes256gcm16'");
  EXPECT_EQ(esp_error("aes256"), "'aes256' needs an integrity algorithm; add 'sha256'");
  EXPECT_EQ(esp_error("aes256gcm16-sha256"),
            "'aes256gcm16' brings its own integrity; leave out 'sha256'");
  EXPECT_EQ(esp_error("aes256-aes128gcm16-sha256"),
            "'aes128gcm16' brings its own integrity and 'aes256' does not: write them as two "
            "proposals");
  EXPECT_EQ(esp_error("aes256gcm16-prfsha256"),
            "'prfsha256' has no place in an ESP proposal, which takes its PRF from the IKE SA");
  EXPECT_EQ(ike_error("aes256gcm16-prfsha256-x25519-esn"),
            "'esn' belongs in an ESP proposal, not in IKE");
  EXPECT_EQ(esp_error("aes256--sha256"),
            "'aes256--sha256' has an empty part: one '-' between algorithms");
  EXPECT_EQ(esp_error("aes256-aes256-sha256"), "'aes256' repeats an algorithm already named");
}

TEST(ParseOffer, survives_any_text) {
  EXPECT_NE(ike_error(""), "accepted");
  EXPECT_NE(ike_error("-"), "accepted");
  EXPECT_NE(ike_error(std::string(100000, 'a')), "accepted");
  EXPECT_EQ(esp_error("\x01\xff"), "'\\x01\\xff' is not a known algorithm");
}

TEST(AlgorithmNames, are_unique_and_each_is_accepted_or_refused_with_a_remedy) {
  for (const AlgorithmName& name : all_algorithm_names()) {
    EXPECT_EQ(find_algorithm(name.text), &name) << name.text;
    const bool in_ike = name.type == wire::TransformType::prf;
    const auto error = in_ike ? ike_error(std::string{name.text} + "-aes256gcm16-x25519")
                              : esp_error(std::string{name.text} + "-aes256gcm16");
    if (name.refusal.empty()) {
      EXPECT_EQ(error.find("known"), std::string::npos) << error;
      EXPECT_EQ(error.find("supported"), std::string::npos) << error;
    } else {
      EXPECT_NE(error.find("; use '"), std::string::npos) << error;
    }
  }
}

TEST(AlgorithmNames, what_a_default_offer_prints_parses_again) {
  auto payload = to_wire(default_ike_offers(), {}, true);
  const auto text = to_string(payload);
  const auto line_end = text.find('\n');
  const auto first = text.substr(7, line_end - 7);
  EXPECT_EQ(parse_offer(first, ProtocolId::ike), default_ike_offers()[0]);
  EXPECT_EQ(parse_offer(text.substr(line_end + 8), ProtocolId::ike), default_ike_offers()[1]);
}

}  // namespace
}  // namespace caponier::policy
