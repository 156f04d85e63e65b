#include "ipsec/replay.h"

#include <set>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace caponier::ipsec {
namespace {

/// The specification as plainly as it can be said.
class Model {
 public:
  explicit Model(std::uint64_t window) : window_(window) {}
  [[nodiscard]] bool accept(std::uint64_t sequence) {
    if (sequence == 0 || (sequence <= highest_ && highest_ - sequence >= window_)) return false;
    if (!seen_.insert(sequence).second) return false;
    highest_ = std::max(highest_, sequence);
    while (highest_ - *seen_.begin() >= window_) seen_.erase(seen_.begin());
    return true;
  }
  [[nodiscard]] std::uint64_t highest() const { return highest_; }

 private:
  std::uint64_t window_;
  std::uint64_t highest_ = 0;
  std::set<std::uint64_t> seen_;
};

/// A number as the network might deliver it next: in order, late, repeated, or after a gap.
std::uint64_t next_sequence(base::Rng& rng, std::uint64_t highest, std::uint64_t window) {
  const std::uint64_t back = rng.public_below(window + 70);
  switch (rng.public_below(8)) {
    case 0:
    case 1:
    case 2: return highest + 1;
    case 3: return highest + 1 + rng.public_below(window * 2);
    case 4: return highest + 1 + rng.public_below(5);
    default: return highest > back ? highest - back : 0;
  }
}

constexpr std::uint32_t window_sizes[] = {32,  33,   63,   64,   65,   100,  127,
                                          128, 1000, 1024, 4096, 4097, 65536};

//= rfc4303#2.2-3 rfc4303#3.4.3-5 rfc4303#3.4.3-10..11 type=test
TEST(ReplayWindow, agrees_with_a_set_for_every_window_size) {
  for (const std::uint32_t size : window_sizes) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      base::SeededRng rng{seed * 1000 + size};
      ReplayWindow window{size, false};
      Model model{size};
      for (int i = 0; i < 4000; ++i) {
        const std::uint64_t sequence = next_sequence(rng, model.highest(), size);
        const bool expected = model.accept(sequence);
        ASSERT_EQ(window.is_acceptable(sequence), expected) << size << ' ' << seed << ' ' << i;
        ASSERT_EQ(window.accept(sequence), expected);
        ASSERT_EQ(window.highest(), model.highest());
      }
    }
  }
}

TEST(ReplayWindow, infers_the_upper_half_across_many_wraps) {
  for (const std::uint32_t size : window_sizes) {
    base::SeededRng rng{size};
    ReplayWindow window{size, true};
    Model model{size};
    for (int i = 0; i < 4000; ++i) {
      std::uint64_t sequence = next_sequence(rng, model.highest(), size);
      if (i % 97 == 0) sequence = (model.highest() | 0xffffffff) - rng.public_below(size);
      if (i % 97 == 1) sequence = (model.highest() | 0xffffffff) + rng.public_below(size);
      // Only a number less than 2^32 above the window's left edge can be inferred.
      if (sequence > model.highest() + 0xffffffff - size) sequence = model.highest() + 0x80000000;
      const bool is_left = sequence <= model.highest() && model.highest() - sequence >= size;
      const auto inferred = window.infer(static_cast<std::uint32_t>(sequence));
      if (!is_left) {
        ASSERT_TRUE(inferred.has_value());
        ASSERT_EQ(*inferred, sequence) << size << ' ' << i;
      }
      if (is_left) continue;
      const bool expected = model.accept(sequence);
      ASSERT_EQ(window.accept(*inferred), expected);
    }
    EXPECT_GT(window.highest() >> 32, 20u);
  }
}

TEST(ReplayWindow, takes_an_old_packet_with_esn_for_a_far_newer_one) {
  ReplayWindow window{64, true};
  ASSERT_TRUE(window.accept(1000));
  EXPECT_EQ(window.infer(1000 - 63), 1000u - 63);
  EXPECT_EQ(window.infer(1000 - 64), (std::uint64_t{1} << 32) + 1000 - 64);
}

//= rfc4303#3.4.3-4 type=test
TEST(ReplayWindow, has_no_number_before_the_first_or_after_the_last) {
  ReplayWindow window{64, true};
  EXPECT_FALSE(window.infer(0xffffffff).has_value());
  ASSERT_TRUE(window.accept(UINT64_MAX - 5));
  EXPECT_FALSE(window.infer(7).has_value());
  EXPECT_TRUE(window.accept(UINT64_MAX));
  EXPECT_FALSE(window.accept(UINT64_MAX));
}

//= rfc4303#3.4.3-4..5 rfc4302#3.4.3-3 type=test
TEST(ReplayWindow, refuses_zero_and_everything_seen) {
  ReplayWindow window{32, false};
  EXPECT_FALSE(window.accept(0));
  EXPECT_TRUE(window.accept(1));
  EXPECT_FALSE(window.accept(1));
  EXPECT_TRUE(window.accept(UINT32_MAX));
  EXPECT_FALSE(window.accept(UINT32_MAX - 32));
  EXPECT_TRUE(window.accept(UINT32_MAX - 31));
}

TEST(ReplayWindow, of_size_zero_accepts_repeats_but_still_infers) {
  ReplayWindow window{0, true};
  EXPECT_EQ(window.size(), 0u);
  EXPECT_TRUE(window.accept(0xfffffff0));
  EXPECT_TRUE(window.accept(0xfffffff0));
  EXPECT_EQ(window.infer(5), (std::uint64_t{1} << 32) + 5);
}

//= rfc4303#3.4.3-10 rfc4302#3.4.3-9 type=test
TEST(ReplayWindow, brings_foolish_sizes_into_range) {
  EXPECT_EQ(ReplayWindow(1, false).size(), 32u);
  EXPECT_EQ(ReplayWindow(UINT32_MAX, false).size(), ReplayWindow::packets_max);
}

}  // namespace
}  // namespace caponier::ipsec
