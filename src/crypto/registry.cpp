#include "crypto/registry.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace caponier::crypto {

namespace {

// How many packets one key may protect.
//
// AES in GCM, CTR and CBC is a permutation of 128-bit blocks: after s blocks an observer tells it
// from a random function, or sees a CBC collision that reveals the XOR of two plaintext blocks,
// with probability about s^2 / 2^129 (for GCM the analysis behind RFC 8446 s5.5 and RFC 9001 B.1).
// A packet of up to 64 KiB is at most 2^12 blocks, so 2^36 packets keep s below 2^48.01 and that
// probability below 2^-32, whatever the packet sizes; TLS's 2^-57 would mean a rekey every few
// seconds at 10 Gbit/s. Random IVs would limit GCM to 2^32 invocations (NIST SP 800-38D s8.3), but
// ours are the deterministic 4-byte salt | 8-byte counter of RFC 4106 s3.1, which cannot repeat
// before 2^64. Forged packets succeed with at most 2^12 / 2^127 each, which no line rate exhausts.
constexpr std::uint64_t aes_packets_max = std::uint64_t{1} << 36;
// ChaCha20 has no birthday term (RFC 9001 B.2), Poly1305's forgery bound is about 2^12 / 2^103 per
// attempt. Only the 64-bit IV limits us, whose upper 16 bits may name a sender (RFC 6054).
constexpr std::uint64_t chacha20_packets_max = std::uint64_t{1} << 48;
// Nothing is hidden, and HMAC-SHA2's own birthday bound lies beyond 2^64 packets.
constexpr std::uint64_t null_packets_max = UINT64_MAX;

// Blocks of 64 bits collide early (Sweet32): 2^20 packets of 1,500 octets are 2^27.6 blocks, and
// two of them are equal with probability 2^-10. Whoever configures 3DES has been told.
constexpr std::uint64_t triple_des_packets_max = std::uint64_t{1} << 20;

// clang-format off
constexpr std::array encr_table = {
  EncrInfo{EncrId::aes_gcm_16, "aes-gcm-16", "ENCR_AES_GCM_16",
           true, true, 256, 0, 4, 8, 1, 16, aes_packets_max, true},
  EncrInfo{EncrId::aes_gcm_12, "aes-gcm-12", "ENCR_AES_GCM_12",
           true, true, 256, 0, 4, 8, 1, 12, aes_packets_max, true},
  EncrInfo{EncrId::aes_gcm_8, "aes-gcm-8", "ENCR_AES_GCM_8",
           true, true, 256, 0, 4, 8, 1, 8, aes_packets_max, true},
  EncrInfo{EncrId::aes_gcm_16_iiv, "aes-gcm-16-iiv", "ENCR_AES_GCM_16_IIV",
           true, true, 256, 0, 4, 0, 1, 16, aes_packets_max, false},
  EncrInfo{EncrId::aes_ccm_16, "aes-ccm-16", "ENCR_AES_CCM_16",
           true, true, 256, 0, 3, 8, 1, 16, aes_packets_max, true},
  EncrInfo{EncrId::aes_ccm_12, "aes-ccm-12", "ENCR_AES_CCM_12",
           true, true, 256, 0, 3, 8, 1, 12, aes_packets_max, true},
  EncrInfo{EncrId::aes_ccm_8, "aes-ccm-8", "ENCR_AES_CCM_8",
           true, true, 256, 0, 3, 8, 1, 8, aes_packets_max, true},
  EncrInfo{EncrId::aes_ccm_8_iiv, "aes-ccm-8-iiv", "ENCR_AES_CCM_8_IIV",
           true, true, 256, 0, 3, 0, 1, 8, aes_packets_max, false},
  EncrInfo{EncrId::chacha20_poly1305, "chacha20-poly1305", "ENCR_CHACHA20_POLY1305",
           true, false, 0, 32, 4, 8, 1, 16, chacha20_packets_max, true},
  EncrInfo{EncrId::chacha20_poly1305_iiv, "chacha20-poly1305-iiv", "ENCR_CHACHA20_POLY1305_IIV",
           true, false, 0, 32, 4, 0, 1, 16, chacha20_packets_max, false},
  EncrInfo{EncrId::null_auth_aes_gmac, "aes-gmac", "ENCR_NULL_AUTH_AES_GMAC",
           true, true, 256, 0, 4, 8, 1, 16, aes_packets_max, false},
  EncrInfo{EncrId::aes_cbc, "aes-cbc", "ENCR_AES_CBC",
           false, true, 256, 0, 0, 16, 16, 0, aes_packets_max, true},
  EncrInfo{EncrId::aes_ctr, "aes-ctr", "ENCR_AES_CTR",
           false, true, 256, 0, 4, 8, 1, 0, aes_packets_max, true},
  EncrInfo{EncrId::triple_des, "3des-cbc", "ENCR_3DES",
           false, false, 0, 24, 0, 8, 8, 0, triple_des_packets_max, true},
  EncrInfo{EncrId::null, "null", "ENCR_NULL",
           false, false, 0, 0, 0, 0, 1, 0, null_packets_max, false},
};

constexpr std::array integ_table = {
  IntegInfo{IntegId::hmac_sha2_256_128, "hmac-sha256", "AUTH_HMAC_SHA2_256_128", 32, 0, 16},
  IntegInfo{IntegId::hmac_sha2_384_192, "hmac-sha384", "AUTH_HMAC_SHA2_384_192", 48, 0, 24},
  IntegInfo{IntegId::hmac_sha2_512_256, "hmac-sha512", "AUTH_HMAC_SHA2_512_256", 64, 0, 32},
  IntegInfo{IntegId::aes_xcbc_96, "aes-xcbc", "AUTH_AES_XCBC_96", 16, 0, 12},
  IntegInfo{IntegId::aes_cmac_96, "aes-cmac", "AUTH_AES_CMAC_96", 16, 0, 12},
  IntegInfo{IntegId::aes_128_gmac, "aes128-gmac", "AUTH_AES_128_GMAC", 20, 8, 16},
  IntegInfo{IntegId::aes_192_gmac, "aes192-gmac", "AUTH_AES_192_GMAC", 28, 8, 16},
  IntegInfo{IntegId::aes_256_gmac, "aes256-gmac", "AUTH_AES_256_GMAC", 36, 8, 16},
  IntegInfo{IntegId::hmac_sha1_96, "hmac-sha1", "AUTH_HMAC_SHA1_96", 20, 0, 12},
};

constexpr std::array prf_table = {
  //= rfc7296#5-1
  PrfInfo{PrfId::hmac_sha2_256, "prf-sha256", "PRF_HMAC_SHA2_256", 32},
  PrfInfo{PrfId::hmac_sha2_384, "prf-sha384", "PRF_HMAC_SHA2_384", 48},
  PrfInfo{PrfId::hmac_sha2_512, "prf-sha512", "PRF_HMAC_SHA2_512", 64},
  PrfInfo{PrfId::aes128_xcbc, "prf-aesxcbc", "PRF_AES128_XCBC", 16},
  PrfInfo{PrfId::aes128_cmac, "prf-aescmac", "PRF_AES128_CMAC", 16},
  PrfInfo{PrfId::hmac_sha1, "prf-sha1", "PRF_HMAC_SHA1", 20},
};

// Strengths: NIST SP 800-57 part 1 s5.6.1 and SP 800-56B appendix D.
constexpr std::array ke_table = {
  KeInfo{KeGroup::curve25519, "x25519", "Curve25519", 32, 128},
  KeInfo{KeGroup::curve448, "x448", "Curve448", 56, 224},
  KeInfo{KeGroup::ecp_256, "p256", "256-bit random ECP group", 64, 128},
  KeInfo{KeGroup::ecp_384, "p384", "384-bit random ECP group", 96, 192},
  KeInfo{KeGroup::ecp_521, "p521", "521-bit random ECP group", 132, 256},
  KeInfo{KeGroup::brainpool_224, "brainpool224", "brainpoolP224r1", 56, 112},
  KeInfo{KeGroup::brainpool_256, "brainpool256", "brainpoolP256r1", 64, 128},
  KeInfo{KeGroup::brainpool_384, "brainpool384", "brainpoolP384r1", 96, 192},
  KeInfo{KeGroup::brainpool_512, "brainpool512", "brainpoolP512r1", 128, 256},
  KeInfo{KeGroup::modp_2048, "modp2048", "2048-bit MODP Group", 256, 112},
  KeInfo{KeGroup::modp_3072, "modp3072", "3072-bit MODP Group", 384, 128},
  KeInfo{KeGroup::modp_4096, "modp4096", "4096-bit MODP Group", 512, 152},
  KeInfo{KeGroup::modp_6144, "modp6144", "6144-bit MODP Group", 768, 176},
  KeInfo{KeGroup::modp_8192, "modp8192", "8192-bit MODP Group", 1024, 200},
  KeInfo{KeGroup::modp_1024, "modp1024", "1024-bit MODP Group", 128, 80},
  KeInfo{KeGroup::modp_1536, "modp1536", "1536-bit MODP Group", 192, 96},
};
// clang-format on

template <class Table, class Id>
const typename Table::value_type* find_in(const Table& table, Id id) {
  const auto row = std::ranges::find(table, id, &Table::value_type::id);
  return row == table.end() ? nullptr : &*row;
}

bool is_allowed_key_length(const EncrInfo& info, std::uint16_t key_bits) {
  if (!info.key_length_attribute) return key_bits == 0;
  return key_bits == 128 || key_bits == 192 || key_bits == 256;
}

std::string cipher_text(const CipherSuite& suite) {
  switch (suite.encr) {
    case EncrId::triple_des: return "3des-cbc";
    case EncrId::null: return "null";
    case EncrId::aes_cbc: return fmt::format("aes{}-cbc", suite.key_bits);
    case EncrId::aes_ctr: return fmt::format("aes{}-ctr", suite.key_bits);
    case EncrId::aes_ccm_8: return fmt::format("aes{}-ccm8", suite.key_bits);
    case EncrId::aes_ccm_12: return fmt::format("aes{}-ccm12", suite.key_bits);
    case EncrId::aes_ccm_16: return fmt::format("aes{}-ccm", suite.key_bits);
    case EncrId::aes_gcm_8: return fmt::format("aes{}-gcm8", suite.key_bits);
    case EncrId::aes_gcm_12: return fmt::format("aes{}-gcm12", suite.key_bits);
    case EncrId::aes_gcm_16: return fmt::format("aes{}-gcm", suite.key_bits);
    case EncrId::null_auth_aes_gmac: return fmt::format("aes{}-gmac", suite.key_bits);
    case EncrId::chacha20_poly1305: return "chacha20-poly1305";
    case EncrId::aes_ccm_8_iiv: return fmt::format("aes{}-ccm8-iiv", suite.key_bits);
    case EncrId::aes_gcm_16_iiv: return fmt::format("aes{}-gcm-iiv", suite.key_bits);
    case EncrId::chacha20_poly1305_iiv: return "chacha20-poly1305-iiv";
  }
  return fmt::format("encr{}-{}", static_cast<unsigned>(suite.encr), suite.key_bits);
}

}  // namespace

