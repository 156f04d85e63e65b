#include "pki/signature.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include <fmt/format.h>

#include "base/base64.h"
#include "base/error.h"

namespace caponier::pki {

using enum SignatureScheme;
using wire::AuthMethod;

namespace {

constexpr std::array own_hashes{SignatureHash::sha2_512, SignatureHash::sha2_384,
                                SignatureHash::sha2_256, SignatureHash::identity};

template <class... Octet>
constexpr auto octets(Octet... octet) {
  return std::array{static_cast<std::byte>(octet)...};
}

/// RFC 4055 s5: sha256WithRSAEncryption and its like; parameters NULL, or absent.
constexpr auto rsa_pkcs1(int last) {
  return octets(0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last, 0x05,
                0x00);
}
constexpr auto rsa_pkcs1_bare(int last) {
  return octets(0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last);
}
/// RFC 4055 s3.1: id-RSASSA-PSS with a hash, MGF1 of the same and a salt of its size. The trailer
/// field has its default and so is absent (X.690 s11.5), unlike in RFC 7427 A.4.3.
constexpr auto rsa_pss(int hash, int salt) {
  return octets(0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30,
                0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
                0x02, hash, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
                0x03, 0x04, 0x02, hash, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, salt);
}
/// RFC 5758 s3.2: ecdsa-with-SHA256 and its like; parameters are absent.
constexpr auto ecdsa(int last) {
  return octets(0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last);
}
/// RFC 8410 s3: parameters are absent.
constexpr auto eddsa(int last) { return octets(0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, last); }

constexpr auto rsa_sha2_256 = rsa_pkcs1(0x0b);
constexpr auto rsa_sha2_384 = rsa_pkcs1(0x0c);
constexpr auto rsa_sha2_512 = rsa_pkcs1(0x0d);
constexpr auto rsa_sha2_256_bare = rsa_pkcs1_bare(0x0b);
constexpr auto rsa_sha2_384_bare = rsa_pkcs1_bare(0x0c);
constexpr auto rsa_sha2_512_bare = rsa_pkcs1_bare(0x0d);
constexpr auto pss_sha2_256 = rsa_pss(1, 32);
constexpr auto pss_sha2_384 = rsa_pss(2, 48);
constexpr auto pss_sha2_512 = rsa_pss(3, 64);
constexpr auto ecdsa_with_sha2_256 = ecdsa(2);
constexpr auto ecdsa_with_sha2_384 = ecdsa(3);
constexpr auto ecdsa_with_sha2_512 = ecdsa(4);
constexpr auto id_ed25519 = eddsa(0x70);
constexpr auto id_ed448 = eddsa(0x71);

struct Encoding {
  SignatureScheme scheme;
  Bytes der;
};
/// The preferred one of a scheme first.
constexpr std::array encodings{
    Encoding{rsa_pkcs1_sha2_256, rsa_sha2_256},
    Encoding{rsa_pkcs1_sha2_256, rsa_sha2_256_bare},
    Encoding{rsa_pkcs1_sha2_384, rsa_sha2_384},
    Encoding{rsa_pkcs1_sha2_384, rsa_sha2_384_bare},
    Encoding{rsa_pkcs1_sha2_512, rsa_sha2_512},
    Encoding{rsa_pkcs1_sha2_512, rsa_sha2_512_bare},
    Encoding{rsa_pss_sha2_256, pss_sha2_256},
    Encoding{rsa_pss_sha2_384, pss_sha2_384},
    Encoding{rsa_pss_sha2_512, pss_sha2_512},
    Encoding{ecdsa_sha2_256, ecdsa_with_sha2_256},
    Encoding{ecdsa_sha2_384, ecdsa_with_sha2_384},
    Encoding{ecdsa_sha2_512, ecdsa_with_sha2_512},
    Encoding{ed25519, id_ed25519},
    Encoding{ed448, id_ed448},
};

SignatureHash hash_of(SignatureScheme scheme) {
  switch (scheme) {
    case rsa_pkcs1_sha1: return SignatureHash::sha1;
    case rsa_pkcs1_sha2_256:
    case rsa_pss_sha2_256:
    case ecdsa_sha2_256: return SignatureHash::sha2_256;
    case rsa_pkcs1_sha2_384:
    case rsa_pss_sha2_384:
    case ecdsa_sha2_384: return SignatureHash::sha2_384;
    case rsa_pkcs1_sha2_512:
    case rsa_pss_sha2_512:
    case ecdsa_sha2_512: return SignatureHash::sha2_512;
    case ecdsa_concatenated:
    case ed25519:
    case ed448: break;
  }
  return SignatureHash::identity;
}

/// What a key may be asked for under RFC 7427, best first. ECDSA begins with the hash of the curve
/// (RFC 4754 s3).
std::vector<SignatureScheme> schemes_of(KeyKind kind, RsaPadding padding) {
  switch (kind) {
    case KeyKind::rsa:
      if (padding == RsaPadding::pss) {
        return {rsa_pss_sha2_256,   rsa_pss_sha2_384,   rsa_pss_sha2_512,
                rsa_pkcs1_sha2_256, rsa_pkcs1_sha2_384, rsa_pkcs1_sha2_512};
      }
      return {rsa_pkcs1_sha2_256, rsa_pkcs1_sha2_384, rsa_pkcs1_sha2_512,
              rsa_pss_sha2_256,   rsa_pss_sha2_384,   rsa_pss_sha2_512};
    case KeyKind::ecdsa_p256: return {ecdsa_sha2_256, ecdsa_sha2_384, ecdsa_sha2_512};
    case KeyKind::ecdsa_p384: return {ecdsa_sha2_384, ecdsa_sha2_512, ecdsa_sha2_256};
    case KeyKind::ecdsa_p521: return {ecdsa_sha2_512, ecdsa_sha2_384, ecdsa_sha2_256};
    case KeyKind::ed25519: return {ed25519};
    case KeyKind::ed448: return {ed448};
  }
  return {};
}

std::optional<SignatureScheme> classic_scheme(KeyKind kind, bool sha1) {
  switch (kind) {
    case KeyKind::rsa: return sha1 ? rsa_pkcs1_sha1 : rsa_pkcs1_sha2_256;
    case KeyKind::ecdsa_p256:
    case KeyKind::ecdsa_p384:
    case KeyKind::ecdsa_p521: return ecdsa_concatenated;
    case KeyKind::ed25519:
    case KeyKind::ed448: break;
  }
  return std::nullopt;
}

AuthMethod classic_method(KeyKind kind) {
  switch (kind) {
    case KeyKind::ecdsa_p256: return AuthMethod::ecdsa_p256;
    case KeyKind::ecdsa_p384: return AuthMethod::ecdsa_p384;
    case KeyKind::ecdsa_p521: return AuthMethod::ecdsa_p521;
    case KeyKind::rsa:
    case KeyKind::ed25519:
    case KeyKind::ed448: break;
  }
  return AuthMethod::rsa_signature;
}

bool is_rsa(SignatureScheme scheme) { return scheme <= rsa_pss_sha2_512; }

std::string names_of(std::span<const SignatureHash> hashes) {
  std::string text;
  for (const SignatureHash hash : hashes) {
    if (!text.empty()) text += ", ";
    switch (hash) {
      case SignatureHash::sha1: text += "SHA-1"; continue;
      case SignatureHash::sha2_256: text += "SHA2-256"; continue;
      case SignatureHash::sha2_384: text += "SHA2-384"; continue;
      case SignatureHash::sha2_512: text += "SHA2-512"; continue;
      case SignatureHash::identity: text += "identity"; continue;
    }
    text += fmt::format("{}", static_cast<unsigned>(hash));
  }
  return text;
}

}  // namespace

std::span<const SignatureHash> supported_hashes() { return own_hashes; }

std::string_view name_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa: return "RSA";
    case KeyKind::ecdsa_p256: return "ECDSA P-256";
    case KeyKind::ecdsa_p384: return "ECDSA P-384";
    case KeyKind::ecdsa_p521: return "ECDSA P-521";
    case KeyKind::ed25519: return "Ed25519";
    case KeyKind::ed448: return "Ed448";
  }
  return "?";
}

