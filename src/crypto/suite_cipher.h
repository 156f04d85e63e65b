#pragma once
// What every back end's PacketCipher shares: the suite's sizes, the checks before a packet is
// touched, and the associated data. For the back ends only.

#include <array>
#include <cstdint>
#include <expected>
#include <span>

#include "crypto/crypto.h"

namespace caponier::crypto {

/// Largest header | iv | text | esn_high of one job: the multi-buffer back end counts in 16 bits,
/// and no IP or IKE packet has more once its ICV is subtracted.
inline constexpr std::size_t protected_size_max = 65'534;

/// RFC 4106 s5 and RFC 7634 s2.1 with ESN: SPI | upper half | lower half of the sequence number.
using EsnAad = std::array<std::byte, 12>;

/// `unsupported` for a suite that is_valid() refuses, `bad_key_size` when a key does not fit it.
[[nodiscard]] std::expected<void, CryptoError> check_keys(const CipherSuite& suite, Bytes encr_key,
                                                          Bytes integ_key);

/// The AEAD's associated data: `header`, or with ESN twelve bytes built in `space`.
[[nodiscard]] Bytes associated_data(const PacketJob& job, EsnAad& space);

/// What stands behind the salt in a counter-mode nonce: the IV on the wire, or where that is
/// implicit the 64-bit sequence number (RFC 8750 s4), upper half zero without ESN.
using CounterIv = std::array<std::byte, 8>;
[[nodiscard]] CounterIv counter_iv(const PacketJob& job);

/// header | iv | text as one span.
[[nodiscard]] Bytes authenticated_text(const PacketJob& job);

inline constexpr std::size_t esp_header_size = 8;
inline constexpr std::size_t esn_high_size = 4;

/// Whether the parts lie one behind the other; empty ones may be anywhere.
[[nodiscard]] bool is_contiguous_without_empty(const PacketJob& job);
[[nodiscard]] inline bool is_contiguous(const PacketJob& job) {
  const bool plainly = job.header.data() + job.header.size() == job.iv.data() &&
                       job.iv.data() + job.iv.size() == job.text.data() &&
                       job.text.data() + job.text.size() == job.icv.data();
  return plainly || is_contiguous_without_empty(job);
}

/// A PacketCipher that takes its sizes from the registry.
class SuiteCipher : public PacketCipher {
 public:
  [[nodiscard]] std::size_t iv_size() const final { return iv_size_; }
  [[nodiscard]] std::size_t icv_size() const final { return icv_size_; }
  [[nodiscard]] std::size_t block_size() const final { return block_size_; }

 protected:
  /// `suite` is valid.
  explicit SuiteCipher(const CipherSuite& suite);
  /// Sizes fit the suite, the parts lie one behind the other, and ESN or an implicit IV comes with
  /// an ESP header. Without encryption, as in AH, more than that may stand before the text.
  [[nodiscard]] bool is_well_formed(const PacketJob& job) const {
    if (job.iv.size() != iv_size_ || job.icv.size() != icv_size_) return false;
    if (block_size_ > 1 && (job.text.empty() || job.text.size() % block_size_ != 0)) return false;
    if (job.header.size() != esp_header_size && (job.esn_high || implicit_iv_) &&
        (!longer_header_ || job.header.size() < esp_header_size)) {
      return false;
    }
    const std::size_t size = job.header.size() + job.iv.size() + job.text.size();
    if (longer_header_ && size == 0) return false;  // a MAC of nothing, which ipsec-mb refuses
    return size + esn_high_size <= protected_size_max && is_contiguous(job);
  }

 private:
  std::size_t iv_size_;
  std::size_t icv_size_;
  std::size_t block_size_;
  bool implicit_iv_;
  bool longer_header_;
};

/// Unpredictable IVs (RFC 3602 s3) without a call of the Rng for each packet.
class IvPool {
 public:
  explicit IvPool(base::Rng& rng) : rng_(rng) {}
  /// `out` is smaller than the pool.
  void take(MutBytes out);

 private:
  base::Rng& rng_;
  std::array<std::byte, 512> pool_{};
  std::size_t used_ = pool_.size();
};

}  // namespace caponier::crypto
