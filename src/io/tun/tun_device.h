#pragma once
// The clear side: a TUN device whose packets carry a virtio header, so that offload can come later
// without another way of opening it.

#include <cstdint>
#include <span>
#include <string>

#include "io/netlink/netlink.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"
#include "ipsec/packet.h"

namespace caponier::io {

inline constexpr unsigned tun_mtu_max = 9216;
inline constexpr unsigned tun_mtu_min = 576;

class TunDevice {
 public:
  /// `name_pattern` may end in %d; the kernel then picks the number. The device lives as long as
  /// the object.
  [[nodiscard]] static Io<TunDevice> open(const std::string& name_pattern, unsigned mtu,
                                          Netlink& netlink);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] unsigned index() const { return index_; }
  [[nodiscard]] unsigned mtu() const { return mtu_; }
  /// Clamped to tun_mtu_min..max. The error is an errno.
  std::expected<void, int> set_mtu(unsigned mtu, Netlink& netlink);

  /// Fills the first packets of `batch` without blocking; how many.
  [[nodiscard]] std::size_t read(std::span<ipsec::PacketBuffer*> batch);
  /// False: the kernel refused the packet.
  [[nodiscard]] bool write(base::Bytes packet);

 private:
  TunDevice() = default;

  Fd fd_;
  std::string name_;
  unsigned index_ = 0;
  unsigned mtu_ = 0;
};

}  // namespace caponier::io
