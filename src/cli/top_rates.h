#pragma once
// Rates from two looks at the daemon's counters. Neither a clock nor a terminal.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/json.h"

namespace caponier::cli {

/// One child of a peer.
struct TunnelName {
  std::string peer;
  std::string child;
  friend auto operator<=>(const TunnelName&, const TunnelName&) = default;
};

struct TunnelCounters {
  std::uint64_t packets_in = 0;
  std::uint64_t bytes_in = 0;  ///< inner bytes, as everywhere
  std::uint64_t packets_out = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t drops = 0;
};

/// The answer to `traffic`.
struct Snapshot {
  std::uint64_t clock_us = 0;                ///< the daemon's monotonic clock
  std::uint64_t started_us = 0;              ///< when it began, by the same clock
  std::uint64_t cpu_us = 0;                  ///< what it has computed since
  std::vector<std::uint64_t> worker_cpu_us;  ///< what each of its workers has
  std::map<TunnelName, TunnelCounters> tunnels;
  std::map<std::string, std::uint64_t> drops;  ///< of the whole gateway, by reason
};
[[nodiscard]] Snapshot snapshot_of(const Json& traffic);

/// All a second.
struct TunnelRates {
  TunnelName name;
  double packets_in = 0;
  double bits_in = 0;
  double packets_out = 0;
  double bits_out = 0;
  double drops = 0;
};

struct Rates {
  double seconds = 0;  ///< that they are the mean of
  double uptime_seconds = 0;
  double cpu_percent = 0;                             ///< of one CPU
  std::vector<double> worker_cpu_percent;             ///< of each worker
  TunnelRates total;                                  ///< drops: those without an SA too
  std::vector<TunnelRates> tunnels;                   ///< the busiest first
  std::vector<std::pair<std::string, double>> drops;  ///< reasons that happened, the most first
};

/// A counter that has begun anew, and one of a daemon that was restarted in between, counts from
/// zero. Empty when hardly any time has passed.
[[nodiscard]] std::optional<Rates> rates_between(const Snapshot& before, const Snapshot& after);

}  // namespace caponier::cli
