#include "io/afpacket/packet_queue.h"

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <utility>

#include "wire/ip.h"

namespace caponier::io {
namespace {

using offload::VirtioHeader;

/// The size that the IP header tells: Ethernet fills short frames up. 0: it tells nonsense.
std::size_t packet_size(base::Bytes bytes) {
  if (wire::ip_version(bytes) == 4) {
    const auto view = wire::Ipv4View::checked(bytes);
    return view ? view->packet().size() : 0;
  }
  const auto view = wire::Ipv6View::checked(bytes);
  return view ? view->packet().size() : 0;
}

}  // namespace

std::size_t PacketQueue::read(std::span<ipsec::PacketBuffer*> batch) {
  std::size_t count = 0;
  while (count < batch.size()) {
    if (cutter_.is_empty() && !read_one()) break;
    count += cutter_.give(batch.subspan(count));
  }
  return count;
}

bool PacketQueue::read_one() {
  std::array<std::byte, VirtioHeader::size> header{};
  std::array<std::byte, ethernet_header_size> link{};
  const base::MutBytes area = cutter_.fill_area();
  std::array<iovec, 3> parts{iovec{header.data(), header.size()}, iovec{link.data(), link.size()},
                             iovec{area.data(), area.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  ssize_t size = -1;
  do size = ::recvmsg(fd_.get(), &message, 0);
  while (size < 0 && errno == EINTR);
  // EINVAL: of a kind that a virtio header cannot tell; the kernel has taken it off the queue.
  const bool is_strange = size < 0 && errno == EINVAL;
  if (size < 0 && !is_strange) return false;
  const auto got = static_cast<std::size_t>(is_strange ? 0 : size);
  const std::size_t front = header.size() + link.size();
  const bool is_whole = got > front && (message.msg_flags & MSG_TRUNC) == 0;
  if (!is_whole || !take(VirtioHeader::decode(header), got - front)) {
    drops_.add(base::DropReason::clear_malformed);
  }
  return true;
}

bool PacketQueue::take(const VirtioHeader& header, std::size_t size) {
  const base::MutBytes frame = cutter_.fill_area().first(size);
  const base::MutBytes packet = frame.first(packet_size(frame));
  if (packet.empty() || !has_hops_left(packet)) return false;
  take_hop(packet);
  return cutter_.take(without_link_header(header), packet.size());
}

bool PacketQueue::write(const NextHop& hop, base::Bytes packet) {
  return write(hop, {VirtioHeader{}, {&packet, 1}});
}

bool PacketQueue::write(const NextHop& hop, const offload::Coalescer::Group& group) {
  FrameHead head = make_frame_head(hop, group.header, group.pieces.front());
  std::array<iovec, 1 + offload::Coalescer::segments_max> parts;
  parts[0] = {head.bytes.data(), head.size};
  std::size_t count = 1;
  std::size_t skipped = head.copied;
  for (const base::Bytes piece : group.pieces) {
    const base::Bytes rest = piece.subspan(std::exchange(skipped, 0));
    // sendmsg only reads.
    parts[count++] = {const_cast<std::byte*>(rest.data()), rest.size()};
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  for (;;) {
    if (::sendmsg(fd_.get(), &message, 0) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

base::DropCounters PacketQueue::drops() const {
  tpacket_stats since{};
  socklen_t size = sizeof since;
  if (::getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &since, &size) == 0) {
    drops_.add(base::DropReason::io_queue_full, since.tp_drops);
  }
  return drops_;
}

}  // namespace caponier::io
