#include "policy/proposal.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace caponier::policy {
namespace {

using crypto::EncrId;
using crypto::IntegId;
using crypto::KeGroup;
using crypto::PrfId;
using wire::make_transform;
using wire::ProtocolId;
using wire::TransformType;

const base::ByteVec esp_spi = *base::from_hex("c0ffee01");

Offer ike(std::string_view text) { return parse_offer(text, ProtocolId::ike).value(); }
Offer esp(std::string_view text) { return parse_offer(text, ProtocolId::esp).value(); }

wire::SaPayload ike_payload(const Offers& offers) { return to_wire(offers, {}, true); }
wire::SaPayload esp_payload(const Offers& offers, bool with_ke = false) {
  return to_wire(offers, esp_spi, with_ke);
}

wire::Transform& transform_of(wire::Proposal& proposal, TransformType type) {
  return *std::ranges::find(proposal.transforms, type, &wire::Transform::type);
}

//= rfc7296#2.7-1 rfc7296#2.7-4 rfc7296#3.3.1-3 rfc7296#3.3.6-2..3 type=test
TEST(ChooseIke, follows_our_order_not_the_peers) {
  const auto theirs = ike_payload({ike("aes128gcm16-prfsha256-modp2048-x25519"),
                                   ike("aes256gcm16-prfsha256-prfsha384-modp2048-x25519")});
  const Offers ours{ike("aes256gcm16-aes128gcm16-prfsha384-prfsha256-x25519-modp2048")};
  const auto choice = choose_ike(theirs, ours, KeGroup::curve25519);
  ASSERT_TRUE(choice);
  EXPECT_EQ(to_string(choice->suite), "aes256-gcm/prf-sha384/x25519");
  EXPECT_EQ(choice->answer.number, 2);
  EXPECT_EQ(choice->answer.transforms.size(), 3U);
}

TEST(ChooseIke, prefers_our_first_offer_over_the_peers_first_proposal) {
  const auto theirs =
      ike_payload({ike("aes256-sha256-x25519"), ike("aes128gcm16-prfsha256-x25519")});
  const auto choice = choose_ike(theirs, default_ike_offers(), KeGroup::curve25519);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->suite.cipher, (crypto::CipherSuite{EncrId::aes_gcm_16, 128, IntegId::none}));
}

TEST(ChooseIke, takes_the_group_of_the_ke_payload_when_it_is_acceptable) {
  const auto theirs = ike_payload({ike("aes256gcm16-prfsha256-x25519-ecp256")});
  EXPECT_EQ(choose_ike(theirs, default_ike_offers(), KeGroup::ecp_256)->suite.ke, KeGroup::ecp_256);
  EXPECT_EQ(choose_ike(theirs, default_ike_offers(), KeGroup{2})->suite.ke, KeGroup::curve25519);
}

TEST(ChooseIke, leaves_the_callers_group_when_the_peer_sent_one_it_did_not_propose) {
  const auto theirs = ike_payload({ike("aes256gcm16-prfsha256-ecp384")});
  EXPECT_EQ(choose_ike(theirs, default_ike_offers(), KeGroup::curve25519)->suite.ke,
            KeGroup::ecp_384);
}

//= rfc7296#2.7-5 type=test
TEST(ChooseIke, keeps_cipher_and_mac_together) {
  const auto theirs = ike_payload({ike("aes128-sha512-modp3072")});
  const auto choice = choose_ike(theirs, default_ike_offers(), KeGroup::modp_3072);
  ASSERT_TRUE(choice);
  EXPECT_EQ(to_string(choice->suite), "aes128-cbc/hmac-sha512/prf-sha512/modp3072");
}

//= rfc7296#3.3-7 type=test
TEST(ChooseIke, tolerates_integrity_none_beside_an_aead_and_repeats_it) {
  auto theirs = ike_payload({ike("aes256gcm16-prfsha256-x25519")});
  theirs.proposals[0].transforms.push_back(make_transform(TransformType::integ, 0));
  const auto choice = choose_ike(theirs, default_ike_offers(), KeGroup::curve25519);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->suite.cipher.integ, IntegId::none);
  EXPECT_EQ(choice->answer.transforms.size(), 4U);
}

