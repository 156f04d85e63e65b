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
  EXPECT_EQ(ike_error("aes256-md5-x25519"), "'md5' is weak (a broken hash); use 'sha256'");
  EXPECT_EQ(ike_error("des-sha256-x25519"), "'des' is weak (64-bit blocks); use 'aes256gcm16'");
  EXPECT_EQ(ike_error("aes256-sha256-modp768"),
            "'modp768' is weak (its primes are in reach of attackers); use 'x25519', or "
            "'modp2048' for old peers");
  EXPECT_EQ(esp_error("camellia128-sha256"), "'camellia128' is not supported; use 'aes128'");
}

TEST(ParseOffer, says_how_a_weak_algorithm_is_let_in) {
  EXPECT_EQ(ike_error("aes256-sha1-x25519"),
            "'sha1' is weak (a broken hash); use 'sha256', or let it in with compat = \"legacy\"");
  EXPECT_EQ(ike_error("aes256-sha256-modp1024"),
            "'modp1024' is weak (its primes are in reach of attackers); use 'x25519', or "
            "'modp2048' for old peers, or let it in with compat = \"legacy\"");
  for (const auto text : {"3des-sha1", "aes256-sha1-modp1024", "3des-sha256-modp1536"}) {
    EXPECT_FALSE(parse_offer(text, ProtocolId::esp)) << text;
    EXPECT_TRUE(parse_offer(text, ProtocolId::esp, Compat::legacy)) << text;
  }
  const auto offer = parse_offer("3des-sha1-modp1024", ProtocolId::ike, Compat::legacy);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->encryption, (std::vector<Encryption>{{EncrId::triple_des, 0}}));
  EXPECT_EQ(offer->integrity, std::vector{IntegId::hmac_sha1_96});
  EXPECT_EQ(offer->prf, std::vector{PrfId::hmac_sha1});
  EXPECT_EQ(offer->ke, std::vector{KeGroup::modp_1024});
}

TEST(ParseOffer, lets_no_compat_bring_back_what_must_not_be_used) {
  for (const auto text : {"des-sha256", "aes128-md5", "aes128-sha256-modp768",
                          "aes128-sha256-modp1024s160", "blowfish128-sha256"}) {
    EXPECT_FALSE(parse_offer(text, ProtocolId::esp, Compat::legacy)) << text;
  }
}

TEST(ParseOffer, tells_the_weak_of_an_offer_each_once) {
  const Offers offers{parse_offer("3des-sha1-modp1024", ProtocolId::ike, Compat::legacy).value(),
                      parse_offer("aes256-sha1-x25519", ProtocolId::ike, Compat::legacy).value()};
  EXPECT_EQ(weaknesses_of(offers),
            (std::vector<std::string>{
                "'3des' is weak (64-bit blocks)", "'prfsha1' is weak (a broken hash)",
                "'sha1' is weak (a broken hash)",
                "'modp1024' is weak (its primes are in reach of attackers)"}));
  EXPECT_TRUE(weaknesses_of(default_ike_offers()).empty());
  EXPECT_TRUE(weaknesses_of(default_esp_offers()).empty());
}

TEST(ParseOffer, keeps_what_hides_nothing_or_numbers_packets_out_of_ike) {
  EXPECT_EQ(ike_error("null-sha256-x25519"),
            "'null' has no place in an IKE proposal, which must be encrypted; use 'aes256gcm16'");
  EXPECT_EQ(ike_error("aes256gmac-prfsha256-x25519"),
            "'aes256gmac' has no place in an IKE proposal, which must be encrypted; use "
            "'aes256gcm16'");
  for (const std::string text : {"aes256gcm16iiv", "aes128ccm8iiv", "chacha20poly1305iiv"}) {
    EXPECT_EQ(ike_error(text + "-prfsha256-x25519"),
              "'" + text +
                  "' has no place in an IKE proposal, whose messages number no packets; use "
                  "'aes256gcm16'");
    EXPECT_EQ(esp_error(text), "accepted");
  }
}

TEST(ParseOffer, reads_every_algorithm_in_strongswans_spelling) {
  for (const auto text :
       {"null-sha256", "aes128gmac", "aes256gcm8", "aes192gcm12", "aes128ccm16", "aes256ccm8-x448",
        "aes256ctr-aesxcbc", "aes128-aescmac-ecp512bp", "aes256gcm64", "aes192ccm96-modp8192"}) {
    EXPECT_EQ(esp_error(text), "accepted") << text;
  }
  const auto offer = parse_offer("aes128-aesxcbc-x448", ProtocolId::ike);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->prf, std::vector{PrfId::aes128_xcbc});
  EXPECT_EQ(parse_offer("aes128-aescmac-ecp224bp", ProtocolId::ike)->prf,
            std::vector{PrfId::aes128_cmac});
  EXPECT_EQ(ike_error("aes256ccm16-prfaescmac-modp6144"), "accepted");
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
