#pragma once
// Key material: wiped when it dies or moves, seen only through reveal(), never printed or compared
// with ==.

#include <array>
#include <cstddef>

#include "base/bytes.h"

namespace caponier::base {

/// Overwrites memory in a way the optimiser may not remove.
void wipe(MutBytes memory) noexcept;

/// Equality whose duration depends on the sizes alone.
[[nodiscard]] bool equal_constant_time(Bytes a, Bytes b) noexcept;

/// Key material of a size known at run time.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size) : bytes_(size) {}
  /// Copies `material`; the caller wipes its own.
  explicit SecretBytes(Bytes material) : bytes_(material.begin(), material.end()) {}
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { wipe(bytes_); }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  /// The one door to the bytes, valid while this object lives.
  [[nodiscard]] Bytes reveal() const { return bytes_; }
  [[nodiscard]] MutBytes reveal_mutable() { return bytes_; }
  /// An explicit second copy.
  [[nodiscard]] SecretBytes duplicate() const { return SecretBytes{reveal()}; }

 private:
  ByteVec bytes_;
};

/// Key material of a fixed size, without a heap allocation.
template <std::size_t N>
class Secret {
 public:
  Secret() = default;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      wipe(other.bytes_);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(bytes_); }

  [[nodiscard]] std::span<const std::byte, N> reveal() const { return bytes_; }
  [[nodiscard]] std::span<std::byte, N> reveal_mutable() { return bytes_; }

 private:
  std::array<std::byte, N> bytes_{};
};

}  // namespace caponier::base
