#include "io/socket/receive_batch.h"

#include <algorithm>
#include <cerrno>

namespace caponier::io {

ReceiveBatch::ReceiveBatch(std::size_t packet_max)
    : packet_max_(packet_max),
      spill_(std::make_unique_for_overwrite<std::byte[]>(messages_max * packet_max)),
      joined_(std::make_unique_for_overwrite<std::byte[]>(packet_max)),
      packets_(packets_max),
      message_of_packet_(packets_max) {
  buffers_.reserve(packets_max);
  for (std::size_t i = 0; i < packets_max; ++i) buffers_.emplace_back(packet_max);
}

// Only the headers change with every call.
void ReceiveBatch::lay_out(std::size_t segment_expected) {
  const bool is_new = !is_laid_out_ || laid_out_for_ != segment_expected;
  is_laid_out_ = true;
  laid_out_for_ = segment_expected;
  for (std::size_t i = 0; i < messages_max; ++i) {
    if (is_new) lay_out_parts(i);
    msghdr& header = messages_[i].msg_hdr;
    header = {};
    header.msg_name = addresses_[i].get_mutable();
    header.msg_namelen = SocketAddress::capacity;
    header.msg_iov = parts_[i].data();
    header.msg_iovlen = segment_expected == 0 ? 1 : parts_[i].size();
    header.msg_control = controls_[i].bytes.data();
    header.msg_controllen = controls_[i].bytes.size();
  }
}

void ReceiveBatch::lay_out_parts(std::size_t message) {
  auto& parts = parts_[message];
  parts[0] = {buffer(message, 0).fill_area().data(), packet_max_};
  if (laid_out_for_ == 0) return;
  for (std::size_t i = 0; i < segments_max; ++i) {
    parts[i] = {buffer(message, i).fill_area().data(), laid_out_for_};
  }
  parts[segments_max] = {&spill_[message * packet_max_], packet_max_};
}

std::size_t ReceiveBatch::receive(int fd, std::size_t& segment_expected) {
  count_ = 0;
  lay_out(segment_expected);
  for (;;) {
    const int count = ::recvmmsg(fd, messages_.data(), messages_max, MSG_DONTWAIT, nullptr);
    // A pending ICMP error is taken out by the call that reports it; the next one goes on.
    if (count < 0 && errno != EAGAIN && errno != EBADF && errno != ENOMEM) continue;
    if (count <= 0) return 0;
    const auto received = static_cast<std::size_t>(count);
    segment_expected = 0;
    for (std::size_t i = 0; i < received; ++i) take(i, segment_expected);
    return received;
  }
}

void ReceiveBatch::take(std::size_t message, std::size_t& segment_expected) {
  const msghdr& header = messages_[message].msg_hdr;
  const std::size_t size = messages_[message].msg_len;
  Received shared;
  shared.path.remote = addresses_[message].endpoint();
  std::size_t segment = read_controls(messages_[message].msg_hdr, shared);
  if ((header.msg_flags & MSG_TRUNC) != 0 || size > packet_max_) {
    return add(message, shared, 0, 0);
  }
  if (segment == 0 || segment > size) segment = size;
  const std::size_t laid_out_for = laid_out_for_ == 0 ? packet_max_ : laid_out_for_;
  const bool is_in_place = segment == size ? size <= laid_out_for : segment == laid_out_for;
  if (segment < size) segment_expected = segment;
  const base::Bytes joined = is_in_place ? base::Bytes{} : gather(message, size);
  std::size_t at = 0;
  // No more segments than buffers: what a kernel with another limit merges is not lost but for the
  // last of it.
  for (std::size_t i = 0; i < segments_max && (at < size || i == 0); ++i) {
    const std::size_t part = std::min(segment, size - at);
    if (!is_in_place) buffer(message, i).assign(joined.subspan(at, part));
    add(message, shared, i, part);
    at += part;
  }
}

void ReceiveBatch::add(std::size_t message, const Received& shared, std::size_t index,
                       std::size_t size) {
  Received& item = packets_[count_];
  message_of_packet_[count_] = static_cast<std::uint8_t>(message);
  ++count_;
  item = shared;
  item.packet = &buffer(message, index);
  item.packet->resize(size);
}

base::Bytes ReceiveBatch::gather(std::size_t message, std::size_t size) {
  std::size_t at = 0;
  for (const iovec& part : parts_[message]) {
    const std::size_t count = std::min(part.iov_len, size - at);
    if (count == 0) break;
    std::copy_n(static_cast<const std::byte*>(part.iov_base), count, &joined_[at]);
    at += count;
  }
  return {joined_.get(), size};
}

}  // namespace caponier::io
