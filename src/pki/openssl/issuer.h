#pragma once
// A small certification authority: keys, its own certificate, those of servers and users, CRLs, and
// the containers that devices take them in. Randomness is OpenSSL's.

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "pki/certificate.h"

namespace caponier::pki {

/// An error is one sentence.
template <class T>
using Issued = std::expected<T, std::string>;

enum class NewKey : std::uint8_t { ed25519, ecdsa_p256, rsa_3072 };

/// PKCS #8, PEM, not encrypted.
[[nodiscard]] Issued<base::SecretBytes> make_private_key(NewKey kind);

struct AuthorityRequest {
  std::string subject;  ///< as PkiProvider::parse_name(): "O=Example, CN=Example VPN CA"
  UnixTime not_before{};
  UnixTime not_after{};
  /// Name constraints (RFC 5280 s4.2.1.10), when not empty: names below these domains
  /// ("example.org"), addresses in these networks ("192.0.2.0/24") and no others.
  std::vector<std::string> permitted;
};

enum class LeafKind : std::uint8_t {
  server,  ///< serverAuth, ikeIntermediate
  user,    ///< clientAuth
};

struct LeafRequest {
  LeafKind kind{};
  std::string subject;                  ///< as above
  std::vector<policy::Identity> names;  ///< FQDN, RFC822, addresses; at least one
  UnixTime not_before{};
  UnixTime not_after{};
  std::vector<std::string> crl_urls;
  std::vector<std::string> ocsp_urls;
};

/// RFC 5280 s5.3.1.
enum class RevocationReason : std::uint8_t {
  unspecified = 0,
  key_compromise = 1,
  ca_compromise = 2,
  affiliation_changed = 3,
  superseded = 4,
  cessation_of_operation = 5,
};

struct RevokedSerial {
  std::string serial;  ///< hexadecimal, as Certificate::serial
  UnixTime when{};
  RevocationReason reason{};
};

struct CrlRequest {
  std::uint64_t number = 0;  ///< RFC 5280 s5.2.3: greater than that of the one before
  UnixTime this_update{};
  UnixTime next_update{};
  std::vector<RevokedSerial> revoked;
};

/// An authority's certificate and key. One thread at a time.
class Authority {
 public:
  /// A new self-signed one over the key (PEM).
  [[nodiscard]] static Issued<Authority> make(Bytes key_pem, const AuthorityRequest& request);
  /// An existing one. The passphrase is empty when there is none.
  [[nodiscard]] static Issued<Authority> open(Bytes certificate_pem, Bytes key_pem,
                                              Bytes passphrase);
  Authority(Authority&&) noexcept;
  Authority& operator=(Authority&&) noexcept;
  ~Authority();

  [[nodiscard]] const std::string& certificate_pem() const;
  /// A certificate (PEM) for the public part of the key (PEM of a private or a public one), with a
  /// random serial of 128 bits.
  [[nodiscard]] Issued<std::string> issue(Bytes key_pem, const LeafRequest& request) const;
  /// A complete CRL, DER.
  [[nodiscard]] Issued<ByteVec> make_crl(const CrlRequest& request) const;

 private:
  struct Impl;
  explicit Authority(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

enum class Pkcs12Kind : std::uint8_t {
  modern,  ///< PBES2 with AES-256-CBC, PBKDF2 and HMAC-SHA-256
  legacy,  ///< PBE-SHA1-3DES with HMAC-SHA-1, which Apple's and older Windows' importers need
};

/// Key, leaf and authorities for one import (RFC 7292), DER.
[[nodiscard]] Issued<base::SecretBytes> make_pkcs12(Pkcs12Kind kind, std::string_view friendly_name,
                                                    Bytes key_pem, std::string_view leaf_pem,
                                                    std::span<const std::string> authorities_pem,
                                                    Bytes passphrase);

/// CMS SignedData (RFC 5652) with the content inside, DER: how a .mobileconfig is signed.
[[nodiscard]] Issued<ByteVec> sign_cms(Bytes content, Bytes key_pem, std::string_view leaf_pem,
                                       std::span<const std::string> chain_pem, UnixTime now);

}  // namespace caponier::pki