//= rfc7296#3.3-7 type=test
TEST(ChooseIke, refuses_an_aead_with_a_real_integrity_algorithm) {
  auto theirs = ike_payload({ike("aes256gcm16-prfsha256-x25519")});
  theirs.proposals[0].transforms.push_back(make_transform(TransformType::integ, 12));
  const auto choice = choose_ike(theirs, {ike("aes256gcm16-prfsha256-x25519")}, KeGroup::none);
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().missing, TransformType::integ);
}

//= rfc7296#3.3.6-6 type=test
TEST(ChooseIke, rejects_a_whole_proposal_with_an_unknown_transform_type) {
  auto theirs = ike_payload({ike("aes256gcm16-prfsha256-x25519")});
  theirs.proposals[0].transforms.push_back(make_transform(static_cast<TransformType>(6), 36));
  const auto choice = choose_ike(theirs, default_ike_offers(), KeGroup::curve25519);
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().missing, static_cast<TransformType>(6));
  EXPECT_EQ(choice.error().theirs, "type6#36");
}

//= rfc7296#3.3.6-7 rfc7296#3.14-2 type=test
TEST(ChooseIke, passes_over_unknown_ids_of_known_types) {
  auto theirs = ike_payload({ike("aes256gcm16-prfsha256-x25519")});
  for (std::uint8_t type = 1; type <= 4; ++type) {
    if (type == 3) continue;
    auto& list = theirs.proposals[0].transforms;
    list.insert(list.begin(), make_transform(static_cast<TransformType>(type), 4711));
  }
  EXPECT_TRUE(choose_ike(theirs, default_ike_offers(), KeGroup::curve25519));
}

//= rfc7296#3.3.5-5 type=test
TEST(ChooseIke, counts_the_key_length_as_part_of_the_algorithm) {
  auto theirs = ike_payload({ike("aes256gcm16-prfsha256-x25519")});
  transform_of(theirs.proposals[0], TransformType::encr).attributes.clear();
  EXPECT_FALSE(choose_ike(theirs, default_ike_offers(), KeGroup::curve25519));
  transform_of(theirs.proposals[0], TransformType::encr) =
      make_transform(TransformType::encr, 28, 256);
  EXPECT_FALSE(choose_ike(theirs, default_ike_offers(), KeGroup::curve25519));
}

//= rfc7296#3.3.6-7 rfc7296#3.3-9 type=test
TEST(ChooseIke, does_not_accept_a_transform_with_a_foreign_or_doubled_attribute) {
  const auto good = ike_payload({ike("aes256gcm16-prfsha256-x25519")});
  auto foreign = good;
  transform_of(foreign.proposals[0], TransformType::encr).attributes.push_back({77, true, {}});
  EXPECT_FALSE(choose_ike(foreign, default_ike_offers(), KeGroup::curve25519));
  auto doubled = good;
  auto& attributes = transform_of(doubled.proposals[0], TransformType::encr).attributes;
  attributes.push_back(attributes.front());
  EXPECT_FALSE(choose_ike(doubled, default_ike_offers(), KeGroup::curve25519));
  auto prf = good;
  transform_of(prf.proposals[0], TransformType::prf) = make_transform(TransformType::prf, 5, 256);
  EXPECT_FALSE(choose_ike(prf, default_ike_offers(), KeGroup::curve25519));
}

//= rfc7296#2.18-2 type=test
TEST(ChooseIke, never_agrees_on_no_key_exchange) {
  auto theirs = ike_payload({ike("aes256gcm16-prfsha256-x25519")});
  transform_of(theirs.proposals[0], TransformType::ke).id = 0;
  auto ours = default_ike_offers();
  ours[0].ke.push_back(KeGroup::none);
  EXPECT_FALSE(choose_ike(theirs, ours, KeGroup::none));
}

