#include "crypto/registry.h"

#include <gtest/gtest.h>

#include "unit/crypto/helpers.h"

namespace caponier::crypto {
namespace {

TEST(Registry, finds_every_row_by_its_number_and_no_other) {
  for (const auto& row : all_encr()) EXPECT_EQ(find(row.id), &row);
  for (const auto& row : all_integ()) EXPECT_EQ(find(row.id), &row);
  for (const auto& row : all_prf()) EXPECT_EQ(find(row.id), &row);
  for (const auto& row : all_ke()) EXPECT_EQ(find(row.id), &row);
  EXPECT_EQ(find(EncrId{2}), nullptr);
  EXPECT_EQ(find(IntegId::none), nullptr);
  EXPECT_EQ(find(PrfId{1}), nullptr);
  EXPECT_EQ(find(KeGroup::none), nullptr);
  EXPECT_EQ(find(KeGroup{1}), nullptr);
}

TEST(Registry, sizes_keying_material_as_the_rfcs_do) {
  EXPECT_EQ(encr_key_size({EncrId::aes_gcm_16, 128}), 20U);  // RFC 4106 s8.1
  EXPECT_EQ(encr_key_size({EncrId::aes_gcm_16, 256}), 36U);
  EXPECT_EQ(encr_key_size({EncrId::chacha20_poly1305, 0}), 36U);  // RFC 7634 s2
  EXPECT_EQ(encr_key_size({EncrId::aes_ctr, 128}), 20U);          // RFC 3686 s5.1
  EXPECT_EQ(encr_key_size({EncrId::aes_cbc, 192}), 24U);
  EXPECT_EQ(encr_key_size({EncrId::null, 0}), 0U);
  EXPECT_EQ(encr_key_size({EncrId::triple_des, 0}), 24U);
  EXPECT_EQ(encr_key_size({EncrId::aes_ccm_16, 128}), 19U);  // RFC 4309 s7.1
  EXPECT_EQ(encr_key_size({EncrId::aes_ccm_8_iiv, 256}), 35U);
  EXPECT_EQ(encr_key_size({EncrId::aes_gcm_16_iiv, 256}), 36U);
  EXPECT_EQ(encr_key_size({EncrId::chacha20_poly1305_iiv, 0}), 36U);
  EXPECT_EQ(encr_key_size({EncrId::null_auth_aes_gmac, 192}), 28U);  // RFC 4543 s5.4
  EXPECT_EQ(integ_key_size({EncrId::null, 0, IntegId::aes_256_gmac}), 36U);
  EXPECT_EQ(integ_key_size({EncrId::null, 0, IntegId::hmac_sha1_96}), 20U);  // RFC 2404 s3
  EXPECT_EQ(integ_key_size({EncrId::null, 0, IntegId::aes_xcbc_96}), 16U);   // RFC 3566 s4.1
  EXPECT_EQ(integ_key_size({EncrId::aes_gcm_16, 256}), 0U);
  EXPECT_EQ(integ_key_size({EncrId::null, 0, IntegId::hmac_sha2_384_192}), 48U);  // RFC 4868 s2.1
}

//= rfc4303#3.2-2 rfc4303#3.4.3-2 rfc4303#5-6 rfc4301#4.2-1 type=test
TEST(Registry, a_suite_is_valid_with_an_allowed_key_length_and_a_mac_exactly_when_not_an_aead) {
  EXPECT_TRUE(is_valid({EncrId::aes_gcm_16, 128}));
  EXPECT_TRUE(is_valid({EncrId::chacha20_poly1305, 0}));
  EXPECT_TRUE(is_valid({EncrId::null, 0, IntegId::hmac_sha2_256_128}));
  EXPECT_FALSE(is_valid({EncrId::aes_gcm_16, 0}));
  EXPECT_FALSE(is_valid({EncrId::aes_gcm_16, 129}));
  EXPECT_FALSE(is_valid({EncrId::chacha20_poly1305, 256}));
  EXPECT_FALSE(is_valid({EncrId::aes_gcm_16, 128, IntegId::hmac_sha2_256_128}));
  EXPECT_FALSE(is_valid({EncrId::aes_cbc, 128}));
  EXPECT_FALSE(is_valid({EncrId::null, 0}));
  EXPECT_TRUE(is_valid({EncrId::null, 0, IntegId::aes_128_gmac}));
  EXPECT_FALSE(is_valid({EncrId::aes_cbc, 128, IntegId::aes_128_gmac}));  // RFC 4543 s5.3
  EXPECT_FALSE(is_valid({EncrId{2}, 0, IntegId::hmac_sha2_256_128}));
  EXPECT_FALSE(is_valid({EncrId::aes_cbc, 128, IntegId{1}}));
}

TEST(Registry, the_default_key_length_of_every_cipher_makes_a_valid_suite) {
  for (const EncrInfo& info : all_encr()) {
    const IntegId integ = info.aead ? IntegId::none : IntegId::hmac_sha2_256_128;
    EXPECT_TRUE(is_valid({info.id, info.default_key_bits, integ})) << info.name;
  }
  constexpr std::size_t macs = 6;  // that go with any cipher; GMAC's three with null alone
  constexpr std::size_t aeads = 4 * 3 + 4 * 3 + 3 + 2;  // GCM, CCM, GMAC, ChaCha20
  EXPECT_EQ(test::all_suites().size(), aeads + (3 + 3 + 1 + 1) * macs + 3);
}

TEST(Registry, spells_suites_as_people_write_them) {
  EXPECT_EQ(to_string(CipherSuite{EncrId::aes_gcm_16, 256}), "aes256-gcm");
  EXPECT_EQ(to_string(CipherSuite{EncrId::chacha20_poly1305, 0}), "chacha20-poly1305");
  EXPECT_EQ(to_string(CipherSuite{EncrId::aes_cbc, 128, IntegId::hmac_sha2_256_128}),
            "aes128-cbc/hmac-sha256");
  EXPECT_EQ(to_string(CipherSuite{EncrId{2}, 0, IntegId{1}}), "encr2-0/integ1");
}

TEST(Registry, no_aes_key_outlives_a_distinguishing_probability_of_2_to_the_minus_32) {
  for (const EncrInfo& info : all_encr()) {
    ASSERT_GT(info.packets_max, 0U) << info.name;
    if (!info.key_length_attribute) continue;
    const double blocks = static_cast<double>(info.packets_max) * 65536 / 16;
    EXPECT_LE(blocks * blocks / 2, 0x1p96) << info.name;  // s^2 / 2^129 <= 2^-32
  }
}

}  // namespace
}  // namespace caponier::crypto
