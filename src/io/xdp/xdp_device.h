#pragma once
// An Ethernet interface of the outer side: its XDP program, and an XDP socket on each receive
// queue. The program goes with the object, and also with a process that is killed.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/netlink/netlink.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"
#include "io/xdp/xdp_queue.h"

namespace caponier::io {

struct XdpDeviceOptions {
  std::string name;
  std::uint16_t natt_port = 0;
  int addresses = -1;  ///< LocalAddresses::map()
};

class XdpDevice {
 public:
  /// The interface must be there, and its MTU such that a frame fits a page.
  [[nodiscard]] static Io<XdpDevice> open(const XdpDeviceOptions& options, Netlink& netlink);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] unsigned index() const { return index_; }
  /// On every queue the card reads and writes our memory.
  [[nodiscard]] bool is_zero_copy() const { return is_zero_copy_; }
  /// "eth1 (driver, copied, 4 queues)"
  [[nodiscard]] std::string to_string() const;
  /// In the order of their numbers; the caller's from then on.
  [[nodiscard]] std::vector<XdpQueue> take_queues() { return std::move(queues_); }

 private:
  XdpDevice() = default;
  [[nodiscard]] Io<void> attach(const Fd& program, bool is_bond);
  [[nodiscard]] Io<void> open_queues(const XdpQueueOptions& options);

  std::string name_;
  unsigned index_ = 0;
  unsigned queue_count_ = 0;
  bool is_generic_ = false;  ///< the kernel runs the program, not the driver
  bool is_zero_copy_ = false;
  Fd sockets_;  ///< the program's map of sockets by queue
  std::vector<XdpQueue> queues_;
  Fd link_;
};

}  // namespace caponier::io
