#include <array>

#include "base/error.h"
#include "crypto/openssl/ossl.h"

namespace caponier::crypto::ossl {

namespace {

constexpr std::size_t block_size_max = 128;
using Block = base::Secret<block_size_max>;

Md fetch(const char* digest) { return Md{EVP_MD_fetch(nullptr, digest, nullptr)}; }

/// Looking an algorithm up by name costs more than a small HMAC: once is enough.
const EVP_MD* algorithm_of(std::string_view digest) {
  static const Md sha1 = fetch("SHA1");
  static const Md sha256 = fetch("SHA256");
  static const Md sha384 = fetch("SHA384");
  static const Md sha512 = fetch("SHA512");
  if (digest == "SHA1") return sha1.get();
  if (digest == "SHA256") return sha256.get();
  return digest == "SHA384" ? sha384.get() : sha512.get();
}

bool update(EVP_MD_CTX* ctx, Bytes part) {
  return part.empty() || EVP_DigestUpdate(ctx, part.data(), part.size()) == 1;
}

bool update(EVP_MD_CTX* ctx, std::span<const Bytes> parts) {
  for (const Bytes part : parts) {
    if (!update(ctx, part)) return false;
  }
  return true;
}

bool finish(EVP_MD_CTX* ctx, MutBytes out, unsigned& size) {
  return EVP_DigestFinal_ex(ctx, raw(out), &size) == 1;
}

/// K0 of FIPS 198-1: the key, or its digest when it is longer than a block, with zeros behind.
bool spread_key(EVP_MD_CTX* ctx, const EVP_MD* algorithm, Bytes key, Block& block) {
  const auto block_size = static_cast<std::size_t>(EVP_MD_get_block_size(algorithm));
  CAPONIER_ASSERT(block_size <= block_size_max);
  if (key.size() <= block_size) {
    base::copy_into(block.reveal_mutable(), key);
    return true;
  }
  unsigned size = 0;
  return EVP_DigestInit_ex(ctx, algorithm, nullptr) == 1 && update(ctx, key) &&
         finish(ctx, block.reveal_mutable(), size);
}

constexpr std::byte inner_pad{0x36};
constexpr std::byte outer_pad{0x5c};

/// Begins with the key under `pad`, and leaves `block` as it was.
bool begin(EVP_MD_CTX* ctx, const EVP_MD* algorithm, Block& block, std::byte pad) {
  const MutBytes padded =
      block.reveal_mutable().first(static_cast<std::size_t>(EVP_MD_get_block_size(algorithm)));
  for (std::byte& octet : padded) octet ^= pad;
  const bool done = EVP_DigestInit_ex(ctx, algorithm, nullptr) == 1 && update(ctx, padded);
  for (std::byte& octet : padded) octet ^= pad;
  return done;
}

}  // namespace

bool Hmac::init(const char* digest, Bytes key) {
  const EVP_MD* const algorithm = algorithm_of(digest);
  inner_.reset(EVP_MD_CTX_new());
  outer_.reset(EVP_MD_CTX_new());
  work_.reset(EVP_MD_CTX_new());
  Block block;
  return algorithm != nullptr && inner_ != nullptr && outer_ != nullptr && work_ != nullptr &&
         spread_key(work_.get(), algorithm, key, block) &&
         begin(inner_.get(), algorithm, block, inner_pad) &&
         begin(outer_.get(), algorithm, block, outer_pad);
}

bool Hmac::compute(std::span<const Bytes> parts, MutBytes out) {
  CAPONIER_ASSERT(out.size() >= size_max);
  unsigned size = 0;
  return EVP_MD_CTX_copy_ex(work_.get(), inner_.get()) == 1 && update(work_.get(), parts) &&
         finish(work_.get(), out, size) && EVP_MD_CTX_copy_ex(work_.get(), outer_.get()) == 1 &&
         update(work_.get(), Bytes{out}.first(size)) && finish(work_.get(), out, size);
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
