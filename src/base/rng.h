#pragma once
// Randomness as an interface. Bytes that appear on the wire never share a stream with secrets.

#include <cstdint>

#include "base/bytes.h"

namespace caponier::base {

class Rng {
 public:
  virtual ~Rng() = default;
  /// For SPIs, nonces, IVs, jitter: values a peer or an observer may see.
  virtual void fill_public(MutBytes out) = 0;
  /// For private keys and secrets.
  virtual void fill_secret(MutBytes out) = 0;

  [[nodiscard]] std::uint32_t public_u32();
  [[nodiscard]] std::uint64_t public_u64();
  /// Uniform in [0, bound); bound > 0.
  [[nodiscard]] std::uint64_t public_below(std::uint64_t bound);
};

/// Reproducible from a seed. For tests and simulation only: it is not a cryptographic generator.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : public_state_(seed), secret_state_(~seed) {}
  void fill_public(MutBytes out) override { fill(out, public_state_); }
  void fill_secret(MutBytes out) override { fill(out, secret_state_); }

 private:
  static void fill(MutBytes out, std::uint64_t& state);
  std::uint64_t public_state_;
  std::uint64_t secret_state_;
};

}  // namespace caponier::base
