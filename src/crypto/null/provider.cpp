#include "crypto/null/provider.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "crypto/suite_cipher.h"

namespace caponier::crypto {

namespace {

/// A 128-bit non-cryptographic hash of a byte stream, expanded to any size. Only the concatenation
/// of what is absorbed counts.
class Mixer {
 public:
  void absorb(Bytes bytes) {
    for (const std::byte byte : bytes) {
      word_ = (word_ << 8) | std::to_integer<std::uint64_t>(byte);
      if (++size_ % 8 == 0) absorb_word();
    }
  }
  void absorb(std::uint64_t number) {
    std::array<std::byte, 8> raw{};
    base::store_be(raw.data(), number);
    absorb(raw);
  }

  void squeeze(MutBytes out) {
    absorb_word();  // the incomplete word, zero or not; the size below tells them apart
    word_ = size_;
    absorb_word();
    for (std::size_t at = 0; at < out.size(); at += 8) {
      low_ += 0x9e3779b97f4a7c15U;
      std::array<std::byte, 8> raw{};
      base::store_be(raw.data(), mixed(low_) ^ mixed(high_ + low_));
      const std::size_t take = std::min<std::size_t>(8, out.size() - at);
      base::copy_into(out.subspan(at, take), Bytes{raw}.first(take));
    }
  }

 private:
  static std::uint64_t mixed(std::uint64_t x) {  // the finaliser of splitmix64
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
  }
  void absorb_word() {
    low_ = mixed(low_ ^ word_) + 0x9e3779b97f4a7c15U;
    high_ = mixed(high_ + low_ * 0xd6e8feb86659fd93U) ^ word_;
    word_ = 0;
  }

  std::uint64_t low_ = 0x243f6a8885a308d3U;
  std::uint64_t high_ = 0x13198a2e03707344U;
  std::uint64_t word_ = 0;
  std::uint64_t size_ = 0;
};

class NullCipher final : public SuiteCipher {
 public:
  NullCipher(const CipherSuite& suite, Bytes encr_key, Bytes integ_key, base::Rng& rng,
             SealObserver* observer)
      : SuiteCipher(suite),
        random_iv_(block_size() > 1),
        implicit_iv_(has_implicit_iv(suite.encr)),
        encr_key_(encr_key),
        integ_key_(integ_key),
        ivs_(rng),
        observer_(observer) {}

  void seal(std::span<PacketJob> jobs) override {
    for (PacketJob& job : jobs) {
      job.ok = is_well_formed(job);
      if (!job.ok) continue;
      if (random_iv_) ivs_.take(job.iv);
      if (!random_iv_ && !job.iv.empty()) base::store_be(job.iv.data(), job.iv_counter);
      hash(job, job.icv);
      if (observer_ != nullptr && implicit_iv_) {
        observer_->on_seal(encr_key_.reveal(), counter_iv(job), job.header);
      } else if (observer_ != nullptr && !job.iv.empty()) {
        observer_->on_seal(observed_key(), job.iv, job.header);
      }
    }
  }

  void open(std::span<PacketJob> jobs) override {
    for (PacketJob& job : jobs) {
      job.ok = is_well_formed(job);
      if (!job.ok) continue;
      std::array<std::byte, 64> expected{};
      const MutBytes icv = MutBytes{expected}.first(icv_size());
      hash(job, icv);
      job.ok = base::equal(icv, job.icv);
    }
  }

 private:
  /// GMAC in AH has no other.
  [[nodiscard]] Bytes observed_key() const {
    return encr_key_.empty() ? integ_key_.reveal() : encr_key_.reveal();
  }

  void hash(const PacketJob& job, MutBytes out) const {
    Mixer mixer;
    mixer.absorb(encr_key_.reveal());
    mixer.absorb(integ_key_.reveal());
    mixer.absorb(job.header.size());
    mixer.absorb(authenticated_text(job));
    mixer.absorb(job.esn_high ? std::uint64_t{*job.esn_high} + 1 : 0);
    mixer.squeeze(out);
  }

