#pragma once
// The parts of this back end. Private to pki/openssl.

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/openssl/handles.h"
#include "pki/provider.h"

namespace caponier::pki::ossl {

using crypto::ossl::Bn;
using crypto::ossl::Freed;
using crypto::ossl::Pkey;
using crypto::ossl::PkeyCtx;
using crypto::ossl::raw;
using crypto::ossl::size_of;

inline void free_stack(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }
inline void free_openssl(void* memory) { OPENSSL_free(memory); }

using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using Crl = std::unique_ptr<X509_CRL, Freed<X509_CRL_free>>;
using Name = std::unique_ptr<X509_NAME, Freed<X509_NAME_free>>;
using Stack = std::unique_ptr<STACK_OF(X509), Freed<free_stack>>;
using MdCtx = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Pkcs12 = std::unique_ptr<PKCS12, Freed<PKCS12_free>>;
using OpensslText = std::unique_ptr<char, Freed<free_openssl>>;

/// OpenSSL keeps what it disliked in a list of the thread that nobody else here reads.
struct ErrorScope {
  ErrorScope() { ERR_clear_error(); }
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;
  ~ErrorScope() { ERR_clear_error(); }
};

[[nodiscard]] Bio memory_bio(Bytes content);
/// What was written to it.
[[nodiscard]] Bytes content_of(BIO* bio);

/// The DER of an object by its i2d function; empty when OpenSSL refuses.
template <class T, class Encode>
[[nodiscard]] ByteVec der_of(T* object, Encode encode) {
  unsigned char* out = nullptr;
  const int size = encode(object, &out);
  if (size <= 0) return {};
  const auto bytes = std::as_bytes(std::span{out, static_cast<std::size_t>(size)});
  ByteVec der{bytes.begin(), bytes.end()};
  OPENSSL_free(out);
  return der;
}
/// The object of which `der` is the whole encoding, by its d2i function; null when it is not that.
template <class Handle, class Decode>
[[nodiscard]] Handle object_of(Bytes der, Decode decode) {
  const unsigned char* at = raw(der);
  Handle object{decode(nullptr, &at, static_cast<long>(der.size()))};
  if (object != nullptr && at != raw(der) + der.size()) object.reset();
  return object;
}

[[nodiscard]] Bytes bytes_of(const ASN1_STRING* string);
/// Seconds since 1970; empty when it is no time.
[[nodiscard]] std::optional<UnixTime> unix_time(const ASN1_TIME* time);

// Keys.

/// Why something is refused, before it is known whose it is.
struct Fault {
  Refusal reason{};
  std::string text;  ///< "the key is RSA of 1024 bits, and at least 2048 are needed"
};

/// What PublicKey promises, or why the key is not fit.
[[nodiscard]] std::expected<PublicKey, Fault> examine(EVP_PKEY* key);
[[nodiscard]] Pkey parse_public_key(Bytes spki);
/// From the parts, as PKCS #11 has them: unsigned numbers; the curve's OID in DER; a point, which
/// may be in an OCTET STRING. Null when they make no key.
[[nodiscard]] Pkey rsa_public_key(Bytes modulus, Bytes exponent);
[[nodiscard]] Pkey ec_public_key(Bytes curve, Bytes point);
[[nodiscard]] Pkey ed25519_public_key(Bytes point);

struct PrivateKey {
  Pkey key;
  std::vector<X509Ptr> certificates;  ///< of a PKCS #12
};
/// Any of the forms of CredentialFiles::key.
[[nodiscard]] Loaded<PrivateKey> load_private_key(const NamedFile& file, Bytes passphrase);
/// A key that OpenSSL holds in memory, or behind one of its providers. Proves that it signs.
[[nodiscard]] std::expected<std::shared_ptr<Signer>, Fault> make_signer(Pkey key);
/// A key of a TPM 2: "handle:0x81000000", or a file of tpm2-openssl (PEM). `secret` is its own, if
/// it has one. Can what a trial of each scheme has shown to work.
[[nodiscard]] Loaded<std::shared_ptr<Signer>> load_tpm_handle(const std::string& uri, Bytes secret);
[[nodiscard]] Loaded<std::shared_ptr<Signer>> load_tpm_file(const NamedFile& file, Bytes secret);
[[nodiscard]] bool is_tpm_handle(std::string_view name);
[[nodiscard]] bool is_tpm_file(Bytes content);
/// To try a new key with.
[[nodiscard]] SignatureScheme trial_scheme(KeyKind kind);

// Signatures.

/// Empty when OpenSSL refuses.
[[nodiscard]] std::optional<ByteVec> make_signature(EVP_PKEY* key, SignatureScheme scheme,
                                                    Bytes octets);
/// In the context that the key's provider was loaded into, with the properties that choose it.
[[nodiscard]] std::optional<ByteVec> make_signature_in(OSSL_LIB_CTX* context,
                                                       const char* properties, EVP_PKEY* key,
                                                       SignatureScheme scheme, Bytes octets);
/// What the scheme hashes octets to, for a key of so many bits; empty for EdDSA.
[[nodiscard]] ByteVec digest_of(SignatureScheme scheme, unsigned bits, Bytes octets);
/// Ecdsa-Sig-Value of r | s, each of the size of the curve's order; empty when the size is another.
[[nodiscard]] ByteVec der_of_concatenated(unsigned bits, Bytes both);
/// `salt_size` is PSS's; otherwise unused.
[[nodiscard]] bool is_signature(EVP_PKEY* key, SignatureScheme scheme, int salt_size, Bytes octets,
                                Bytes signature);

// Names.

[[nodiscard]] std::string text_of(const X509_NAME* name);
[[nodiscard]] std::expected<Name, std::string> parse_name_text(std::string_view text);
[[nodiscard]] Name parse_name_der(Bytes der);

// Certificates.

/// Null unless it is one certificate and nothing else.
[[nodiscard]] X509Ptr parse_certificate(Bytes der);
[[nodiscard]] std::expected<Certificate, Fault> read_certificate(X509* certificate);
/// All certificates of a PEM bundle or a DER file; at least one.
[[nodiscard]] Loaded<std::vector<X509Ptr>> load_bundle(const NamedFile& file);
[[nodiscard]] Loaded<std::vector<Crl>> load_crls(const NamedFile& file);
/// Whether `issuer` signed `certificate`, and its names and identifiers say so.
[[nodiscard]] bool is_issued_by(X509* certificate, X509* issuer);

}  // namespace caponier::pki::ossl
