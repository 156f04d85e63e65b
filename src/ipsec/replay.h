#pragma once
// The anti-replay window (RFC 4303 s3.4.3), and the inference of extended sequence numbers (RFC
// 4303 appendix A2).
//
// The window is a ring of words; a word holds 32 sequence numbers and says which 32 these are, so
// that nothing is cleared when the window moves, and several threads can use it without a lock.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

namespace caponier::ipsec {

/// Sequence numbers are 64 bits wide throughout; without ESN the upper half is zero.
class ReplayWindow {
 public:
  static constexpr std::uint32_t packets_min = 32;
  static constexpr std::uint32_t packets_max = 65536;

  /// `packets` is brought into packets_min..packets_max; 0 switches the check off (the inference
  /// goes on). `shared`: several threads use it at once; its memory is then taken now, otherwise
  /// with the first packet.
  ReplayWindow(std::uint32_t packets, bool esn, bool shared = false);

  /// The full number whose low half a packet carries; empty when no valid number has that half.
  [[nodiscard]] std::optional<std::uint64_t> infer(std::uint32_t low) const;
  /// Neither seen nor left of the window. For use before decryption; changes nothing.
  [[nodiscard]] bool is_acceptable(std::uint64_t sequence) const;
  /// Marks an authenticated packet as seen. False, and nothing changed, when it is no longer
  /// acceptable: another packet of the same batch, or in another thread, came first.
  [[nodiscard]] bool accept(std::uint64_t sequence);

  /// The highest number accepted so far; 0 before the first.
  [[nodiscard]] std::uint64_t highest() const { return highest_.load(std::memory_order_relaxed); }
  /// Packets; 0 when the check is off.
  [[nodiscard]] std::uint32_t size() const { return size_; }
  /// What accept() will touch next if packets come in order; null as long as there is nothing.
  [[nodiscard]] const void* next_word() const {
    return words_ == nullptr ? nullptr : &words_[(highest() / word_packets) & mask_];
  }

 private:
  /// Upper half: the lower half of sequence / 32. Lower half: a bit for each of these numbers.
  using Word = std::uint64_t;
  static constexpr std::uint64_t word_packets = 32;

  [[nodiscard]] bool is_left(std::uint64_t sequence, std::uint64_t highest) const {
    return sequence <= highest && highest - sequence >= size_;
  }
  [[nodiscard]] std::atomic<Word>& word_of(std::uint64_t block) const {
    return words_[block & mask_];
  }
  void allocate() { words_ = std::make_unique<std::atomic<Word>[]>(mask_ + 1); }
  /// Replaces `expected`; false, and `expected` renewed, when another thread was faster.
  [[nodiscard]] bool replace(std::atomic<Word>& word, Word& expected, Word desired);
  void forget_before(std::uint64_t block);
  void raise(std::uint64_t sequence);

  std::uint32_t size_;
  bool esn_;
  bool shared_;
  std::uint64_t mask_ = 0;
  std::atomic<std::uint64_t> highest_ = 0;
  /// A power of two of words, at least one more than the window fills: one that does not begin with
  /// a word ends with a part of one more. Null before the first packet.
  std::unique_ptr<std::atomic<Word>[]> words_;
};

}  // namespace caponier::ipsec
