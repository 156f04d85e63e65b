#include "gateway/key_tables.h"

#include <fmt/format.h>

#include <optional>

namespace caponier::gateway {
namespace {

std::string hex(const base::SecretBytes& secret) { return base::to_hex(secret.reveal()); }

std::optional<std::string> ike_cipher_name(const crypto::CipherSuite& suite) {
  switch (suite.encr) {
    case crypto::EncrId::aes_cbc: return fmt::format("AES-CBC-{} [RFC3602]", suite.key_bits);
    case crypto::EncrId::aes_ctr: return fmt::format("AES-CTR-{} [RFC5930]", suite.key_bits);
    case crypto::EncrId::aes_gcm_16:
      return fmt::format("AES-GCM-{} with 16 octet ICV [RFC5282]", suite.key_bits);
    case crypto::EncrId::null:
    case crypto::EncrId::chacha20_poly1305: break;
  }
  return std::nullopt;
}

std::string_view ike_integrity_name(crypto::IntegId integ) {
  switch (integ) {
    case crypto::IntegId::none: return "NONE [RFC4306]";
    case crypto::IntegId::hmac_sha2_256_128: return "HMAC_SHA2_256_128 [RFC4868]";
    case crypto::IntegId::hmac_sha2_384_192: return "HMAC_SHA2_384_192 [RFC4868]";
    case crypto::IntegId::hmac_sha2_512_256: return "HMAC_SHA2_512_256 [RFC4868]";
  }
  return "NONE [RFC4306]";
}

std::optional<std::string_view> esp_cipher_name(crypto::EncrId encr) {
  switch (encr) {
    case crypto::EncrId::null: return "NULL";
    case crypto::EncrId::aes_cbc: return "AES-CBC [RFC3602]";
    case crypto::EncrId::aes_ctr: return "AES-CTR [RFC3686]";
    case crypto::EncrId::aes_gcm_16: return "AES-GCM with 16 octet ICV [RFC4106]";
    case crypto::EncrId::chacha20_poly1305: break;
  }
  return std::nullopt;
}

std::string_view esp_integrity_name(crypto::IntegId integ) {
  switch (integ) {
    case crypto::IntegId::none: return "NULL";
    case crypto::IntegId::hmac_sha2_256_128: return "HMAC-SHA-256-128 [RFC4868]";
    case crypto::IntegId::hmac_sha2_384_192: return "HMAC-SHA-384-192 [RFC4868]";
    case crypto::IntegId::hmac_sha2_512_256: return "HMAC-SHA-512-256 [RFC4868]";
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
  if (!cipher) return false;
  keep(ike_,
       fmt::format("{:016x},{:016x},{},{},\"{}\",{},{},\"{}\"\n", keys.spi_i.value,
                   keys.spi_r.value, hex(keys.sk_ei), hex(keys.sk_er), *cipher, hex(keys.sk_ai),
                   hex(keys.sk_ar), ike_integrity_name(keys.suite.cipher.integ)));
  return true;
}

bool KeyTableLog::add(const policy::InstallSa& sa) {
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
