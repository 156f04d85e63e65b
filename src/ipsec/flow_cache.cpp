#include "ipsec/flow_cache.h"

namespace caponier::ipsec {

void FlowCache::insert(const FlowKey& key, std::uint64_t generation, const Flow& flow) {
  if (evicted_ >= pairs_.size() && pairs_.size() < pairs_max) {
    pairs_ = std::vector<Pair>(2 * pairs_.size());
    first_pair_ = pairs_.data();
    mask_ = pairs_.size() - 1;
    evicted_ = 0;
  }
  Pair& pair = pairs_[index_of(key.hash())];
  if (pair.slots[1].generation == generation) ++evicted_;
  if (pair.slots[0].generation == generation) pair.slots[1] = pair.slots[0];
  pair.slots[0] = {key, generation, flow};
}

}  // namespace caponier::ipsec
