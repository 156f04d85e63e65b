// HMAC (RFC 2104) with keys that serve once, and SHA-1 of NAT detection: a handshake takes twenty,
// of a block or two each. What an EVP_MD_CTX allocates costs more than those blocks, so the plain
// SHA calls are used; OpenSSL 3 has them still, and calls them deprecated.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <algorithm>
#include <array>

#include <openssl/sha.h>

#include "base/error.h"
#include "crypto/openssl/ossl.h"

namespace caponier::crypto::ossl {

namespace {

/// OpenSSL's calls for one hash.
template <class State>
struct Sha {
  int (*init)(State*);
  int (*update)(State*, const void*, std::size_t);
  int (*finish)(unsigned char*, State*);
  std::size_t size;
  std::size_t block;
};

constexpr Sha<SHA_CTX> sha1{SHA1_Init, SHA1_Update, SHA1_Final, SHA_DIGEST_LENGTH, SHA_CBLOCK};
constexpr Sha<SHA256_CTX> sha256{SHA256_Init, SHA256_Update, SHA256_Final, SHA256_DIGEST_LENGTH,
                                 SHA256_CBLOCK};
constexpr Sha<SHA512_CTX> sha384{SHA384_Init, SHA384_Update, SHA384_Final, SHA384_DIGEST_LENGTH,
                                 SHA512_CBLOCK};
constexpr Sha<SHA512_CTX> sha512{SHA512_Init, SHA512_Update, SHA512_Final, SHA512_DIGEST_LENGTH,
                                 SHA512_CBLOCK};

/// A hash in progress; its state is wiped, for it stands for what went in.
template <class State>
class Hashing {
 public:
  explicit Hashing(const Sha<State>& sha) : sha_(sha), ok_(sha.init(&state_) == 1) {}
  Hashing(const Hashing&) = delete;
  Hashing& operator=(const Hashing&) = delete;
  ~Hashing() { base::wipe(std::as_writable_bytes(std::span{&state_, 1})); }

  Hashing& add(Bytes part) {
    ok_ = ok_ && (part.empty() || sha_.update(&state_, part.data(), part.size()) == 1);
    return *this;
  }
  Hashing& add(std::span<const Bytes> parts) {
    for (const Bytes part : parts) add(part);
    return *this;
  }
  [[nodiscard]] bool finish(MutBytes out) { return ok_ && sha_.finish(raw(out), &state_) == 1; }

 private:
  const Sha<State>& sha_;
  State state_;
  bool ok_;
};

template <class State>
bool hmac_by(const Sha<State>& sha, Bytes key, std::span<const Bytes> parts, MutBytes out) {
  base::Secret<SHA512_CBLOCK> secret;
  const MutBytes block = secret.reveal_mutable().first(sha.block);
  if (key.size() > sha.block) {
    if (!Hashing{sha}.add(key).finish(block)) return false;
  } else {
    base::copy_into(block, key);
  }
  const auto pad = [&](std::byte with) {
    for (std::byte& octet : block) octet ^= with;
  };
  constexpr std::byte inner{0x36};
  constexpr std::byte outer{0x5c};
  pad(inner);
  if (!Hashing{sha}.add(block).add(parts).finish(out)) return false;
  pad(inner ^ outer);
  return Hashing{sha}.add(block).add(Bytes{out}.first(sha.size)).finish(out);
}

}  // namespace

bool hmac(const char* digest, Bytes key, std::span<const Bytes> parts, MutBytes out) {
  CAPONIER_ASSERT(out.size() >= Hmac::size_max);
  const std::string_view name = digest;
  if (name == "SHA1") return hmac_by(sha1, key, parts, out);
  if (name == "SHA256") return hmac_by(sha256, key, parts, out);
  if (name == "SHA384") return hmac_by(sha384, key, parts, out);
  if (name == "SHA512") return hmac_by(sha512, key, parts, out);
  return false;
}

bool sha1_of(std::span<const Bytes> parts, MutBytes out) {
  CAPONIER_ASSERT(out.size() >= sha1.size);
  return Hashing{sha1}.add(parts).finish(out);
}

}  // namespace caponier::crypto::ossl
