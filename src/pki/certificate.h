#pragma once
// Certificates as values (RFC 5280), what we prove our own identity with, and what is asked for in
// CERTREQ (RFC 7296 s3.6, s3.7). Reading and checking them is PkiProvider's.

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/strong.h"
#include "pki/signature.h"
#include "policy/identity.h"

namespace caponier::pki {

/// Seconds since 1970-01-01 UTC, without leap seconds.
using UnixTime = base::Strong<struct UnixTimeTag, std::int64_t>;

/// RFC 7296 s3.6; encodings we do not list survive in wire::CertPayload.
enum class CertEncoding : std::uint8_t {
  x509_signature = 4,
  crl = 7,
  hash_and_url = 12,
  ocsp_content = 14,    ///< RFC 4806
  raw_public_key = 15,  ///< RFC 7670
};

/// SHA-1 over a SubjectPublicKeyInfo: how CERTREQ names an authority. Collisions gain nothing: it
/// is a hint.
using KeyHash = std::array<std::byte, 20>;

/// One certificate, read and found well-formed; nobody has vouched for it yet.
struct Certificate {
  ByteVec der;
  ByteVec subject;                 ///< Name, DER; an empty sequence is allowed
  std::string subject_text;        ///< "C=CH, O=Example, CN=gw", printable
  std::vector<std::string> units;  ///< OU of the subject, in its order; UTF-8
  std::string issuer_text;
  std::string serial;  ///< hexadecimal
  PublicKey key;
  KeyHash key_hash{};
  KeyHash der_hash{};  ///< SHA-1 over `der`: CERT of encoding 12 names it by that (RFC 7296 s3.6)
  /// Of subjectAltName: dNSName, rfc822Name, iPAddress; in its order.
  std::vector<policy::Identity> alternative_names;
  UnixTime not_before{};
  UnixTime not_after{};         ///< inclusive (RFC 5280 s4.1.2.5)
  bool is_authority = false;    ///< basicConstraints cA
  bool is_self_issued = false;  ///< subject equals issuer
};

/// RFC 4945 s3.1: whether the certificate names the identity. FQDN and RFC822 names are compared
/// without regard to case and as a whole, never as a wildcard; addresses bit by bit. A DN is
/// PkiProvider::is_same_name()'s, and everything else is no identity of a certificate.
[[nodiscard]] bool has_alternative_name(const Certificate& certificate,
                                        const policy::Identity& identity);

/// What we prove an identity of ours with: a key, and the certificates that vouch for it.
struct Credential {
  std::string name;                  ///< of the file, for people
  std::shared_ptr<Signer> signer;    ///< never null
  std::vector<Certificate> chain;    ///< leaf first, without root; empty: a raw public key
  std::vector<KeyHash> authorities;  ///< of all who vouch, up to the root where it is known

  /// The CERT payloads in the order of RFC 7296 s3.6: the leaf, or the raw public key, first.
  [[nodiscard]] std::vector<wire::CertPayload> cert_payloads() const;
};

/// What the peer asked for: the content of its CERTREQ payloads, taken together.
struct CertificateWish {
  std::vector<KeyHash> authorities;   ///< encoding 4; empty: it said nothing
  bool raw_public_key = false;        ///< encoding 15
  std::vector<SignatureHash> hashes;  ///< as SigningRequest::peer_hashes
};

/// Authorities in one message beyond this are not looked at.
inline constexpr std::size_t authorities_max = 256;
/// CERTREQ payloads that make no sense are no wish at all.
[[nodiscard]] CertificateWish wish_of(std::span<const wire::CertReqPayload> payloads,
                                      std::span<const SignatureHash> peer_hashes);

/// The credential that suits the wish best, the first of equals: one the peer can check and whose
/// authority it named, then one it can check, then any. Null when there is none.
[[nodiscard]] const Credential* choose(std::span<const Credential> credentials,
                                       const CertificateWish& wish, UnixTime now);

/// CERTREQ of encoding 4 for these authorities (RFC 7296 s3.7).
[[nodiscard]] wire::CertReqPayload certificate_request(std::span<const KeyHash> authorities);

/// CERTREQ of encoding 15 (RFC 7670 s3), for a peer whose key is configured.
[[nodiscard]] wire::CertReqPayload raw_public_key_request();

/// Something that ends, for a watch over what expires.
struct Expiry {
  std::string name;  ///< "certificate 'CN=gw' in /etc/caponier/gw.pem"
  UnixTime not_after{};
};
[[nodiscard]] std::vector<Expiry> expiries(const Credential& credential);

}  // namespace caponier::pki
