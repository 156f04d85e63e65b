#include "gateway/key_tables.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "unit/gateway/peers.h"

namespace caponier::gateway {
namespace {

using crypto::EncrId;
using crypto::IntegId;

base::SecretBytes key(std::size_t size, std::uint8_t fill) {
  return base::SecretBytes{base::ByteVec(size, std::byte{fill})};
}

policy::InstallSa esp_sa(const crypto::CipherSuite& cipher) {
  policy::InstallSa sa;
  sa.suite.cipher = cipher;
  sa.spi_in = {0xaabbccdd};
  sa.spi_out = {0x01020304};
  sa.keys_in = {key(4, 0x11), cipher.integ == IntegId::none ? base::SecretBytes{} : key(2, 0x33)};
  sa.keys_out = {key(4, 0x22), cipher.integ == IntegId::none ? base::SecretBytes{} : key(2, 0x44)};
  sa.path = {{address("192.0.2.1"), 4500}, {address("192.0.2.2"), 4500}};
  return sa;
}

ike::KeysExported ike_keys(const crypto::CipherSuite& cipher) {
  ike::KeysExported keys;
  keys.spi_i = {0x1122334455667788};
  keys.spi_r = {0x99};
  keys.suite.cipher = cipher;
  keys.sk_ei = key(3, 0x0a);
  keys.sk_er = key(3, 0x0b);
  if (cipher.integ != IntegId::none) {
    keys.sk_ai = key(2, 0x0c);
    keys.sk_ar = key(2, 0x0d);
  }
  return keys;
}

TEST(KeyTables, an_esp_sa_of_an_aead_is_two_lines_without_authentication) {
  KeyTableLog log;
  ASSERT_TRUE(log.add(esp_sa({EncrId::aes_gcm_16, 256, IntegId::none})));
  EXPECT_EQ(log.tables().esp_sa,
            "\"IPv4\",\"192.0.2.2\",\"192.0.2.1\",\"0xaabbccdd\","
            "\"AES-GCM with 16 octet ICV [RFC4106]\",\"0x11111111\",\"NULL\",\"\"\n"
            "\"IPv4\",\"192.0.2.1\",\"192.0.2.2\",\"0x01020304\","
            "\"AES-GCM with 16 octet ICV [RFC4106]\",\"0x22222222\",\"NULL\",\"\"\n");
}

TEST(KeyTables, an_esp_sa_with_a_mac_names_it_with_its_key) {
  KeyTableLog log;
  ASSERT_TRUE(log.add(esp_sa({EncrId::aes_cbc, 128, IntegId::hmac_sha2_256_128})));
  const std::string table = log.tables().esp_sa;
  EXPECT_NE(table.find("\"AES-CBC [RFC3602]\",\"0x11111111\",\"HMAC-SHA-256-128 [RFC4868]\","
                       "\"0x3333\""),
            std::string::npos);
}

TEST(KeyTables, an_ike_sa_of_an_aead_has_no_integrity_keys) {
  KeyTableLog log;
  ASSERT_TRUE(log.add(ike_keys({EncrId::aes_gcm_16, 256, IntegId::none})));
  EXPECT_EQ(log.tables().ikev2_decryption_table,
            "1122334455667788,0000000000000099,0a0a0a,0b0b0b,"
            "\"AES-GCM-256 with 16 octet ICV [RFC5282]\",,,\"NONE [RFC4306]\"\n");
}

TEST(KeyTables, an_ike_sa_with_a_mac_has_both) {
  KeyTableLog log;
  ASSERT_TRUE(log.add(ike_keys({EncrId::aes_cbc, 256, IntegId::hmac_sha2_512_256})));
  EXPECT_EQ(log.tables().ikev2_decryption_table,
            "1122334455667788,0000000000000099,0a0a0a,0b0b0b,\"AES-CBC-256 [RFC3602]\","
            "0c0c,0d0d,\"HMAC_SHA2_512_256 [RFC4868]\"\n");
}

TEST(KeyTables, what_wireshark_cannot_decrypt_is_left_out) {
  KeyTableLog log;
  EXPECT_FALSE(log.add(esp_sa({EncrId::chacha20_poly1305, 0, IntegId::none})));
  EXPECT_FALSE(log.add(ike_keys({EncrId::chacha20_poly1305, 0, IntegId::none})));
  EXPECT_TRUE(log.tables().esp_sa.empty());
}

TEST(KeyTables, only_the_last_sas_are_kept) {
  KeyTableLog log;
  for (std::uint32_t i = 0; i < 3 * key_table_sas_max; ++i) {
    ASSERT_TRUE(log.add(esp_sa({EncrId::aes_gcm_16, 256, IntegId::none})));
  }
  const std::string table = log.tables().esp_sa;
  EXPECT_EQ(static_cast<std::size_t>(std::count(table.begin(), table.end(), '\n')),
            2 * key_table_sas_max);
}

}  // namespace
}  // namespace caponier::gateway
