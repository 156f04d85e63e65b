#pragma once
// Our routes, in a table of our own that every packet without our mark looks into. Outer packets
// carry the mark, so they never loop back into the tunnel, even to an address a tunnel covers.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "io/netlink/netlink.h"

namespace caponier::io {

/// Table and mark of the instance whose TUN has this interface index; unique among the instances
/// of one network namespace.
inline constexpr std::uint32_t route_table_base = 45000;
/// Before the main table (32766), after local (0).
inline constexpr std::uint32_t route_rule_priority = 21000;

[[nodiscard]] constexpr std::uint32_t route_mark(unsigned tun_index) {
  return route_table_base + tun_index;
}

class RouteTable {
 public:
  /// Installs the two rules and removes those a killed daemon left behind. `netlink` must outlive
  /// the object.
  [[nodiscard]] static Io<RouteTable> open(unsigned tun_index, Netlink& netlink);
  RouteTable(RouteTable&&) noexcept;
  RouteTable& operator=(RouteTable&&) = delete;
  /// Takes rules and routes away.
  ~RouteTable();

  /// `source` empty: an address of ours within `local_nets`, if there is one. Local networks that
  /// lie inside `prefix` stay outside the tunnel. The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> add(const base::Prefix& prefix,
                                                     std::optional<base::IpAddress> source,
                                                     const std::vector<base::Prefix>& local_nets);
  [[nodiscard]] std::expected<void, std::string> remove(const base::Prefix& prefix);

  /// The address of ours from which an outer packet reaches `remote`.
  [[nodiscard]] std::optional<base::IpAddress> find_source(const base::IpAddress& remote);

 private:
  RouteTable(unsigned tun_index, Netlink& netlink);
  void remove_stale_rules();
  [[nodiscard]] std::optional<base::IpAddress> find_own_address(
      const std::vector<base::Prefix>& nets);
  [[nodiscard]] std::expected<void, int> add_exceptions(const base::Prefix& prefix,
                                                        const std::vector<base::Prefix>& nets);

  unsigned tun_index_;
  Netlink* netlink_;
  /// The routes that stand, each with the exceptions made for it.
  std::map<base::Prefix, std::vector<base::Prefix>> routes_;
};

/// Settings of the kernel that keep a gateway from working, one sentence each with its cure. Only
/// read, never changed.
[[nodiscard]] std::vector<std::string> check_forwarding(
    const std::vector<base::Prefix>& local_nets);
/// Strict reverse-path filtering drops outer packets from a peer whose own address a tunnel covers.
[[nodiscard]] bool is_strict_reverse_path();

}  // namespace caponier::io
