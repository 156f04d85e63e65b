#pragma once
// Making any certificate and CRL at all: below issuer.h, whose forms are the sensible ones, and for
// tests, which need the others too. Private to pki/openssl.

#include <string>
#include <vector>

#include "pki/openssl/issuer.h"
#include "pki/openssl/ossl.h"

namespace caponier::pki::ossl {

/// An extension in OpenSSL's notation (x509v3_config): {"basicConstraints", "critical,CA:TRUE"}.
struct ExtensionText {
  std::string name;
  std::string value;
};

struct CertificateForm {
  std::string subject;  ///< as PkiProvider::parse_name(); may be empty
  UnixTime not_before{};
  UnixTime not_after{};
  std::vector<ExtensionText> extensions;
  ByteVec serial;                ///< empty: 128 random bits
  const EVP_MD* hash = nullptr;  ///< null: SHA2-256, or none for EdDSA
};

struct CrlForm {
  CrlRequest content;
  std::vector<ExtensionText> extensions;
  const EVP_MD* hash = nullptr;
};

/// Self-signed when `issuer` is null.
[[nodiscard]] Issued<X509Ptr> make_certificate(const CertificateForm& form, EVP_PKEY* subject_key,
                                               X509* issuer, EVP_PKEY* issuer_key);
[[nodiscard]] Issued<Crl> make_crl(const CrlForm& form, X509* issuer, EVP_PKEY* issuer_key);

[[nodiscard]] Issued<Pkey> make_key(NewKey kind);
/// A private key without passphrase, or a public one.
[[nodiscard]] Issued<Pkey> key_of_pem(Bytes pem);
[[nodiscard]] Issued<X509Ptr> certificate_of_pem(std::string_view pem);
[[nodiscard]] std::string pem_of(X509* certificate);

/// "the certificate cannot be signed: " and what OpenSSL says.
[[nodiscard]] std::unexpected<std::string> failure(std::string_view what);

}  // namespace caponier::pki::ossl
