#pragma once
// The null provider made visible: text is scrambled, so that clear text on the network is found by
// looking for it, and every seal is watched for a repeated (key, IV).

#include <functional>
#include <string>
#include <unordered_set>

#include "crypto/null/provider.h"

namespace caponier::sim {

/// Counts (key, IV) pairs that were used twice.
class IvChecker final : public crypto::SealObserver {
 public:
  explicit IvChecker(std::function<void(std::string)> report) : report_(std::move(report)) {}
  void on_seal(base::Bytes encr_key, base::Bytes iv, base::Bytes header) override;
  [[nodiscard]] std::size_t seals() const { return seen_.size(); }

 private:
  std::function<void(std::string)> report_;
  std::unordered_set<std::string> seen_;
};

/// What a canary may break.
struct ProviderFaults {
  bool repeats_iv = false;
  bool leaves_text_clear = false;
  bool hides_auth = false;  ///< from the keyholder's twin
};

class SimProvider final : public crypto::CryptoProvider {
 public:
  /// Both must outlive the provider.
  SimProvider(crypto::SealObserver& observer, const ProviderFaults& faults)
      : null_(&observer), faults_(&faults) {}

  [[nodiscard]] std::string_view name() const override { return "simulation"; }
  [[nodiscard]] bool supports(const crypto::CipherSuite& suite) const override {
    return null_.supports(suite);
  }
  [[nodiscard]] bool supports(crypto::PrfId prf) const override { return null_.supports(prf); }
  [[nodiscard]] bool supports(crypto::KeGroup group) const override {
    return null_.supports(group);
  }
  [[nodiscard]] std::expected<std::unique_ptr<crypto::PacketCipher>, crypto::CryptoError>
  make_cipher(const crypto::CipherSuite& suite, base::Bytes encr_key, base::Bytes integ_key,
              base::Rng& rng) const override;
  [[nodiscard]] std::expected<std::unique_ptr<crypto::Prf>, crypto::CryptoError> make_prf(
      crypto::PrfId prf) const override {
    return null_.make_prf(prf);
  }
  [[nodiscard]] std::expected<std::unique_ptr<crypto::KeyExchange>, crypto::CryptoError>
  make_key_exchange(crypto::KeGroup group, base::Rng& rng) const override {
    return null_.make_key_exchange(group, rng);
  }
  [[nodiscard]] base::ByteVec nat_hash(std::span<const base::Bytes> parts) const override {
    return null_.nat_hash(parts);
  }

 private:
  crypto::NullProvider null_;
  const ProviderFaults* faults_;
};

}  // namespace caponier::sim
