#include "io/netlink/address_monitor.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace caponier::io {
namespace {

/// Documentation addresses (RFC 5737, RFC 3849): nobody has a route to them but the default one.
constexpr std::array wide_world{"192.0.2.1", "2001:db8::1"};

bool holds(std::span<const base::IpAddress> list, const base::IpAddress& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

int note_change(const nlmsghdr* header, void* data) {
  const base::Bytes message{reinterpret_cast<const std::byte*>(header), header->nlmsg_len};
  if (is_address_change(message)) *static_cast<bool*>(data) = true;
  return MNL_CB_OK;
}

}  // namespace

std::vector<base::IpAddress> usable_addresses(std::span<const HostAddress> addresses,
                                              std::span<const LinkState> links,
                                              unsigned own_interface,
                                              std::span<const base::IpAddress> favoured) {
  const auto rank = [&](const HostAddress& candidate) {
    if (!candidate.preferred) return 2;
    return holds(favoured, candidate.address) ? 0 : 1;
  };
  std::vector<base::IpAddress> result;
  for (int wanted = 0; wanted <= 2; ++wanted) {
    for (const HostAddress& candidate : addresses) {
      if (rank(candidate) != wanted || candidate.interface == own_interface) continue;
      const auto link = std::find_if(links.begin(), links.end(), [&](const LinkState& state) {
        return state.interface == candidate.interface;
      });
      if (link == links.end() || !link->carries || holds(result, candidate.address)) continue;
      if (result.size() < host_addresses_max) result.push_back(candidate.address);
    }
  }
  return result;
}

class AddressMonitor::Impl {
 public:
  Impl(mnl_socket* opened, Netlink& queries, unsigned interface, std::uint32_t outer_mark)
      : socket(opened), netlink(&queries), own_interface(interface), mark(outer_mark) {}
  ~Impl() { mnl_socket_close(socket); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  mnl_socket* socket;
  Netlink* netlink;
  unsigned own_interface;
  std::uint32_t mark;
};

AddressMonitor::AddressMonitor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AddressMonitor::AddressMonitor(AddressMonitor&&) noexcept = default;
AddressMonitor& AddressMonitor::operator=(AddressMonitor&&) noexcept = default;
AddressMonitor::~AddressMonitor() = default;

Io<AddressMonitor> AddressMonitor::open(Netlink& netlink, unsigned own_interface,
                                        std::uint32_t mark) {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket == nullptr) {
    return std::unexpected{error_from_errno("cannot open a netlink socket", errno)};
  }
  auto impl = std::make_unique<Impl>(socket, netlink, own_interface, mark);
  constexpr unsigned groups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
    return std::unexpected{error_from_errno("cannot watch this host's addresses", errno)};
  }
  return AddressMonitor{std::move(impl)};
}

int AddressMonitor::fd() const { return mnl_socket_get_fd(impl_->socket); }

bool AddressMonitor::drain() {
  bool changed = false;
  std::array<char, 32768> buffer{};
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(impl_->socket, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    // Too many for the socket's buffer: what they said is unknown, so it is looked up.
    if (size < 0 && errno == ENOBUFS) {
      changed = true;
      continue;
    }
    if (size <= 0) return changed;
    static_cast<void>(
        mnl_cb_run(buffer.data(), static_cast<std::size_t>(size), 0, 0, note_change, &changed));
  }
}

std::vector<base::IpAddress> AddressMonitor::collect() {
  Netlink& netlink = *impl_->netlink;
  std::vector<HostAddress> addresses;
  std::vector<LinkState> links;
  std::vector<base::IpAddress> favoured;
  auto dump = make_address_dump();
  static_cast<void>(netlink.query(dump, [&](base::Bytes message) {
    if (const auto address = read_host_address(message)) addresses.push_back(*address);
  }));
  dump = make_link_dump();
  static_cast<void>(netlink.query(dump, [&](base::Bytes message) {
    if (const auto link = read_link(message)) links.push_back(*link);
  }));
  for (const char* const target : wide_world) {
    auto question = make_source_query(*base::IpAddress::parse(target), impl_->mark);
    static_cast<void>(netlink.query(question, [&](base::Bytes message) {
      if (const auto source = read_source(message)) favoured.push_back(*source);
    }));
  }
  return usable_addresses(addresses, links, impl_->own_interface, favoured);
}

}  // namespace caponier::io
