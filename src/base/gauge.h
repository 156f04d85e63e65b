#pragma once
// A number that one thread writes and any may read.

#include <atomic>
#include <cstdint>

namespace caponier::base {

template <class T>
class BasicGauge {
 public:
  BasicGauge() = default;
  explicit BasicGauge(T value) : value_(value) {}
  BasicGauge(const BasicGauge&) = delete;
  BasicGauge& operator=(const BasicGauge&) = delete;

  [[nodiscard]] T get() const { return value_.load(std::memory_order_relaxed); }
  void set(T value) { value_.store(value, std::memory_order_relaxed); }
  /// No locked instruction: nobody else writes.
  void add(T count) { set(get() + count); }

 private:
  std::atomic<T> value_{};
};

using Gauge = BasicGauge<std::uint64_t>;

}  // namespace caponier::base
