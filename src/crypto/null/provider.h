#pragma once
// NO SECURITY AT ALL. Stands in for cryptography in simulation and fuzzing: everything has its real
// size and fails where real cryptography fails by accident, but anyone can compute it. Link it into
// tests only.

#include "crypto/crypto.h"

namespace caponier::crypto {

/// Sees every sealed packet, so that a test can prove that no (key, IV) pair repeats.
class SealObserver {
 public:
  virtual ~SealObserver() = default;
  /// `encr_key` with its salt; not called for ENCR_NULL, which has no IV.
  virtual void on_seal(Bytes encr_key, Bytes iv, Bytes header) = 0;
};

/// Every algorithm of the registry. Text stays in clear; the ICV is a keyed hash of what the real
/// suite authenticates; both sides of a key exchange get a hash of the two public values, and an
/// all-zero public value is `weak_result`.
class NullProvider final : public CryptoProvider {
 public:
  /// `observer` may be null; otherwise it must outlive the ciphers.
  explicit NullProvider(SealObserver* observer) : observer_(observer) {}

  [[nodiscard]] std::string_view name() const override { return "null"; }
  [[nodiscard]] bool supports(const CipherSuite& suite) const override { return is_valid(suite); }
  [[nodiscard]] bool supports(PrfId prf) const override { return find(prf) != nullptr; }
  [[nodiscard]] bool supports(KeGroup group) const override { return find(group) != nullptr; }

  [[nodiscard]] std::expected<std::unique_ptr<PacketCipher>, CryptoError> make_cipher(
      const CipherSuite& suite, Bytes encr_key, Bytes integ_key, base::Rng& rng) const override;
  [[nodiscard]] std::expected<std::unique_ptr<Prf>, CryptoError> make_prf(PrfId prf) const override;
  [[nodiscard]] std::expected<std::unique_ptr<KeyExchange>, CryptoError> make_key_exchange(
      KeGroup group, base::Rng& rng) const override;
  [[nodiscard]] ByteVec nat_hash(std::span<const Bytes> parts) const override;

 private:
  SealObserver* observer_;
};

}  // namespace caponier::crypto
