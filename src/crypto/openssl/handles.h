#pragma once
// Owning handles of OpenSSL's objects, and its idea of bytes. For the OpenSSL back ends only.

#include <memory>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "base/bytes.h"

namespace caponier::crypto::ossl {

template <auto free_function>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};

using Cipher = std::unique_ptr<EVP_CIPHER, Freed<EVP_CIPHER_free>>;
using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Bn = std::unique_ptr<BIGNUM, Freed<BN_clear_free>>;
using BnCtx = std::unique_ptr<BN_CTX, Freed<BN_CTX_free>>;
using EcGroup = std::unique_ptr<EC_GROUP, Freed<EC_GROUP_free>>;
using EcPoint = std::unique_ptr<EC_POINT, Freed<EC_POINT_clear_free>>;

[[nodiscard]] inline const unsigned char* raw(base::Bytes bytes) {
  const void* at = bytes.data();
  return static_cast<const unsigned char*>(at);
}
[[nodiscard]] inline unsigned char* raw(base::MutBytes bytes) {
  void* at = bytes.data();
  return static_cast<unsigned char*>(at);
}
/// OpenSSL counts in int; every size here is far below 2^31 (protected_size_max, key sizes).
[[nodiscard]] inline int size_of(base::Bytes bytes) { return static_cast<int>(bytes.size()); }

}  // namespace caponier::crypto::ossl
