#include "ipsec/replay.h"

#include <algorithm>
#include <bit>

namespace caponier::ipsec {

namespace {

/// Without a window the inference assumes the nearest number.
constexpr std::uint64_t inference_window_without_check = std::uint64_t{1} << 31;

std::uint32_t clamp_size(std::uint32_t packets) {
  if (packets == 0) return 0;
  return std::clamp(packets, ReplayWindow::packets_min, ReplayWindow::packets_max);
}

}  // namespace

ReplayWindow::ReplayWindow(std::uint32_t packets, bool esn)
    : size_(clamp_size(packets)), esn_(esn) {
  // A window that does not begin at a word boundary touches one word more than it fills.
  if (size_ > 0) words_.resize(std::bit_ceil((size_ + word_bits - 2) / word_bits + 1));
}

std::optional<std::uint64_t> ReplayWindow::infer(std::uint32_t low) const {
  if (!esn_) return low;
  const std::uint64_t window = size_ > 0 ? size_ : inference_window_without_check;
  const std::uint32_t top_low = static_cast<std::uint32_t>(highest_);
  const std::uint32_t top_high = static_cast<std::uint32_t>(highest_ >> 32);
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
  if (sequence > highest_) return true;
  if (highest_ - sequence >= size_) return false;
  return ((words_[word_of(sequence)] >> (sequence % word_bits)) & 1) == 0;
}

bool ReplayWindow::accept(std::uint64_t sequence) {
  if (!is_acceptable(sequence)) return false;
  if (sequence > highest_) advance(sequence);
  if (size_ > 0) words_[word_of(sequence)] |= std::uint64_t{1} << (sequence % word_bits);
  return true;
}

void ReplayWindow::advance(std::uint64_t sequence) {
  if (size_ > 0) {
    const std::uint64_t from = highest_ / word_bits;
    const std::uint64_t count = std::min<std::uint64_t>(sequence / word_bits - from, words_.size());
    // Only the last words.size() words can matter, so a long jump clears each exactly once.
    for (std::uint64_t i = 0; i < count; ++i) {
      words_[static_cast<std::size_t>(sequence / word_bits - i) & (words_.size() - 1)] = 0;
    }
  }
  highest_ = sequence;
}

}  // namespace caponier::ipsec
