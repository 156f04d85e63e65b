#pragma once
// An Ethernet interface of the clear side, with queues for each worker. Only frames that carry a
// mark come in, each to one worker: what sets the mark decides alone what is taken from the kernel.

#include <cstdint>
#include <string>
#include <vector>

#include "io/afpacket/packet_queue.h"
#include "io/netlink/netlink.h"
#include "io/os/io_error.h"

namespace caponier::io {

class PacketDevice {
 public:
  /// The interface must be there. `mark`: of what is taken.
  [[nodiscard]] static Io<PacketDevice> open(const std::string& name, unsigned workers,
                                             std::uint32_t mark, Netlink& netlink);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] unsigned index() const { return index_; }
  /// Those of one worker; they are the caller's from then on.
  [[nodiscard]] std::vector<PacketQueue> take_queues(unsigned worker);

 private:
  PacketDevice() = default;
  /// One socket for each worker.
  [[nodiscard]] Io<void> open_family(base::Family family, unsigned workers, std::uint32_t mark);

  std::string name_;
  unsigned index_ = 0;
  std::vector<std::vector<PacketQueue>> queues_;  ///< by worker
};

}  // namespace caponier::io