std::string_view name_of(SignatureScheme scheme) {
  switch (scheme) {
    case rsa_pkcs1_sha1: return "RSA with SHA-1";
    case rsa_pkcs1_sha2_256: return "RSA with SHA2-256";
    case rsa_pkcs1_sha2_384: return "RSA with SHA2-384";
    case rsa_pkcs1_sha2_512: return "RSA with SHA2-512";
    case rsa_pss_sha2_256: return "RSA-PSS with SHA2-256";
    case rsa_pss_sha2_384: return "RSA-PSS with SHA2-384";
    case rsa_pss_sha2_512: return "RSA-PSS with SHA2-512";
    case ecdsa_sha2_256: return "ECDSA with SHA2-256";
    case ecdsa_sha2_384: return "ECDSA with SHA2-384";
    case ecdsa_sha2_512: return "ECDSA with SHA2-512";
    case ecdsa_concatenated: return "ECDSA as in RFC 4754";
    case ed25519: return "Ed25519";
    case ed448: return "Ed448";
  }
  return "?";
}

std::string_view name_of(SignError error) {
  switch (error) {
    case SignError::no_common_scheme: return "the peer can check no signature of this key";
    case SignError::key_unusable: return "the key cannot be used now";
    case SignError::backend_failure: return "the library refused to sign";
  }
  return "?";
}

