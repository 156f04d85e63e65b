#pragma once
// One queue of a TUN device. The kernel hands over what TCP and UDP send in super-packets of up to
// 64 kB, which are cut up here, and takes such from us (TSO, USO, and the reverse): one call for
// dozens of packets. A flow stays with one queue.

#include <span>

#include "base/drops.h"
#include "io/cutter/cutter.h"
#include "io/os/fd.h"
#include "ipsec/packet.h"
#include "offload/coalescer.h"

namespace caponier::io {

class TunQueue {
 public:
  /// `fd`: attached, with virtio headers.
  explicit TunQueue(Fd fd);

  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Fills the first packets of `batch` without blocking; how many. Fewer than there is room for:
  /// there are no more now. Each can hold the largest of packets.
  [[nodiscard]] std::size_t read(std::span<ipsec::PacketBuffer*> batch);
  /// False: the kernel refused the packet.
  [[nodiscard]] bool write(base::Bytes packet);
  [[nodiscard]] bool write(const offload::Coalescer::Group& group);
  /// Whether the kernel takes super-packets, of TCP and of UDP.
  [[nodiscard]] bool takes_tcp() const { return takes_tcp_; }
  [[nodiscard]] bool takes_udp() const { return takes_udp_; }
  /// Packets of the kernel whose virtio header makes no sense.
  [[nodiscard]] const base::DropCounters& drops() const { return drops_; }

 private:
  /// False: nothing to read.
  [[nodiscard]] bool read_one();

  Fd fd_;
  bool takes_tcp_ = false;
  bool takes_udp_ = false;
  Cutter cutter_;
  base::DropCounters drops_;
};

}  // namespace caponier::io
