#pragma once
// The clear side: a TUN device with a queue for each worker.

#include <string>
#include <vector>

#include "io/netlink/netlink.h"
#include "io/os/io_error.h"
#include "io/tun/tun_queue.h"

namespace caponier::io {

inline constexpr unsigned tun_mtu_max = 9216;
inline constexpr unsigned tun_mtu_min = 576;
/// Packets that wait in each queue of the device, as many as an Ethernet interface has. With the
/// 500 that are usual for a TUN, a third of what small packets can be had without loss is lost.
inline constexpr unsigned tun_queue_length = 1000;

class TunDevice {
 public:
  /// `name_pattern` may end in %d; the kernel then picks the number. The device lives as long as
  /// the object. Without IPv6 in the kernel it has none either.
  [[nodiscard]] static Io<TunDevice> open(const std::string& name_pattern, unsigned mtu,
                                          unsigned queues, Netlink& netlink);

  TunDevice(TunDevice&&) noexcept;
  TunDevice& operator=(TunDevice&&) noexcept;
  ~TunDevice();

  [[nodiscard]] TunQueue& queue(std::size_t index) { return queues_[index]; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] unsigned index() const { return index_; }
  [[nodiscard]] unsigned mtu() const { return mtu_; }
  /// False: packets of a flow may overtake each other once, when it begins.
  [[nodiscard]] bool keeps_order() const { return keeps_order_; }
  /// Clamped to tun_mtu_min..max. The error is an errno.
  std::expected<void, int> set_mtu(unsigned mtu, Netlink& netlink);

 private:
  TunDevice() = default;
  [[nodiscard]] bool steer();

  std::vector<TunQueue> queues_;
  std::string name_;
  unsigned index_ = 0;
  unsigned mtu_ = 0;
  bool keeps_order_ = true;
};

}  // namespace caponier::io
