#include "io/afpacket/next_hops.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <optional>

namespace caponier::io {

std::size_t AddressHash::operator()(const base::IpAddress& address) const {
  constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;  // Fibonacci hashing
  std::uint64_t hash = 0;
  for (base::Bytes rest = address.bytes(); !rest.empty(); rest = rest.subspan(4)) {
    hash = (hash ^ base::load_be<std::uint32_t>(rest.data())) * odd;
    hash ^= hash >> 32;
  }
  return static_cast<std::size_t>(hash);
}

std::size_t WayHash::operator()(const WayQuestion& question) const {
  const std::size_t hash = AddressHash{}(question.destination);
  return question.source.is_unspecified() ? hash : hash ^ (AddressHash{}(question.source) << 1U);
}

/// Hears what the kernel tells of routes and neighbours.
class HopFinder::Monitor {
 public:
  explicit Monitor(mnl_socket* opened) : socket(opened) {}
  ~Monitor() { mnl_socket_close(socket); }
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  mnl_socket* socket;
};

HopFinder::HopFinder(Netlink& netlink, std::unique_ptr<Monitor> monitor, std::uint32_t mark)
    : netlink_(&netlink), monitor_(std::move(monitor)), mark_(mark) {}
HopFinder::HopFinder(HopFinder&&) noexcept = default;
HopFinder& HopFinder::operator=(HopFinder&&) noexcept = default;
HopFinder::~HopFinder() = default;

Io<HopFinder> HopFinder::open(Netlink& netlink, const std::vector<unsigned>& interfaces,
                              std::uint32_t mark) {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket == nullptr) {
    return std::unexpected{error_from_errno("cannot open a netlink socket", errno)};
  }
  HopFinder finder{netlink, std::make_unique<Monitor>(socket), mark};
  constexpr unsigned groups = RTMGRP_NEIGH | RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                              RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE;
  int ipv6_rules = RTNLGRP_IPV6_RULE;  // has no bit of its own
  if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0 ||
      mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &ipv6_rules, sizeof ipv6_rules) < 0) {
    return std::unexpected{error_from_errno("cannot watch this host's neighbours", errno)};
  }
  for (const unsigned interface : interfaces) finder.links_[interface] = {};
  finder.read_links();
  return finder;
}

int HopFinder::fd() const { return mnl_socket_get_fd(monitor_->socket); }

void HopFinder::read_links() {
  for (auto& [interface, link] : links_) {
    link = {};
    auto question = make_link_query(interface);
    static_cast<void>(netlink_->query(question, [&known = link](base::Bytes answer) {
      if (const auto found = read_ethernet_link(answer)) known = *found;
    }));
  }
}

bool HopFinder::drain() {
  bool is_changed = false;
  bool is_all_in_doubt = false;
  const std::function<void(base::Bytes)> handle = [&](base::Bytes message) {
    if (!is_about_neighbour(message)) {
      is_all_in_doubt = true;
    } else if (const auto neighbour = read_neighbour(message)) {
      is_changed = heed(*neighbour) || is_changed;
    }
  };
  const auto on_message = [](const nlmsghdr* header, void* data) {
    (*static_cast<const std::function<void(base::Bytes)>*>(data))(
        {reinterpret_cast<const std::byte*>(header), header->nlmsg_len});
    return MNL_CB_OK;
  };
  std::array<char, 32768> buffer{};
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(monitor_->socket, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    // Too many for the socket's buffer.
    if (size < 0 && errno == ENOBUFS) {
      is_all_in_doubt = true;
      continue;
    }
    if (size <= 0) break;
    static_cast<void>(mnl_cb_run(buffer.data(), static_cast<std::size_t>(size), 0, 0, on_message,
                                 const_cast<std::function<void(base::Bytes)>*>(&handle)));
  }
  if (is_all_in_doubt) {
    read_links();
    is_changed = !ways_.empty();
    forget();
  }
  if (is_changed) rebuild();
  return is_changed;
}

bool HopFinder::heed(const Neighbour& neighbour) {
  const NeighbourName name{neighbour.interface, neighbour.address};
  const auto known = neighbours_.find(name);
  if (known == neighbours_.end()) return false;
  if (neighbour.mac) {
    known->second = neighbour;
    return true;
  }
  neighbours_.erase(known);
  std::erase_if(ways_, [&](const auto& entry) {
    return NeighbourName{entry.second.interface, entry.second.via} == name;
  });
  return true;
}

std::optional<Way> HopFinder::ask_way(const WayQuestion& question) {
  std::optional<Way> way;
  auto query = make_way_query(question, mark_);
  static_cast<void>(netlink_->query(query, [&](base::Bytes answer) {
    if (const auto found = read_way(answer, question.destination)) way = found;
  }));
  return way;
}

std::optional<Neighbour> HopFinder::ask_neighbour(const NeighbourName& name) {
  std::optional<Neighbour> neighbour;
  auto question = make_neighbour_query(name.first, name.second);
  static_cast<void>(netlink_->query(question, [&](base::Bytes answer) {
    if (const auto found = read_neighbour(answer)) neighbour = found;
  }));
  return neighbour;
}

bool HopFinder::find(const WayQuestion& question) {
  const auto way = ask_way(question);
  if (!way || !links_.contains(way->interface)) return false;
  const NeighbourName name{way->interface, way->via};
  const Neighbour neighbour =
      ask_neighbour(name).value_or(Neighbour{name.first, name.second, std::nullopt, false});
  if (!neighbour.mac || neighbour.is_stale) {
    auto use = make_neighbour_use(name.first, name.second);
    static_cast<void>(netlink_->request(use));
  }
  // Those in use come back at once.
  if (ways_.size() == destinations_max) forget();
  // Without an address it waits for the kernel's notice.
  const bool is_new_way = std::exchange(ways_[question], *way) != *way;
  const bool is_new_neighbour = std::exchange(neighbours_[name], neighbour) != neighbour;
  if (!is_new_way && !is_new_neighbour) return false;
  rebuild();
  return true;
}

void HopFinder::forget() {
  ways_.clear();
  neighbours_.clear();
}

void HopFinder::rebuild() {
  auto hops = std::make_shared<NextHops>();
  for (const auto& [question, way] : ways_) {
    const auto neighbour = neighbours_.find({way.interface, way.via});
    const EthernetLink& link = links_[way.interface];
    if (neighbour == neighbours_.end() || !neighbour->second.mac || link.mtu == 0) continue;
    const std::size_t mtu = way.mtu == 0 ? link.mtu : std::min(way.mtu, link.mtu);
    hops->emplace(question, NextHop{way.interface, link.mac, *neighbour->second.mac, mtu,
                                    neighbour->second.is_stale});
  }
  hops_ = std::move(hops);
}

}  // namespace caponier::io
