#include "explain/offers.h"

#include <gtest/gtest.h>

namespace caponier::explain {
namespace {

policy::Offers offers(std::initializer_list<const char*> texts,
                      wire::ProtocolId protocol = wire::ProtocolId::ike) {
  policy::Offers list;
  for (const char* text : texts) {
    list.push_back(policy::parse_offer(text, protocol, policy::Compat::legacy).value());
  }
  return list;
}

wire::SaPayload sent(std::initializer_list<const char*> texts,
                     wire::ProtocolId protocol = wire::ProtocolId::ike) {
  return policy::to_wire(offers(texts, protocol), {}, true);
}

TEST(Offers, agreement_has_no_gaps) {
  const auto found = compare(offers({"aes256gcm16-prfsha256-x25519"}),
                             sent({"aes256gcm16-prfsha256-x25519-modp2048"}), true);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->gaps.empty());
}

TEST(Offers, the_nearest_pair_is_compared) {
  const auto found = compare(offers({"aes256-sha256-modp2048", "aes256gcm16-prfsha384-x25519"}),
                             sent({"3des-sha1-modp1024", "aes256gcm16-prfsha384-ecp384"}), true);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->gaps.size(), 1u);
  EXPECT_EQ(found->gaps.front().type, wire::TransformType::ke);
  EXPECT_EQ(found->gaps.front().ours, "x25519");
  EXPECT_EQ(found->gaps.front().theirs, "ecp384");
  EXPECT_EQ(found->our_index, 1u);
  EXPECT_EQ(found->their_index, 1u);
}

TEST(Offers, key_lengths_are_two_ciphers) {
  const auto found = compare(offers({"aes128gcm16"}, wire::ProtocolId::esp),
                             sent({"aes256gcm16"}, wire::ProtocolId::esp), false);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->gaps.size(), 1u);
  EXPECT_EQ(found->gaps.front().theirs, "aes256gcm16");
}

TEST(Offers, another_protocol_cannot_be_compared) {
  EXPECT_FALSE(compare(offers({"aes256gcm16"}, wire::ProtocolId::esp),
                       sent({"sha256"}, wire::ProtocolId::ah), false));
}

TEST(Offers, what_is_written_can_be_read_again) {
  for (const char* text :
       {"aes256gcm16-prfsha384-x25519", "aes256-aes128-sha256-prfsha256-modp2048",
        "chacha20poly1305-prfsha256-x25519-ecp256"}) {
    const auto once = offers({text});
    EXPECT_EQ(offers({config_text(once.front()).c_str()}), once) << text;
  }
  const auto esp = offers({"aes256gcm16-noesn"}, wire::ProtocolId::esp);
  EXPECT_EQ(config_text(esp.front()), "aes256gcm16-noesn");
}

TEST(Offers, what_could_be_offered_too_is_the_first_sound_one) {
  const auto sound =
      find_adoptable(sent({"3des-sha1-modp1024", "aes256-sha256-modp2048"}), wire::ProtocolId::ike);
  ASSERT_TRUE(sound);
  EXPECT_EQ(sound->text, "aes256-sha256-prfsha256-modp2048");
  EXPECT_FALSE(sound->needs_compat);
  const auto weak = find_adoptable(sent({"3des-sha1-modp1024"}), wire::ProtocolId::ike);
  ASSERT_TRUE(weak);
  EXPECT_TRUE(weak->needs_compat);
}

TEST(Offers, what_nobody_here_knows_cannot_be_offered) {
  wire::SaPayload odd = sent({"aes256gcm16-prfsha256-x25519"});
  odd.proposals.front().transforms.front().id = 99;
  EXPECT_FALSE(find_adoptable(odd, wire::ProtocolId::ike));
  EXPECT_TRUE(compare(offers({"aes256gcm16-prfsha256-x25519"}), odd, true));
  odd.proposals.clear();
  EXPECT_FALSE(compare(offers({"aes256gcm16-prfsha256-x25519"}), odd, true));
}

}  // namespace
}  // namespace caponier::explain
