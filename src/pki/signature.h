#pragma once
// Signatures in AUTH payloads (RFC 7296 s2.15, RFC 7427, RFC 4754, RFC 8420): which there are,
// which one suits a key and a peer, and the interface of a private key.

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "wire/ike.h"

namespace caponier::pki {

using base::Bytes;
using base::ByteVec;

/// RFC 7427 s7, RFC 8420 s4: what SIGNATURE_HASH_ALGORITHMS lists. Other numbers survive.
enum class SignatureHash : std::uint16_t {
  sha1 = 1,
  sha2_256 = 2,
  sha2_384 = 3,
  sha2_512 = 4,
  identity = 5,  ///< the algorithm takes the message itself: EdDSA
};

/// What our own notify lists, best first; SHA-1 is never among it (RFC 8247 s3.2).
[[nodiscard]] std::span<const SignatureHash> supported_hashes();

enum class KeyKind : std::uint8_t { rsa, ecdsa_p256, ecdsa_p384, ecdsa_p521, ed25519, ed448 };

[[nodiscard]] std::string_view name_of(KeyKind kind);

inline constexpr unsigned rsa_bits_min = 2048;
inline constexpr unsigned rsa_bits_max = 8192;

/// A public key that was found fit (PkiProvider::public_key): its kind is one of ours, an RSA
/// modulus has rsa_bits_min to rsa_bits_max bits and an odd exponent from 3 to 64 bits, a curve is
/// named and the point is on it.
struct PublicKey {
  ByteVec spki;  ///< SubjectPublicKeyInfo, DER (RFC 5280 s4.1.2.7)
  KeyKind kind{};
  unsigned bits = 0;
  friend bool operator==(const PublicKey&, const PublicKey&) = default;
};

enum class SignatureScheme : std::uint8_t {
  rsa_pkcs1_sha1,
  rsa_pkcs1_sha2_256,
  rsa_pkcs1_sha2_384,
  rsa_pkcs1_sha2_512,
  rsa_pss_sha2_256,  ///< MGF1 with the same hash, a salt of the hash's size
  rsa_pss_sha2_384,
  rsa_pss_sha2_512,
  ecdsa_sha2_256,  ///< Ecdsa-Sig-Value, DER (RFC 3279 s2.2.3); any of our curves
  ecdsa_sha2_384,
  ecdsa_sha2_512,
  ecdsa_concatenated,  ///< r | s with the hash of the curve (RFC 4754 s7)
  ed25519,
  ed448,
};

[[nodiscard]] std::string_view name_of(SignatureScheme scheme);
/// Whether a key of this kind can make or check it.
[[nodiscard]] bool fits(KeyKind kind, SignatureScheme scheme);

enum class SignError : std::uint8_t {
  no_common_scheme,  ///< nothing the peer can check: see describe_mismatch()
  key_unusable,      ///< the token is gone or locked
  backend_failure,
};

[[nodiscard]] std::string_view name_of(SignError error);

/// A private key: in memory, in a token. One thread at a time; it may wait for a token.
class Signer {
 public:
  virtual ~Signer() = default;
  [[nodiscard]] virtual const PublicKey& public_key() const = 0;
  /// Not more than fits(public_key().kind, scheme).
  [[nodiscard]] virtual bool can(SignatureScheme scheme) const = 0;
  /// The signature over `octets`, which are hashed here where the scheme has a hash.
  [[nodiscard]] virtual std::expected<ByteVec, SignError> sign(SignatureScheme scheme,
                                                               Bytes octets) = 0;
};

/// With which padding we sign when the peer could check both. RFC 8247 s3.2 wants PSS; peers exist
/// that announce RFC 7427 and check PKCS #1 v1.5 alone.
enum class RsaPadding : std::uint8_t { pss, pkcs1 };

struct SigningRequest {
  Bytes octets;  ///< InitiatorSignedOctets or ResponderSignedOctets (RFC 7296 s2.15)
  /// The peer's SIGNATURE_HASH_ALGORITHMS, in its order; empty when it sent none, and so knows the
  /// methods 1, 9, 10 and 11 only.
  std::span<const SignatureHash> peer_hashes;
  RsaPadding rsa_padding{};
  bool sha1 = false;  ///< method 1 signs with SHA-1, for peers that know nothing else
};

/// What we would sign with; empty when the peer can check nothing that this key can do.
[[nodiscard]] std::optional<SignatureScheme> choose_scheme(const Signer& signer,
                                                           const SigningRequest& request);
/// Why choose_scheme() found nothing, in a sentence with a cure.
[[nodiscard]] std::string describe_mismatch(const Signer& signer, const SigningRequest& request);

/// The AUTH payload. Method 14 when the peer announced hashes (RFC 7427 s3), else the method of the
/// key.
[[nodiscard]] std::expected<wire::AuthPayload, SignError> sign_auth(Signer& signer,
                                                                    const SigningRequest& request);

/// RFC 7427 s3: the AlgorithmIdentifier of a scheme, DER, as the algorithm's specification prefers
/// it. Empty for schemes that have none: SHA-1 and ecdsa_concatenated.
[[nodiscard]] Bytes algorithm_identifier(SignatureScheme scheme);
/// The inverse, for all but PSS, whose parameters are read by PkiProvider: exactly the known
/// encodings, of which RSA has two (RFC 4055 s5).
[[nodiscard]] std::optional<SignatureScheme> scheme_of(Bytes algorithm_identifier);

struct SignatureClaim {
  Bytes octets;
  const wire::AuthPayload& auth;
  const PublicKey& key;
  bool sha1 = false;  ///< method 1 may come with SHA-1
};

enum class SignatureFault : std::uint8_t {
  malformed,          ///< no length octet, no AlgorithmIdentifier, a signature of the wrong size
  unknown_algorithm,  ///< a method or AlgorithmIdentifier we do not know
  weak_hash,          ///< SHA-1 where it is not allowed
  wrong_key,          ///< the algorithm is not one of the key
  bad_signature,      ///< the signature is wrong: another key, or other octets
};

[[nodiscard]] std::string_view name_of(SignatureFault fault);

struct SignatureError {
  SignatureFault fault{};
  std::string text;  ///< one sentence
};

inline constexpr std::string_view raw_key_prefix = "cv1:";
/// "cv1:" and the base64 of the SubjectPublicKeyInfo: how a raw public key (RFC 7670) is configured
/// and shown. PkiProvider::raw_key() reads it.
[[nodiscard]] std::string raw_key_text(const PublicKey& key);

}  // namespace caponier::pki
