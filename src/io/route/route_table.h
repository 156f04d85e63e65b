#pragma once
// Our routes, in a table of our own that every packet without our mark looks into. Outer packets
// carry the mark, so they never loop back into the tunnel, even to an address a tunnel covers.
// Behind each route stands a barrier, which outlives the TUN: where a tunnel is wanted no packet
// leaves in clear because the process has been killed.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "io/netlink/messages.h"
#include "io/netlink/netlink.h"

namespace caponier::io {

inline constexpr std::uint32_t route_table_base = 45000;
/// Before the main table (32766), after local (0).
inline constexpr std::uint32_t route_rule_priority = 21000;

/// Number of this instance's table, and mark of its sockets: from the index of its TUN, so that no
/// two instances of a network namespace have the same. `file` remembers it, for a process that
/// follows one that was killed: what that one left keeps traffic from passing unprotected until
/// the same rules and routes are ours.
[[nodiscard]] std::uint32_t choose_route_table(const std::string& file, unsigned tun_index,
                                               Netlink& netlink);

class RouteTable {
 public:
  /// Installs the two rules, or takes those over that a killed daemon left behind. `netlink` must
  /// outlive the object.
  [[nodiscard]] static Io<RouteTable> open(std::uint32_t table, unsigned tun_index,
                                           Netlink& netlink);
  RouteTable(RouteTable&&) noexcept;
  RouteTable& operator=(RouteTable&&) = delete;
  /// Takes rules and routes away.
  ~RouteTable();
  /// Ends the barriers of a killed daemon that are none of ours.
  void remove_leftovers();

  /// `source` empty: an address of ours within `local_nets`, if there is one. Local networks that
  /// lie inside `prefix` stay outside the tunnel. The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> add(const base::Prefix& prefix,
                                                     std::optional<base::IpAddress> source,
                                                     const std::vector<base::Prefix>& local_nets);
  [[nodiscard]] std::expected<void, std::string> remove(const base::Prefix& prefix);

  /// The address of ours from which an outer packet reaches `remote`.
  [[nodiscard]] std::optional<base::IpAddress> find_source(const base::IpAddress& remote);

 private:
  RouteTable(std::uint32_t table, unsigned tun_index, Netlink& netlink)
      : table_(table), tun_index_(tun_index), netlink_(&netlink) {}
  [[nodiscard]] std::expected<void, int> change(Change change, const RouteMessage& route);
  [[nodiscard]] bool is_needed(const RouteMessage& route) const;
  [[nodiscard]] std::optional<base::IpAddress> find_own_address(
      const std::vector<base::Prefix>& nets);
  [[nodiscard]] std::expected<void, int> add_exceptions(const base::Prefix& prefix,
                                                        const std::vector<base::Prefix>& nets);

  std::uint32_t table_;
  unsigned tun_index_;
  Netlink* netlink_;
  /// The routes that stand, each with the exceptions made for it.
  std::map<base::Prefix, std::vector<base::Prefix>> routes_;
};

}  // namespace caponier::io
