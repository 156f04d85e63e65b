#include "io/route/route_table.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <utility>

#include "base/error.h"

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

}  // namespace

std::uint32_t choose_route_table(const std::string& file, unsigned tun_index, Netlink& netlink) {
  std::uint32_t former = 0;
  std::ifstream{file} >> former;
  bool stands = false;
  for (const base::Family family : families) {
    auto dump = make_rule_dump(family);
    static_cast<void>(netlink.query(dump, [&](base::Bytes message) {
      const auto rule = read_own_rule(message);
      stands = stands || (rule && rule->mark == former && rule->table == former);
    }));
  }
  // The TUN of a killed process is gone; a rule whose TUN lives is another instance's.
  const bool is_free = former > route_table_base && !interface_exists(former - route_table_base);
  if (stands && is_free) return former;
  const std::uint32_t table = route_table_base + tun_index;
  std::ofstream{file} << table << '\n';
  return table;
}

RouteTable::RouteTable(RouteTable&& other) noexcept
    : table_(other.table_),
      tun_index_(other.tun_index_),
      netlink_(std::exchange(other.netlink_, nullptr)),
      routes_(std::move(other.routes_)) {}

Io<RouteTable> RouteTable::open(std::uint32_t table, unsigned tun_index, Netlink& netlink) {
  RouteTable opened{table, tun_index, netlink};
  for (const base::Family family : families) {
    auto message = make_rule(Change::add, rule_of(family, table));
    const auto done = netlink.request(message);
    if (done || done.error() == EEXIST) continue;
    const bool no_v6 =
        family == base::Family::v6 && (done.error() == EAFNOSUPPORT || done.error() == EOPNOTSUPP);
    if (!no_v6) {
      return std::unexpected{error_from_errno("cannot add a routing rule", done.error(),
                                              "run as root or give the program CAP_NET_ADMIN")};
    }
  }
  return opened;
}

RouteTable::~RouteTable() {
  if (netlink_ == nullptr) return;
  while (!routes_.empty()) static_cast<void>(remove(routes_.begin()->first));
  remove_leftovers();
  for (const base::Family family : families) {
    auto message = make_rule(Change::remove, rule_of(family, table_));
    static_cast<void>(netlink_->request(message));
  }
}

std::expected<void, int> RouteTable::change(Change change, const RouteMessage& route) {
  auto message = make_route(change, route);
  return netlink_->request(message);
}

bool RouteTable::is_needed(const RouteMessage& route) const {
  if (route.kind == RouteKind::barrier) return routes_.contains(route.prefix);
  return std::any_of(routes_.begin(), routes_.end(), [&](const auto& entry) {
    return std::find(entry.second.begin(), entry.second.end(), route.prefix) != entry.second.end();
  });
}

void RouteTable::remove_leftovers() {
  std::vector<RouteMessage> leftovers;
  for (const base::Family family : families) {
    auto dump = make_route_dump(family);
    static_cast<void>(netlink_->query(dump, [&](base::Bytes message) {
      const auto route = read_own_route(message);
      if (route && route->table == table_ && !is_needed(*route)) leftovers.push_back(*route);
    }));
  }
  for (const RouteMessage& route : leftovers) static_cast<void>(change(Change::remove, route));
}

std::expected<void, std::string> RouteTable::add(const base::Prefix& prefix,
                                                 std::optional<base::IpAddress> source,
                                                 const std::vector<base::Prefix>& local_nets) {
  if (!source) source = find_own_address(local_nets);
  if (source && source->family() != prefix.address.family()) source.reset();
  const auto exceptions = add_exceptions(prefix, local_nets);
  const auto barrier = change(Change::add, {prefix, table_, 0, std::nullopt, RouteKind::barrier});
  auto done = change(Change::add, {prefix, table_, tun_index_, source});
  // The address may not be ours (yet); the route is still better than none.
  if (!done && done.error() == EINVAL && source) {
    done = change(Change::add, {prefix, table_, tun_index_, std::nullopt});
  }
  if (!exceptions) done = exceptions;
  if (!barrier) done = barrier;
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
    TRY_VOID(change(Change::add, {net, table_, 0, std::nullopt, RouteKind::exception}));
    kept.push_back(net);
  }
  return {};
}

std::expected<void, std::string> RouteTable::remove(const base::Prefix& prefix) {
  const auto found = routes_.find(prefix);
  if (found == routes_.end()) return {};
  const auto exceptions = std::move(found->second);
  routes_.erase(found);
  const RouteMessage barrier{prefix, table_, 0, std::nullopt, RouteKind::barrier};
  static_cast<void>(change(Change::remove, barrier));
  for (const base::Prefix& net : exceptions) {
    const RouteMessage exception{net, table_, 0, std::nullopt, RouteKind::exception};
    if (!is_needed(exception)) static_cast<void>(change(Change::remove, exception));
  }
  const auto done = change(Change::remove, {prefix, table_, tun_index_, std::nullopt});
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
  auto message = make_source_query(remote, table_);
  static_cast<void>(netlink_->query(message, [&](base::Bytes answer) {
    if (const auto found = read_source(answer)) source = found;
  }));
  return source;
}

}  // namespace caponier::io
