#include "ike/protection.h"

#include <set>

#include <gtest/gtest.h>

#include "crypto/null/provider.h"
#include "crypto/openssl/provider.h"

namespace caponier::ike {
namespace {

using base::Bytes;
using base::ByteVec;
using base::SecretBytes;
using crypto::EncrId;
using crypto::IntegId;
using crypto::KeGroup;
using crypto::PrfId;
using OpenError = MessageProtection::OpenError;
using Payloads = std::vector<wire::Payload>;

const std::vector<crypto::CipherSuite> ciphers = {
    {EncrId::aes_gcm_16, 256, IntegId::none},
    {EncrId::aes_gcm_16, 128, IntegId::none},
    {EncrId::chacha20_poly1305, 0, IntegId::none},
    {EncrId::aes_cbc, 256, IntegId::hmac_sha2_256_128},
    {EncrId::aes_cbc, 128, IntegId::hmac_sha2_512_256},
    {EncrId::aes_ctr, 256, IntegId::hmac_sha2_384_192},
};

IkeKeys keys_for(const crypto::CipherSuite& cipher) {
  const auto filled = [](std::size_t size, int value) {
    return SecretBytes{Bytes{ByteVec(size, static_cast<std::byte>(value))}};
  };
  IkeKeys keys;
  keys.sk_ei = filled(crypto::encr_key_size(cipher), 1);
  keys.sk_er = filled(crypto::encr_key_size(cipher), 2);
  keys.sk_ai = filled(crypto::integ_key_size(cipher), 3);
  keys.sk_ar = filled(crypto::integ_key_size(cipher), 4);
  return keys;
}

struct Pair {
  base::SeededRng rng;
  crypto::NullProvider null{nullptr};
  crypto::OpensslProvider openssl;
  MessageProtection initiator;
  MessageProtection responder;

  explicit Pair(const crypto::CipherSuite& cipher, bool real = false, std::uint64_t seed = 1)
      : rng(seed), initiator(make(cipher, true, real)), responder(make(cipher, false, real)) {}

 private:
  MessageProtection make(const crypto::CipherSuite& cipher, bool is_initiator, bool real) {
    const policy::IkeSuite suite{cipher, PrfId::hmac_sha2_256, KeGroup::curve25519};
    const auto& provider = real ? static_cast<const crypto::CryptoProvider&>(openssl) : null;
    IkeKeys keys = keys_for(cipher);
    return MessageProtection::make(provider, suite, keys, is_initiator, rng).value();
  }
};

wire::IkeHeader header() {
  wire::IkeHeader h;
  h.spi_i = {0x0102030405060708};
  h.spi_r = {0x1112131415161718};
  h.exchange = wire::ExchangeType::informational;
  h.flags = wire::IkeHeader::flag_initiator;
  h.message_id = {7};
  return h;
}

wire::NotifyPayload notify(std::size_t size) {
  return {wire::ProtocolId::none, {}, wire::NotifyType::cookie, ByteVec(size, std::byte{0x5a})};
}

constexpr std::size_t sk_body_at = wire::IkeHeader::size + 4;

/// A datagram whose SK payload holds exactly `text`, sealed by the initiator's key.
ByteVec seal_text(const crypto::CipherSuite& cipher, wire::PayloadType first, Bytes text,
                  const Payloads& unprotected = {}) {
  base::SeededRng rng{9};
  const IkeKeys keys = keys_for(cipher);
  const auto packet_cipher = crypto::NullProvider{nullptr}
                                 .make_cipher(cipher, keys.sk_ei.reveal(), keys.sk_ai.reveal(), rng)
                                 .value();
  const std::size_t body_size = packet_cipher->iv_size() + text.size() + packet_cipher->icv_size();
  wire::SkPayload sk{first, ByteVec(body_size)};
  base::copy_into(base::MutBytes{sk.body}.subspan(packet_cipher->iv_size()), text);
  wire::IkeMessage message{header(), unprotected};
  message.payloads.emplace_back(std::move(sk));
  ByteVec datagram = message.encode().value();
  const base::MutBytes all{datagram};
  const std::size_t body_at = datagram.size() - body_size;
  crypto::PacketJob job;
  job.header = all.first(body_at);
  job.iv = all.subspan(body_at, packet_cipher->iv_size());
  job.text = all.subspan(body_at + packet_cipher->iv_size(), text.size());
  job.icv = all.last(packet_cipher->icv_size());
  packet_cipher->seal(std::span{&job, 1});
  EXPECT_TRUE(job.ok);
  return datagram;
}

TEST(MessageProtection, opens_what_the_other_side_sealed) {
  for (const bool real : {false, true}) {
    for (const auto& cipher : ciphers) {
      Pair pair{cipher, real};
      for (std::size_t size = 0; size < 40; ++size) {
        const Payloads inner{notify(size), wire::NoncePayload{ByteVec(16, std::byte{3})}};
        const auto request = pair.initiator.seal(header(), inner);
        ASSERT_TRUE(request);
        EXPECT_EQ(pair.responder.open(*request), inner) << crypto::to_string(cipher);
        const auto response = pair.responder.seal(header(), inner);
        ASSERT_TRUE(response);
        EXPECT_EQ(pair.initiator.open(*response), inner);
      }
    }
  }
}

TEST(MessageProtection, writes_the_headers_of_the_rfc) {
  Pair pair{ciphers[0]};
  const auto sealed = pair.initiator.seal(header(), {notify(3)}).value();
  const auto message = wire::IkeMessage::decode(sealed);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->header.next_payload, wire::PayloadType::sk);
  EXPECT_EQ(message->header.message_id.value, 7U);
  ASSERT_EQ(message->payloads.size(), 1U);
  const auto* sk = std::get_if<wire::SkPayload>(&message->payloads[0]);
  ASSERT_NE(sk, nullptr);
  EXPECT_EQ(sk->first_inner, wire::PayloadType::notify);
  // IV 8, notify 4 + 4 + 3, pad length 1, ICV 16.
  EXPECT_EQ(sk->body.size(), 8U + 11U + 1U + 16U);
}

//= rfc7296#3.14-4 type=test
TEST(MessageProtection, pads_block_ciphers_to_whole_blocks) {
  Pair pair{ciphers[3]};
  for (std::size_t size = 0; size < 33; ++size) {
    const auto sealed = pair.initiator.seal(header(), {notify(size)}).value();
    const std::size_t text = sealed.size() - sk_body_at - 16 - 16;
    EXPECT_EQ(text % 16, 0U);
    EXPECT_LT(text, 8 + size + 1 + 16);
  }
}

TEST(MessageProtection, goes_on_after_a_rest_with_another_iv) {
  Pair pair{ciphers[0], true};
  const ByteVec first = pair.initiator.seal(header(), {notify(8)}).value();
  EXPECT_TRUE(pair.responder.open(first));
  pair.initiator.rest();
  pair.responder.rest();
  const ByteVec second = pair.initiator.seal(header(), {notify(8)}).value();
  EXPECT_TRUE(pair.responder.open(second));
  EXPECT_NE(first, second);
}

TEST(MessageProtection, seals_an_empty_message) {
  for (const auto& cipher : ciphers) {
    Pair pair{cipher};
    const auto sealed = pair.initiator.seal(header(), {});
    ASSERT_TRUE(sealed);
    const auto opened = pair.responder.open(*sealed);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->empty());
  }
}

