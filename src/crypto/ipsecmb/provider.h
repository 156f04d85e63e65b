#pragma once
// Packet ciphers on Intel's ipsec-mb (amd64): all but 3DES and AES-CCM with 192-bit keys. Key
// exchange, PRF, hashes and those suites go to the provider it wraps.

#include <string>

#include "crypto/crypto.h"

namespace caponier::crypto {

/// Stateless itself; each thread that uses one of its ciphers keeps one multi-buffer manager of
/// about 220 KB until it ends.
class IpsecMbProvider final : public CryptoProvider {
 public:
  /// `fallback` must outlive this object.
  explicit IpsecMbProvider(const CryptoProvider& fallback) : fallback_(fallback) {}

  [[nodiscard]] std::string_view name() const override { return "ipsec-mb"; }
  /// With its version and the instructions it uses.
  [[nodiscard]] static std::string description();
  /// True where this back end itself, not the fallback, protects packets of `suite`.
  [[nodiscard]] static bool accelerates(const CipherSuite& suite);

  [[nodiscard]] bool supports(const CipherSuite& suite) const override;
  [[nodiscard]] bool supports(PrfId prf) const override { return fallback_.supports(prf); }
  [[nodiscard]] bool supports(KeGroup group) const override { return fallback_.supports(group); }

  [[nodiscard]] std::expected<std::unique_ptr<PacketCipher>, CryptoError> make_cipher(
      const CipherSuite& suite, Bytes encr_key, Bytes integ_key, base::Rng& rng) const override;
  [[nodiscard]] std::expected<std::unique_ptr<Prf>, CryptoError> make_prf(
      PrfId prf) const override {
    return fallback_.make_prf(prf);
  }
  [[nodiscard]] std::expected<std::unique_ptr<KeyExchange>, CryptoError> make_key_exchange(
      KeGroup group, base::Rng& rng) const override {
    return fallback_.make_key_exchange(group, rng);
  }
  [[nodiscard]] ByteVec nat_hash(std::span<const Bytes> parts) const override {
    return fallback_.nat_hash(parts);
  }
  void finish() const override;

 private:
  const CryptoProvider& fallback_;
};

}  // namespace caponier::crypto
