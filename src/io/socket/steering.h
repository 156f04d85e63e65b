#pragma once
// Which of our sockets gets a packet, decided in the kernel by classic BPF: ESP goes to the worker
// that its SPI names (base::worker_of), everything else to the control side.

#include <cstddef>
#include <cstdint>

#include "base/address.h"

namespace caponier::io {

/// One of so many workers.
struct WorkerShare {
  unsigned index = 0;
  unsigned count = 1;
};

/// For a group of UDP sockets of one port that share it: the first belongs to the control side, the
/// next to the workers in their order. Set once, on any of them. False: the kernel refused.
[[nodiscard]] bool steer_udp(int fd, unsigned workers, bool is_natt_port);
/// For a raw socket: it gets the packets of its worker only. `spi_at`: octets from the beginning of
/// the IP payload.
[[nodiscard]] bool steer_raw(int fd, base::Family family, const WorkerShare& share,
                             std::size_t spi_at);

}  // namespace caponier::io
