#include "io/route/route_table.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "io/netlink/messages.h"

namespace caponier::io {
namespace {

constexpr std::array families{base::Family::v4, base::Family::v6};

RuleMessage rule_of(base::Family family, std::uint32_t mark) {
  return {family, route_rule_priority, mark, mark};
}

bool interface_exists(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  return ::if_indextoname(index, name.data()) != nullptr;
}

std::optional<int> read_setting(const std::string& path) {
  std::ifstream in{path};
  int value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

}  // namespace

RouteTable::RouteTable(unsigned tun_index, Netlink& netlink)
    : tun_index_(tun_index), netlink_(&netlink) {}

RouteTable::RouteTable(RouteTable&& other) noexcept
    : tun_index_(other.tun_index_),
      netlink_(std::exchange(other.netlink_, nullptr)),
      routes_(std::move(other.routes_)) {}

Io<RouteTable> RouteTable::open(unsigned tun_index, Netlink& netlink) {
  RouteTable table{tun_index, netlink};
  table.remove_stale_rules();
  for (const base::Family family : families) {
    auto message = make_rule(Change::add, rule_of(family, route_mark(tun_index)));
    const auto done = netlink.request(message);
    const bool no_v6 = family == base::Family::v6 &&
                       (!done && (done.error() == EAFNOSUPPORT || done.error() == EOPNOTSUPP));
    if (!done && !no_v6) {
      return std::unexpected{error_from_errno("cannot add a routing rule", done.error(),
                                              "run as root or give the program CAP_NET_ADMIN")};
    }
  }
  return table;
}

RouteTable::~RouteTable() {
  if (netlink_ == nullptr) return;
  while (!routes_.empty()) static_cast<void>(remove(routes_.begin()->first));
  for (const base::Family family : families) {
    auto message = make_rule(Change::remove, rule_of(family, route_mark(tun_index_)));
    static_cast<void>(netlink_->request(message));
  }
}

void RouteTable::remove_stale_rules() {
  const std::uint32_t own = route_mark(tun_index_);
  for (const base::Family family : families) {
    std::vector<RuleMessage> stale;
    auto dump = make_rule_dump(family);
    static_cast<void>(netlink_->query(dump, [&](base::Bytes message) {
      const auto rule = read_own_rule(message);
      if (!rule || rule->mark != rule->table || rule->table < route_table_base) return;
      const bool alive = interface_exists(rule->table - route_table_base);
      if (rule->table == own || !alive) stale.push_back(*rule);
    }));
    for (const RuleMessage& rule : stale) {
      auto message = make_rule(Change::remove, rule);
      static_cast<void>(netlink_->request(message));
    }
  }
}

std::expected<void, std::string> RouteTable::add(const base::Prefix& prefix,
                                                 std::optional<base::IpAddress> source,
                                                 const std::vector<base::Prefix>& local_nets) {
  if (!source) source = find_own_address(local_nets);
  if (source && source->family() != prefix.address.family()) source.reset();
  auto exceptions = add_exceptions(prefix, local_nets);
  auto message = make_route(Change::add, {prefix, route_mark(tun_index_), tun_index_, source});
  auto done = netlink_->request(message);
  // The address may not be ours (yet); the route is still better than none.
  if (!done && done.error() == EINVAL && source) {
    message = make_route(Change::add, {prefix, route_mark(tun_index_), tun_index_, std::nullopt});
    done = netlink_->request(message);
  }
  if (!exceptions) done = exceptions;
  if (!done) {
    return std::unexpected{
        fmt::format("cannot route {}: {}", prefix.to_string(), errno_text(done.error()))};
  }
  return {};
}

std::expected<void, int> RouteTable::add_exceptions(const base::Prefix& prefix,
                                                    const std::vector<base::Prefix>& nets) {
  std::vector<base::Prefix>& kept = routes_[prefix];
  for (const base::Prefix& net : nets) {
    if (net.length <= prefix.length || !prefix.contains(net.address)) continue;
    auto message = make_route(Change::add, {net, route_mark(tun_index_), 0, std::nullopt});
    TRY_VOID(netlink_->request(message));
    kept.push_back(net);
  }
  return {};
}

std::expected<void, std::string> RouteTable::remove(const base::Prefix& prefix) {
  const auto found = routes_.find(prefix);
  if (found == routes_.end()) return {};
  const auto exceptions = std::move(found->second);
  routes_.erase(found);
  for (const base::Prefix& net : exceptions) {
    const bool needed = std::any_of(routes_.begin(), routes_.end(), [&](const auto& route) {
      return std::find(route.second.begin(), route.second.end(), net) != route.second.end();
    });
    if (needed) continue;
    auto message = make_route(Change::remove, {net, route_mark(tun_index_), 0, std::nullopt});
    static_cast<void>(netlink_->request(message));
  }
  auto message =
      make_route(Change::remove, {prefix, route_mark(tun_index_), tun_index_, std::nullopt});
  const auto done = netlink_->request(message);
  if (!done && done.error() != ESRCH) {
    return std::unexpected{fmt::format("cannot remove the route to {}: {}", prefix.to_string(),
                                       errno_text(done.error()))};
  }
  return {};
}

std::optional<base::IpAddress> RouteTable::find_own_address(const std::vector<base::Prefix>& nets) {
  std::optional<base::IpAddress> found;
  auto dump = make_address_dump();
  static_cast<void>(netlink_->query(dump, [&](base::Bytes message) {
    const auto address = read_address(message);
    if (found || !address) return;
    const bool inside = std::any_of(
        nets.begin(), nets.end(), [&](const base::Prefix& net) { return net.contains(*address); });
    if (inside) found = address;
  }));
  return found;
}

std::optional<base::IpAddress> RouteTable::find_source(const base::IpAddress& remote) {
  std::optional<base::IpAddress> source;
  auto message = make_source_query(remote, route_mark(tun_index_));
  static_cast<void>(netlink_->query(message, [&](base::Bytes answer) {
    if (const auto found = read_source(answer)) source = found;
  }));
  return source;
}

std::vector<std::string> check_forwarding(const std::vector<base::Prefix>& local_nets) {
  bool wants_v4 = false;
  bool wants_v6 = false;
  for (const base::Prefix& net : local_nets) {
    // A single address is this host's own and needs no forwarding.
    if (net.length == net.address.bit_count()) continue;
    (net.address.is_v4() ? wants_v4 : wants_v6) = true;
  }
  std::vector<std::string> found;
  if (wants_v4 && read_setting("/proc/sys/net/ipv4/ip_forward") == 0) {
    found.emplace_back(
        "this host does not forward IPv4 packets, so only it can use the tunnels, not the networks "
        "behind it; sysctl -w net.ipv4.ip_forward=1");
  }
  if (wants_v6 && read_setting("/proc/sys/net/ipv6/conf/all/forwarding") == 0) {
    found.emplace_back(
        "this host does not forward IPv6 packets, so only it can use the tunnels, not the networks "
        "behind it; sysctl -w net.ipv6.conf.all.forwarding=1");
  }
  return found;
}

bool is_strict_reverse_path() { return read_setting("/proc/sys/net/ipv4/conf/all/rp_filter") == 1; }

}  // namespace caponier::io
