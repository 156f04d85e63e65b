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
  FlowCache(const FlowCache&) = delete;
  FlowCache& operator=(const FlowCache&) = delete;

  [[nodiscard]] const Flow* find(const FlowKey& key, std::uint64_t generation) const {
    return find(key, key.hash(), generation);
  }
  /// With the key's hash known already.
  [[nodiscard]] const Flow* find(const FlowKey& key, std::uint64_t hash,
                                 std::uint64_t generation) const {
    const Pair& pair = first_pair_[index_of(hash)];
    for (const Slot& slot : pair.slots) {
      if (slot.key == key && slot.generation == generation) return &slot.flow;
    }
    return nullptr;
  }
  void prefetch(std::uint64_t hash) const {
    const Pair* const pair = first_pair_ + index_of(hash);
    __builtin_prefetch(&pair->slots[0]);
    __builtin_prefetch(&pair->slots[1]);
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

  [[nodiscard]] std::size_t index_of(std::uint64_t hash) const {
    return static_cast<std::size_t>(hash >> 32) & mask_;
  }

  std::vector<Pair> pairs_;  ///< a power of two
  const Pair* first_pair_ = pairs_.data();
  std::size_t mask_ = pairs_min - 1;
  std::size_t evicted_ = 0;
};

}  // namespace caponier::ipsec
