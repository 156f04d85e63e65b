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
  [[nodiscard]] bool is_shared() const { return shared_; }
  /// Brings what accept() touches into the cache.
  [[gnu::always_inline]] void prefetch(std::uint64_t sequence) const {
    if (words_ != nullptr) __builtin_prefetch(&word_of(sequence / word_packets));
  }

 private:
  /// Upper half: the lower half of sequence / 32. Lower half: a bit for each of these numbers.
  using Word = std::uint64_t;
  static constexpr std::uint64_t word_packets = 32;

  /// Without a window the inference assumes the nearest number.
  static constexpr std::uint64_t inference_window_without_check = std::uint64_t{1} << 31;
  /// A word tells blocks apart that are less than 2^31 from each other. The window forgets all that
  /// is older whenever it moves by more than this at once, so none gets that old unnoticed.
  static constexpr std::uint64_t far_blocks = std::uint64_t{1} << 20;

  static constexpr Word make_word(std::uint64_t block, std::uint64_t bits) {
    return block << 32 | bits;
  }
  /// How far the block of a word lies ahead of `block`, negative if behind.
  static std::int32_t blocks_ahead(Word word, std::uint64_t block) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(word >> 32) -
                                     static_cast<std::uint32_t>(block));
  }
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

// Three calls for every packet, here so that they need be none.

inline std::optional<std::uint64_t> ReplayWindow::infer(std::uint32_t low) const {
  if (!esn_) return low;
  const std::uint64_t window = size_ > 0 ? size_ : inference_window_without_check;
  const std::uint64_t top = highest();
  const std::uint32_t top_low = static_cast<std::uint32_t>(top);
  const std::uint32_t top_high = static_cast<std::uint32_t>(top >> 32);
  const std::uint32_t left_edge = top_low - static_cast<std::uint32_t>(window - 1);
  std::uint32_t high = top_high;
  if (top_low >= window - 1) {  // case A: the window lies within one value of the upper half
    if (low < left_edge) {
      if (top_high == UINT32_MAX) return std::nullopt;
      ++high;
    }
  } else if (low >= left_edge) {  // case B: the window reaches back into the previous one
    if (top_high == 0) return std::nullopt;
    --high;
  }
  return (std::uint64_t{high} << 32) | low;
}

inline bool ReplayWindow::is_acceptable(std::uint64_t sequence) const {
  if (size_ == 0) return true;
  if (sequence == 0) return false;  // the first number sent is 1 (RFC 4303 s3.3.3)
  const std::uint64_t top = highest();
  if (sequence > top) return true;
  if (is_left(sequence, top)) return false;
  const std::uint64_t block = sequence / word_packets;
  const Word word = word_of(block).load(std::memory_order_relaxed);
  const std::int32_t ahead = blocks_ahead(word, block);
  return ahead < 0 || (ahead == 0 && ((word >> (sequence % word_packets)) & 1) == 0);
}

// However threads interleave, no number is accepted twice: it is when its bit is set in a word of
// its own block, and a word never goes back to an earlier block.
inline bool ReplayWindow::accept(std::uint64_t sequence) {
  if (size_ == 0) {
    raise(sequence);
    return true;
  }
  const std::uint64_t top = highest();
  const std::uint64_t block = sequence / word_packets;
  if (sequence > top) {
    if (words_ == nullptr) allocate();
    if (block > top / word_packets + far_blocks) forget_before(block);
  } else if (sequence == 0 || is_left(sequence, top)) {
    return false;
  }
  const Word bit = Word{1} << (sequence % word_packets);
  std::atomic<Word>& word = word_of(block);
  Word known = word.load(std::memory_order_relaxed);
  Word marked = 0;
  do {
    const std::int32_t ahead = blocks_ahead(known, block);
    if (ahead > 0) return false;  // another thread has moved the window on
    const Word bits = ahead == 0 ? known & UINT32_MAX : 0;
    if ((bits & bit) != 0) return false;
    marked = make_word(block, bits | bit);
  } while (!replace(word, known, marked));
  raise(sequence);
  return true;
}

inline bool ReplayWindow::replace(std::atomic<Word>& word, Word& expected, Word desired) {
  if (shared_) return word.compare_exchange_weak(expected, desired, std::memory_order_relaxed);
  word.store(desired, std::memory_order_relaxed);
  return true;
}

inline void ReplayWindow::raise(std::uint64_t sequence) {
  std::uint64_t known = highest();
  if (!shared_) {
    if (sequence > known) highest_.store(sequence, std::memory_order_relaxed);
    return;
  }
  while (sequence > known &&
         !highest_.compare_exchange_weak(known, sequence, std::memory_order_relaxed)) {
  }
}

}  // namespace caponier::ipsec
