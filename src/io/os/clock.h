#pragma once
// The only clocks of the product.

#include <cstdint>

#include "base/time.h"

namespace caponier::io {

/// CLOCK_MONOTONIC.
[[nodiscard]] base::Instant monotonic_now();
/// Wall-clock time in microseconds since 1970-01-01 UTC, for stamps on events only.
[[nodiscard]] std::int64_t unix_microseconds_now();

}  // namespace caponier::io