TEST(ChooseIke, names_what_is_missing_in_the_nearest_proposal) {
  const auto theirs =
      ike_payload({ike("aes128-sha256-modp2048"), ike("aes256gcm16-prfsha512-x25519")});
  const auto choice =
      choose_ike(theirs, {ike("aes256gcm16-prfsha256-prfsha384-x25519")}, KeGroup::curve25519);
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().missing, TransformType::prf);
  EXPECT_EQ(choice.error().ours, "prfsha256, prfsha384");
  EXPECT_EQ(choice.error().theirs, "prfsha512");
}

TEST(ChooseIke, finds_nothing_in_an_empty_or_foreign_payload) {
  EXPECT_FALSE(choose_ike({}, default_ike_offers(), KeGroup::curve25519));
  EXPECT_FALSE(
      choose_ike(esp_payload(default_esp_offers()), default_ike_offers(), KeGroup::curve25519));
}

TEST(ChooseIke, returns_the_spi_of_a_rekeying_peer_and_refuses_odd_sizes) {
  const auto spi = *base::from_hex("0102030405060708");
  const auto theirs = to_wire(default_ike_offers(), spi, true);
  EXPECT_EQ(choose_ike(theirs, default_ike_offers(), KeGroup::curve25519)->peer_spi, spi);
  const auto odd = to_wire(default_ike_offers(), esp_spi, true);
  EXPECT_FALSE(choose_ike(odd, default_ike_offers(), KeGroup::curve25519));
}

TEST(ChooseChild, ignores_key_exchanges_in_ike_auth) {
  const auto theirs = esp_payload(default_esp_offers(), true);
  const auto choice = choose_child(theirs, default_esp_offers(), KeGroup::none, true);
  ASSERT_TRUE(choice);
  EXPECT_EQ(to_string(choice->suite), "aes256-gcm/esn");
  EXPECT_EQ(choice->suite.ke, KeGroup::none);
  EXPECT_EQ(choice->peer_spi, esp_spi);
  EXPECT_EQ(choice->answer.spi, esp_spi);
  EXPECT_EQ(choice->answer.transforms.size(), 2U);
}

TEST(ChooseChild, negotiates_a_key_exchange_afterwards) {
  const auto theirs = esp_payload(default_esp_offers(), true);
  const auto choice = choose_child(theirs, default_esp_offers(), KeGroup::ecp_521, false);
  ASSERT_TRUE(choice);
  EXPECT_EQ(to_string(choice->suite), "aes256-gcm/p521/esn");
}

TEST(ChooseChild, demands_the_key_exchange_that_our_offer_demands) {
  const auto without = esp_payload(default_esp_offers(), false);
  const auto choice = choose_child(without, {esp("aes256gcm16-x25519")}, KeGroup::none, false);
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().missing, TransformType::ke);
  EXPECT_EQ(choice.error().theirs, "nothing");
  EXPECT_TRUE(choose_child(without, {esp("aes256gcm16-x25519-modpnone")}, KeGroup::none, false));
}

TEST(ChooseChild, by_default_prefers_a_key_exchange_and_bears_its_absence) {
  const Offers ours = default_esp_offers();
  const auto both = choose_child(esp_payload(ours, true), ours, KeGroup::curve25519, false);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->suite.ke, KeGroup::curve25519);
  const auto without = choose_child(esp_payload(ours, false), ours, KeGroup::none, false);
  ASSERT_TRUE(without);
  EXPECT_EQ(without->suite.ke, KeGroup::none);
}

TEST(ChooseChild, takes_key_exchange_none_for_its_absence) {
  auto theirs = esp_payload({esp("aes256gcm16")}, true);
  theirs.proposals[0].transforms.push_back(make_transform(TransformType::ke, 0));
  const auto choice = choose_child(theirs, {esp("aes256gcm16")}, KeGroup::none, false);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->suite.ke, KeGroup::none);
  EXPECT_EQ(choice->answer.transforms.size(), 3U);
}

