#pragma once
// Remembers the outcome of the policy and SA lookup per flow. Two places for each flow and a
// largest size, so hostile traffic can make it useless but not make it grow without end. An entry
// holds as long as the generation it was made in: any change of policies or associations outdates
// all at once.
//
// The two places of a flow have nothing to do with each other. As long as less than half of all are
// taken, nearly all flows that drive each other out soon find places where none does (cuckoo
// hashing, by Pagh and Rodler).

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
  /// Places: at first, and at most. Twice as many whenever a quarter as many flows that still held
  /// had to give way.
  static constexpr std::size_t places_min = 1024;
  static constexpr std::size_t places_max = 32768;

  FlowCache() : places_(places_min) {}
  FlowCache(const FlowCache&) = delete;
  FlowCache& operator=(const FlowCache&) = delete;

  [[nodiscard]] const Flow* find(const FlowKey& key, std::uint64_t generation) const {
    return find(key, key.hash(), generation);
  }
  /// With the key's hash known already.
  [[nodiscard]] const Flow* find(const FlowKey& key, std::uint64_t hash,
                                 std::uint64_t generation) const {
    const Place& first = begin_[first_of(hash)];
    if (first.holds(key, generation)) return &first.flow;
    const Place& second = begin_[second_of(hash)];
    return second.holds(key, generation) ? &second.flow : nullptr;
  }
  [[gnu::always_inline]] void prefetch(std::uint64_t hash) const {
    __builtin_prefetch(begin_ + first_of(hash));
    __builtin_prefetch(begin_ + second_of(hash));
  }
  void insert(const FlowKey& key, std::uint64_t generation, const Flow& flow);

 private:
  struct alignas(64) Place {
    FlowKey key;
    std::uint64_t generation = 0;  ///< 0 = empty
    Flow flow;

    [[nodiscard]] bool holds(const FlowKey& wanted, std::uint64_t current) const {
      return key == wanted && generation == current;
    }
  };

  // By 16 bits of the hash each.
  static_assert(places_max <= std::size_t{1} << 16);
  [[nodiscard]] std::size_t first_of(std::uint64_t hash) const {
    return static_cast<std::size_t>(hash >> 48) & mask_;
  }
  [[nodiscard]] std::size_t second_of(std::uint64_t hash) const {
    return static_cast<std::size_t>(hash >> 32) & mask_;
  }

  std::vector<Place> places_;  ///< a power of two
  Place* begin_ = places_.data();
  std::size_t mask_ = places_min - 1;
  std::size_t evicted_ = 0;
};

}  // namespace caponier::ipsec
