#include "io/xdp/xdp_device.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "io/bpf/bpf.h"
#include "io/netlink/ethernet_interface.h"
#include "io/xdp/outer_program.h"

namespace caponier::io {
namespace {

constexpr std::size_t small_chunk = 2048;
constexpr std::size_t large_chunk = 4096;
/// Ethernet header and a VLAN tag.
constexpr std::size_t link_header_max = ethernet_header_size + 4;

std::string without(const std::string& name) {
  return fmt::format(
      "take {} out of outer_interfaces, or write outer_side = \"socket\" in [daemon]", name);
}

/// How many receive queues the card uses.
unsigned count_queues(const std::string& name) {
  const Fd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  ifreq request{};
  std::memcpy(request.ifr_name, name.c_str(), std::min(name.size(), sizeof request.ifr_name - 1));
  request.ifr_data = reinterpret_cast<char*>(&channels);
  // Drivers that cannot tell have one.
  if (!fd.is_open() || ::ioctl(fd.get(), SIOCETHTOOL, &request) != 0) return 1;
  return std::max(1U, channels.rx_count + channels.combined_count);
}

std::uint8_t read_octet(const std::string& path, std::uint8_t otherwise) {
  std::ifstream in{path};
  unsigned value = 0;
  return in >> value && value > 0 && value <= UINT8_MAX ? static_cast<std::uint8_t>(value)
                                                        : otherwise;
}

OuterDefaults read_defaults(const std::string& name) {
  OuterDefaults defaults;
  defaults.ttl = read_octet("/proc/sys/net/ipv4/ip_default_ttl", defaults.ttl);
  defaults.hop_limit =
      read_octet(fmt::format("/proc/sys/net/ipv6/conf/{}/hop_limit", name), defaults.hop_limit);
  return defaults;
}

}  // namespace

Io<XdpDevice> XdpDevice::open(const XdpDeviceOptions& options, Netlink& netlink) {
  const EthernetLink link = TRY(find_ethernet(options.name, "outer_interfaces", netlink));
  const std::size_t wanted = XdpQueue::front_room + link_header_max + link.mtu;
  if (wanted > large_chunk) {
    return std::unexpected{IoError{
        IoFault::network,
        fmt::format("outer_side: {} has an MTU of {}, XDP sockets carry {} at most", options.name,
                    link.mtu, large_chunk - XdpQueue::front_room - link_header_max),
        fmt::format("lower it, or {}", without(options.name))}};
  }
  const std::size_t chunk = wanted <= small_chunk ? small_chunk : large_chunk;
  XdpDevice device;
  device.name_ = options.name;
  device.index_ = link.interface;
  device.queue_count_ = count_queues(options.name);
  const auto refused = [&](std::string_view what, int error) {
    return std::unexpected{error_from_errno(
        fmt::format("outer_side: {} for {}", what, options.name), error,
        "run as root or give the program CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, or write "
        "outer_side = \"socket\" in [daemon]")};
  };
  auto sockets = make_map({BPF_MAP_TYPE_XSKMAP, 4, 4, device.queue_count_});
  if (!sockets) return refused("cannot make a map of XDP sockets", sockets.error());
  device.sockets_ = std::move(*sockets);
  const auto program = load_program(
      BPF_PROG_TYPE_XDP, make_outer_program({options.natt_port, chunk - XdpQueue::front_room,
                                             options.addresses, device.sockets_.get()}));
  if (!program) return refused("the kernel refuses the XDP program", program.error());
  TRY_VOID(device.attach(*program, link.is_bond));
  TRY_VOID(device.open_queues({link.interface, 0, chunk, read_defaults(options.name)}));
  return device;
}

Io<void> XdpDevice::attach(const Fd& program, bool is_bond) {
  // What a bond's ports redirect is theirs, and we have no sockets there.
  std::expected<Fd, int> link = std::unexpected{EOPNOTSUPP};
  if (!is_bond) link = attach_xdp(program, index_, XDP_FLAGS_DRV_MODE);
  const bool is_taken = !link && (link.error() == EBUSY || link.error() == EEXIST);
  if (!link && !is_taken) {
    is_generic_ = true;
    link = attach_xdp(program, index_, XDP_FLAGS_SKB_MODE);
  }
  if (!link) {
    const bool is_others = link.error() == EBUSY || link.error() == EEXIST;
    return std::unexpected{error_from_errno(
        is_others ? fmt::format("outer_side: {} has another XDP program", name_)
                  : fmt::format("outer_side: {} takes no XDP program", name_),
        link.error(),
        is_others
            ? fmt::format("detach it (ip link set dev {} xdp off), or {}", name_, without(name_))
            : fmt::format("run as root or give the program CAP_NET_ADMIN; else {}",
                          without(name_)))};
  }
  link_ = std::move(*link);
  return {};
}

Io<void> XdpDevice::open_queues(const XdpQueueOptions& options) {
  is_zero_copy_ = true;
  for (unsigned number = 0; number < queue_count_; ++number) {
    XdpQueueOptions one = options;
    one.queue = number;
    auto queue = XdpQueue::open(one);
    if (!queue) {
      IoError error = std::move(queue.error());
      error.message = fmt::format("outer_side: {}: {}", name_, error.message);
      return std::unexpected{std::move(error)};
    }
    const int fd = queue->fd();
    if (const auto done = set_entry(sockets_, std::as_bytes(std::span{&number, 1}),
                                    std::as_bytes(std::span{&fd, 1}));
        !done) {
      return std::unexpected{
          error_from_errno(fmt::format("outer_side: {}: queue {} is not served", name_, number),
                           done.error(), without(name_))};
    }
    is_zero_copy_ = is_zero_copy_ && queue->is_zero_copy();
    queues_.push_back(std::move(*queue));
  }
  return {};
}

std::string XdpDevice::to_string() const {
  return fmt::format("{} ({}, {}, {} {})", name_, is_generic_ ? "generic" : "driver",
                     is_zero_copy_ ? "zero-copy" : "copied", queue_count_,
                     queue_count_ == 1 ? "queue" : "queues");
}

}  // namespace caponier::io