std::span<const EncrInfo> all_encr() { return encr_table; }
std::span<const IntegInfo> all_integ() { return integ_table; }
std::span<const PrfInfo> all_prf() { return prf_table; }
std::span<const KeInfo> all_ke() { return ke_table; }

const EncrInfo* find(EncrId id) { return find_in(encr_table, id); }
const IntegInfo* find(IntegId id) { return find_in(integ_table, id); }
const PrfInfo* find(PrfId id) { return find_in(prf_table, id); }
const KeInfo* find(KeGroup id) { return find_in(ke_table, id); }

std::size_t encr_key_size(const CipherSuite& suite) {
  const EncrInfo* info = find(suite.encr);
  if (info == nullptr) return 0;
  return (info->key_length_attribute ? suite.key_bits / 8U : info->key_size) + info->salt_size;
}

std::size_t integ_key_size(const CipherSuite& suite) {
  const IntegInfo* info = find(suite.integ);
  return info == nullptr ? 0 : info->key_size;
}

bool is_valid(const CipherSuite& suite) {
  const EncrInfo* info = find(suite.encr);
  if (info == nullptr || !is_allowed_key_length(*info, suite.key_bits)) return false;
  if (is_gmac(suite.integ) && suite.encr != EncrId::null) return false;
  //= rfc4303#3.2-2 rfc4303#3.4.3-2 rfc4303#5-6 rfc4301#4.2-1
  return info->aead ? suite.integ == IntegId::none : find(suite.integ) != nullptr;
}

bool has_implicit_iv(EncrId id) {
  return id == EncrId::aes_ccm_8_iiv || id == EncrId::aes_gcm_16_iiv ||
         id == EncrId::chacha20_poly1305_iiv;
}

bool is_gmac(IntegId id) {
  return id == IntegId::aes_128_gmac || id == IntegId::aes_192_gmac || id == IntegId::aes_256_gmac;
}

std::string to_string(const CipherSuite& suite) {
  std::string text = cipher_text(suite);
  if (suite.integ == IntegId::none) return text;
  const IntegInfo* info = find(suite.integ);
  return text + '/' +
         (info != nullptr ? std::string{info->name}
                          : fmt::format("integ{}", static_cast<unsigned>(suite.integ)));
}

}  // namespace caponier::crypto
