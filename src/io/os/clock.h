#pragma once
// The clocks of the daemon.

#include <cstdint>

#include "base/time.h"

namespace caponier::io {

/// CLOCK_MONOTONIC.
[[nodiscard]] base::Instant monotonic_now();
/// Taken so far by all threads of this process.
[[nodiscard]] base::Duration cpu_time();
/// Wall-clock time in microseconds since 1970-01-01 UTC, for stamps on events only.
[[nodiscard]] std::int64_t unix_microseconds_now();

}  // namespace caponier::io
