#pragma once
// A coalescer with the packets it borrows, and its groups as values.

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "offload/coalescer.h"
#include "unit/offload/packets.h"

namespace caponier::offload {

struct Joined {
  VirtioHeader header;
  std::size_t count = 0;
  base::ByteVec packet;  ///< the pieces in one
};

class Batch {
 public:
  explicit Batch(UdpCoalescing udp = UdpCoalescing::on, std::size_t capacity = 512)
      : coalescer_(capacity, udp) {}

  Batch& add(base::ByteVec packet) {
    EXPECT_TRUE(coalescer_.add(packets_.emplace_back(std::move(packet))));
    return *this;
  }
  Batch& add(const packets::Spec& spec) { return add(packets::make(spec)); }
  Batch& add(const std::vector<packets::Spec>& specs) {
    for (const packets::Spec& spec : specs) add(spec);
    return *this;
  }

  std::vector<Joined> groups() {
    std::vector<Joined> made;
    for (const Coalescer::Group& group : coalescer_.groups()) {
      Joined& joined = made.emplace_back(Joined{group.header, group.pieces.size(), {}});
      for (const base::Bytes piece : group.pieces) base::append(joined.packet, piece);
    }
    return made;
  }
  /// How many packets each group has.
  std::vector<std::size_t> counts() {
    std::vector<std::size_t> made;
    for (const Joined& joined : groups()) made.push_back(joined.count);
    return made;
  }

  Coalescer& coalescer() { return coalescer_; }

 private:
  std::deque<base::ByteVec> packets_;
  Coalescer coalescer_;
};

}  // namespace caponier::offload
