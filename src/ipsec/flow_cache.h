#pragma once
// Remembers the outcome of the policy and SA lookup per flow. Direct-mapped and of fixed size, so
// hostile traffic can make it useless but not make it grow. An entry holds as long as the
// generation it was made in: any change of policies or associations outdates all at once.

#include <cstdint>
#include <vector>

#include "ipsec/sad.h"
#include "ipsec/spd.h"
#include "wire/ip.h"

namespace caponier::ipsec {

/// Both may be null: no policy; or no SA that the policy could use.
struct Flow {
  const SpdEntry* entry = nullptr;
  Sa* sa = nullptr;
};

class FlowCache {
 public:
  static constexpr std::size_t slot_count = 1024;

  FlowCache() : slots_(slot_count) {}

  [[nodiscard]] const Flow* find(const wire::PacketSelectorFields& packet,
                                 std::uint64_t generation) const {
    const Slot& slot = slots_[index_of(packet)];
    return slot.generation == generation && slot.packet == packet ? &slot.flow : nullptr;
  }
  void insert(const wire::PacketSelectorFields& packet, std::uint64_t generation,
              const Flow& flow) {
    slots_[index_of(packet)] = {packet, generation, flow};
  }

 private:
  struct Slot {
    wire::PacketSelectorFields packet;
    std::uint64_t generation = 0;  ///< 0 = empty
    Flow flow;
  };

  [[nodiscard]] static std::size_t index_of(const wire::PacketSelectorFields& packet);

  std::vector<Slot> slots_;
};

}  // namespace caponier::ipsec
