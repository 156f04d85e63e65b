// Public keys from the parts that tokens tell.

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "pki/openssl/ossl.h"

namespace caponier::pki::ossl {

namespace {

using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using Object = std::unique_ptr<ASN1_OBJECT, Freed<ASN1_OBJECT_free>>;
using OctetString = std::unique_ptr<ASN1_OCTET_STRING, Freed<ASN1_OCTET_STRING_free>>;

Pkey key_from(const char* kind, OSSL_PARAM_BLD* builder) {
  const Params params{OSSL_PARAM_BLD_to_param(builder)};
  const PkeyCtx ctx{EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr)};
  EVP_PKEY* key = nullptr;
  if (params == nullptr || ctx == nullptr || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return Pkey{key};
}

/// Tokens give points as OCTET STRING in DER, or leave that out.
ByteVec point_of(Bytes attribute) {
  const auto wrapped = object_of<OctetString>(attribute, d2i_ASN1_OCTET_STRING);
  const Bytes inner = wrapped == nullptr ? attribute : bytes_of(wrapped.get());
  return {inner.begin(), inner.end()};
}

}  // namespace

Pkey rsa_public_key(Bytes modulus, Bytes exponent) {
  if (modulus.empty() || exponent.empty()) return nullptr;
  const Bn n{BN_bin2bn(raw(modulus), size_of(modulus), nullptr)};
  const Bn e{BN_bin2bn(raw(exponent), size_of(exponent), nullptr)};
  const Builder builder{OSSL_PARAM_BLD_new()};
  if (builder == nullptr || n == nullptr || e == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  return key_from("RSA", builder.get());
}

Pkey ec_public_key(Bytes params, Bytes wrapped) {
  const ByteVec point = point_of(wrapped);
  const auto curve = object_of<Object>(params, d2i_ASN1_OBJECT);
  const char* const name = curve == nullptr ? nullptr : OBJ_nid2sn(OBJ_obj2nid(curve.get()));
  const Builder builder{OSSL_PARAM_BLD_new()};
  if (name == nullptr || point.empty() || builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, name, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return nullptr;
  }
  return key_from("EC", builder.get());
}

Pkey ed25519_public_key(Bytes wrapped) {
  const ByteVec point = point_of(wrapped);
  constexpr std::size_t ed25519_size = 32;
  if (point.size() != ed25519_size) return nullptr;
  return Pkey{
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(Bytes{point}), point.size())};
}

}  // namespace caponier::pki::ossl
