// Project Wycheproof: every valid case is accepted, every invalid one refused, on every back end.

#include <array>

#include "vectors/vector_files.h"

namespace caponier::crypto {
namespace {

using base::ByteVec;
using test::Packet;
using test_vectors::bytes_of;
using test_vectors::Json;
using test_vectors::Tally;

class Wycheproof : public test_vectors::Vectors {};

std::unique_ptr<PacketCipher> aead_of(const CryptoProvider& provider, EncrId encr, const Json& test,
                                      base::Rng& rng) {
  ByteVec key = bytes_of(test, "key");
  const auto bits = static_cast<std::uint16_t>(key.size() * 8);
  const CipherSuite suite{encr, find(encr)->key_length_attribute ? bits : std::uint16_t{0}};
  base::append(key, Bytes{bytes_of(test, "iv")}.first(find(encr)->salt_size));
  return provider.make_cipher(suite, key, {}, rng).value();
}

void run_aead_case(const CryptoProvider& provider, EncrId encr, const Json& test, Tally& tally) {
  SCOPED_TRACE(test.at("tcId").get<int>());
  const ByteVec nonce = bytes_of(test, "iv");
  const ByteVec tag = bytes_of(test, "tag");
  const std::size_t salt_size = find(encr)->salt_size;
  const std::size_t tag_size = find(encr)->icv_size;
  if (nonce.size() != salt_size + find(encr)->iv_size || tag.size() != tag_size) {
    ++tally.not_expressible;
    return;
  }
  base::SeededRng rng{1};
  const auto cipher = aead_of(provider, encr, test, rng);
  const Bytes iv = Bytes{nonce}.subspan(salt_size);
  const ByteVec aad = bytes_of(test, "aad");
  const ByteVec msg = bytes_of(test, "msg");
  const ByteVec ct = bytes_of(test, "ct");
  const bool valid = test.at("result") == "valid";

  Packet received{aad, iv, ct, tag};
  cipher->open({&received.job, 1});
  EXPECT_EQ(received.job.ok, valid);
  received.job.ok ? ++tally.accepted : ++tally.refused;
  if (valid) {
    EXPECT_TRUE(base::equal(received.job.text, msg));
  }

  Packet sent{aad, iv, msg, ByteVec(tag_size)};
  cipher->seal({&sent.job, 1});
  ASSERT_TRUE(sent.job.ok);
  EXPECT_TRUE(base::equal(sent.job.iv, iv));
  EXPECT_EQ(base::equal(sent.job.text, ct) && base::equal(sent.job.icv, tag), valid);
}

Tally run_aead(const CryptoProvider& provider, EncrId encr, const std::string& file) {
  Tally tally;
  const Json set = test_vectors::read_json("wycheproof/" + file);
  for (const Json& group : set.at("testGroups")) {
    for (const Json& test : group.at("tests")) run_aead_case(provider, encr, test, tally);
  }
  EXPECT_EQ(tally.accepted + tally.refused + tally.not_expressible, set.at("numberOfTests"));
  return tally;
}

TEST_F(Wycheproof, aes_gcm) {
  for (const CryptoProvider* provider : test::real_providers()) {
    SCOPED_TRACE(provider->name());
    const Tally tally = run_aead(*provider, EncrId::aes_gcm_16, "aes_gcm_test.json");
    EXPECT_EQ(tally.accepted, 116);
    EXPECT_EQ(tally.refused, 81);
    EXPECT_EQ(tally.not_expressible, 119);  // IVs of other sizes
  }
}

TEST_F(Wycheproof, aes_ccm) {
  for (const CryptoProvider* provider : test::real_providers()) {
    SCOPED_TRACE(provider->name());
    Tally tally;
    for (const EncrId encr : {EncrId::aes_ccm_8, EncrId::aes_ccm_12, EncrId::aes_ccm_16}) {
      const Tally more = run_aead(*provider, encr, "aes_ccm_test.json");
      tally.accepted += more.accepted;
      tally.refused += more.refused;
    }
    EXPECT_EQ(tally.accepted, 18);
    EXPECT_EQ(tally.refused, 0);  // all others have IVs of other sizes
  }
}

TEST_F(Wycheproof, chacha20_poly1305) {
  for (const CryptoProvider* provider : test::real_providers()) {
    SCOPED_TRACE(provider->name());
    const Tally tally =
        run_aead(*provider, EncrId::chacha20_poly1305, "chacha20_poly1305_test.json");
    EXPECT_EQ(tally.accepted, 256);
    EXPECT_EQ(tally.refused, 60);
    EXPECT_EQ(tally.not_expressible, 9);  // nonces of other sizes, all invalid
  }
}

std::expected<SecretBytes, CryptoError> derive(KeGroup group, Bytes private_value, Bytes peer) {
  test::ReplayRng rng{base::to_vec(private_value)};
  return test::real_providers().front()->make_key_exchange(group, rng).value()->derive(peer);
}

Tally run_xdh(KeGroup ke_group, const std::string& file) {
  Tally tally;
  const Json set = test_vectors::read_json("wycheproof/" + file);
  for (const Json& group : set.at("testGroups")) {
    for (const Json& test : group.at("tests")) {
      SCOPED_TRACE(test.at("tcId").get<int>());
      const ByteVec expected = bytes_of(test, "shared");
      const auto shared = derive(ke_group, bytes_of(test, "private"), bytes_of(test, "public"));
      const bool zero = base::equal(expected, ByteVec(expected.size()));
      EXPECT_EQ(shared.has_value(), !zero);
      if (zero) {
        EXPECT_NE(test.at("result"), "valid");
      }
      if (shared) {
        EXPECT_TRUE(base::equal(shared->reveal(), expected));
      }
      shared ? ++tally.accepted : ++tally.refused;
    }
  }
  EXPECT_EQ(tally.accepted + tally.refused, set.at("numberOfTests"));
  return tally;
}

TEST_F(Wycheproof, x25519_low_order_points_are_refused_and_all_others_computed) {
  const Tally tally = run_xdh(KeGroup::curve25519, "x25519_test.json");
  EXPECT_EQ(tally.accepted, 487);
  EXPECT_EQ(tally.refused, 31);
}

TEST_F(Wycheproof, x448_low_order_points_are_refused_and_all_others_computed) {
  const Tally tally = run_xdh(KeGroup::curve448, "x448_test.json");
  EXPECT_EQ(tally.accepted, 487);
  EXPECT_EQ(tally.refused, 23);
}

/// The KE payload's x | y of an uncompressed point; anything else goes in as it is.
ByteVec payload_of(Bytes point) {
  const bool uncompressed = !point.empty() && point.front() == std::byte{4};
  return base::to_vec(uncompressed ? point.subspan(1) : point);
}

Tally run_ecdh(KeGroup group, const std::string& file) {
  Tally tally;
  const std::size_t scalar_size = find(group)->public_size / 2;
  const Json set = test_vectors::read_json("wycheproof/" + file);
  for (const Json& test_group : set.at("testGroups")) {
    for (const Json& test : test_group.at("tests")) {
      SCOPED_TRACE(test.at("tcId").get<int>());
      const auto shared = derive(group, test::resized(bytes_of(test, "private"), scalar_size),
                                 payload_of(bytes_of(test, "public")));
      // "acceptable" are compressed points, which RFC 5903 s7 does not know.
      EXPECT_EQ(shared.has_value(), test.at("result") == "valid");
      if (shared) {
        EXPECT_TRUE(base::equal(shared->reveal(), bytes_of(test, "shared")));
      }
      shared ? ++tally.accepted : ++tally.refused;
    }
  }
  EXPECT_EQ(tally.accepted + tally.refused, set.at("numberOfTests"));
  return tally;
}

TEST_F(Wycheproof, ecdh_p256) {
  const Tally tally = run_ecdh(KeGroup::ecp_256, "ecdh_secp256r1_ecpoint_test.json");
  EXPECT_EQ(tally.accepted, 330);
  EXPECT_EQ(tally.refused, 25);
}

TEST_F(Wycheproof, ecdh_brainpool_p256) {
  // A SubjectPublicKeyInfo that names the curve and holds an uncompressed point.
  constexpr std::string_view head = "305a301406072a8648ce3d020106092b240303020801010703420004";
  Tally tally;
  const Json set = test_vectors::read_json("wycheproof/ecdh_brainpoolP256r1_test.json");
  for (const Json& group : set.at("testGroups")) {
    for (const Json& test : group.at("tests")) {
      SCOPED_TRACE(test.at("tcId").get<int>());
      const auto encoded = test.at("public").get<std::string>();
      if (!encoded.starts_with(head) || encoded.size() != head.size() + 128) {
        ++tally.not_expressible;
        continue;
      }
      const auto shared =
          derive(KeGroup::brainpool_256, test::resized(bytes_of(test, "private"), 32),
                 base::from_hex(encoded.substr(head.size())).value());
      EXPECT_EQ(shared.has_value(), test.at("result") == "valid");
      if (shared) {
        EXPECT_TRUE(base::equal(shared->reveal(), bytes_of(test, "shared")));
      }
      shared ? ++tally.accepted : ++tally.refused;
    }
  }
  EXPECT_EQ(tally.accepted, 517);
  EXPECT_EQ(tally.refused, 19);
  EXPECT_EQ(tally.not_expressible, 268);  // other encodings of a key
}

TEST_F(Wycheproof, ecdh_p384) {
  const Tally tally = run_ecdh(KeGroup::ecp_384, "ecdh_secp384r1_ecpoint_test.json");
  EXPECT_EQ(tally.accepted, 771);
  EXPECT_EQ(tally.refused, 19);
}

TEST_F(Wycheproof, ecdh_p521) {
  const Tally tally = run_ecdh(KeGroup::ecp_521, "ecdh_secp521r1_ecpoint_test.json");
  EXPECT_EQ(tally.accepted, 632);
  EXPECT_EQ(tally.refused, 29);
}

struct HmacTally {
  Tally prf;
  Tally integ;
};

/// As a PRF every case; as the integrity of a packet those whose key and tag have RFC 4868's sizes.
HmacTally run_hmac(const CryptoProvider& provider, PrfId prf_id, IntegId integ,
                   const std::string& file) {
  HmacTally tally;
  base::SeededRng rng{1};
  const auto prf = provider.make_prf(prf_id).value();
  const Json set = test_vectors::read_json("wycheproof/" + file);
  for (const Json& group : set.at("testGroups")) {
    for (const Json& test : group.at("tests")) {
      SCOPED_TRACE(test.at("tcId").get<int>());
      const bool valid = test.at("result") == "valid";
      const ByteVec key = bytes_of(test, "key");
      const ByteVec msg = bytes_of(test, "msg");
      const ByteVec tag = bytes_of(test, "tag");
      const SecretBytes out = prf->compute(key, std::array<Bytes, 1>{msg});
      const bool equal = base::equal(out.reveal().first(tag.size()), tag);
      EXPECT_EQ(equal, valid);
      equal ? ++tally.prf.accepted : ++tally.prf.refused;

      if (key.size() != find(integ)->key_size || tag.size() != find(integ)->icv_size ||
          msg.empty()) {
        ++tally.integ.not_expressible;
        continue;
      }
      const auto cipher = provider.make_cipher({EncrId::null, 0, integ}, {}, key, rng).value();
      Packet packet{msg, {}, {}, tag};
      cipher->open({&packet.job, 1});
      EXPECT_EQ(packet.job.ok, valid);
      packet.job.ok ? ++tally.integ.accepted : ++tally.integ.refused;
    }
  }
  EXPECT_EQ(tally.prf.accepted + tally.prf.refused, set.at("numberOfTests"));
  return tally;
}

TEST_F(Wycheproof, hmac_sha1) {
  for (const CryptoProvider* provider : test::real_providers()) {
    const auto tally =
        run_hmac(*provider, PrfId::hmac_sha1, IntegId::hmac_sha1_96, "hmac_sha1_test.json");
    EXPECT_EQ(tally.prf.accepted, 66);
    EXPECT_EQ(tally.prf.refused, 104);
    EXPECT_EQ(tally.integ.not_expressible, 170);  // no tag has 96 bits
  }
}

TEST_F(Wycheproof, aes_cmac) {
  Tally tally;
  const Json set = test_vectors::read_json("wycheproof/aes_cmac_test.json");
  for (const Json& group : set.at("testGroups")) {
    for (const Json& test : group.at("tests")) {
      SCOPED_TRACE(test.at("tcId").get<int>());
      const ByteVec key = bytes_of(test, "key");
      if (key.size() != 16) {
        ++tally.not_expressible;
        continue;
      }
      const ByteVec msg = bytes_of(test, "msg");
      const ByteVec tag = bytes_of(test, "tag");
      const auto prf = test::real_providers().front()->make_prf(PrfId::aes128_cmac).value();
      const SecretBytes out = prf->compute(key, std::array<Bytes, 1>{msg});
      const bool equal = base::equal(out.reveal(), tag);
      EXPECT_EQ(equal, test.at("result") == "valid");
      equal ? ++tally.accepted : ++tally.refused;
    }
  }
  EXPECT_EQ(tally.accepted, 21);
  EXPECT_EQ(tally.refused, 81);
  EXPECT_EQ(tally.not_expressible, 209);  // keys of other sizes
}

/// As ESP's cipher; AH's MAC takes the IV too and so cannot be given these.
TEST_F(Wycheproof, aes_gmac) {
  for (const CryptoProvider* provider : test::real_providers()) {
    SCOPED_TRACE(provider->name());
    Tally tally;
    const Json set = test_vectors::read_json("wycheproof/aes_gmac_test.json");
    for (const Json& group : set.at("testGroups")) {
      for (const Json& test : group.at("tests")) {
        SCOPED_TRACE(test.at("tcId").get<int>());
        const ByteVec nonce = bytes_of(test, "iv");
        if (nonce.size() != 12) {
          ++tally.not_expressible;
          continue;
        }
        base::SeededRng rng{1};
        ByteVec key = bytes_of(test, "key");
        const auto bits = static_cast<std::uint16_t>(key.size() * 8);
        base::append(key, Bytes{nonce}.first(4));
        const auto cipher =
            provider->make_cipher({EncrId::null_auth_aes_gmac, bits}, key, {}, rng).value();
        Packet packet{{}, Bytes{nonce}.subspan(4), bytes_of(test, "msg"), bytes_of(test, "tag")};
        cipher->open({&packet.job, 1});
        EXPECT_EQ(packet.job.ok, test.at("result") == "valid");
        packet.job.ok ? ++tally.accepted : ++tally.refused;
      }
    }
    EXPECT_EQ(tally.accepted, 45);
    EXPECT_EQ(tally.refused, 162);
    EXPECT_EQ(tally.not_expressible, 207);  // IVs of other sizes
  }
}

TEST_F(Wycheproof, hmac_sha2) {
  for (const CryptoProvider* provider : test::real_providers()) {
    for (const auto& tally : {run_hmac(*provider, PrfId::hmac_sha2_256, IntegId::hmac_sha2_256_128,
                                       "hmac_sha256_test.json"),
                              run_hmac(*provider, PrfId::hmac_sha2_384, IntegId::hmac_sha2_384_192,
                                       "hmac_sha384_test.json"),
                              run_hmac(*provider, PrfId::hmac_sha2_512, IntegId::hmac_sha2_512_256,
                                       "hmac_sha512_test.json")}) {
      EXPECT_EQ(tally.prf.accepted, 66);
      EXPECT_EQ(tally.prf.refused, 108);
      EXPECT_EQ(tally.integ.accepted, 26);
      EXPECT_EQ(tally.integ.refused, 27);
      // Untruncated tags, keys of other sizes, and no packet is empty.
      EXPECT_EQ(tally.integ.not_expressible, 121);
    }
  }
}

}  // namespace
}  // namespace caponier::crypto
