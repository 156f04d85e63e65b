#include "unit/pki/helpers.h"

#include <map>

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace caponier::pki::test {

namespace {

/// The key of a finished context.
ossl::Pkey generated(EVP_PKEY_CTX* ctx) {
  EVP_PKEY* key = nullptr;
  EVP_PKEY_generate(ctx, &key);
  return ossl::Pkey{key};
}

}  // namespace

EVP_PKEY* key_called(const std::string& name, NewKey kind) {
  static std::map<std::string, ossl::Pkey> keys;
  auto& key = keys[name];
  if (key == nullptr) key = ossl::make_key(kind).value();
  return key.get();
}

ossl::Pkey rsa_key(unsigned bits, std::uint64_t exponent) {
  const ossl::PkeyCtx ctx{EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr)};
  const ossl::Bn e{BN_new()};
  EVP_PKEY_keygen_init(ctx.get());
  EVP_PKEY_CTX_set_rsa_keygen_bits(ctx.get(), static_cast<int>(bits));
  BN_set_word(e.get(), exponent);
  EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx.get(), e.get());
  return generated(ctx.get());
}

ossl::Pkey ec_key(const char* curve) {
  return ossl::Pkey{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve)};
}

ossl::Pkey ed448_key() { return ossl::Pkey{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448")}; }

base::SecretBytes private_pem(EVP_PKEY* key) {
  const ossl::Bio bio{BIO_new(BIO_s_mem())};
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return base::SecretBytes{ossl::content_of(bio.get())};
}

std::shared_ptr<Signer> signer_of(EVP_PKEY* key) {
  EVP_PKEY_up_ref(key);
  return ossl::make_signer(ossl::Pkey{key}).value();
}

PublicKey public_of(EVP_PKEY* key) { return ossl::examine(key).value(); }

policy::Identity name_of_peer(std::string_view text) { return policy::Identity::parse(text); }

Bytes bytes(const std::string& text) { return base::as_bytes(text); }

}  // namespace caponier::pki::test
