#pragma once
// Packets that protect() makes besides those it is given: the later fragments of what had to be
// split; and dummy packets. Bounded; their memory is kept for the next ones.

#include <deque>
#include <span>
#include <vector>

#include "ipsec/engine.h"
#include "ipsec/sa.h"

namespace caponier::ipsec {

class MadePackets {
 public:
  struct Origin {
    Sa* sa = nullptr;
    bool is_dummy = false;
  };

  explicit MadePackets(std::size_t packets_max) : packets_max_(packets_max) {}

  void clear() {
    items_.clear();
    origins_.clear();
  }
  [[nodiscard]] bool has_room(std::size_t count) const {
    return count <= packets_max_ - items_.size();
  }
  /// A packet of `size` octets, to be filled, that shall go through origin.sa; has_room(1).
  [[nodiscard]] PacketBuffer& add(const Origin& origin, std::size_t size) {
    items_.reserve(packets_max_);  // pointers to them must last
    const std::size_t index = items_.size();
    if (index == buffers_.size()) buffers_.emplace_back();
    if (buffers_[index].fill_area().size() < size) buffers_[index] = PacketBuffer{size};
    buffers_[index].resize(size);
    items_.emplace_back().packet = &buffers_[index];
    origins_.push_back(origin);
    return buffers_[index];
  }
  [[nodiscard]] std::span<ProtectItem> items() { return items_; }
  [[nodiscard]] std::span<const ProtectItem> items() const { return items_; }
  [[nodiscard]] const Origin& origin_of(std::size_t index) const { return origins_[index]; }

 private:
  std::size_t packets_max_;
  std::deque<PacketBuffer> buffers_;
  std::vector<ProtectItem> items_;
  std::vector<Origin> origins_;  ///< of each
};

}  // namespace caponier::ipsec