  bool random_iv_;
  bool implicit_iv_;
  SecretBytes encr_key_;
  SecretBytes integ_key_;
  IvPool ivs_;
  SealObserver* observer_;
};

class NullPrf final : public Prf {
 public:
  explicit NullPrf(const PrfInfo& info) : info_(info) {}
  [[nodiscard]] std::size_t size() const override { return info_.size; }
  [[nodiscard]] SecretBytes compute(Bytes key, std::span<const Bytes> parts) const override {
    Mixer mixer;
    mixer.absorb(static_cast<std::uint64_t>(info_.id));
    mixer.absorb(key.size());
    mixer.absorb(key);
    for (const Bytes part : parts) mixer.absorb(part);
    SecretBytes out{info_.size};
    mixer.squeeze(out.reveal_mutable());
    return out;
  }

 private:
  const PrfInfo& info_;
};

class NullKeyExchange final : public KeyExchange {
 public:
  NullKeyExchange(const KeInfo& info, base::Rng& rng) : info_(info), public_(info.public_size) {
    rng.fill_secret(public_);
  }
  [[nodiscard]] KeGroup group() const override { return info_.id; }
  [[nodiscard]] Bytes public_value() const override { return public_; }

  [[nodiscard]] std::expected<SecretBytes, CryptoError> derive(Bytes peer_public) override {
    if (peer_public.size() != public_.size()) {
      return std::unexpected{CryptoError::bad_public_value};
    }
    if (std::ranges::count(peer_public, std::byte{0}) == std::ssize(peer_public)) {
      return std::unexpected{CryptoError::weak_result};
    }
    const bool ours_first = std::ranges::lexicographical_compare(public_, peer_public);
    Mixer mixer;
    mixer.absorb(static_cast<std::uint64_t>(info_.id));
    mixer.absorb(ours_first ? Bytes{public_} : peer_public);
    mixer.absorb(ours_first ? peer_public : Bytes{public_});
    SecretBytes shared{shared_size()};
    mixer.squeeze(shared.reveal_mutable());
    return shared;
  }

 private:
  [[nodiscard]] std::size_t shared_size() const {
    switch (info_.id) {
      case KeGroup::ecp_256:
      case KeGroup::ecp_384:
      case KeGroup::ecp_521:
      case KeGroup::brainpool_224:
      case KeGroup::brainpool_256:
      case KeGroup::brainpool_384:
      case KeGroup::brainpool_512: return info_.public_size / 2;
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
    return info_.public_size;
  }

  const KeInfo& info_;
  ByteVec public_;
};

}  // namespace

std::expected<std::unique_ptr<PacketCipher>, CryptoError> NullProvider::make_cipher(
    const CipherSuite& suite, Bytes encr_key, Bytes integ_key, base::Rng& rng) const {
  TRY_VOID(check_keys(suite, encr_key, integ_key));
  return std::make_unique<NullCipher>(suite, encr_key, integ_key, rng, observer_);
}

std::expected<std::unique_ptr<Prf>, CryptoError> NullProvider::make_prf(PrfId prf) const {
  const PrfInfo* info = find(prf);
  if (info == nullptr) return std::unexpected{CryptoError::unsupported};
  return std::make_unique<NullPrf>(*info);
}

std::expected<std::unique_ptr<KeyExchange>, CryptoError> NullProvider::make_key_exchange(
    KeGroup group, base::Rng& rng) const {
  const KeInfo* info = find(group);
  if (info == nullptr) return std::unexpected{CryptoError::unsupported};
  return std::make_unique<NullKeyExchange>(*info, rng);
}

ByteVec NullProvider::nat_hash(std::span<const Bytes> parts) const {
  Mixer mixer;
  for (const Bytes part : parts) mixer.absorb(part);
  ByteVec out(nat_hash_size());
  mixer.squeeze(out);
  return out;
}

}  // namespace caponier::crypto
