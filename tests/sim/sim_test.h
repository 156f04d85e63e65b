#pragma once
// The World as a test uses it: a broken rule fails the test, with the seed that repeats it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "sim/world.h"

namespace caponier::sim {

/// CAPONIER_SEED when it is set.
[[nodiscard]] inline std::uint64_t seed_from_env(std::uint64_t otherwise) {
  const char* text = std::getenv("CAPONIER_SEED");
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Ends with everything shut down and every rule checked.
class TestWorld : public World {
 public:
  explicit TestWorld(std::uint64_t seed) : World(seed) {
    verbose = std::getenv("CAPONIER_SIM_VERBOSE") != nullptr;
  }
  ~TestWorld() {
    finish();
    for (const Violation& violation : violations().list()) {
      ADD_FAILURE() << name_of(violation.rule) << ": " << violation.text
                    << "\nrepeat: CAPONIER_SEED=" << seed();
    }
  }
};

}  // namespace caponier::sim
