#pragma once
// Every algorithm of the registry on OpenSSL 3.0. Stateless: one object serves all threads.

#include <string>

#include "crypto/crypto.h"

namespace caponier::crypto {

class OpensslProvider final : public CryptoProvider {
 public:
  [[nodiscard]] std::string_view name() const override { return "openssl"; }
  /// With its version.
  [[nodiscard]] static std::string description();

  [[nodiscard]] bool supports(const CipherSuite& suite) const override;
  [[nodiscard]] bool supports(PrfId prf) const override;
  [[nodiscard]] bool supports(KeGroup group) const override;

  [[nodiscard]] std::expected<std::unique_ptr<PacketCipher>, CryptoError> make_cipher(
      const CipherSuite& suite, Bytes encr_key, Bytes integ_key, base::Rng& rng) const override;
  [[nodiscard]] std::expected<std::unique_ptr<Prf>, CryptoError> make_prf(PrfId prf) const override;
  /// The private value is drawn big-endian: 32 raw bytes for Curve25519 (RFC 7748 s5), a scalar in
  /// [1, n-1] by rejection for ECP, an exponent of the size RFC 3526 s8 gives for MODP whose top
  /// bit is then set.
  [[nodiscard]] std::expected<std::unique_ptr<KeyExchange>, CryptoError> make_key_exchange(
      KeGroup group, base::Rng& rng) const override;
  [[nodiscard]] ByteVec nat_hash(std::span<const Bytes> parts) const override;
};

}  // namespace caponier::crypto
