#include "ike/keys.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace caponier::ike {

namespace {

using base::Bytes;
using base::SecretBytes;
using crypto::CryptoError;

/// Deals out consecutive pieces of keying material.
class Pieces {
 public:
  explicit Pieces(Bytes material) : rest_(material) {}
  SecretBytes take(std::size_t size) {
    CAPONIER_ASSERT(size <= rest_.size());
    SecretBytes piece{rest_.first(size)};
    rest_ = rest_.subspan(size);
    return piece;
  }

 private:
  Bytes rest_;
};

std::array<std::byte, 8> octets_of(base::IkeSpi spi) {
  std::array<std::byte, 8> octets{};
  base::store_be(octets.data(), spi.value);
  return octets;
}

SecretBytes joined(Bytes a, Bytes b) {
  SecretBytes out{a.size() + b.size()};
  base::copy_into(out.reveal_mutable(), a);
  base::copy_into(out.reveal_mutable().subspan(a.size()), b);
  return out;
}

policy::DirectionKeys take_direction(Pieces& keymat, const crypto::CipherSuite& cipher) {
  policy::DirectionKeys keys;
  keys.encr = keymat.take(crypto::encr_key_size(cipher));
  keys.integ = keymat.take(crypto::integ_key_size(cipher));
  return keys;
}

std::size_t material_size(const crypto::Prf& prf, const policy::IkeSuite& suite) {
  return 3 * prf.size() + 2 * crypto::integ_key_size(suite.cipher) +
         2 * crypto::encr_key_size(suite.cipher);
}

/// Ni | Nr; of the PRFs whose key is 128 bits, by tradition, half of it from each (s2.14).
SecretBytes skeyseed_key(crypto::PrfId prf, Bytes nonce_i, Bytes nonce_r) {
  constexpr std::size_t half = 8;
  const bool is_fixed = prf == crypto::PrfId::aes128_xcbc || prf == crypto::PrfId::aes128_cmac;
  if (!is_fixed || nonce_i.size() < half || nonce_r.size() < half) return joined(nonce_i, nonce_r);
  return joined(nonce_i.first(half), nonce_r.first(half));
}

/// prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr).
std::expected<SecretBytes, CryptoError> expand(const crypto::Prf& prf,
                                               const policy::IkeSuite& suite,
                                               const SecretBytes& skeyseed, Bytes nonce_i,
                                               Bytes nonce_r, base::IkeSpi spi_i,
                                               base::IkeSpi spi_r) {
  if (!crypto::is_valid(suite.cipher)) return std::unexpected{CryptoError::unsupported};
  if (skeyseed.empty()) return std::unexpected{CryptoError::backend_failure};
  const auto octets_i = octets_of(spi_i);
  const auto octets_r = octets_of(spi_r);
  const std::array<Bytes, 4> seed{nonce_i, nonce_r, octets_i, octets_r};
  return crypto::prf_plus(prf, skeyseed.reveal(), seed, material_size(prf, suite));
}

}  // namespace

std::expected<SecretBytes, CryptoError> derive_ike_key_material(const crypto::Prf& prf,
                                                                const policy::IkeSuite& suite,
                                                                Bytes shared_secret, Bytes nonce_i,
                                                                Bytes nonce_r, base::IkeSpi spi_i,
                                                                base::IkeSpi spi_r) {
  const SecretBytes nonces = skeyseed_key(suite.prf, nonce_i, nonce_r);
  const SecretBytes skeyseed = prf.compute(nonces.reveal(), std::array{shared_secret});
  if (skeyseed.size() != prf.size()) return std::unexpected{CryptoError::backend_failure};
  return expand(prf, suite, skeyseed, nonce_i, nonce_r, spi_i, spi_r);
}

std::optional<SecretBytes> derive_init_keys(const crypto::CryptoProvider& crypto,
                                            crypto::KeyExchange& ke, const policy::IkeSuite& suite,
                                            Bytes peer_public, const InitValues& init,
                                            std::string& why) {
  const auto fail = [&why](std::string_view what, CryptoError error) {
    why = fmt::format("{}: {}", what, crypto::name_of(error));
    return std::nullopt;
  };
  const auto secret = ke.derive(peer_public);
  if (!secret) {
    const crypto::KeInfo* const info = crypto::find(suite.ke);
    return fail(info == nullptr ? "an unknown group" : info->name, secret.error());
  }
  const auto prf = crypto.make_prf(suite.prf);
  if (!prf) return fail("PRF", prf.error());
  auto material = derive_ike_key_material(**prf, suite, secret->reveal(), init.nonce_i,
                                          init.nonce_r, init.spi_i, init.spi_r);
  if (!material) return fail("key derivation", material.error());
  return std::move(*material);
}

