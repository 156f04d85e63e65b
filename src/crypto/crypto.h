#pragma once
// The interfaces of all cryptography, and the provider that makes their objects. Back ends live in
// crypto/openssl, crypto/ipsecmb and crypto/null; nothing else includes their libraries.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/rng.h"
#include "base/secret.h"
#include "crypto/registry.h"

namespace caponier::crypto {

using base::Bytes;
using base::ByteVec;
using base::MutBytes;
using base::SecretBytes;

enum class CryptoError : std::uint8_t {
  unsupported,       ///< the back end does not have this algorithm
  bad_key_size,      ///< key material of the wrong size
  bad_public_value,  ///< the peer's public value has the wrong size or is not a valid element
  weak_result,       ///< the shared secret is the all-zero or identity value
  backend_failure,   ///< the library refused for a reason of its own
};

[[nodiscard]] std::string_view name_of(CryptoError error);

/// One packet to protect or open, in place, on memory the caller owns. `header`, `iv`, `text` and
/// `icv` must lie one behind the other without gaps, as ESP (RFC 4303 s2) and the SK payload
/// (RFC 7296 s3.14) have them.
struct PacketJob {
  /// Authenticated, not encrypted: the 8-byte ESP header, or the IKE header up to the IV.
  Bytes header;
  /// Upper half of the sequence number, implicit (ESN only).
  std::optional<std::uint32_t> esn_high;
  MutBytes iv;    ///< as on the wire; seal() writes it from `iv_counter` or, for CBC, from the Rng
  MutBytes text;  ///< plaintext with padding on seal, ciphertext on open; same size; for a block
                  ///< cipher at least one block
  MutBytes icv;   ///< written by seal, checked in constant time by open
  std::uint64_t iv_counter = 0;  ///< seal only: unique per key for counter-mode ciphers
  bool ok = false;               ///< set by seal and open; on a failed open `text` is unspecified
};

/// What a cipher reads of its own for one packet, so that a caller with many keys can have it in
/// the cache in time.
struct KeyMemory {
  Bytes always;
  Bytes by_length;  ///< its last octets: about as many as the packet has
};

/// Encryption and integrity of whole packets with one key: an AEAD, or a cipher with a MAC
/// (encrypt-then-MAC). Keys are expanded once, at construction. One thread at a time.
class PacketCipher {
 public:
  virtual ~PacketCipher() = default;
  [[nodiscard]] virtual std::size_t iv_size() const = 0;  ///< bytes on the wire
  [[nodiscard]] virtual std::size_t icv_size() const = 0;
  [[nodiscard]] virtual std::size_t block_size() const = 0;  ///< text is a multiple; 1 for streams
  /// Protects all jobs. A job with ok == false afterwards must not be sent.
  virtual void seal(std::span<PacketJob> jobs) = 0;
  virtual void open(std::span<PacketJob> jobs) = 0;

  /// The same for one burst of many keys: each cipher is given its jobs, and all are done when the
  /// provider's finish() has returned, not before. Until then jobs and packets stay where they are.
  virtual void start_seal(std::span<PacketJob> jobs) { seal(jobs); }
  virtual void start_open(std::span<PacketJob> jobs) { open(jobs); }
  /// Valid as long as the cipher; empty when the back end cannot tell.
  [[nodiscard]] virtual KeyMemory key_memory() const { return {}; }
  /// Whether several threads may use it at once.
  [[nodiscard]] virtual bool is_thread_safe() const { return false; }
};

/// A keyed pseudo-random function (RFC 7296 s2.13); any key size, output of `size()` bytes.
class Prf {
 public:
  virtual ~Prf() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// prf(key, part | part | ...). Empty when the back end failed: no key is made of nothing.
  [[nodiscard]] virtual SecretBytes compute(Bytes key, std::span<const Bytes> parts) const = 0;
};

/// One ephemeral key pair of a key-exchange method. derive() may be called once per peer value.
class KeyExchange {
 public:
  virtual ~KeyExchange() = default;
  [[nodiscard]] virtual KeGroup group() const = 0;
  /// As in the KE payload (RFC 7296 s3.4, RFC 5903 s7, RFC 8031 s3.1).
  [[nodiscard]] virtual Bytes public_value() const = 0;
  /// g^ir as RFC 7296 s2.14 wants it: padded to the modulus for MODP, x only for ECP.
  [[nodiscard]] virtual std::expected<SecretBytes, CryptoError> derive(Bytes peer_public) = 0;
};

/// A cryptographic hash, unkeyed; NAT detection uses SHA-1 (RFC 7296 s2.23).
[[nodiscard]] inline constexpr std::size_t nat_hash_size() { return 20; }

/// Makes the objects above. Holds no keys itself.
class CryptoProvider {
 public:
  virtual ~CryptoProvider() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;

  [[nodiscard]] virtual bool supports(const CipherSuite& suite) const = 0;
  [[nodiscard]] virtual bool supports(PrfId prf) const = 0;
  [[nodiscard]] virtual bool supports(KeGroup group) const = 0;

  /// `encr_key` is the cipher key followed by the salt where the algorithm has one (RFC 4106 s8.1);
  /// `integ_key` is empty for an AEAD. Sizes: crypto/registry.h. `rng` serves random IVs (CBC) and
  /// must outlive the cipher.
  [[nodiscard]] virtual std::expected<std::unique_ptr<PacketCipher>, CryptoError> make_cipher(
      const CipherSuite& suite, Bytes encr_key, Bytes integ_key, base::Rng& rng) const = 0;
  [[nodiscard]] virtual std::expected<std::unique_ptr<Prf>, CryptoError> make_prf(
      PrfId prf) const = 0;
  /// Generates a key pair; private values come from rng.fill_secret().
  [[nodiscard]] virtual std::expected<std::unique_ptr<KeyExchange>, CryptoError> make_key_exchange(
      KeGroup group, base::Rng& rng) const = 0;
  /// SHA-1 over the parts, for NAT detection hashes only.
  [[nodiscard]] virtual ByteVec nat_hash(std::span<const Bytes> parts) const = 0;

  /// Completes what this thread's start_seal() and start_open() began with ciphers made here.
  virtual void finish() const {}
};

/// prf+ (RFC 7296 s2.13): `size` bytes from T1 | T2 | ...; empty when `size` needs more than 255
/// rounds.
[[nodiscard]] std::expected<SecretBytes, CryptoError> prf_plus(const Prf& prf, Bytes key,
                                                               std::span<const Bytes> seed,
                                                               std::size_t size);

}  // namespace caponier::crypto
