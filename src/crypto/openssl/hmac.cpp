#include <openssl/core_names.h>
#include <openssl/params.h>

#include "base/error.h"
#include "crypto/openssl/ossl.h"

namespace caponier::crypto::ossl {

namespace {

MacCtx make_keyless(const char* digest) {
  const Mac mac{EVP_MAC_fetch(nullptr, "HMAC", nullptr)};
  if (mac == nullptr) return nullptr;
  MacCtx ctx{EVP_MAC_CTX_new(mac.get())};
  const OSSL_PARAM params[] = {
      // OpenSSL only reads the name, through a pointer that C cannot call const.
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(digest), 0),
      OSSL_PARAM_construct_end()};
  if (ctx == nullptr || EVP_MAC_CTX_set_params(ctx.get(), params) != 1) return nullptr;
  return ctx;
}

/// Looking the algorithms up by name costs more than a small HMAC: once is enough.
const EVP_MAC_CTX* keyless(std::string_view digest) {
  static const MacCtx sha1 = make_keyless("SHA1");
  static const MacCtx sha256 = make_keyless("SHA256");
  static const MacCtx sha384 = make_keyless("SHA384");
  static const MacCtx sha512 = make_keyless("SHA512");
  if (digest == "SHA1") return sha1.get();
  if (digest == "SHA256") return sha256.get();
  return digest == "SHA384" ? sha384.get() : sha512.get();
}

}  // namespace

bool Hmac::init(const char* digest, Bytes key) {
  const EVP_MAC_CTX* const origin = keyless(digest);
  if (origin == nullptr) return false;
  ctx_.reset(EVP_MAC_CTX_dup(origin));
  if (ctx_ == nullptr) return false;
  // A null key means "keep the old one", so an empty key still needs an address.
  static constexpr unsigned char no_key = 0;
  return EVP_MAC_init(ctx_.get(), key.empty() ? &no_key : raw(key), key.size(), nullptr) == 1;
}

bool Hmac::compute(std::span<const Bytes> parts, MutBytes out) {
  CAPONIER_ASSERT(out.size() >= size_max);
  if (EVP_MAC_init(ctx_.get(), nullptr, 0, nullptr) != 1) return false;
  for (const Bytes part : parts) {
    if (part.empty()) continue;
    if (EVP_MAC_update(ctx_.get(), raw(part), part.size()) != 1) return false;
  }
  std::size_t written = 0;
  return EVP_MAC_final(ctx_.get(), raw(out), &written, out.size()) == 1;
}

const char* digest_of(IntegId integ) {
  switch (integ) {
    case IntegId::none:
    case IntegId::aes_xcbc_96:
    case IntegId::aes_cmac_96:
    case IntegId::aes_128_gmac:
    case IntegId::aes_192_gmac:
    case IntegId::aes_256_gmac: return nullptr;
    case IntegId::hmac_sha1_96: return "SHA1";
    case IntegId::hmac_sha2_256_128: return "SHA256";
    case IntegId::hmac_sha2_384_192: return "SHA384";
    case IntegId::hmac_sha2_512_256: return "SHA512";
  }
  return nullptr;
}

const char* digest_of(PrfId prf) {
  switch (prf) {
    case PrfId::aes128_xcbc:
    case PrfId::aes128_cmac: return nullptr;
    case PrfId::hmac_sha1: return "SHA1";
    case PrfId::hmac_sha2_256: return "SHA256";
    case PrfId::hmac_sha2_384: return "SHA384";
    case PrfId::hmac_sha2_512: return "SHA512";
  }
  return nullptr;
}

}  // namespace caponier::crypto::ossl
