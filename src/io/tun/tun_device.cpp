#include "io/tun/tun_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "io/netlink/messages.h"

namespace caponier::io {
namespace {

/// struct virtio_net_hdr, whose kernel header C++ cannot include. All zero: no offload asked.
using VnetHeader = std::array<std::byte, 10>;

IoError open_error(int error) {
  if (error == ENOENT || error == ENODEV || error == ENXIO) {
    return {IoFault::other, "there is no /dev/net/tun",
            "load the kernel's tun module (modprobe tun); in a container pass the device in "
            "(--device /dev/net/tun)"};
  }
  return error_from_errno("cannot open /dev/net/tun", error,
                          "run as root or give the program CAP_NET_ADMIN");
}

std::expected<void, int> attach(int fd, ifreq& request, const std::string& name_pattern) {
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE | IFF_VNET_HDR;
  name_pattern.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(fd, TUNSETIFF, &request) != 0) return std::unexpected{errno};
  int header_size = sizeof(VnetHeader);
  if (::ioctl(fd, TUNSETVNETHDRSZ, &header_size) != 0) return std::unexpected{errno};
  // No offload yet: the kernel completes checksums and segments before we see a packet.
  if (::ioctl(fd, TUNSETOFFLOAD, 0UL) != 0) return std::unexpected{errno};
  return {};
}

}  // namespace

Io<TunDevice> TunDevice::open(const std::string& name_pattern, unsigned mtu, Netlink& netlink) {
  TunDevice tun;
  tun.fd_.reset(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tun.fd_.is_open()) return std::unexpected{open_error(errno)};
  ifreq request{};
  if (const auto done = attach(tun.fd_.get(), request, name_pattern); !done) {
    const bool busy = done.error() == EBUSY || done.error() == EEXIST;
    return std::unexpected{error_from_errno(
        fmt::format("cannot create the tunnel device {}", name_pattern), done.error(),
        busy ? "another program uses this name; set daemon.tun = \"caponier%d\""
             : "run as root or give the program CAP_NET_ADMIN")};
  }
  tun.name_ = request.ifr_name;
  tun.index_ = ::if_nametoindex(request.ifr_name);
  tun.mtu_ = std::clamp(mtu, tun_mtu_min, tun_mtu_max);
  // Refused by a kernel without IPv6, which invents no addresses either.
  auto no_addresses = make_no_ipv6_addresses(tun.index_);
  static_cast<void>(netlink.request(no_addresses));
  auto link_up = make_link_up(tun.index_, tun.mtu_);
  if (const auto done = netlink.request(link_up); !done) {
    return std::unexpected{error_from_errno(fmt::format("cannot bring {} up", tun.name_),
                                            done.error(),
                                            "run as root or give the program CAP_NET_ADMIN")};
  }
  return tun;
}

std::expected<void, int> TunDevice::set_mtu(unsigned mtu, Netlink& netlink) {
  mtu = std::clamp(mtu, tun_mtu_min, tun_mtu_max);
  if (mtu == mtu_) return {};
  auto setup = make_link_up(index_, mtu);
  TRY_VOID(netlink.request(setup));
  mtu_ = mtu;
  return {};
}

std::size_t TunDevice::read(std::span<ipsec::PacketBuffer*> batch) {
  std::size_t count = 0;
  while (count < batch.size()) {
    VnetHeader header{};
    const base::MutBytes area = batch[count]->fill_area();
    const std::array<iovec, 2> parts{iovec{&header, sizeof header},
                                     iovec{area.data(), area.size()}};
    const ssize_t size = ::readv(fd_.get(), parts.data(), 2);
    if (size < 0 && errno == EINTR) continue;
    if (size < static_cast<ssize_t>(sizeof header)) break;
    batch[count]->resize(static_cast<std::size_t>(size) - sizeof header);
    ++count;
  }
  return count;
}

bool TunDevice::write(base::Bytes packet) {
  VnetHeader header{};
  // writev only reads.
  const std::array<iovec, 2> parts{iovec{&header, sizeof header},
                                   iovec{const_cast<std::byte*>(packet.data()), packet.size()}};
  for (;;) {
    if (::writev(fd_.get(), parts.data(), 2) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace caponier::io
