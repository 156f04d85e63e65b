#include "io/afpacket/packet_device.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "io/afpacket/filter.h"
#include "io/netlink/ethernet_interface.h"

namespace caponier::io {
namespace {

/// For about a hundred super-packets: while a worker is busy the others' senders go on.
constexpr int socket_buffer_bytes = 8 << 20;
constexpr std::string_view without = "write clear_side = \"tun\" in [daemon]";

bool set_option(const Fd& fd, int level, int option, int value) {
  return ::setsockopt(fd.get(), level, option, &value, sizeof value) == 0;
}

void set_buffers(const Fd& fd) {
  // FORCE passes the system's limits with CAP_NET_ADMIN; without, as much as is allowed.
  for (const auto& [force, plain] :
       {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, std::pair{SO_SNDBUFFORCE, SO_SNDBUF}}) {
    if (!set_option(fd, SOL_SOCKET, force, socket_buffer_bytes)) {
      static_cast<void>(set_option(fd, SOL_SOCKET, plain, socket_buffer_bytes));
    }
  }
}

bool attach(const Fd& fd, std::vector<sock_filter> program) {
  const sock_fprog given{static_cast<std::uint16_t>(program.size()), program.data()};
  return ::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &given, sizeof given) == 0;
}

bool bind_to(const Fd& fd, unsigned interface, base::Family family) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(family == base::Family::v4 ? ETH_P_IP : ETH_P_IPV6);
  address.sll_ifindex = static_cast<int>(interface);
  const void* const at = &address;
  return ::bind(fd.get(), static_cast<const sockaddr*>(at), sizeof address) == 0;
}

/// A flow stays with one socket of the group. The first one is given an identifier that is free,
/// which the others name.
bool join(int fd, int first) {
  constexpr int kind_at = 16;
  int group = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << kind_at;
  if (fd != first) {
    socklen_t size = sizeof group;
    if (::getsockopt(first, SOL_PACKET, PACKET_FANOUT, &group, &size) != 0) return false;
    group = (group & 0xffff) | PACKET_FANOUT_HASH << kind_at;
  }
  return ::setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &group, sizeof group) == 0;
}

/// Receives nothing before it is bound.
Io<Fd> open_socket(std::uint32_t mark) {
  Fd fd{::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd.is_open()) {
    const bool is_missing = errno == EAFNOSUPPORT;
    return std::unexpected{error_from_errno(
        "cannot open a packet socket", errno,
        is_missing ? std::string{without} : "run as root or give the program CAP_NET_RAW")};
  }
  if (!set_option(fd, SOL_PACKET, PACKET_VNET_HDR, 1) || !attach(fd, make_mark_filter(mark))) {
    return std::unexpected{error_from_errno("the kernel's packet sockets have no virtio headers",
                                            errno, std::string{without})};
  }
  set_buffers(fd);
  return fd;
}

}  // namespace

Io<PacketDevice> PacketDevice::open(const std::string& name, unsigned workers, std::uint32_t mark,
                                    Netlink& netlink) {
  PacketDevice device;
  device.name_ = name;
  device.index_ = TRY(find_ethernet(name, "clear_interfaces", netlink)).interface;
  device.queues_.resize(workers);
  TRY_VOID(device.open_family(base::Family::v4, workers, mark));
  TRY_VOID(device.open_family(base::Family::v6, workers, mark));
  return device;
}

Io<void> PacketDevice::open_family(base::Family family, unsigned workers, std::uint32_t mark) {
  int first = -1;
  for (unsigned worker = 0; worker < workers; ++worker) {
    Fd fd = TRY(open_socket(mark));
    if (!bind_to(fd, index_, family)) {
      return std::unexpected{error_from_errno(
          fmt::format("cannot bind a packet socket to {}", name_), errno, std::string{without})};
    }
    if (first < 0) first = fd.get();
    if (workers > 1 && !join(fd.get(), first)) {
      return std::unexpected{
          error_from_errno(fmt::format("cannot divide the packets of {} among the workers", name_),
                           errno, "write workers = 1 in [daemon]")};
    }
    queues_[worker].emplace_back(std::move(fd), index_, family);
  }
  return {};
}

std::vector<PacketQueue> PacketDevice::take_queues(unsigned worker) {
  return std::move(queues_[worker]);
}

}  // namespace caponier::io
