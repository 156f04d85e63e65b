// X25519 and X448 (RFC 8031), ECP (RFC 5903, RFC 6954) and MODP (RFC 3526) with the checks of RFC
// 6989.

#include <algorithm>
#include <array>

#include <openssl/err.h>
#include <openssl/objects.h>

#include "crypto/openssl/ossl.h"

namespace caponier::crypto::ossl {

namespace {

using Derived = std::expected<SecretBytes, CryptoError>;

/// OpenSSL keeps what it disliked about a peer's value in a per-thread list nobody reads here.
std::unexpected<CryptoError> refused(CryptoError error) {
  ERR_clear_error();
  return std::unexpected{error};
}

bool is_all_zero(Bytes bytes) {
  std::byte any{0};
  for (const std::byte byte : bytes) any |= byte;
  return any == std::byte{0};
}

class PublicValue : public KeyExchange {
 public:
  explicit PublicValue(KeGroup group) : group_(group), public_(find(group)->public_size) {}
  [[nodiscard]] KeGroup group() const final { return group_; }
  [[nodiscard]] Bytes public_value() const final { return public_; }

 protected:
  [[nodiscard]] MutBytes public_bytes() { return public_; }

 private:
  KeGroup group_;
  ByteVec public_;
};

/// Curve25519 and Curve448.
class Montgomery final : public PublicValue {
 public:
  explicit Montgomery(KeGroup group)
      : PublicValue(group),
        type_(group == KeGroup::curve448 ? EVP_PKEY_X448 : EVP_PKEY_X25519),
        size_(find(group)->public_size) {}

  bool init(base::Rng& rng) {
    SecretBytes scalar{size_};
    rng.fill_secret(scalar.reveal_mutable());
    key_.reset(EVP_PKEY_new_raw_private_key(type_, nullptr, raw(scalar.reveal()), size_));
    std::size_t written = size_;
    return key_ != nullptr &&
           EVP_PKEY_get_raw_public_key(key_.get(), raw(public_bytes()), &written) == 1 &&
           written == size_;
  }

  [[nodiscard]] Derived derive(Bytes peer_public) override {
    if (peer_public.size() != size_) return std::unexpected{CryptoError::bad_public_value};
    const Pkey peer{EVP_PKEY_new_raw_public_key(type_, nullptr, raw(peer_public), size_)};
    const PkeyCtx ctx{EVP_PKEY_CTX_new(key_.get(), nullptr)};
    if (peer == nullptr || ctx == nullptr || EVP_PKEY_derive_init(ctx.get()) != 1 ||
        EVP_PKEY_derive_set_peer(ctx.get(), peer.get()) != 1) {
      return refused(CryptoError::backend_failure);
    }
    SecretBytes shared{size_};
    std::size_t written = size_;
    // RFC 7748 s6.1: low-order points give zero; OpenSSL refuses them too.
    if (EVP_PKEY_derive(ctx.get(), raw(shared.reveal_mutable()), &written) != 1 ||
        written != size_ || is_all_zero(shared.reveal())) {
      return refused(CryptoError::weak_result);
    }
    return shared;
  }

 private:
  int type_;
  std::size_t size_;
  Pkey key_;
};

int curve_of(KeGroup group) {
  switch (group) {
    case KeGroup::ecp_256: return NID_X9_62_prime256v1;
    case KeGroup::ecp_384: return NID_secp384r1;
    case KeGroup::ecp_521: return NID_secp521r1;
    case KeGroup::brainpool_224: return NID_brainpoolP224r1;
    case KeGroup::brainpool_256: return NID_brainpoolP256r1;
    case KeGroup::brainpool_384: return NID_brainpoolP384r1;
    case KeGroup::brainpool_512: return NID_brainpoolP512r1;
    case KeGroup::none:
    case KeGroup::curve25519:
    case KeGroup::curve448:
    case KeGroup::modp_1024:
    case KeGroup::modp_1536:
    case KeGroup::modp_2048:
    case KeGroup::modp_3072:
    case KeGroup::modp_4096:
    case KeGroup::modp_6144:
    case KeGroup::modp_8192: break;
  }
  return NID_undef;
}

class Ecp final : public PublicValue {
 public:
  explicit Ecp(KeGroup group)
      : PublicValue(group),
        coordinate_size_(find(group)->public_size / 2),
        curve_(EC_GROUP_new_by_curve_name(curve_of(group))),
        scalar_(BN_secure_new()) {}