TEST(MessageProtection, does_not_open_its_own_direction) {
  for (const auto& cipher : ciphers) {
    Pair pair{cipher};
    const auto sealed = pair.initiator.seal(header(), {notify(1)}).value();
    EXPECT_EQ(pair.initiator.open(sealed).error(), OpenError::bad_icv);
  }
}

//= rfc7296#3.14-6 type=test
TEST(MessageProtection, refuses_every_flipped_bit) {
  for (const auto& cipher : ciphers) {
    Pair pair{cipher};
    const auto sealed = pair.initiator.seal(header(), {notify(5)}).value();
    for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
      ByteVec damaged = sealed;
      damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      const auto opened = pair.responder.open(damaged);
      ASSERT_FALSE(opened) << crypto::to_string(cipher) << " bit " << bit;
      ASSERT_NE(opened.error(), OpenError::bad_inner) << "bit " << bit;
    }
  }
}

TEST(MessageProtection, refuses_every_truncation_also_with_the_lengths_made_to_fit) {
  for (const auto& cipher : ciphers) {
    Pair pair{cipher};
    const auto sealed = pair.initiator.seal(header(), {notify(5)}).value();
    for (std::size_t size = 0; size < sealed.size(); ++size) {
      ByteVec cut{sealed.begin(), sealed.begin() + static_cast<std::ptrdiff_t>(size)};
      EXPECT_EQ(pair.responder.open(cut).error(), OpenError::not_protected);
      if (size < sk_body_at) continue;
      base::store_be(cut.data() + 24, static_cast<std::uint32_t>(size));
      base::store_be(cut.data() + 30, static_cast<std::uint16_t>(size - wire::IkeHeader::size));
      EXPECT_EQ(pair.responder.open(cut).error(), OpenError::bad_icv);
    }
  }
}

//= rfc7296#3.14-1 type=test
TEST(MessageProtection, refuses_octets_behind_the_sk_payload) {
  Pair pair{ciphers[0]};
  auto longer = pair.initiator.seal(header(), {notify(5)}).value();
  longer.push_back(std::byte{0});
  EXPECT_EQ(pair.responder.open(longer).error(), OpenError::not_protected);
  base::store_be(longer.data() + 24, static_cast<std::uint32_t>(longer.size()));
  EXPECT_EQ(pair.responder.open(longer).error(), OpenError::not_protected);
}

