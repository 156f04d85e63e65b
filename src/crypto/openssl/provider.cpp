#include "crypto/openssl/provider.h"

#include <algorithm>
#include <array>

#include <openssl/crypto.h>

#include "base/error.h"
#include "crypto/openssl/ossl.h"
#include "crypto/suite_cipher.h"

namespace caponier::crypto {

namespace {

class HmacPrf final : public Prf {
 public:
  HmacPrf(const char* digest, std::size_t size) : digest_(digest), size_(size) {}
  [[nodiscard]] std::size_t size() const override { return size_; }

  [[nodiscard]] SecretBytes compute(Bytes key, std::span<const Bytes> parts) const override {
    base::Secret<ossl::Hmac::size_max> out;
    ossl::Hmac hmac;
    if (!hmac.init(digest_, key) || !hmac.compute(parts, out.reveal_mutable())) return {};
    return SecretBytes{Bytes{out.reveal()}.first(size_)};
  }

 private:
  const char* digest_;
  std::size_t size_;
};

/// AES-XCBC-PRF-128 (RFC 4434) and AES-CMAC-PRF-128 (RFC 4615).
class CbcMacPrf final : public Prf {
 public:
  explicit CbcMacPrf(ossl::CbcMac::Kind kind) : kind_(kind) {}
  [[nodiscard]] std::size_t size() const override { return ossl::CbcMac::size; }

  [[nodiscard]] SecretBytes compute(Bytes key, std::span<const Bytes> parts) const override {
    base::Secret<ossl::CbcMac::size> fitted;
    const MutBytes fitted_key = fitted.reveal_mutable();
    const bool pads_short_keys = kind_ == ossl::CbcMac::Kind::xcbc;
    if (key.size() == size() || (key.size() < size() && pads_short_keys)) {
      base::copy_into(fitted_key, key);
    } else {
      static constexpr std::array<std::byte, ossl::CbcMac::size> zero{};
      if (!mac(zero, std::array{key}, fitted_key)) return {};
    }
    SecretBytes out{size()};
    if (!mac(fitted_key, parts, out.reveal_mutable())) return {};
    return out;
  }

 private:
  bool mac(Bytes key, std::span<const Bytes> parts, MutBytes out) const {
    ossl::CbcMac cbc_mac;
    return cbc_mac.init(kind_, key) && cbc_mac.compute(parts, out);
  }

  ossl::CbcMac::Kind kind_;
};

template <class T>
std::expected<std::unique_ptr<T>, CryptoError> made(std::unique_ptr<T> object) {
  if (object == nullptr) return std::unexpected{CryptoError::backend_failure};
  return object;
}

}  // namespace

std::string OpensslProvider::description() {
  return std::string{"OpenSSL "} + OpenSSL_version(OPENSSL_VERSION_STRING);
}

bool OpensslProvider::supports(const CipherSuite& suite) const { return is_valid(suite); }
bool OpensslProvider::supports(PrfId prf) const { return find(prf) != nullptr; }
bool OpensslProvider::supports(KeGroup group) const { return find(group) != nullptr; }

std::expected<std::unique_ptr<PacketCipher>, CryptoError> OpensslProvider::make_cipher(
    const CipherSuite& suite, Bytes encr_key, Bytes integ_key, base::Rng& rng) const {
  TRY_VOID(check_keys(suite, encr_key, integ_key));
  if (find(suite.encr)->aead) return made(ossl::make_aead(suite, encr_key));
  return made(ossl::make_encrypt_then_mac(suite, encr_key, integ_key, rng));
}

std::expected<std::unique_ptr<Prf>, CryptoError> OpensslProvider::make_prf(PrfId prf) const {
  const PrfInfo* info = find(prf);
  if (info == nullptr) return std::unexpected{CryptoError::unsupported};
  if (prf == PrfId::aes128_xcbc) {
    return std::make_unique<CbcMacPrf>(ossl::CbcMac::Kind::xcbc);
  }
  if (prf == PrfId::aes128_cmac) {
    return std::make_unique<CbcMacPrf>(ossl::CbcMac::Kind::cmac);
  }
  return std::make_unique<HmacPrf>(ossl::digest_of(prf), info->size);
}

std::expected<std::unique_ptr<KeyExchange>, CryptoError> OpensslProvider::make_key_exchange(
    KeGroup group, base::Rng& rng) const {
  if (!supports(group)) return std::unexpected{CryptoError::unsupported};
  switch (group) {
    case KeGroup::none: break;
    case KeGroup::curve25519: return made(ossl::make_x25519(rng));
    case KeGroup::curve448: return made(ossl::make_x448(rng));
    case KeGroup::ecp_256:
    case KeGroup::ecp_384:
    case KeGroup::ecp_521:
    case KeGroup::brainpool_224:
    case KeGroup::brainpool_256:
    case KeGroup::brainpool_384:
    case KeGroup::brainpool_512: return made(ossl::make_ecp(group, rng));
    case KeGroup::modp_1024:
    case KeGroup::modp_1536:
    case KeGroup::modp_2048:
    case KeGroup::modp_3072:
    case KeGroup::modp_4096:
    case KeGroup::modp_6144:
    case KeGroup::modp_8192: return made(ossl::make_modp(group, rng));
  }
  return std::unexpected{CryptoError::unsupported};
}

ByteVec OpensslProvider::nat_hash(std::span<const Bytes> parts) const {
  ByteVec out(nat_hash_size());
  // Without a hash every comparison fails, which merely assumes a NAT.
  if (!ossl::sha1_of(parts, out)) std::ranges::fill(out, std::byte{0});
  return out;
}

}  // namespace caponier::crypto
