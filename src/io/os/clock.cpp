#include "io/os/clock.h"

#include <time.h>

namespace caponier::io {

namespace {

base::Duration read(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

}  // namespace

base::Instant monotonic_now() { return {read(CLOCK_MONOTONIC)}; }

base::Duration cpu_time() { return read(CLOCK_PROCESS_CPUTIME_ID); }

std::int64_t unix_microseconds_now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1000;
}

}  // namespace caponier::io
