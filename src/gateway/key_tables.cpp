#include "gateway/key_tables.h"

#include <fmt/format.h>

#include <optional>

namespace caponier::gateway {
namespace {

std::string hex(const base::SecretBytes& secret) { return base::to_hex(secret.reveal()); }

// The names are Wireshark 4.0's. Where it knows none, packets stay closed to it.

std::optional<std::string> ike_cipher_name(const crypto::CipherSuite& suite) {
  using enum crypto::EncrId;
  const auto aead = [&suite](std::string_view mode, unsigned octets) {
    return fmt::format("AES-{}-{} with {} octet ICV [RFC5282]", mode, suite.key_bits, octets);
  };
  switch (suite.encr) {
    case triple_des: return "3DES [RFC2451]";
    case aes_cbc: return fmt::format("AES-CBC-{} [RFC3602]", suite.key_bits);
    case aes_ctr: return fmt::format("AES-CTR-{} [RFC5930]", suite.key_bits);
    case aes_ccm_8: return aead("CCM", 8);
    case aes_ccm_12: return aead("CCM", 12);
    case aes_ccm_16: return aead("CCM", 16);
    case aes_gcm_8: return aead("GCM", 8);
    case aes_gcm_12: return aead("GCM", 12);
    case aes_gcm_16: return aead("GCM", 16);
    case null:
    case null_auth_aes_gmac:
    case chacha20_poly1305:
    case aes_ccm_8_iiv:
    case aes_gcm_16_iiv:
    case chacha20_poly1305_iiv: break;
  }
  return std::nullopt;
}

std::optional<std::string_view> ike_integrity_name(crypto::IntegId integ) {
  using enum crypto::IntegId;
  switch (integ) {
    case none: return "NONE [RFC4306]";
    case hmac_sha1_96: return "HMAC_SHA1_96 [RFC2404]";
    case hmac_sha2_256_128: return "HMAC_SHA2_256_128 [RFC4868]";
    case hmac_sha2_384_192: return "HMAC_SHA2_384_192 [RFC4868]";
    case hmac_sha2_512_256: return "HMAC_SHA2_512_256 [RFC4868]";
    case aes_xcbc_96:
    case aes_cmac_96:
    case aes_128_gmac:
    case aes_192_gmac:
    case aes_256_gmac: break;
  }
  return std::nullopt;
}

std::optional<std::string_view> esp_cipher_name(crypto::EncrId encr) {
  using enum crypto::EncrId;
  switch (encr) {
    case triple_des: return "TripleDES-CBC [RFC2451]";
    case null: return "NULL";
    case aes_cbc: return "AES-CBC [RFC3602]";
    case aes_ctr: return "AES-CTR [RFC3686]";
    case aes_gcm_8: return "AES-GCM with 8 octet ICV [RFC4106]";
    case aes_gcm_12: return "AES-GCM with 12 octet ICV [RFC4106]";
    case aes_gcm_16: return "AES-GCM with 16 octet ICV [RFC4106]";
    case aes_ccm_8:
    case aes_ccm_12:
    case aes_ccm_16:
    case null_auth_aes_gmac:
    case chacha20_poly1305:
    case aes_ccm_8_iiv:
    case aes_gcm_16_iiv:
    case chacha20_poly1305_iiv: break;
  }
  return std::nullopt;
}

std::string_view esp_integrity_name(crypto::IntegId integ) {
  using enum crypto::IntegId;
  switch (integ) {
    case none: return "NULL";
    case hmac_sha1_96: return "HMAC-SHA-1-96 [RFC2404]";
    case aes_xcbc_96:
    case aes_cmac_96: return "ANY 96 bit authentication [no checking]";
    case hmac_sha2_256_128: return "HMAC-SHA-256-128 [RFC4868]";
    case hmac_sha2_384_192: return "HMAC-SHA-384-192 [RFC4868]";
    case hmac_sha2_512_256: return "HMAC-SHA-512-256 [RFC4868]";
    case aes_128_gmac:
    case aes_192_gmac:
    case aes_256_gmac: break;  // not in ESP
  }
  return "NULL";
}

std::string prefixed(const base::SecretBytes& secret) {
  return secret.empty() ? std::string{} : "0x" + hex(secret);
}

std::string esp_line(const base::IpAddress& from, const base::IpAddress& to, base::Spi spi,
                     std::string_view cipher, crypto::IntegId integ,
                     const policy::DirectionKeys& keys) {
  return fmt::format("\"{}\",\"{}\",\"{}\",\"0x{:08x}\",\"{}\",\"{}\",\"{}\",\"{}\"\n",
                     from.is_v4() ? "IPv4" : "IPv6", from.to_string(), to.to_string(), spi.value,
                     cipher, prefixed(keys.encr), esp_integrity_name(integ), prefixed(keys.integ));
}

void keep(std::deque<std::string>& lines, std::string line) {
  if (lines.size() >= key_table_sas_max) lines.pop_front();
  lines.push_back(std::move(line));
}

}  // namespace

bool KeyTableLog::add(const ike::KeysExported& keys) {
  const auto cipher = ike_cipher_name(keys.suite.cipher);
  const auto integrity = ike_integrity_name(keys.suite.cipher.integ);
  if (!cipher || !integrity) return false;
  keep(ike_, fmt::format("{:016x},{:016x},{},{},\"{}\",{},{},\"{}\"\n", keys.spi_i.value,
                         keys.spi_r.value, hex(keys.sk_ei), hex(keys.sk_er), *cipher,
                         hex(keys.sk_ai), hex(keys.sk_ar), *integrity));
  return true;
}

bool KeyTableLog::add(const policy::InstallSa& sa) {
  if (sa.protocol == policy::SaProtocol::ah) return true;  // there is nothing to decrypt
  const auto cipher = esp_cipher_name(sa.suite.cipher.encr);
  if (!cipher) return false;
  const auto& here = sa.path.local.address;
  const auto& there = sa.path.remote.address;
  const auto integ = sa.suite.cipher.integ;
  keep(esp_, esp_line(there, here, sa.spi_in, *cipher, integ, sa.keys_in) +
                 esp_line(here, there, sa.spi_out, *cipher, integ, sa.keys_out));
  return true;
}

KeyTables KeyTableLog::tables() const {
  KeyTables tables;
  for (const std::string& line : ike_) tables.ikev2_decryption_table += line;
  for (const std::string& line : esp_) tables.esp_sa += line;
  return tables;
}

}  // namespace caponier::gateway
