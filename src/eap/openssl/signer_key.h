#pragma once
// A private key that is somewhere else, as OpenSSL's TLS wants it: an EVP_PKEY whose signatures a
// pki::Signer makes. Private to this module.

#include <memory>

#include <openssl/evp.h>

#include "crypto/openssl/handles.h"
#include "pki/signature.h"

namespace caponier::eap {

/// A library context in which such keys can be used, besides all that OpenSSL's default provider
/// has. It lives as long as the process: keys refer to it. Null when OpenSSL refuses.
[[nodiscard]] OSSL_LIB_CTX* signer_context();
/// The properties for whatever is fetched in it: the default provider's, but for such keys.
inline constexpr const char* signer_properties = "?provider=default";

/// Null when OpenSSL refuses, or when the key is of a kind that TLS has no signatures for.
[[nodiscard]] crypto::ossl::Pkey make_signer_key(std::shared_ptr<pki::Signer> signer);

}  // namespace caponier::eap
