// The plain calls, which OpenSSL 3 has still and calls deprecated: they cannot fail, and need
// neither the legacy provider, which many hosts do not load, nor a fetch that may find nothing.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/openssl/legacy.h"

#include <openssl/des.h>
#include <openssl/md4.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "crypto/openssl/ossl.h"

namespace caponier::crypto {
namespace {

template <class Digest, class State>
Digest digest(int (*init)(State*), int (*update)(State*, const void*, std::size_t),
              int (*finish)(unsigned char*, State*), std::span<const base::Bytes> parts) {
  State state;
  init(&state);
  for (const base::Bytes part : parts) {
    if (!part.empty()) update(&state, part.data(), part.size());
  }
  Digest out{};
  finish(ossl::raw(base::MutBytes{out}), &state);
  base::wipe(std::as_writable_bytes(std::span{&state, 1}));
  return out;
}

/// Seven octets to eight, seven bits in each; the lowest, parity, is ignored.
void spread_key(std::span<const std::byte, 7> key, DES_cblock& spread) {
  std::uint64_t bits = 0;
  for (const std::byte octet : key) bits = (bits << 8U) | std::to_integer<std::uint64_t>(octet);
  for (std::size_t i = 0; i < sizeof(DES_cblock); ++i) {
    spread[i] = static_cast<unsigned char>(((bits >> (49U - 7U * i)) & 0x7fU) << 1U);
  }
}

}  // namespace

LegacyCrypto::Md4 OpensslLegacy::md4(std::span<const base::Bytes> parts) const {
  return digest<Md4, MD4_CTX>(MD4_Init, MD4_Update, MD4_Final, parts);
}

LegacyCrypto::Md5 OpensslLegacy::md5(std::span<const base::Bytes> parts) const {
  return digest<Md5, MD5_CTX>(MD5_Init, MD5_Update, MD5_Final, parts);
}

LegacyCrypto::Sha1 OpensslLegacy::sha1(std::span<const base::Bytes> parts) const {
  return digest<Sha1, SHA_CTX>(SHA1_Init, SHA1_Update, SHA1_Final, parts);
}

LegacyCrypto::DesBlock OpensslLegacy::des_encrypt(std::span<const std::byte, 7> key,
                                                  const DesBlock& block) const {
  DES_cblock spread;
  spread_key(key, spread);
  DES_key_schedule schedule;
  DES_set_key_unchecked(&spread, &schedule);
  DES_cblock in;
  DES_cblock out;
  std::memcpy(in, block.data(), sizeof in);
  DES_ecb_encrypt(&in, &out, &schedule, DES_ENCRYPT);
  base::wipe(std::as_writable_bytes(std::span{&schedule, 1}));
  base::wipe(std::as_writable_bytes(std::span{spread}));
  DesBlock result;
  std::memcpy(result.data(), out, sizeof out);
  return result;
}

}  // namespace caponier::crypto