TEST(MessageProtection, refuses_messages_without_an_sk_payload) {
  Pair pair{ciphers[0]};
  const wire::IkeMessage plain{header(), {notify(5)}};
  EXPECT_EQ(pair.responder.open(plain.encode().value()).error(), OpenError::not_protected);
  const wire::IkeMessage empty{header(), {}};
  EXPECT_EQ(pair.responder.open(empty.encode().value()).error(), OpenError::not_protected);
  const wire::IkeMessage fragment{header(), {wire::SkfPayload{{}, 1, 2, ByteVec(64)}}};
  EXPECT_EQ(pair.responder.open(fragment.encode().value()).error(), OpenError::not_protected);
  EXPECT_EQ(pair.responder.open({}).error(), OpenError::not_protected);
}

TEST(MessageProtection, leaves_out_unprotected_payloads_but_authenticates_them) {
  const ByteVec text = *base::from_hex(
      "0000000800004006"
      "00");
  for (const auto& cipher : {ciphers[0], ciphers[5]}) {
    Pair pair{cipher};
    const auto datagram = seal_text(cipher, wire::PayloadType::notify, text, {notify(5)});
    const auto opened = pair.responder.open(datagram);
    ASSERT_TRUE(opened);
    EXPECT_EQ(*opened, (Payloads{notify(0)}));
    auto damaged = datagram;
    damaged[wire::IkeHeader::size + 10] ^= std::byte{1};
    EXPECT_EQ(pair.responder.open(damaged).error(), OpenError::bad_icv);
  }
}

//= rfc7296#3.1-1 type=test
TEST(MessageProtection, says_when_an_authentic_message_does_not_parse) {
  const auto& cipher = ciphers[0];
  Pair pair{cipher};
  const auto error_of = [&](wire::PayloadType first, std::string_view hex) {
    const auto opened = pair.responder.open(seal_text(cipher, first, *base::from_hex(hex)));
    return opened ? std::nullopt : std::optional{opened.error()};
  };
  using enum wire::PayloadType;
  EXPECT_EQ(error_of(none, "00"), std::nullopt);
  EXPECT_EQ(error_of(none, "0002"), OpenError::bad_inner);          // more padding than text
  EXPECT_EQ(error_of(none, "0000"), OpenError::bad_inner);          // an octet that is no payload
  EXPECT_EQ(error_of(notify, "00"), OpenError::bad_inner);          // a payload that is missing
  EXPECT_EQ(error_of(notify, "000000080000400600"), std::nullopt);  // a COOKIE notify
  EXPECT_EQ(error_of(notify, "000000090000400600"), OpenError::bad_inner);
  EXPECT_EQ(error_of(sk, "000000080000000000"), OpenError::bad_inner);  // SK within SK
}

//= rfc7296#3.14-5 type=test
TEST(MessageProtection, accepts_any_padding_the_peer_chose) {
  const auto& cipher = ciphers[0];
  Pair pair{cipher};
  const auto text = *base::from_hex(
      "0000000800004006"
      "deadbeef"
      "04");
  const auto opened = pair.responder.open(seal_text(cipher, wire::PayloadType::notify, text));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->size(), 1U);
}

TEST(MessageProtection, refuses_to_seal_what_does_not_fit_a_length_field) {
  Pair pair{ciphers[0]};
  EXPECT_FALSE(pair.initiator.seal(header(), {notify(65535)}));
  const Payloads two{notify(40000), notify(40000)};
  EXPECT_FALSE(pair.initiator.seal(header(), two));
  EXPECT_FALSE(pair.initiator.seal(header(), {wire::SkPayload{}}));
  const std::size_t most = wire::ike_message_size_max - sk_body_at - 8 - 8 - 1 - 16;
  const auto largest = pair.initiator.seal(header(), {notify(most)});
  ASSERT_TRUE(largest);
  EXPECT_TRUE(pair.responder.open(*largest));
  EXPECT_FALSE(pair.initiator.seal(header(), {notify(most + 1)}));
}

TEST(MessageProtection, never_repeats_an_iv_and_starts_at_a_random_one) {
  std::set<ByteVec> ivs;
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    Pair pair{ciphers[0], false, seed};
    for (int i = 0; i < 100; ++i) {
      const auto sealed = pair.initiator.seal(header(), {}).value();
      ivs.insert(base::to_vec(Bytes{sealed}.subspan(sk_body_at, 8)));
    }
  }
  EXPECT_EQ(ivs.size(), 300U);
}

TEST(MessageProtection, refuses_keys_of_the_wrong_size) {
  base::SeededRng rng{1};
  auto keys = keys_for(ciphers[0]);
  keys.sk_er = SecretBytes{std::size_t{32}};
  const policy::IkeSuite suite{ciphers[0], PrfId::hmac_sha2_256, KeGroup::curve25519};
  const auto made = MessageProtection::make(crypto::NullProvider{nullptr}, suite, keys, true, rng);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), crypto::CryptoError::bad_key_size);
}

}  // namespace
}  // namespace caponier::ike
