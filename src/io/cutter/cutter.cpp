#include "io/cutter/cutter.h"

#include <utility>

namespace caponier::io {

bool Cutter::take(const offload::VirtioHeader& header, std::size_t size) {
  packet_.resize(size);
  next_ = 0;
  const base::MutBytes packet = packet_.bytes();
  auto segments = offload::Segments::plan(header, packet, ipsec::PacketBuffer::payload_max);
  const bool is_one = segments && segments->count() == 1;
  if (!segments || (is_one && !offload::complete_checksum(header, packet))) return false;
  segments_ = *segments;
  return true;
}

std::size_t Cutter::give(std::span<ipsec::PacketBuffer*> batch) {
  if (!segments_) return 0;
  if (segments_->count() == 1) {
    if (batch.empty()) return 0;
    std::swap(*batch[0], packet_);
    segments_.reset();
    return 1;
  }
  std::size_t count = 0;
  while (count < batch.size() && next_ < segments_->count()) {
    ipsec::PacketBuffer& packet = *batch[count++];
    packet.resize(segments_->size_of(next_));
    segments_->write(next_++, packet.bytes());
  }
  if (next_ == segments_->count()) segments_.reset();
  return count;
}

}  // namespace caponier::io
