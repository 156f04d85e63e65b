#pragma once
// The clear side: a TUN device. The kernel hands over what TCP and UDP send in super-packets of up
// to 64 kB, which are cut up here, and takes such from us (TSO, USO, and the reverse): one call
// for dozens of packets.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/drops.h"
#include "io/netlink/netlink.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"
#include "ipsec/packet.h"
#include "offload/coalescer.h"

namespace caponier::io {

inline constexpr unsigned tun_mtu_max = 9216;
inline constexpr unsigned tun_mtu_min = 576;

class TunDevice {
 public:
  /// `name_pattern` may end in %d; the kernel then picks the number. The device lives as long as
  /// the object.
  [[nodiscard]] static Io<TunDevice> open(const std::string& name_pattern, unsigned mtu,
                                          Netlink& netlink);

  TunDevice(TunDevice&&) noexcept;
  TunDevice& operator=(TunDevice&&) noexcept;
  ~TunDevice();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] unsigned index() const { return index_; }
  [[nodiscard]] unsigned mtu() const { return mtu_; }
  /// Clamped to tun_mtu_min..max. The error is an errno.
  std::expected<void, int> set_mtu(unsigned mtu, Netlink& netlink);

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
  struct Cutter;
  TunDevice();
  void set_offload();
  /// False: nothing to read.
  [[nodiscard]] bool read_one();

  Fd fd_;
  std::string name_;
  unsigned index_ = 0;
  unsigned mtu_ = 0;
  bool takes_tcp_ = false;
  bool takes_udp_ = false;
  std::unique_ptr<Cutter> cutter_;
  base::DropCounters drops_;
};

}  // namespace caponier::io
