#pragma once
// IANA transform numbers, their names as people write them, key sizes, limits and strengths.

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace caponier::crypto {

/// Transform type 1. Enums hold any number; unnamed ones are merely unsupported.
enum class EncrId : std::uint16_t {
  triple_des = 3,
  null = 11,
  aes_cbc = 12,
  aes_ctr = 13,
  aes_ccm_8 = 14,
  aes_ccm_12 = 15,
  aes_ccm_16 = 16,
  aes_gcm_8 = 18,
  aes_gcm_12 = 19,
  aes_gcm_16 = 20,
  null_auth_aes_gmac = 21,
  chacha20_poly1305 = 28,
  aes_ccm_8_iiv = 29,  ///< implicit IV (RFC 8750), as the two below
  aes_gcm_16_iiv = 30,
  chacha20_poly1305_iiv = 31,
};
/// Transform type 2.
enum class PrfId : std::uint16_t {
  hmac_sha1 = 2,
  aes128_xcbc = 4,
  hmac_sha2_256 = 5,
  hmac_sha2_384 = 6,
  hmac_sha2_512 = 7,
  aes128_cmac = 8,
};
/// Transform type 3.
enum class IntegId : std::uint16_t {
  none = 0,
  hmac_sha1_96 = 2,
  aes_xcbc_96 = 5,
  aes_cmac_96 = 8,
  aes_128_gmac = 9,  ///< AH only (RFC 4543 s5.3), as the two below
  aes_192_gmac = 10,
  aes_256_gmac = 11,
  hmac_sha2_256_128 = 12,
  hmac_sha2_384_192 = 13,
  hmac_sha2_512_256 = 14,
};
/// Transform type 4.
enum class KeGroup : std::uint16_t {
  none = 0,
  modp_1024 = 2,
  modp_1536 = 5,
  modp_2048 = 14,
  modp_3072 = 15,
  modp_4096 = 16,
  modp_6144 = 17,
  modp_8192 = 18,
  ecp_256 = 19,
  ecp_384 = 20,
  ecp_521 = 21,
  brainpool_224 = 27,
  brainpool_256 = 28,
  brainpool_384 = 29,
  brainpool_512 = 30,
  curve25519 = 31,
  curve448 = 32,
};

/// What protects packets: a cipher, its key length, and a MAC unless it is an AEAD.
struct CipherSuite {
  EncrId encr{};
  std::uint16_t key_bits = 0;  ///< 0 for algorithms of one fixed size
  IntegId integ = IntegId::none;
  friend constexpr auto operator<=>(const CipherSuite&, const CipherSuite&) = default;
};

struct EncrInfo {
  EncrId id;
  std::string_view name;       ///< ours, lower case: "aes-gcm-16"
  std::string_view iana_name;  ///< "ENCR_AES_GCM_16"
  bool aead;
  bool key_length_attribute;       ///< the proposal must carry Key Length
  std::uint16_t default_key_bits;  ///< 0 where the algorithm has one fixed size
  std::size_t key_size;            ///< of algorithms of one fixed size
  std::size_t salt_size;           ///< bytes of keying material behind the key
  std::size_t iv_size;             ///< bytes on the wire
  std::size_t block_size;
  std::size_t icv_size;  ///< AEAD only
  /// Packets one key may protect (AEAD confidentiality, CBC birthday bound); see
  /// crypto/registry.cpp.
  std::uint64_t packets_max;
  bool in_ike;  ///< an IKE SA may use it
};

struct IntegInfo {
  IntegId id;
  std::string_view name;
  std::string_view iana_name;
  std::size_t key_size;  ///< with its salt, if any
  std::size_t iv_size;   ///< of GMAC; on the wire it stands before the ICV (RFC 4543 s4)
  std::size_t icv_size;
};

struct PrfInfo {
  PrfId id;
  std::string_view name;
  std::string_view iana_name;
  std::size_t size;  ///< output and preferred key size in bytes
};

struct KeInfo {
  KeGroup id;
  std::string_view name;
  std::string_view iana_name;
  std::size_t public_size;
  unsigned strength_bits;
};

[[nodiscard]] std::span<const EncrInfo> all_encr();
[[nodiscard]] std::span<const IntegInfo> all_integ();
[[nodiscard]] std::span<const PrfInfo> all_prf();
[[nodiscard]] std::span<const KeInfo> all_ke();

[[nodiscard]] const EncrInfo* find(EncrId id);
[[nodiscard]] const IntegInfo* find(IntegId id);
[[nodiscard]] const PrfInfo* find(PrfId id);
[[nodiscard]] const KeInfo* find(KeGroup id);

/// Bytes of encryption key with its salt, and of integrity key, that a suite takes from prf+.
[[nodiscard]] std::size_t encr_key_size(const CipherSuite& suite);
[[nodiscard]] std::size_t integ_key_size(const CipherSuite& suite);
/// A known cipher with an allowed key length, and a MAC exactly when it is not an AEAD. GMAC as a
/// MAC goes with no cipher but `null`: it is for AH.
[[nodiscard]] bool is_valid(const CipherSuite& suite);
/// Whether it derives its nonce from the sequence number (RFC 8750).
[[nodiscard]] bool has_implicit_iv(EncrId id);
/// AUTH_AES_128_GMAC, its brothers.
[[nodiscard]] bool is_gmac(IntegId id);
/// "aes256-gcm", "chacha20-poly1305", "aes128-cbc/hmac-sha256".
[[nodiscard]] std::string to_string(const CipherSuite& suite);

}  // namespace caponier::crypto