//= rfc4303#2.2.1-2 type=test
TEST(ChooseChild, reads_an_absent_esn_transform_as_no_esn) {
  auto theirs = esp_payload({esp("aes256gcm16-noesn")});
  std::erase_if(theirs.proposals[0].transforms,
                [](const auto& t) { return t.type == TransformType::esn; });
  const auto choice = choose_child(theirs, {esp("aes256gcm16-esn-noesn")}, KeGroup::none, true);
  ASSERT_TRUE(choice);
  EXPECT_FALSE(choice->suite.esn);
  EXPECT_EQ(choice->answer.transforms.size(), 1U);
  EXPECT_FALSE(choose_child(theirs, {esp("aes256gcm16-esn")}, KeGroup::none, true));
}

//= rfc4303#2.1-6 type=test
TEST(ChooseChild, refuses_spis_that_are_not_four_octets_or_zero) {
  const Offers ours = default_esp_offers();
  EXPECT_FALSE(choose_child(to_wire(ours, {}, false), ours, KeGroup::none, true));
  EXPECT_FALSE(choose_child(to_wire(ours, base::ByteVec(4), false), ours, KeGroup::none, true));
  EXPECT_FALSE(choose_child(to_wire(ours, base::ByteVec(8, std::byte{1}), false), ours,
                            KeGroup::none, true));
  auto answer = choose_child(esp_payload(ours), ours, KeGroup::none, true)->answer;
  EXPECT_TRUE(accept_child({{answer}}, ours, true));
  answer.spi = base::ByteVec(4);
  EXPECT_FALSE(accept_child({{answer}}, ours, true));
}

//= rfc4303#1-1 rfc4303#1-3 type=test
TEST(ChooseChild, agrees_on_integrity_alone_where_that_is_wanted) {
  const Offers ours{esp("null-sha256")};
  const auto choice = choose_child(esp_payload(ours), ours, KeGroup::none, true);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->suite.cipher,
            (crypto::CipherSuite{EncrId::null, 0, IntegId::hmac_sha2_256_128}));
  EXPECT_FALSE(choose_child(esp_payload(ours), {esp("aes256-sha256")}, KeGroup::none, true));
}

//= rfc4303#3.2-2 rfc4303#3.4.3-2 rfc4303#5-6 rfc4301#4.2-1 type=test
TEST(ChooseChild, never_agrees_on_a_cipher_without_integrity_least_of_all_on_null) {
  for (const std::string_view text : {"null-sha256", "aes256-sha256", "aes256ctr-sha256"}) {
    const Offers ours{esp(text)};
    for (const bool left_out : {true, false}) {
      auto theirs = esp_payload(ours);
      wire::Proposal& proposal = theirs.proposals[0];
      std::erase_if(proposal.transforms,
                    [](const auto& t) { return t.type == TransformType::integ; });
      if (!left_out) proposal.transforms.push_back(make_transform(TransformType::integ, 0));
      EXPECT_FALSE(choose_child(theirs, ours, KeGroup::none, true)) << text;
      EXPECT_FALSE(accept_child(theirs, ours, true)) << text;
    }
    EXPECT_FALSE(parse_offer(text.substr(0, text.find('-')), ProtocolId::esp)) << text;
  }
}

TEST(ChooseChild, refuses_a_prf_in_an_esp_proposal) {
  auto theirs = esp_payload(Offers{esp("aes256gcm16")});
  theirs.proposals[0].transforms.push_back(make_transform(TransformType::prf, 5));
  EXPECT_FALSE(choose_child(theirs, default_esp_offers(), KeGroup::none, true));
}

