// HMAC (RFC 2104) and SHA-1 of NAT detection. A handshake takes twenty of a block or two each, and
// a packet two: what an EVP_MD_CTX allocates costs more than those blocks, so the plain SHA calls
// are used; OpenSSL 3 has them still, and calls them deprecated.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <algorithm>
#include <array>

#include "base/error.h"
#include "crypto/openssl/ossl.h"

namespace caponier::crypto::ossl {

/// OpenSSL's calls for one hash.
template <class State>
struct Sha {
  int (*init)(State*);
  int (*update)(State*, const void*, std::size_t);
  int (*finish)(unsigned char*, State*);
  std::size_t size;
  std::size_t block;
};

namespace {

constexpr Sha<SHA_CTX> sha1{SHA1_Init, SHA1_Update, SHA1_Final, SHA_DIGEST_LENGTH, SHA_CBLOCK};
constexpr Sha<SHA256_CTX> sha256{SHA256_Init, SHA256_Update, SHA256_Final, SHA256_DIGEST_LENGTH,
                                 SHA256_CBLOCK};
constexpr Sha<SHA512_CTX> sha384{SHA384_Init, SHA384_Update, SHA384_Final, SHA384_DIGEST_LENGTH,
                                 SHA512_CBLOCK};
constexpr Sha<SHA512_CTX> sha512{SHA512_Init, SHA512_Update, SHA512_Final, SHA512_DIGEST_LENGTH,
                                 SHA512_CBLOCK};

template <class State>
void wipe(State& state) {
  base::wipe(std::as_writable_bytes(std::span{&state, 1}));
}

/// A hash in progress; its state is wiped, for it stands for what went in.
template <class State>
class Hashing {
 public:
  explicit Hashing(const Sha<State>& sha) : sha_(sha), ok_(sha.init(&state_) == 1) {}
  /// Goes on from `state`.
  Hashing(const Sha<State>& sha, const State& state) : sha_(sha), state_(state), ok_(true) {}
  Hashing(const Hashing&) = delete;
  Hashing& operator=(const Hashing&) = delete;
  ~Hashing() { wipe(state_); }

  Hashing& add(Bytes part) {
    ok_ = ok_ && (part.empty() || sha_.update(&state_, part.data(), part.size()) == 1);
    return *this;
  }
  Hashing& add(std::span<const Bytes> parts) {
    for (const Bytes part : parts) add(part);
    return *this;
  }
  [[nodiscard]] bool finish(MutBytes out) { return ok_ && sha_.finish(raw(out), &state_) == 1; }
  [[nodiscard]] bool keep(State& state) const {
    state = state_;
    return ok_;
  }

 private:
  const Sha<State>& sha_;
  State state_;
  bool ok_;
};

/// K0 of FIPS 198-1: the key, or its hash when it is longer than a block, with zeros behind.
template <class State>
bool spread_key(const Sha<State>& sha, Bytes key, MutBytes block) {
  if (key.size() > sha.block) return Hashing{sha}.add(key).finish(block);
  base::copy_into(block, key);
  return true;
}

}  // namespace

template <class State>
bool Hmac::begin(const Sha<State>& sha, Bytes key) {
  base::Secret<SHA512_CBLOCK> secret;
  const MutBytes block = secret.reveal_mutable().first(sha.block);
  auto& keyed = keyed_.emplace<KeyedSha<State>>();
  keyed.sha = &sha;
  if (!spread_key(sha, key, block)) return false;
  const auto pad = [&](std::byte with) {
    for (std::byte& octet : block) octet ^= with;
  };
  constexpr std::byte inner{0x36};
  constexpr std::byte outer{0x5c};
  pad(inner);
  if (!Hashing{sha}.add(block).keep(keyed.inner)) return false;
  pad(inner ^ outer);
  return Hashing{sha}.add(block).keep(keyed.outer);
}

bool Hmac::init(const char* digest, Bytes key) {
  const std::string_view name = digest;
  if (name == "SHA1") return begin(sha1, key);
  if (name == "SHA256") return begin(sha256, key);
  if (name == "SHA384") return begin(sha384, key);
  if (name == "SHA512") return begin(sha512, key);
  return false;
}

bool Hmac::compute(std::span<const Bytes> parts, MutBytes out) const {
  CAPONIER_ASSERT(out.size() >= size_max);
  const auto by = [&]<class State>(const KeyedSha<State>& keyed) {
    return Hashing{*keyed.sha, keyed.inner}.add(parts).finish(out) &&
           Hashing{*keyed.sha, keyed.outer}.add(Bytes{out}.first(keyed.sha->size)).finish(out);
  };
  return std::visit(by, keyed_);
}

bool sha1_of(std::span<const Bytes> parts, MutBytes out) {
  CAPONIER_ASSERT(out.size() >= sha1.size);
  return Hashing{sha1}.add(parts).finish(out);
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
