#include "ipsec/flow_cache.h"

#include <bit>

namespace caponier::ipsec {

void FlowCache::insert(const FlowKey& key, std::uint64_t generation, const Flow& flow) {
  if (evicted_ >= places_.size() / 4 && places_.size() < places_max) {
    places_ = std::vector<Place>(2 * places_.size());
    begin_ = places_.data();
    mask_ = places_.size() - 1;
    evicted_ = 0;
  }
  const std::uint64_t hash = key.hash();
  std::size_t at = first_of(hash);
  if (places_[at].generation == generation) {
    const std::size_t other = second_of(hash);
    const bool is_free = places_[other].generation != generation;
    if (!is_free) ++evicted_;
    // Which of two gives way is a coin, or flows that come in turns would go round in circles.
    if (is_free || std::popcount(evicted_ ^ (hash & 0xffff)) % 2 == 0) at = other;
  }
  places_[at] = {key, generation, flow};
}

}  // namespace caponier::ipsec
