// Packets and values printed in RFCs.

#include <array>

#include "vectors/vector_files.h"

namespace caponier::crypto {
namespace {

using base::ByteVec;
using test::Packet;
using test_vectors::bytes_of;
using test_vectors::Json;

class Rfc : public test_vectors::Vectors {
 protected:
  static Json tests_of(const std::string& file) {
    return test_vectors::read_json("rfc-json/" + file).at("tests");
  }
};

ByteVec joined(const ByteVec& a, const ByteVec& b) {
  ByteVec out = a;
  base::append(out, b);
  return out;
}

/// Opens `sealed` (text | icv) into `clear`, and seals `clear` back, on `provider`.
void expect_packet(const CryptoProvider& provider, const CipherSuite& suite, const ByteVec& encr,
                   const ByteVec& integ, const ByteVec& header,
                   std::optional<std::uint32_t> esn_high, const ByteVec& iv, const ByteVec& clear,
                   const ByteVec& sealed) {
  SCOPED_TRACE(provider.name());
  test::ReplayRng rng{iv};
  const auto cipher = provider.make_cipher(suite, encr, integ, rng).value();
  const std::size_t icv_size = cipher->icv_size();
  ASSERT_EQ(sealed.size(), clear.size() + icv_size);
  Packet packet{header, iv, clear, ByteVec(icv_size), esn_high};
  cipher->seal({&packet.job, 1});
  ASSERT_TRUE(packet.job.ok);
  EXPECT_EQ(base::to_hex(packet.bytes), base::to_hex(joined(joined(header, iv), sealed)));
  cipher->open({&packet.job, 1});
  ASSERT_TRUE(packet.job.ok);
  EXPECT_TRUE(base::equal(packet.job.text, clear));
}

TEST_F(Rfc, draft_mcgrew_gcm_test_01_esp_packets) {
  const Json tests = tests_of("esp-aes-gcm-16_draft-mcgrew-gcm-test-01.json");
  EXPECT_EQ(tests.size(), 14U);
  for (const Json& test : tests) {
    SCOPED_TRACE(test.at("case").get<int>());
    const ByteVec key = bytes_of(test, "key");
    const ByteVec seq = bytes_of(test, "seq");
    std::optional<std::uint32_t> esn_high;
    if (test.at("esn").get<bool>()) esn_high = base::load_be<std::uint32_t>(seq.data());
    const ByteVec header = joined(bytes_of(test, "spi"), base::to_vec(Bytes{seq}.last(4)));
    for (const CryptoProvider* provider : test::real_providers()) {
      expect_packet(*provider, {EncrId::aes_gcm_16, static_cast<std::uint16_t>(key.size() * 8)},
                    joined(key, bytes_of(test, "salt")), {}, header, esn_high, bytes_of(test, "iv"),
                    bytes_of(test, "plaintext_with_esp_trailer"),
                    bytes_of(test, "ciphertext_and_icv16"));
    }
  }
}

TEST_F(Rfc, rfc_7634_esp_packet_and_ikev2_message) {
  const Json tests = tests_of("chacha20poly1305_rfc7634.json");
  EXPECT_EQ(tests.size(), 2U);
  for (const Json& test : tests) {
    SCOPED_TRACE(test.at("case").get<std::string>());
    const bool esp = test.contains("spi");
    for (const CryptoProvider* provider : test::real_providers()) {
      expect_packet(*provider, {EncrId::chacha20_poly1305, 0},
                    joined(bytes_of(test, "key"), bytes_of(test, "salt")), {},
                    bytes_of(test, "aad"), std::nullopt, bytes_of(test, "iv"),
                    bytes_of(test, esp ? "plaintext_with_esp_trailer" : "plaintext_with_padlen"),
                    bytes_of(test, "ciphertext_and_tag"));
    }
  }
}

/// RFC 3602 and RFC 3686 have no ICV: the text must come out as printed, and what was sealed opens.
void expect_encrypted(const CryptoProvider& provider, const CipherSuite& suite, const ByteVec& encr,
                      const ByteVec& iv, const ByteVec& clear, const ByteVec& encrypted) {
  SCOPED_TRACE(provider.name());
  test::ReplayRng rng{iv};
  const auto cipher =
      provider.make_cipher(suite, encr, ByteVec(integ_key_size(suite)), rng).value();
  Packet packet{ByteVec(8), iv, clear, ByteVec(cipher->icv_size())};
  cipher->seal({&packet.job, 1});
  ASSERT_TRUE(packet.job.ok);
  EXPECT_EQ(base::to_hex(packet.job.text), base::to_hex(encrypted));
  EXPECT_TRUE(base::equal(packet.job.iv, iv));
  cipher->open({&packet.job, 1});
  ASSERT_TRUE(packet.job.ok);
  EXPECT_TRUE(base::equal(packet.job.text, clear));
}

TEST_F(Rfc, rfc_3602_aes_cbc) {
  const Json tests = tests_of("esp-aes-cbc_rfc3602.json");
  EXPECT_EQ(tests.size(), 8U);
  for (const Json& test : tests) {
    SCOPED_TRACE(test.at("case").get<int>());
    const bool esp = test.contains("esp_packet_no_icv");
    const ByteVec packet = bytes_of(test, esp ? "esp_packet_no_icv" : "ciphertext");
    const Bytes encrypted = esp ? Bytes{packet}.subspan(8 + 16) : Bytes{packet};
    for (const CryptoProvider* provider : test::real_providers()) {
      for (const IntegInfo& integ : all_integ()) {
        if (is_gmac(integ.id)) continue;
        expect_encrypted(*provider, {EncrId::aes_cbc, 128, integ.id}, bytes_of(test, "key"),
                         bytes_of(test, "iv"),
                         bytes_of(test, esp ? "plaintext_with_esp_trailer" : "plaintext"),
                         base::to_vec(encrypted));
      }
    }
  }
}

TEST_F(Rfc, rfc_3686_aes_ctr) {
  const Json tests = tests_of("esp-aes-ctr_rfc3686.json");
  EXPECT_EQ(tests.size(), 9U);
  for (const Json& test : tests) {
    const ByteVec key = bytes_of(test, "key");
    for (const CryptoProvider* provider : test::real_providers()) {
      expect_encrypted(
          *provider,
          {EncrId::aes_ctr, static_cast<std::uint16_t>(key.size() * 8), IntegId::hmac_sha2_256_128},
          joined(key, bytes_of(test, "nonce")), bytes_of(test, "iv"), bytes_of(test, "plaintext"),
          bytes_of(test, "ciphertext"));
    }
  }
}

TEST_F(Rfc, rfc_4231_hmac_sha2) {
  const Json tests = tests_of("hmac_sha2_rfc4231.json");
  EXPECT_EQ(tests.size(), 7U);
  for (const Json& test : tests) {
    SCOPED_TRACE(test.at("case").get<int>());
    for (const auto& [prf_id, member] : {std::pair{PrfId::hmac_sha2_256, "hmac_sha256"},
                                         std::pair{PrfId::hmac_sha2_384, "hmac_sha384"},
                                         std::pair{PrfId::hmac_sha2_512, "hmac_sha512"}}) {
      const auto prf = test::real_providers().front()->make_prf(prf_id).value();
      const ByteVec expected = bytes_of(test, member);
      const ByteVec data = bytes_of(test, "data");
      const SecretBytes out = prf->compute(bytes_of(test, "key"), std::array<Bytes, 1>{data});
      EXPECT_EQ(base::to_hex(out.reveal().first(expected.size())), base::to_hex(expected));
    }
  }
}

std::unique_ptr<KeyExchange> exchange_of(KeGroup group, const ByteVec& private_value) {
  test::ReplayRng rng{private_value};
  return test::real_providers().front()->make_key_exchange(group, rng).value();
}

TEST_F(Rfc, rfc_5903_ke_payloads_of_groups_19_to_21) {
  const Json tests = tests_of("ecp_rfc5903.json");
  EXPECT_EQ(tests.size(), 3U);
  for (const Json& test : tests) {
    const KeGroup group{test.at("group").get<std::uint16_t>()};
    const auto initiator = exchange_of(group, bytes_of(test, "priv_i"));
    const auto responder = exchange_of(group, bytes_of(test, "priv_r"));
    constexpr std::size_t payload_head = 8;  // generic header, group, reserved
    const ByteVec ke_i = bytes_of(test, "KEi_payload");
    const ByteVec ke_r = bytes_of(test, "KEr_payload");
    EXPECT_TRUE(base::equal(initiator->public_value(), Bytes{ke_i}.subspan(payload_head)));
    EXPECT_TRUE(base::equal(responder->public_value(), Bytes{ke_r}.subspan(payload_head)));
    const ByteVec expected = bytes_of(test, "shared_secret");
    const auto at_initiator = initiator->derive(responder->public_value()).value();
    const auto at_responder = responder->derive(initiator->public_value()).value();
    EXPECT_EQ(base::to_hex(at_initiator.reveal()), base::to_hex(expected));
    EXPECT_EQ(base::to_hex(at_responder.reveal()), base::to_hex(expected));
  }
}

TEST_F(Rfc, rfc_8031_curve25519) {
  for (const Json& test : tests_of("curve25519_rfc8031.json")) {
    if (test.at("group") != 31) continue;
    const auto initiator = exchange_of(KeGroup::curve25519, bytes_of(test, "random_i"));
    const auto responder = exchange_of(KeGroup::curve25519, bytes_of(test, "random_r"));
    EXPECT_TRUE(base::equal(initiator->public_value(), bytes_of(test, "pub_i")));
    EXPECT_TRUE(base::equal(responder->public_value(), bytes_of(test, "pub_r")));
    const ByteVec expected = bytes_of(test, "shared_secret");
    EXPECT_TRUE(
        base::equal(initiator->derive(responder->public_value()).value().reveal(), expected));
    EXPECT_TRUE(
        base::equal(responder->derive(initiator->public_value()).value().reveal(), expected));
  }
}

TEST_F(Rfc, rfc_3566_aes_xcbc_whole_and_as_the_integrity_of_a_packet) {
  const Json tests = tests_of("aes_xcbc_mac_96_rfc3566.json");
  EXPECT_EQ(tests.size(), 7U);
  for (const Json& test : tests) {
    const ByteVec message = bytes_of(test, "message");
    const auto prf = test::real_providers().front()->make_prf(PrfId::aes128_xcbc).value();
    const SecretBytes whole = prf->compute(bytes_of(test, "key"), std::array<Bytes, 1>{message});
    EXPECT_EQ(base::to_hex(whole.reveal()), test.at("mac").get<std::string>());
    if (message.empty()) continue;  // no packet is
    for (const CryptoProvider* provider : test::real_providers()) {
      SCOPED_TRACE(provider->name());
      base::SeededRng rng{1};
      const CipherSuite suite{EncrId::null, 0, IntegId::aes_xcbc_96};
      const auto cipher = provider->make_cipher(suite, {}, bytes_of(test, "key"), rng).value();
      Packet packet{message, {}, {}, bytes_of(test, "mac96")};
      cipher->open({&packet.job, 1});
      EXPECT_TRUE(packet.job.ok) << message.size();
    }
  }
}

TEST_F(Rfc, rfc_4434_and_rfc_4615_prfs_take_keys_of_any_size) {
  for (const auto& [id, file] : {std::pair{PrfId::aes128_xcbc, "prf_aes128_xcbc_rfc4434.json"},
                                 std::pair{PrfId::aes128_cmac, "prf_aes128_cmac_rfc4615.json"}}) {
    const Json tests = tests_of(file);
    EXPECT_EQ(tests.size(), 3U);
    const auto prf = test::real_providers().front()->make_prf(id).value();
    for (const Json& test : tests) {
      const ByteVec message = bytes_of(test, "message");
      const SecretBytes out = prf->compute(bytes_of(test, "key"), std::array<Bytes, 1>{message});
      EXPECT_EQ(base::to_hex(out.reveal()), test.at("prf").get<std::string>());
    }
  }
}

TEST_F(Rfc, rfc_6932_brainpool_groups_27_to_30) {
  const Json tests = tests_of("brainpool_rfc6932.json");
  EXPECT_EQ(tests.size(), 4U);
  for (const Json& test : tests) {
    const KeGroup group{test.at("ikev2_group").get<std::uint16_t>()};
    const auto a = exchange_of(group, bytes_of(test, "dA"));
    const auto b = exchange_of(group, bytes_of(test, "dB"));
    EXPECT_TRUE(
        base::equal(a->public_value(), joined(bytes_of(test, "x_qA"), bytes_of(test, "y_qA"))));
    EXPECT_TRUE(
        base::equal(b->public_value(), joined(bytes_of(test, "x_qB"), bytes_of(test, "y_qB"))));
    const ByteVec expected = bytes_of(test, "x_Z");
    EXPECT_TRUE(base::equal(a->derive(b->public_value()).value().reveal(), expected));
    EXPECT_TRUE(base::equal(b->derive(a->public_value()).value().reveal(), expected));
  }
}

TEST_F(Rfc, rfc_7748_x448) {
  int cases = 0;
  const auto x448 = [](const ByteVec& scalar, const ByteVec& u) {
    return base::to_vec(exchange_of(KeGroup::curve448, scalar)->derive(u).value().reveal());
  };
  for (const Json& test : tests_of("x25519_x448_rfc7748.json")) {
    if (test.at("fn") == "x448" && test.contains("scalar")) {
      EXPECT_EQ(x448(bytes_of(test, "scalar"), bytes_of(test, "u")), bytes_of(test, "out"));
      ++cases;
    } else if (test.at("fn") == "dh-x448") {
      const auto a = exchange_of(KeGroup::curve448, bytes_of(test, "a"));
      const auto b = exchange_of(KeGroup::curve448, bytes_of(test, "b"));
      EXPECT_TRUE(base::equal(a->derive(b->public_value()).value().reveal(), bytes_of(test, "K")));
      EXPECT_TRUE(base::equal(b->derive(a->public_value()).value().reveal(), bytes_of(test, "K")));
      ++cases;
    }
  }
  EXPECT_EQ(cases, 3);
}

ByteVec x25519(const ByteVec& scalar, const ByteVec& u) {
  return base::to_vec(exchange_of(KeGroup::curve25519, scalar)->derive(u).value().reveal());
}

TEST_F(Rfc, rfc_7748_x25519) {
  int cases = 0;
  for (const Json& test : tests_of("x25519_x448_rfc7748.json")) {
    if (test.at("fn") == "x25519" && test.contains("scalar")) {
      EXPECT_EQ(x25519(bytes_of(test, "scalar"), bytes_of(test, "u")), bytes_of(test, "out"));
      ++cases;
    } else if (test.at("fn") == "x25519") {
      ByteVec k(32);
      k.front() = std::byte{9};
      ByteVec u = k;
      for (int i = 1; i <= 1000; ++i) {
        ByteVec next = x25519(k, u);
        u = std::exchange(k, std::move(next));
        if (i == 1) {
          EXPECT_EQ(k, bytes_of(test.at("iterated_from_u9"), "1"));
        }
      }
      EXPECT_EQ(k, bytes_of(test.at("iterated_from_u9"), "1000"));
      ++cases;
    } else if (test.at("fn") == "dh-x25519") {
      const auto a = exchange_of(KeGroup::curve25519, bytes_of(test, "a"));
      const auto b = exchange_of(KeGroup::curve25519, bytes_of(test, "b"));
      EXPECT_TRUE(base::equal(a->derive(b->public_value()).value().reveal(), bytes_of(test, "K")));
      EXPECT_TRUE(base::equal(b->derive(a->public_value()).value().reveal(), bytes_of(test, "K")));
      ++cases;
    }
  }
  EXPECT_EQ(cases, 4);
}

}  // namespace
}  // namespace caponier::crypto
