// The public half of a token's key.

#include "pki/pkcs11/library.h"

namespace caponier::pki::pkcs11 {

namespace {

using ossl::Pkey;

Pkey key_of_attributes(const Session& session, CK_OBJECT_HANDLE object) {
  constexpr auto unknown = static_cast<CK_ULONG>(-1);
  switch (session.number(object, CKA_KEY_TYPE, unknown)) {
    case CKK_RSA:
      return ossl::rsa_public_key(session.attribute(object, CKA_MODULUS),
                                  session.attribute(object, CKA_PUBLIC_EXPONENT));
    case CKK_EC:
      return ossl::ec_public_key(session.attribute(object, CKA_EC_PARAMS),
                                 session.attribute(object, CKA_EC_POINT));
    case CKK_EC_EDWARDS: return ossl::ed25519_public_key(session.attribute(object, CKA_EC_POINT));
    default: return nullptr;
  }
}

/// Of the objects that have the key's ID.
Pkey key_beside(const Session& session, ByteVec id, CK_OBJECT_CLASS kind) {
  if (id.empty()) return nullptr;
  const auto found = session.find(
      {{CKA_CLASS, &kind, sizeof kind}, {CKA_ID, id.data(), static_cast<CK_ULONG>(id.size())}});
  if (found.size() != 1) return nullptr;
  if (kind == CKO_PUBLIC_KEY) return key_of_attributes(session, found.front());
  const auto certificate = ossl::parse_certificate(session.attribute(found.front(), CKA_VALUE));
  return certificate == nullptr ? nullptr : Pkey{X509_get_pubkey(certificate.get())};
}

}  // namespace

Loaded<PublicKey> public_key_of(const Session& session, CK_OBJECT_HANDLE key,
                                const std::string& name) {
  const ossl::ErrorScope errors;
  const ByteVec id = session.attribute(key, CKA_ID);
  Pkey found = key_beside(session, id, CKO_PUBLIC_KEY);
  if (found == nullptr) found = key_of_attributes(session, key);
  if (found == nullptr) found = key_beside(session, id, CKO_CERTIFICATE);
  if (found == nullptr) {
    return std::unexpected{LoadError{
        name, "the token does not say which public key belongs to it",
        "store the public key or the certificate in the token under the same ID; keys are "
        "RSA, ECDSA with a named curve, or Ed25519"}};
  }
  auto fit = ossl::examine(found.get());
  if (fit) return *std::move(fit);
  return std::unexpected{
      LoadError{name, fit.error().text, "make a new key in the token, and a certificate for it"}};
}

}  // namespace caponier::pki::pkcs11
