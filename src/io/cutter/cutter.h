#pragma once
// What a driver with virtio headers reads, super-packet or not, as packets of their own.

#include <cstddef>
#include <optional>
#include <span>

#include "ipsec/packet.h"
#include "offload/segments.h"

namespace caponier::io {

class Cutter {
 public:
  [[nodiscard]] bool is_empty() const { return !segments_; }
  /// Where the next one is read into, once all of the last has been given; it holds the largest of
  /// packets.
  [[nodiscard]] base::MutBytes fill_area() { return packet_.fill_area(); }
  /// So many octets were read, to which `header` belongs. False, and nothing to give: the header
  /// makes no sense.
  [[nodiscard]] bool take(const offload::VirtioHeader& header, std::size_t size);
  /// Fills the first packets of `batch`; how many.
  [[nodiscard]] std::size_t give(std::span<ipsec::PacketBuffer*> batch);

 private:
  ipsec::PacketBuffer packet_{ipsec::PacketBuffer::payload_max};
  std::optional<offload::Segments> segments_;
  std::size_t next_ = 0;  ///< segments given so far
};

}  // namespace caponier::io
