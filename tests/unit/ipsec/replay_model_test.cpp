// The replay window against the specification said as plainly as it can be, over many packets for
// each size: CAPONIER_REPLAY_STEPS of them, ten million by default.

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "ipsec/replay.h"

namespace caponier::ipsec {
namespace {

/// RFC 4303 s3.4.3: the numbers seen so far, those left of the window forgotten. As a set it is a
/// hash table of numbers, each in its own place, so that ten million steps take seconds.
class Model {
 public:
  explicit Model(std::uint64_t window) : window_(window), seen_(131072, 0) {}

  [[nodiscard]] bool accept(std::uint64_t sequence) {
    if (sequence == 0 || (sequence <= highest_ && highest_ - sequence >= window_)) return false;
    std::uint64_t& place = seen_[sequence % seen_.size()];
    if (place == sequence) return false;
    place = sequence;
    highest_ = std::max(highest_, sequence);
    return true;
  }
  [[nodiscard]] std::uint64_t highest() const { return highest_; }

 private:
  std::uint64_t window_;
  std::uint64_t highest_ = 0;
  std::vector<std::uint64_t> seen_;  ///< more places than the largest window
};

/// As SeededRng, but without a call for each number.
class QuickRandom {
 public:
  explicit QuickRandom(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  std::uint64_t below(std::uint64_t bound) { return (next() >> 32) * bound >> 32; }

 private:
  std::uint64_t state_;
};

std::uint64_t steps_from_env() {
  const char* const text = std::getenv("CAPONIER_REPLAY_STEPS");
  return text == nullptr ? 10'000'000 : std::strtoull(text, nullptr, 10);
}

/// A number as the network might deliver it next: in order, late, repeated, after a gap, or around
/// the next wrap of the lower half.
std::uint64_t next_sequence(QuickRandom& random, std::uint64_t highest, std::uint64_t window) {
  switch (random.below(16)) {
    case 0: return highest + 1 + random.below(window * 2);
    case 1: return highest + 1 + random.below(5);
    case 2:
    case 3:
    case 4: {
      const std::uint64_t back = random.below(window + 70);
      return highest > back ? highest - back : 0;
    }
    case 5: return highest > window ? highest - window + random.below(3) - 1 : highest;
    case 6: {
      if (random.below(4096) != 0) return highest;
      return (highest | 0xffffffff) - window + random.below(2 * window);
    }
    default: return highest + 1;
  }
}

class ReplayModel : public testing::TestWithParam<std::uint32_t> {};

TEST_P(ReplayModel, agrees_packet_by_packet_with_esn_and_wraps) {
  const std::uint32_t size = GetParam();
  const std::uint64_t steps = steps_from_env();
  QuickRandom random{size};
  ReplayWindow window{size, true};
  Model model{size};
  std::uint64_t accepted = 0;
  for (std::uint64_t step = 0; step < steps; ++step) {
    std::uint64_t sequence = next_sequence(random, model.highest(), size);
    // Only what is less than 2^32 above the window's left edge can be told from its lower half.
    if (sequence > model.highest() + 0xffffffff - size) sequence = model.highest() + 0x80000000;
    const auto inferred = window.infer(static_cast<std::uint32_t>(sequence));
    const bool is_left = sequence + size <= model.highest();
    if (is_left) {  // would be taken for a number of the next wrap, and fail the ICV
      ASSERT_FALSE(window.is_acceptable(sequence)) << size << ' ' << step;
      ASSERT_FALSE(model.accept(sequence));
      continue;
    }
    if (sequence != 0) {
      ASSERT_EQ(inferred, sequence) << size << ' ' << step;
    }
    const bool expected = model.accept(sequence);
    ASSERT_EQ(window.is_acceptable(sequence), expected) << size << ' ' << step << ' ' << sequence;
    ASSERT_EQ(window.accept(sequence), expected) << size << ' ' << step;
    ASSERT_EQ(window.highest(), model.highest());
    accepted += expected ? 1 : 0;
  }
  EXPECT_GT(accepted, steps / 2);
  if (steps >= 1'000'000) {
    EXPECT_GT(window.highest() >> 32, steps / 1'000'000);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ReplayModel,
                         testing::Values(32, 33, 63, 64, 65, 100, 127, 128, 1000, 1024, 4096, 4097,
                                         65536),
                         [](const auto& size) { return "of_" + std::to_string(size.param); });

/// Each of `threads` offers the same numbers in another order; how often each was accepted.
std::vector<int> race(ReplayWindow& window, std::uint64_t count, std::size_t threads) {
  std::vector<std::atomic<int>> accepted(count + 1);
  std::atomic<bool> go = false;
  std::vector<std::thread> workers;
  for (std::size_t number = 0; number < threads; ++number) {
    workers.emplace_back([&, number] {
      QuickRandom random{number + 1};
      while (!go) {
      }
      for (std::uint64_t next = 1; next <= count; ++next) {
        const std::uint64_t back = random.below(64);
        const std::uint64_t sequence = next > back ? next - back : next;
        if (window.is_acceptable(sequence) && window.accept(sequence)) ++accepted[sequence];
        if (window.accept(next)) ++accepted[next];
      }
    });
  }
  go = true;
  for (std::thread& worker : workers) worker.join();
  return {accepted.begin(), accepted.end()};
}

TEST(ReplayAcrossWorkers, accepts_no_number_twice_and_forgets_none_that_is_alone) {
  for (const std::uint32_t size : {32U, 64U, 4096U, 65536U}) {
    ReplayWindow window{size, true, true};
    constexpr std::uint64_t count = 300'000;
    const std::vector<int> accepted = race(window, count, 3);
    std::uint64_t once = 0;
    for (const int times : accepted) {
      ASSERT_LE(times, 1);
      once += times == 1 ? 1 : 0;
    }
    // Those that were overtaken by more than the window are lost, as RFC 4303 wants it.
    EXPECT_GT(once, size >= count ? count - 1 : 0);
    EXPECT_EQ(window.highest(), count);
    for (std::uint64_t back = 0; back < size; ++back) {
      if (accepted[count - back] == 1) {
        ASSERT_FALSE(window.accept(count - back));
      }
    }
  }
}

TEST(ReplayAcrossWorkers, agrees_with_the_model_when_only_one_works) {
  QuickRandom random{7};
  ReplayWindow window{1000, true, true};
  Model model{1000};
  for (int step = 0; step < 1'000'000; ++step) {
    std::uint64_t sequence = next_sequence(random, model.highest(), 1000);
    if (sequence > model.highest() + 0xffffffff) sequence = model.highest() + 0x80000000;
    ASSERT_EQ(window.accept(sequence), model.accept(sequence)) << step;
  }
}

}  // namespace
}  // namespace caponier::ipsec
