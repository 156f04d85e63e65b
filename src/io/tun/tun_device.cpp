#include "io/tun/tun_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "io/netlink/messages.h"
#include "io/tun/flow_steering.h"
#include "offload/virtio_header.h"

namespace caponier::io {
namespace {

using offload::VirtioHeader;

IoError open_error(int error) {
  if (error == ENOENT || error == ENODEV || error == ENXIO) {
    return {IoFault::other, "there is no /dev/net/tun",
            "load the kernel's tun module (modprobe tun); in a container pass the device in "
            "(--device /dev/net/tun)"};
  }
  return error_from_errno("cannot open /dev/net/tun", error,
                          "run as root or give the program CAP_NET_ADMIN");
}

std::expected<void, int> attach(int fd, ifreq& request, bool is_first) {
  unsigned flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE | IFF_VNET_HDR;
  // Or else we would become one more queue of another process's device.
  if (is_first) flags |= IFF_TUN_EXCL;
  request.ifr_flags = static_cast<short>(flags);
  if (::ioctl(fd, TUNSETIFF, &request) != 0) return std::unexpected{errno};
  int header_size = VirtioHeader::size;
  if (::ioctl(fd, TUNSETVNETHDRSZ, &header_size) != 0) return std::unexpected{errno};
  return {};
}

}  // namespace

TunDevice::TunDevice(TunDevice&&) noexcept = default;
TunDevice& TunDevice::operator=(TunDevice&&) noexcept = default;
TunDevice::~TunDevice() = default;

Io<TunDevice> TunDevice::open(const std::string& name_pattern, unsigned mtu, unsigned queues,
                              Netlink& netlink) {
  TunDevice tun;
  ifreq request{};
  name_pattern.copy(request.ifr_name, IFNAMSIZ - 1);
  for (unsigned i = 0; i < queues; ++i) {
    Fd fd{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    if (!fd.is_open()) return std::unexpected{open_error(errno)};
    // The first call puts the device's real name into `request`.
    if (const auto done = attach(fd.get(), request, i == 0); !done) {
      const bool busy = done.error() == EBUSY || done.error() == EEXIST;
      return std::unexpected{error_from_errno(
          fmt::format("cannot create the tunnel device {}", name_pattern), done.error(),
          busy ? "another program uses this name; set daemon.tun = \"caponier%d\""
               : "run as root or give the program CAP_NET_ADMIN")};
    }
    tun.queues_.emplace_back(std::move(fd));
  }
  if (queues > 1) tun.keeps_order_ = tun.steer();
  tun.name_ = request.ifr_name;
  tun.index_ = ::if_nametoindex(request.ifr_name);
  tun.mtu_ = std::clamp(mtu, tun_mtu_min, tun_mtu_max);
  // Refused by a kernel without IPv6, which invents no addresses either.
  auto no_addresses = make_no_ipv6_addresses(tun.index_);
  static_cast<void>(netlink.request(no_addresses));
  auto link_up = make_link_up(tun.index_, tun.mtu_, tun_queue_length);
  if (const auto done = netlink.request(link_up); !done) {
    return std::unexpected{error_from_errno(fmt::format("cannot bring {} up", tun.name_),
                                            done.error(),
                                            "run as root or give the program CAP_NET_ADMIN")};
  }
  return tun;
}

bool TunDevice::steer() {
  const auto program = load_flow_steering();
  if (!program) return false;
  int fd = program->get();
  return ::ioctl(queues_.front().fd(), TUNSETSTEERINGEBPF, &fd) == 0;
}

std::expected<void, int> TunDevice::set_mtu(unsigned mtu, Netlink& netlink) {
  mtu = std::clamp(mtu, tun_mtu_min, tun_mtu_max);
  if (mtu == mtu_) return {};
  auto setup = make_link_up(index_, mtu, tun_queue_length);
  TRY_VOID(netlink.request(setup));
  mtu_ = mtu;
  return {};
}

}  // namespace caponier::io
