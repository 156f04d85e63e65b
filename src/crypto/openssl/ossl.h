#pragma once
// Owning handles of OpenSSL's objects and the parts of this back end. Private to crypto/openssl.

#include <array>
#include <memory>
#include <string_view>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "crypto/crypto.h"

namespace caponier::crypto::ossl {

template <auto free_function>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};

using Cipher = std::unique_ptr<EVP_CIPHER, Freed<EVP_CIPHER_free>>;
using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using Md = std::unique_ptr<EVP_MD, Freed<EVP_MD_free>>;
using MdCtx = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Bn = std::unique_ptr<BIGNUM, Freed<BN_clear_free>>;
using BnCtx = std::unique_ptr<BN_CTX, Freed<BN_CTX_free>>;
using EcGroup = std::unique_ptr<EC_GROUP, Freed<EC_GROUP_free>>;
using EcPoint = std::unique_ptr<EC_POINT, Freed<EC_POINT_clear_free>>;

[[nodiscard]] inline const unsigned char* raw(Bytes bytes) {
  const void* at = bytes.data();
  return static_cast<const unsigned char*>(at);
}
[[nodiscard]] inline unsigned char* raw(MutBytes bytes) {
  void* at = bytes.data();
  return static_cast<unsigned char*>(at);
}
/// OpenSSL counts in int; every size here is far below 2^31 (protected_size_max, key sizes).
[[nodiscard]] inline int size_of(Bytes bytes) { return static_cast<int>(bytes.size()); }

/// HMAC (RFC 2104) whose key schedule runs once; each compute() starts from the precomputed states.
/// On digests: an EVP_MAC costs three times what it computes for a key that serves but once.
class Hmac {
 public:
  static constexpr std::size_t size_max = 64;
  /// False when OpenSSL refuses. `digest` is OpenSSL's name: "SHA256".
  [[nodiscard]] bool init(const char* digest, Bytes key);
  /// Writes the full output to the front of `out`; `out` holds at least size_max bytes.
  [[nodiscard]] bool compute(std::span<const Bytes> parts, MutBytes out);

 private:
  MdCtx inner_, outer_, work_;
};
/// The same for a key that serves once.
[[nodiscard]] bool hmac(const char* digest, Bytes key, std::span<const Bytes> parts, MutBytes out);
[[nodiscard]] bool sha1_of(std::span<const Bytes> parts, MutBytes out);

/// AES-XCBC-MAC-128 and AES-CMAC, untruncated.
class CbcMac {
 public:
  enum class Kind : std::uint8_t { xcbc, cmac };
  static constexpr std::size_t size = 16;
  /// False when OpenSSL refuses. `key` is `size` bytes.
  [[nodiscard]] bool init(Kind kind, Bytes key);
  [[nodiscard]] bool compute(std::span<const Bytes> parts, MutBytes out);

 private:
  [[nodiscard]] bool rekey(Bytes key);
  [[nodiscard]] bool restart();
  [[nodiscard]] bool encrypt(Bytes blocks, MutBytes out);
  [[nodiscard]] bool absorb(Bytes data);

  CipherCtx ctx_;
  base::Secret<size> whole_;   ///< the mask of a complete last block
  base::Secret<size> padded_;  ///< that of one filled up with 10...0
  std::array<std::byte, size> block_{};
  std::size_t used_ = 0;
};

/// AES-GMAC (NIST SP 800-38D) with the salt and IV of RFC 4543.
class Gmac {
 public:
  static constexpr std::size_t size = 16;
  /// `key` is an AES key with four bytes of salt behind it.
  [[nodiscard]] bool init(Bytes key);
  [[nodiscard]] bool compute(Bytes iv, std::span<const Bytes> parts, MutBytes out);

 private:
  CipherCtx ctx_;
  base::Secret<4> salt_;
};

[[nodiscard]] const char* digest_of(IntegId integ);
[[nodiscard]] const char* digest_of(PrfId prf);

// Null when OpenSSL refuses; suites, keys and groups have been checked.
[[nodiscard]] std::unique_ptr<PacketCipher> make_aead(const CipherSuite& suite, Bytes encr_key);
[[nodiscard]] std::unique_ptr<PacketCipher> make_encrypt_then_mac(const CipherSuite& suite,
                                                                  Bytes encr_key, Bytes integ_key,
                                                                  base::Rng& rng);
[[nodiscard]] std::unique_ptr<KeyExchange> make_x25519(base::Rng& rng);
[[nodiscard]] std::unique_ptr<KeyExchange> make_x448(base::Rng& rng);
[[nodiscard]] std::unique_ptr<KeyExchange> make_ecp(KeGroup group, base::Rng& rng);
[[nodiscard]] std::unique_ptr<KeyExchange> make_modp(KeGroup group, base::Rng& rng);

}  // namespace caponier::crypto::ossl
