#pragma once
// Remembers the outcome of the policy and SA lookup per flow. Two places for each flow and a
// largest size, so hostile traffic can make it useless but not make it grow without end. An entry
// holds as long as the generation it was made in: any change of policies or associations outdates
// all at once.

#include <cstdint>
#include <vector>

#include "ipsec/ip_summary.h"
#include "ipsec/sad.h"
#include "ipsec/spd.h"

namespace caponier::ipsec {

/// Both may be null: no policy; or no SA that the policy could use.
struct Flow {
  const SpdEntry* entry = nullptr;
  Sa* sa = nullptr;
};

class FlowCache {
 public:
  /// Pairs of entries: at first, and at most. Twice as many whenever as many flows that still held
  /// had to give way.
  static constexpr std::size_t pairs_min = 512;
  static constexpr std::size_t pairs_max = 16384;

  FlowCache() : pairs_(pairs_min) {}

  [[nodiscard]] const Flow* find(const FlowKey& key, std::uint64_t generation) const {
    const Pair& pair = pairs_[index_of(key)];
    for (const Slot& slot : pair.slots) {
      if (slot.key == key && slot.generation == generation) return &slot.flow;
    }
    return nullptr;
  }
  void prefetch(const FlowKey& key) const {
    const Pair& pair = pairs_[index_of(key)];
    for (const Slot& slot : pair.slots) __builtin_prefetch(&slot);
  }
  void insert(const FlowKey& key, std::uint64_t generation, const Flow& flow);

 private:
  struct alignas(64) Slot {
    FlowKey key;
    std::uint64_t generation = 0;  ///< 0 = empty
    Flow flow;
  };
  struct Pair {
    Slot slots[2];  ///< the newer one first
  };

  [[nodiscard]] std::size_t index_of(const FlowKey& key) const {
    return static_cast<std::size_t>(key.hash() >> 32) & (pairs_.size() - 1);
  }

  std::vector<Pair> pairs_;  ///< a power of two
  std::size_t evicted_ = 0;
};

}  // namespace caponier::ipsec
