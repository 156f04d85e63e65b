#pragma once
// Every order in which the messages of a collision may arrive, with every single loss: stateless
// model checking. State cannot be copied, so each schedule is run from the start.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/explored_pair.h"

namespace caponier::sim {

/// Two commands that cross. What must hold when everything has come to rest.
struct Collision {
  std::string name;
  bool is_repeated = true;  ///< false: too many schedules to repeat a message in each, too
  /// The rest arrives in the order it was sent.
  std::size_t messages_reordered = 64;
  PairSetup setup;
  /// Given at once.
  std::function<void(ExploredPair&)> first;
  /// Given at any time, at the latest when nothing is under way.
  std::function<void(ExploredPair&)> second;
  /// How many IKE SAs and children of each name may be left; both ends always agree.
  std::size_t ike_min = 1, ike_max = 1;
  std::size_t child_min = 1, child_max = 1;
  std::size_t more_min = 0, more_max = 0;
  /// The SA that was there when the commands came is replaced.
  bool is_child_new = false;
  bool is_ike_new = false;
  /// Whatever an end sends the other can receive, at every moment, and it can always send.
  bool is_traffic_unbroken = true;
};

struct ExploreLimits {
  unsigned losses_max = 1;   ///< messages lost in one schedule
  unsigned repeats_max = 0;  ///< messages that arrive, and are still under way
  std::uint64_t schedules_max = 100'000;
  std::size_t steps_max = 400;                    ///< of one schedule: more is a loop
  std::size_t failures_max = 1;                   ///< schedules that are told
  base::Duration rest{std::chrono::minutes{10}};  ///< after the last command
};

struct ExploreResult {
  std::uint64_t schedules = 0;
  std::uint64_t lossless = 0;
  std::size_t deliveries_max = 0;  ///< messages that arrived in one schedule
  std::uint64_t failed = 0;
  std::vector<std::string> failures;  ///< with the schedule that repeats each
  bool is_complete = false;
};

/// Who sends a packet after every step; at the end both do.
enum class Traffic : std::uint8_t { none, both, from_a, from_b };
struct ExploreMode {
  std::string_view name;
  Traffic traffic{};
  ExploreLimits limits;
};
/// One message lost, or one repeated, with each kind of traffic.
[[nodiscard]] const std::vector<ExploreMode>& explore_modes();

[[nodiscard]] ExploreResult explore(const Collision& collision, const ExploreMode& mode);
/// "1234 schedules, ..." and the failures, a line each.
[[nodiscard]] std::string describe(const ExploreResult& result);
/// Runs one schedule and prints what happens. Empty when nothing is wrong.
[[nodiscard]] std::string run_schedule(const Collision& collision, const ExploreMode& mode,
                                       const std::vector<std::uint8_t>& choices);

/// All that are known to be interesting.
[[nodiscard]] const std::vector<Collision>& collisions();

}  // namespace caponier::sim
