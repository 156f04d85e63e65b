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
#include <optional>
#include <utility>

#include "base/error.h"
#include "io/netlink/messages.h"
#include "offload/segments.h"

namespace caponier::io {
namespace {

using offload::VirtioHeader;

/// Of Linux 6.2, in linux/if_tun.h.
constexpr unsigned long offload_uso4 = 0x20;
constexpr unsigned long offload_uso6 = 0x40;

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
  int header_size = VirtioHeader::size;
  if (::ioctl(fd, TUNSETVNETHDRSZ, &header_size) != 0) return std::unexpected{errno};
  return {};
}

}  // namespace

/// A super-packet, and how far it has been cut up.
struct TunDevice::Cutter {
  ipsec::PacketBuffer packet{ipsec::PacketBuffer::payload_max};
  std::optional<offload::Segments> segments;
  std::size_t next = 0;
};

TunDevice::TunDevice() : cutter_(std::make_unique<Cutter>()) {}
TunDevice::TunDevice(TunDevice&&) noexcept = default;
TunDevice& TunDevice::operator=(TunDevice&&) noexcept = default;
TunDevice::~TunDevice() = default;

void TunDevice::set_offload() {
  constexpr unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  takes_udp_ = ::ioctl(fd_.get(), TUNSETOFFLOAD, tcp | offload_uso4 | offload_uso6) == 0;
  takes_tcp_ = takes_udp_ || ::ioctl(fd_.get(), TUNSETOFFLOAD, tcp) == 0;
}

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
  tun.set_offload();
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
  Cutter& cutter = *cutter_;
  std::size_t count = 0;
  while (count < batch.size()) {
    if (!cutter.segments && !read_one()) break;
    if (!cutter.segments) continue;
    ipsec::PacketBuffer& packet = *batch[count++];
    if (cutter.segments->count() == 1) {
      std::swap(packet, cutter.packet);
      cutter.segments.reset();
      continue;
    }
    packet.resize(cutter.segments->size_of(cutter.next));
    cutter.segments->write(cutter.next, packet.bytes());
    if (++cutter.next == cutter.segments->count()) cutter.segments.reset();
  }
  return count;
}

bool TunDevice::read_one() {
  Cutter& cutter = *cutter_;
  std::array<std::byte, VirtioHeader::size> bytes{};
  const base::MutBytes area = cutter.packet.fill_area();
  const std::array<iovec, 2> parts{iovec{bytes.data(), bytes.size()},
                                   iovec{area.data(), area.size()}};
  ssize_t size = -1;
  do size = ::readv(fd_.get(), parts.data(), 2);
  while (size < 0 && errno == EINTR);
  if (size < static_cast<ssize_t>(bytes.size())) return false;
  cutter.packet.resize(static_cast<std::size_t>(size) - bytes.size());
  cutter.next = 0;
  const VirtioHeader header = VirtioHeader::decode(bytes);
  const base::MutBytes packet = cutter.packet.bytes();
  auto segments = offload::Segments::plan(header, packet, ipsec::PacketBuffer::payload_max);
  const bool is_one = segments && segments->count() == 1;
  if (!segments || (is_one && !offload::complete_checksum(header, packet))) {
    drops_.add(base::DropReason::clear_malformed);
    return true;
  }
  cutter.segments = *segments;
  return true;
}

bool TunDevice::write(base::Bytes packet) { return write({VirtioHeader{}, {&packet, 1}}); }

bool TunDevice::write(const offload::Coalescer::Group& group) {
  std::array<std::byte, VirtioHeader::size> header = group.header.encode();
  std::array<iovec, 1 + offload::Coalescer::segments_max> parts;
  parts[0] = {header.data(), header.size()};
  std::size_t count = 1;
  for (const base::Bytes piece : group.pieces) {
    // writev only reads.
    parts[count++] = {const_cast<std::byte*>(piece.data()), piece.size()};
  }
  for (;;) {
    if (::writev(fd_.get(), parts.data(), static_cast<int>(count)) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace caponier::io