std::string_view name_of(SignatureFault fault) {
  switch (fault) {
    case SignatureFault::malformed: return "malformed";
    case SignatureFault::unknown_algorithm: return "unknown algorithm";
    case SignatureFault::weak_hash: return "weak hash";
    case SignatureFault::wrong_key: return "wrong kind of key";
    case SignatureFault::bad_signature: return "bad signature";
  }
  return "?";
}

bool fits(KeyKind kind, SignatureScheme scheme) {
  switch (kind) {
    case KeyKind::rsa: return is_rsa(scheme);
    case KeyKind::ecdsa_p256:
    case KeyKind::ecdsa_p384:
    case KeyKind::ecdsa_p521:
      return scheme == ecdsa_sha2_256 || scheme == ecdsa_sha2_384 || scheme == ecdsa_sha2_512 ||
             scheme == ecdsa_concatenated;
    case KeyKind::ed25519: return scheme == ed25519;
    case KeyKind::ed448: return scheme == ed448;
  }
  return false;
}

std::optional<SignatureScheme> choose_scheme(const Signer& signer, const SigningRequest& request) {
  const KeyKind kind = signer.public_key().kind;
  if (request.peer_hashes.empty()) {
    const auto classic = classic_scheme(kind, request.sha1);
    return classic && signer.can(*classic) ? classic : std::nullopt;
  }
  for (const SignatureScheme scheme : schemes_of(kind, request.rsa_padding)) {
    const bool known =
        std::ranges::find(request.peer_hashes, hash_of(scheme)) != request.peer_hashes.end();
    if (known && signer.can(scheme)) return scheme;
  }
  return std::nullopt;
}

std::string describe_mismatch(const Signer& signer, const SigningRequest& request) {
  const std::string_view kind = name_of(signer.public_key().kind);
  if (request.peer_hashes.empty()) {
    return fmt::format(
        "the peer does not announce RFC 7427 and so cannot check a signature of our {} key; "
        "use an RSA or ECDSA key with it",
        kind);
  }
  return fmt::format("the peer checks signatures with {} only, which our {} key cannot make",
                     names_of(request.peer_hashes), kind);
}

std::expected<wire::AuthPayload, SignError> sign_auth(Signer& signer,
                                                      const SigningRequest& request) {
  const auto scheme = choose_scheme(signer, request);
  if (!scheme) return std::unexpected{SignError::no_common_scheme};
  ByteVec signature = TRY(signer.sign(*scheme, request.octets));
  if (request.peer_hashes.empty()) {
    return wire::AuthPayload{classic_method(signer.public_key().kind), std::move(signature)};
  }
  const Bytes algorithm = algorithm_identifier(*scheme);
  ByteVec data{static_cast<std::byte>(algorithm.size())};
  base::append(data, algorithm);
  base::append(data, signature);
  return wire::AuthPayload{AuthMethod::digital_signature, std::move(data)};
}

Bytes algorithm_identifier(SignatureScheme scheme) {
  const auto* const found = std::ranges::find(encodings, scheme, &Encoding::scheme);
  return found == encodings.end() ? Bytes{} : found->der;
}

std::optional<SignatureScheme> scheme_of(Bytes algorithm_identifier) {
  const auto* const found = std::ranges::find_if(encodings, [&](const Encoding& encoding) {
    return base::equal(encoding.der, algorithm_identifier);
  });
  if (found == encodings.end()) return std::nullopt;
  return found->scheme;
}

std::string raw_key_text(const PublicKey& key) {
  return std::string{raw_key_prefix} + base::to_base64(key.spki);
}

}  // namespace caponier::pki
