#include "ipsec/replay.h"

#include <algorithm>
#include <bit>

namespace caponier::ipsec {

namespace {

std::uint32_t clamp_size(std::uint32_t packets) {
  if (packets == 0) return 0;
  //= rfc4303#3.4.3-10 rfc4302#3.4.3-9
  return std::clamp(packets, ReplayWindow::packets_min, ReplayWindow::packets_max);
}

}  // namespace

ReplayWindow::ReplayWindow(std::uint32_t packets, bool esn, bool shared)
    : size_(clamp_size(packets)), esn_(esn), shared_(shared) {
  if (size_ == 0) return;
  mask_ = std::bit_ceil((size_ + word_packets - 2) / word_packets + 1) - 1;
  if (shared_) allocate();
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

}  // namespace caponier::ipsec