  bool init(base::Rng& rng) {
    const BnCtx ctx{BN_CTX_secure_new()};
    if (curve_ == nullptr || scalar_ == nullptr || ctx == nullptr || !draw_scalar(rng))
      return false;
    const EcPoint point{EC_POINT_new(curve_.get())};
    const Bn x{BN_new()};
    const Bn y{BN_new()};
    const int width = static_cast<int>(coordinate_size_);
    return point != nullptr && x != nullptr && y != nullptr &&
           EC_POINT_mul(curve_.get(), point.get(), scalar_.get(), nullptr, nullptr, ctx.get()) ==
               1 &&
           EC_POINT_get_affine_coordinates(curve_.get(), point.get(), x.get(), y.get(),
                                           ctx.get()) == 1 &&
           BN_bn2binpad(x.get(), raw(public_bytes()), width) == width &&
           BN_bn2binpad(y.get(), raw(public_bytes().subspan(coordinate_size_)), width) == width;
  }

  [[nodiscard]] Derived derive(Bytes peer_public) override {
    if (peer_public.size() != public_value().size()) {
      return std::unexpected{CryptoError::bad_public_value};
    }
    const BnCtx ctx{BN_CTX_secure_new()};
    const EcPoint peer{EC_POINT_new(curve_.get())};
    const EcPoint product{EC_POINT_new(curve_.get())};
    const Bn x{BN_secure_new()};
    if (ctx == nullptr || peer == nullptr || product == nullptr || x == nullptr) {
      return refused(CryptoError::backend_failure);
    }
    // RFC 6989 s2.3: both coordinates below p and the point on the curve. The uncompressed form
    // cannot express the point at infinity, and the cofactor is one.
    ByteVec encoded{std::byte{POINT_CONVERSION_UNCOMPRESSED}};
    base::append(encoded, peer_public);
    if (EC_POINT_oct2point(curve_.get(), peer.get(), raw(Bytes{encoded}), encoded.size(),
                           ctx.get()) != 1 ||
        EC_POINT_is_on_curve(curve_.get(), peer.get(), ctx.get()) != 1) {
      return refused(CryptoError::bad_public_value);
    }
    if (EC_POINT_mul(curve_.get(), product.get(), nullptr, peer.get(), scalar_.get(), ctx.get()) !=
        1) {
      return refused(CryptoError::backend_failure);
    }
    if (EC_POINT_is_at_infinity(curve_.get(), product.get()) == 1) {
      return refused(CryptoError::weak_result);
    }
    SecretBytes shared{coordinate_size_};
    const int width = static_cast<int>(coordinate_size_);
    if (EC_POINT_get_affine_coordinates(curve_.get(), product.get(), x.get(), nullptr, ctx.get()) !=
            1 ||
        BN_bn2binpad(x.get(), raw(shared.reveal_mutable()), width) != width) {
      return refused(CryptoError::backend_failure);
    }
    return shared;
  }

 private:
  /// Uniform in [1, n-1]. A generator that never hits is broken, not unlucky.
  bool draw_scalar(base::Rng& rng) {
    constexpr int draws_max = 64;
    const BIGNUM* order = EC_GROUP_get0_order(curve_.get());
    const auto bits = static_cast<unsigned>(BN_num_bits(order));
    const unsigned top_bits = bits % 8 == 0 ? 8 : bits % 8;
    SecretBytes draw{coordinate_size_};
    BN_set_flags(scalar_.get(), BN_FLG_CONSTTIME);
    for (int i = 0; i < draws_max; ++i) {
      rng.fill_secret(draw.reveal_mutable());
      draw.reveal_mutable().front() &= std::byte{0xff} >> (8 - top_bits);
      if (BN_bin2bn(raw(draw.reveal()), size_of(draw.reveal()), scalar_.get()) == nullptr) {
        return false;
      }
      if (!BN_is_zero(scalar_.get()) && BN_cmp(scalar_.get(), order) < 0) return true;
    }
    return false;
  }

