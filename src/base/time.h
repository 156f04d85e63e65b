#pragma once
// Time is a parameter everywhere below io: nothing in the core reads a clock.

#include <chrono>
#include <compare>
#include <cstdint>
#include <string_view>

namespace caponier::base {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

/// A point on a monotonic time line whose origin means nothing.
struct Instant {
  Duration since_origin{};
  friend constexpr auto operator<=>(const Instant&, const Instant&) = default;
  friend constexpr Instant operator+(Instant at, Duration by) { return {at.since_origin + by}; }
  friend constexpr Instant operator-(Instant at, Duration by) { return {at.since_origin - by}; }
  friend constexpr Duration operator-(Instant a, Instant b) {
    return a.since_origin - b.since_origin;
  }
};

/// When a machine wants handle_deadline() called, and why (static storage).
struct Deadline {
  Instant at;
  std::string_view reason;
};

[[nodiscard]] constexpr double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace caponier::base