TEST(Accept, takes_what_a_responder_chose_from_our_offers) {
  const Offers initiator = default_ike_offers();
  const auto choice =
      choose_ike(ike_payload(initiator), {ike("aes128-sha384-ecp384")}, KeGroup::curve25519);
  ASSERT_TRUE(choice);
  const auto accepted = accept_ike({{choice->answer}}, initiator);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->suite, choice->suite);

  const auto child = choose_child(esp_payload(default_esp_offers()), {esp("aes128-sha256-noesn")},
                                  KeGroup::none, true);
  ASSERT_TRUE(child);
  const auto accepted_child = accept_child({{child->answer}}, default_esp_offers(), true);
  ASSERT_TRUE(accepted_child);
  EXPECT_EQ(accepted_child->suite, child->suite);
  EXPECT_EQ(accepted_child->peer_spi, esp_spi);
}

//= rfc7296#2.7-3..4 rfc7296#3.3.6-5 type=test
TEST(Accept, wants_exactly_one_proposal_and_one_transform_of_each_type) {
  const Offers ours{ike("aes256gcm16-aes128gcm16-prfsha256-x25519")};
  EXPECT_FALSE(accept_ike({}, ours));
  EXPECT_FALSE(accept_ike(ike_payload({ours[0], ours[0]}), ours));
  EXPECT_FALSE(accept_ike(ike_payload(ours), ours));
  EXPECT_TRUE(accept_ike(ike_payload({ike("aes128gcm16-prfsha256-x25519")}), ours));
}

//= rfc7296#3.3.6-5 type=test
TEST(Accept, refuses_what_we_did_not_offer) {
  const Offers ours{ike("aes256gcm16-prfsha256-x25519")};
  const auto refused = accept_ike(ike_payload({ike("aes256gcm16-prfsha256-ecp256")}), ours);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().missing, TransformType::ke);
  EXPECT_FALSE(
      accept_child(esp_payload(Offers{esp("aes256gcm16-noesn")}), {esp("aes256gcm16-esn")}, true));
}

TEST(Accept, refuses_an_answer_that_leaves_out_a_mandatory_type) {
  const Offers ours{ike("aes256gcm16-prfsha256-x25519")};
  for (const auto type : {TransformType::encr, TransformType::prf, TransformType::ke}) {
    auto answer = ike_payload(ours);
    std::erase_if(answer.proposals[0].transforms, [type](const auto& t) { return t.type == type; });
    const auto refused = accept_ike(answer, ours);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().missing, type);
  }
}

//= rfc7296#3.3-2 rfc7296#3.3-5..6 rfc7296#3.3.1-2 type=test
TEST(DefaultOffers, are_numbered_and_carry_our_preferences) {
  const auto payload = ike_payload(default_ike_offers());
  ASSERT_EQ(payload.proposals.size(), 2U);
  EXPECT_EQ(payload.proposals[1].number, 2);
  EXPECT_EQ(to_string(payload),
            "1 ike: aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha256-prfsha512-x25519-"
            "ecp384-ecp256-ecp521-modp3072-modp4096-modp2048\n"
            "2 ike: aes256-aes128-prfsha384-prfsha256-prfsha512-sha256-sha384-sha512-x25519-"
            "ecp384-ecp256-ecp521-modp3072-modp4096-modp2048");
  EXPECT_EQ(to_string(esp_payload(default_esp_offers())),
            "1 esp: aes256gcm16-aes128gcm16-chacha20poly1305-esn-noesn\n"
            "2 esp: aes256-aes128-sha256-sha384-sha512-esn-noesn");
}

TEST(ProposalText, shows_unknown_numbers_and_stays_short) {
  wire::SaPayload payload;
  payload.proposals.push_back(
      {1,
       ProtocolId::ike,
       {},
       {make_transform(TransformType::encr, 99, 77), make_transform(TransformType::encr, 3),
        make_transform(TransformType::ke, 2)}});
  EXPECT_EQ(to_string(payload), "1 ike: encr#99/77-3des-modp1024");
  payload.proposals[0].transforms.resize(5000, make_transform(TransformType::ke, 4711));
  payload.proposals.resize(200, payload.proposals[0]);
  EXPECT_LT(to_string(payload).size(), 16000U);
}

}  // namespace
}  // namespace caponier::policy
