#pragma once
// Packets that protect() makes besides those it is given: the later fragments of what had to be
// split. Bounded; their memory is kept for the next ones.

#include <deque>
#include <span>
#include <vector>

#include "ipsec/engine.h"
#include "ipsec/sa.h"

namespace caponier::ipsec {

class MadePackets {
 public:
  explicit MadePackets(std::size_t packets_max) : packets_max_(packets_max) {}

  void clear() {
    items_.clear();
    sas_.clear();
  }
  [[nodiscard]] bool has_room(std::size_t count) const {
    return count <= packets_max_ - items_.size();
  }
  /// A packet of `size` octets, to be filled, that shall go through `sa`; has_room(1).
  [[nodiscard]] PacketBuffer& add(Sa& sa, std::size_t size) {
    items_.reserve(packets_max_);  // pointers to them must last
    const std::size_t index = items_.size();
    if (index == buffers_.size()) buffers_.emplace_back();
    if (buffers_[index].fill_area().size() < size) buffers_[index] = PacketBuffer{size};
    buffers_[index].resize(size);
    items_.emplace_back().packet = &buffers_[index];
    sas_.push_back(&sa);
    return buffers_[index];
  }
  [[nodiscard]] std::span<ProtectItem> items() { return items_; }
  [[nodiscard]] std::span<const ProtectItem> items() const { return items_; }
  [[nodiscard]] Sa& sa_of(std::size_t index) { return *sas_[index]; }

 private:
  std::size_t packets_max_;
  std::deque<PacketBuffer> buffers_;
  std::vector<ProtectItem> items_;
  std::vector<Sa*> sas_;  ///< of each
};

}  // namespace caponier::ipsec
