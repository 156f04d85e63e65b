#pragma once
// The parts of this back end. Private to crypto/openssl.

#include <array>
#include <memory>
#include <string_view>
#include <variant>

#include <openssl/sha.h>

#include "crypto/crypto.h"
#include "crypto/openssl/handles.h"

namespace caponier::crypto::ossl {

template <class State>
struct Sha;
/// A hash with the inner and with the outer key block taken in, wiped in the end.
template <class State>
struct KeyedSha {
  KeyedSha() = default;
  KeyedSha(const KeyedSha&) = delete;
  KeyedSha& operator=(const KeyedSha&) = delete;
  ~KeyedSha() {
    base::wipe(std::as_writable_bytes(std::span{&inner, 1}));
    base::wipe(std::as_writable_bytes(std::span{&outer, 1}));
  }

  const Sha<State>* sha = nullptr;
  State inner{};
  State outer{};
};

/// HMAC (RFC 2104): the states of both hashes with the key in them, so that a packet costs neither
/// a key schedule nor an allocation.
class Hmac {
 public:
  static constexpr std::size_t size_max = 64;
  /// False when OpenSSL refuses. `digest` is OpenSSL's name: "SHA256".
  [[nodiscard]] bool init(const char* digest, Bytes key);
  /// Writes the full output to the front of `out`; `out` holds at least size_max bytes. Only after
  /// init().
  [[nodiscard]] bool compute(std::span<const Bytes> parts, MutBytes out) const;

 private:
  template <class State>
  [[nodiscard]] bool begin(const Sha<State>& sha, Bytes key);

  std::variant<KeyedSha<SHA256_CTX>, KeyedSha<SHA_CTX>, KeyedSha<SHA512_CTX>> keyed_;
};
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
