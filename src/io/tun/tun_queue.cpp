#include "io/tun/tun_queue.h"

#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <utility>

namespace caponier::io {
namespace {

using offload::VirtioHeader;

/// Of Linux 6.2, in linux/if_tun.h.
constexpr unsigned long offload_uso4 = 0x20;
constexpr unsigned long offload_uso6 = 0x40;

}  // namespace

TunQueue::TunQueue(Fd fd) : fd_(std::move(fd)) {
  constexpr unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  takes_udp_ = ::ioctl(fd_.get(), TUNSETOFFLOAD, tcp | offload_uso4 | offload_uso6) == 0;
  takes_tcp_ = takes_udp_ || ::ioctl(fd_.get(), TUNSETOFFLOAD, tcp) == 0;
}

std::size_t TunQueue::read(std::span<ipsec::PacketBuffer*> batch) {
  std::size_t count = 0;
  while (count < batch.size()) {
    if (cutter_.is_empty() && !read_one()) break;
    count += cutter_.give(batch.subspan(count));
  }
  return count;
}

bool TunQueue::read_one() {
  std::array<std::byte, VirtioHeader::size> bytes{};
  const base::MutBytes area = cutter_.fill_area();
  const std::array<iovec, 2> parts{iovec{bytes.data(), bytes.size()},
                                   iovec{area.data(), area.size()}};
  ssize_t size = -1;
  do size = ::readv(fd_.get(), parts.data(), 2);
  while (size < 0 && errno == EINTR);
  if (size < static_cast<ssize_t>(bytes.size())) return false;
  const std::size_t packet_size = static_cast<std::size_t>(size) - bytes.size();
  if (!cutter_.take(VirtioHeader::decode(bytes), packet_size)) {
    drops_.add(base::DropReason::clear_malformed);
  }
  return true;
}

bool TunQueue::write(base::Bytes packet) { return write({VirtioHeader{}, {&packet, 1}}); }

bool TunQueue::write(const offload::Coalescer::Group& group) {
  std::array<std::byte, VirtioHeader::size> header = group.header.encode();
  std::array<iovec, 1 + offload::Coalescer::segments_max> parts;
  parts[0] = {header.data(), header.size()};
  std::size_t count = 1;
  for (const base::Bytes piece : group.pieces) {
    // writev only reads.
    parts[count++] = {const_cast<std::byte*>(piece.data()), piece.size()};
  }
  for (;;) {
    if (::writev(fd_.get(), parts.data(), static_cast<int>(count)) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace caponier::io