std::expected<SecretBytes, CryptoError> derive_resumed_key_material(
    const crypto::Prf& prf, const policy::IkeSuite& suite, const SecretBytes& old_sk_d,
    Bytes nonce_i, Bytes nonce_r, base::IkeSpi spi_i, base::IkeSpi spi_r) {
  const Bytes resumption = base::as_bytes("Resumption");
  const SecretBytes skeyseed =
      prf.compute(old_sk_d.reveal(), std::array{resumption, nonce_i, nonce_r});
  if (skeyseed.size() != prf.size()) return std::unexpected{CryptoError::backend_failure};
  return expand(prf, suite, skeyseed, nonce_i, nonce_r, spi_i, spi_r);
}

IkeKeys cut_ike_keys(const crypto::Prf& prf, const policy::IkeSuite& suite,
                     const SecretBytes& material) {
  IkeKeys keys;
  if (material.size() != material_size(prf, suite)) return keys;
  const std::size_t integ_size = crypto::integ_key_size(suite.cipher);
  const std::size_t encr_size = crypto::encr_key_size(suite.cipher);
  Pieces pieces{material.reveal()};
  keys.sk_d = pieces.take(prf.size());
  keys.sk_ai = pieces.take(integ_size);
  keys.sk_ar = pieces.take(integ_size);
  keys.sk_ei = pieces.take(encr_size);
  keys.sk_er = pieces.take(encr_size);
  keys.sk_pi = pieces.take(prf.size());
  keys.sk_pr = pieces.take(prf.size());
  return keys;
}

std::expected<IkeKeys, CryptoError> derive_ike_keys(const crypto::Prf& prf,
                                                    const policy::IkeSuite& suite,
                                                    Bytes shared_secret, Bytes nonce_i,
                                                    Bytes nonce_r, base::IkeSpi spi_i,
                                                    base::IkeSpi spi_r) {
  const SecretBytes material =
      TRY(derive_ike_key_material(prf, suite, shared_secret, nonce_i, nonce_r, spi_i, spi_r));
  return cut_ike_keys(prf, suite, material);
}

std::expected<IkeKeys, CryptoError> derive_rekeyed_ike_keys(
    const crypto::Prf& old_prf, const SecretBytes& old_sk_d, const crypto::Prf& prf,
    const policy::IkeSuite& suite, Bytes shared_secret, Bytes nonce_i, Bytes nonce_r,
    base::IkeSpi spi_i, base::IkeSpi spi_r) {
  const SecretBytes skeyseed =
      old_prf.compute(old_sk_d.reveal(), std::array{shared_secret, nonce_i, nonce_r});
  if (skeyseed.size() != old_prf.size()) return std::unexpected{CryptoError::backend_failure};
  const SecretBytes material = TRY(expand(prf, suite, skeyseed, nonce_i, nonce_r, spi_i, spi_r));
  return cut_ike_keys(prf, suite, material);
}

std::expected<ChildKeys, CryptoError> derive_child_keys(const crypto::Prf& prf,
                                                        const policy::ChildSuite& suite,
                                                        const SecretBytes& sk_d,
                                                        Bytes shared_secret, Bytes nonce_i,
                                                        Bytes nonce_r) {
  if (!crypto::is_valid(suite.cipher)) return std::unexpected{CryptoError::unsupported};
  const std::array<Bytes, 3> seed{shared_secret, nonce_i, nonce_r};
  const std::size_t size =
      2 * (crypto::encr_key_size(suite.cipher) + crypto::integ_key_size(suite.cipher));
  const SecretBytes material = TRY(crypto::prf_plus(prf, sk_d.reveal(), seed, size));
  //= rfc7296#2.17-1..2
  //= rfc7296#2.17-1..2
  Pieces keymat{material.reveal()};
  ChildKeys keys;
  keys.initiator_to_responder = take_direction(keymat, suite.cipher);
  keys.responder_to_initiator = take_direction(keymat, suite.cipher);
  return keys;
}

base::ByteVec signed_octets(const crypto::Prf& prf, Bytes init_message, Bytes other_nonce,
                            const SecretBytes& sk_p, const wire::IdPayload& id) {
  base::Writer id_body;
  id.encode(id_body);
  const SecretBytes maced_id = prf.compute(sk_p.reveal(), std::array{id_body.view()});
  if (maced_id.empty()) return {};
  base::ByteVec octets = base::to_vec(init_message);
  base::append(octets, other_nonce);
  base::append(octets, maced_id.reveal());
  return octets;
}

SecretBytes shared_key_auth(const crypto::Prf& prf, Bytes psk, Bytes octets) {
  const Bytes key_pad = base::as_bytes("Key Pad for IKEv2");
  const SecretBytes key = prf.compute(psk, std::array{key_pad});
  if (key.empty()) return {};
  return prf.compute(key.reveal(), std::array{octets});
}

}  // namespace caponier::ike
