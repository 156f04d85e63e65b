#include "ipsec/replay.h"

#include <algorithm>
#include <bit>

namespace caponier::ipsec {

namespace {

/// Without a window the inference assumes the nearest number.
constexpr std::uint64_t inference_window_without_check = std::uint64_t{1} << 31;

/// A word tells blocks apart that are less than 2^31 from each other. The window forgets all that
/// is older whenever it moves by more than this at once, so none gets that old unnoticed.
constexpr std::uint64_t far_blocks = std::uint64_t{1} << 20;

std::uint32_t clamp_size(std::uint32_t packets) {
  if (packets == 0) return 0;
  //= rfc4303#3.4.3-10 rfc4302#3.4.3-9
  return std::clamp(packets, ReplayWindow::packets_min, ReplayWindow::packets_max);
}

constexpr std::uint64_t make_word(std::uint64_t block, std::uint64_t bits) {
  return block << 32 | bits;
}

/// How far the block of a word lies ahead of `block`, negative if behind.
std::int32_t blocks_ahead(std::uint64_t word, std::uint64_t block) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(word >> 32) -
                                   static_cast<std::uint32_t>(block));
}

}  // namespace

ReplayWindow::ReplayWindow(std::uint32_t packets, bool esn, bool shared)
    : size_(clamp_size(packets)), esn_(esn), shared_(shared) {
  if (size_ == 0) return;
  mask_ = std::bit_ceil((size_ + word_packets - 2) / word_packets + 1) - 1;
  if (shared_) allocate();
}

std::optional<std::uint64_t> ReplayWindow::infer(std::uint32_t low) const {
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

bool ReplayWindow::is_acceptable(std::uint64_t sequence) const {
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
bool ReplayWindow::accept(std::uint64_t sequence) {
  if (size_ == 0) {
    raise(sequence);
    return true;
  }
  const std::uint64_t top = highest();
  if (sequence == 0 || is_left(sequence, top)) return false;
  if (words_ == nullptr) allocate();
  const std::uint64_t block = sequence / word_packets;
  if (block > top / word_packets + far_blocks) forget_before(block);
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

bool ReplayWindow::replace(std::atomic<Word>& word, Word& expected, Word desired) {
  if (shared_) return word.compare_exchange_weak(expected, desired, std::memory_order_relaxed);
  word.store(desired, std::memory_order_relaxed);
  return true;
}

/// Every word gets the newest block up to `block` that it may have, unless it has that already, or
/// a newer one from another thread.
void ReplayWindow::forget_before(std::uint64_t block) {
  for (std::uint64_t back = 0; back <= mask_; ++back) {
    std::atomic<Word>& word = word_of(block - back);
    Word known = word.load(std::memory_order_relaxed);
    std::int32_t ahead = 0;
    do {
      ahead = blocks_ahead(known, block - back);
    } while (ahead != 0 && !(shared_ && ahead > 0) &&
             !replace(word, known, make_word(block - back, 0)));
  }
}

void ReplayWindow::raise(std::uint64_t sequence) {
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
