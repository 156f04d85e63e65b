#pragma once
// One worker's packet socket on an Ethernet interface: what a router is to pass on comes in as
// frames, and goes out as such. Super-packets of up to 64 kB both ways, as with a TunQueue.

#include <span>

#include "base/address.h"
#include "base/drops.h"
#include "io/afpacket/frame.h"
#include "io/cutter/cutter.h"
#include "io/os/fd.h"
#include "offload/coalescer.h"

namespace caponier::io {

class PacketQueue {
 public:
  /// `fd`: bound to the interface and to one family, with virtio headers, not blocking.
  PacketQueue(Fd fd, unsigned interface, base::Family family)
      : fd_(std::move(fd)), interface_(interface), family_(family) {}

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] unsigned interface() const { return interface_; }
  [[nodiscard]] base::Family family() const { return family_; }

  /// Fills the first packets of `batch` without blocking, each with one hop fewer to go; how many.
  /// Fewer than there is room for: there are no more now. Each can hold the largest of packets.
  [[nodiscard]] std::size_t read(std::span<ipsec::PacketBuffer*> batch);
  /// Packets of this queue's family that have hops left; they lose one. False: the kernel refused.
  [[nodiscard]] bool write(const NextHop& hop, base::Bytes packet);
  [[nodiscard]] bool write(const NextHop& hop, const offload::Coalescer::Group& group);
  /// Frames whose headers make no sense, and those for which the socket's buffer had no room. From
  /// any thread, but not from two.
  [[nodiscard]] base::DropCounters drops() const;

 private:
  /// False: nothing to read.
  [[nodiscard]] bool read_one();
  [[nodiscard]] bool take(const offload::VirtioHeader& header, std::size_t size);

  Fd fd_;
  unsigned interface_;
  base::Family family_;
  Cutter cutter_;
  mutable base::DropCounters drops_;
};

}  // namespace caponier::io
