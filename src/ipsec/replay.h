#pragma once
// The anti-replay window (RFC 4303 s3.4.3) as a ring of bitmap words (RFC 6479), and the inference
// of extended sequence numbers (RFC 4303 appendix A2).

#include <cstdint>
#include <optional>
#include <vector>

namespace caponier::ipsec {

/// Sequence numbers are 64 bits wide throughout; without ESN the upper half is zero. Memory is
/// taken at construction only.
class ReplayWindow {
 public:
  static constexpr std::uint32_t packets_min = 32;
  static constexpr std::uint32_t packets_max = 65536;

  /// `packets` is brought into packets_min..packets_max; 0 switches the check off (the inference
  /// goes on).
  ReplayWindow(std::uint32_t packets, bool esn);

  /// The full number whose low half a packet carries; empty when no valid number has that half.
  [[nodiscard]] std::optional<std::uint64_t> infer(std::uint32_t low) const;
  /// Neither seen nor left of the window. For use before decryption; changes nothing.
  [[nodiscard]] bool is_acceptable(std::uint64_t sequence) const;
  /// Marks an authenticated packet as seen. False, and nothing changed, when it is no longer
  /// acceptable: another packet of the same batch came first.
  [[nodiscard]] bool accept(std::uint64_t sequence);

  /// The highest number accepted so far; 0 before the first.
  [[nodiscard]] std::uint64_t highest() const { return highest_; }
  /// Packets; 0 when the check is off.
  [[nodiscard]] std::uint32_t size() const { return size_; }

 private:
  [[nodiscard]] std::size_t word_of(std::uint64_t sequence) const {
    return static_cast<std::size_t>(sequence / word_bits) & (words_.size() - 1);
  }
  void advance(std::uint64_t sequence);

  static constexpr std::uint64_t word_bits = 64;
  std::uint32_t size_;
  bool esn_;
  std::uint64_t highest_ = 0;
  std::vector<std::uint64_t> words_;  ///< a power of two, at least one word more than the window
};

}  // namespace caponier::ipsec
