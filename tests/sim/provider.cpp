#include "sim/provider.h"

#include "base/error.h"
#include "wire/esp.h"

namespace caponier::sim {
namespace {

constexpr std::byte mask{0xa5};

void scramble(base::MutBytes text) {
  for (std::byte& byte : text) byte ^= mask;
}

class ScramblingCipher final : public crypto::PacketCipher {
 public:
  ScramblingCipher(std::unique_ptr<crypto::PacketCipher> inner, crypto::EncrId encr,
                   const ProviderFaults& faults)
      : inner_(std::move(inner)), encr_(encr), faults_(&faults) {}

  [[nodiscard]] std::size_t iv_size() const override { return inner_->iv_size(); }
  [[nodiscard]] std::size_t icv_size() const override { return inner_->icv_size(); }
  [[nodiscard]] std::size_t block_size() const override { return inner_->block_size(); }

  void seal(std::span<crypto::PacketJob> jobs) override {
    for (crypto::PacketJob& job : jobs) {
      if (hides(job)) scramble(job.text);
      if (faults_->repeats_iv) job.iv_counter = 7;
    }
    inner_->seal(jobs);
  }
  void open(std::span<crypto::PacketJob> jobs) override {
    inner_->open(jobs);
    for (crypto::PacketJob& job : jobs) {
      if (hides(job)) scramble(job.text);
    }
  }

 private:
  /// ESP in any case, as if NULL hid something; but not AH, with its IP header.
  [[nodiscard]] bool hides(const crypto::PacketJob& job) const {
    const bool is_ah = encr_ == crypto::EncrId::null && job.header.size() > wire::esp_header_size;
    return !faults_->leaves_text_clear && !is_ah;
  }

  std::unique_ptr<crypto::PacketCipher> inner_;
  crypto::EncrId encr_;
  const ProviderFaults* faults_;
};

}  // namespace

void IvChecker::on_seal(base::Bytes encr_key, base::Bytes iv, base::Bytes) {
  std::string pair{base::as_text(encr_key)};
  pair += base::as_text(iv);
  if (!seen_.insert(std::move(pair)).second) {
    report_("an IV was used twice with one key: " + base::to_hex(iv));
  }
}

std::expected<std::unique_ptr<crypto::PacketCipher>, crypto::CryptoError> SimProvider::make_cipher(
    const crypto::CipherSuite& suite, base::Bytes encr_key, base::Bytes integ_key,
    base::Rng& rng) const {
  auto inner = TRY(null_.make_cipher(suite, encr_key, integ_key, rng));
  return std::make_unique<ScramblingCipher>(std::move(inner), suite.encr, *faults_);
}

}  // namespace caponier::sim
