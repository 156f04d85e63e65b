#pragma once
// One random world drawn from a seed: two gateways, weather, perhaps a NAT, and a few blows:
// outages, a NAT that forgets, a process that dies, a person who takes the tunnel down and up, a
// reload. In the end the tunnel must be up and traffic must flow both ways.

#include <cstdint>
#include <string>

#include "base/time.h"
#include "sim/checkers.h"

namespace caponier::sim {

/// From the last blow until both sides are up and agree on their SPIs.
inline constexpr base::Duration settle_max = std::chrono::minutes{10};
/// From then until traffic has flowed both ways.
inline constexpr base::Duration flow_max = std::chrono::minutes{10};

struct RunResult {
  std::vector<Violation> violations;
  std::uint64_t trace_hash = 0;
  std::uint64_t trace_count = 0;
  base::Duration settled_after{};
  std::uint64_t delivered = 0;
  std::string scene;  ///< what was drawn
};

/// `loss_max` in [0, 1].
[[nodiscard]] RunResult random_run(std::uint64_t seed, double loss_max);

/// How to repeat it, and what went wrong.
[[nodiscard]] std::string describe(std::uint64_t seed, const RunResult& result);

}  // namespace caponier::sim