  std::size_t coordinate_size_;
  EcGroup curve_;
  Bn scalar_;
};

BIGNUM* modulus_of(KeGroup group) {
  switch (group) {
    case KeGroup::modp_1024: return BN_get_rfc2409_prime_1024(nullptr);
    case KeGroup::modp_1536: return BN_get_rfc3526_prime_1536(nullptr);
    case KeGroup::modp_2048: return BN_get_rfc3526_prime_2048(nullptr);
    case KeGroup::modp_3072: return BN_get_rfc3526_prime_3072(nullptr);
    case KeGroup::modp_4096: return BN_get_rfc3526_prime_4096(nullptr);
    case KeGroup::modp_6144: return BN_get_rfc3526_prime_6144(nullptr);
    case KeGroup::modp_8192: return BN_get_rfc3526_prime_8192(nullptr);
    case KeGroup::none:
    case KeGroup::ecp_256:
    case KeGroup::ecp_384:
    case KeGroup::ecp_521:
    case KeGroup::brainpool_224:
    case KeGroup::brainpool_256:
    case KeGroup::brainpool_384:
    case KeGroup::brainpool_512:
    case KeGroup::curve25519:
    case KeGroup::curve448: break;
  }
  return nullptr;
}

/// RFC 3526 s8, the larger estimate, in bytes; it says nothing of 1024 bits.
std::size_t exponent_size_of(KeGroup group) {
  if (group == KeGroup::modp_1024 || group == KeGroup::modp_1536) return 30;
  if (group == KeGroup::modp_2048) return 40;
  if (group == KeGroup::modp_3072) return 53;
  if (group == KeGroup::modp_4096) return 60;
  return group == KeGroup::modp_6144 ? 68 : 78;
}

class Modp final : public PublicValue {
 public:
  explicit Modp(KeGroup group)
      : PublicValue(group),
        exponent_size_(exponent_size_of(group)),
        modulus_(modulus_of(group)),
        exponent_(BN_secure_new()) {}

  bool init(base::Rng& rng) {
    if (modulus_ == nullptr || exponent_ == nullptr) return false;
    SecretBytes draw{exponent_size_};
    rng.fill_secret(draw.reveal_mutable());
    draw.reveal_mutable().front() |= std::byte{0x80};  // one length, hence one duration
    BN_set_flags(exponent_.get(), BN_FLG_CONSTTIME);
    const Bn generator{BN_new()};
    return generator != nullptr && BN_set_word(generator.get(), 2) == 1 &&
           BN_bin2bn(raw(draw.reveal()), size_of(draw.reveal()), exponent_.get()) != nullptr &&
           power_of(generator.get(), public_bytes());
  }

  [[nodiscard]] Derived derive(Bytes peer_public) override {
    const std::size_t size = public_value().size();
    if (peer_public.size() != size) return std::unexpected{CryptoError::bad_public_value};
    const Bn peer{BN_bin2bn(raw(peer_public), size_of(peer_public), nullptr)};
    const Bn last{BN_dup(modulus_.get())};
    if (peer == nullptr || last == nullptr || BN_sub_word(last.get(), 1) != 1) {
      return refused(CryptoError::backend_failure);
    }
    // RFC 6989 s2.1, safe primes: 1 < y < p-1.
    if (BN_is_zero(peer.get()) || BN_is_one(peer.get()) || BN_cmp(peer.get(), last.get()) >= 0) {
      return std::unexpected{CryptoError::bad_public_value};
    }
    SecretBytes shared{size};
    if (!power_of(peer.get(), shared.reveal_mutable())) {
      return refused(CryptoError::backend_failure);
    }
    const MutBytes front = shared.reveal_mutable().first(size - 1);
    if (is_all_zero(front) && std::to_integer<unsigned>(shared.reveal().back()) <= 1) {
      return std::unexpected{CryptoError::weak_result};
    }
    return shared;
  }

 private:
  /// base^exponent mod p, padded to the size of p.
  bool power_of(const BIGNUM* base, MutBytes out) const {
    const BnCtx ctx{BN_CTX_secure_new()};
    const Bn result{BN_secure_new()};
    return ctx != nullptr && result != nullptr &&
           BN_mod_exp_mont_consttime(result.get(), base, exponent_.get(), modulus_.get(), ctx.get(),
                                     nullptr) == 1 &&
           BN_bn2binpad(result.get(), raw(out), size_of(out)) == size_of(out);
  }

  std::size_t exponent_size_;
  Bn modulus_;
  Bn exponent_;
};

template <class T>
std::unique_ptr<KeyExchange> initialised(std::unique_ptr<T> exchange, base::Rng& rng) {
  if (!exchange->init(rng)) {
    ERR_clear_error();
    return nullptr;
  }
  return exchange;
}

}  // namespace

std::unique_ptr<KeyExchange> make_x25519(base::Rng& rng) {
  return initialised(std::make_unique<Montgomery>(KeGroup::curve25519), rng);
}
std::unique_ptr<KeyExchange> make_x448(base::Rng& rng) {
  return initialised(std::make_unique<Montgomery>(KeGroup::curve448), rng);
}
std::unique_ptr<KeyExchange> make_ecp(KeGroup group, base::Rng& rng) {
  return initialised(std::make_unique<Ecp>(group), rng);
}
std::unique_ptr<KeyExchange> make_modp(KeGroup group, base::Rng& rng) {
  return initialised(std::make_unique<Modp>(group), rng);
}

}  // namespace caponier::crypto::ossl
