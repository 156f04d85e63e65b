#pragma once
// rtnetlink messages as bytes: built here, and the few answers we read. No sockets.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace caponier::io {

/// Marks routes and rules as ours (rtm_protocol, FRA_PROTOCOL); unassigned in iproute2's list.
inline constexpr std::uint8_t route_protocol = 145;

enum class Change : std::uint8_t { add, remove };

enum class RouteKind : std::uint8_t {
  way,        ///< through an interface
  exception,  ///< "throw": ends the search in this table
  barrier,    ///< "unreachable", and only where no way has the same prefix
};
struct RouteMessage {
  base::Prefix prefix;
  std::uint32_t table = 0;
  unsigned interface = 0;  ///< of a way
  std::optional<base::IpAddress> source;
  RouteKind kind = RouteKind::way;
};
[[nodiscard]] base::ByteVec make_route(Change change, const RouteMessage& route);
[[nodiscard]] base::ByteVec make_route_dump(base::Family family);
/// Empty unless the message is a route with our protocol number, and an exception or a barrier.
[[nodiscard]] std::optional<RouteMessage> read_own_route(base::Bytes message);

/// "not fwmark MARK lookup TABLE".
struct RuleMessage {
  base::Family family{};
  std::uint32_t priority = 0;
  std::uint32_t mark = 0;
  std::uint32_t table = 0;
};
[[nodiscard]] base::ByteVec make_rule(Change change, const RuleMessage& rule);
[[nodiscard]] base::ByteVec make_rule_dump(base::Family family);
/// Empty unless the message is a rule with our protocol number.
[[nodiscard]] std::optional<RuleMessage> read_own_rule(base::Bytes message);

/// Asks by which source address `remote` is reached by a packet with `mark`.
[[nodiscard]] base::ByteVec make_source_query(const base::IpAddress& remote, std::uint32_t mark);
[[nodiscard]] std::optional<base::IpAddress> read_source(base::Bytes message);

[[nodiscard]] base::ByteVec make_address_dump();
[[nodiscard]] base::ByteVec make_link_dump();
/// The address of an RTM_NEWADDR message; empty for link-local and tentative ones.
[[nodiscard]] std::optional<base::IpAddress> read_address(base::Bytes message);

/// One of the host's addresses, as RTM_NEWADDR tells; empty for those no packet can leave with.
struct HostAddress {
  base::IpAddress address;
  unsigned interface = 0;
  bool preferred = true;  ///< false: deprecated, for what uses it already
};
[[nodiscard]] std::optional<HostAddress> read_host_address(base::Bytes message);

/// From RTM_NEWLINK.
struct LinkState {
  unsigned interface = 0;
  bool carries = false;  ///< up, and something is at the other end of the cable
};
[[nodiscard]] std::optional<LinkState> read_link(base::Bytes message);

/// True for a notice after which the usable addresses or their order may be others: of an address,
/// a link, or a default route.
[[nodiscard]] bool is_address_change(base::Bytes message);

/// The host address on the interface, alone, without a route to its network.
[[nodiscard]] base::ByteVec make_address(Change change, unsigned interface,
                                         const base::IpAddress& address);

/// Keeps the kernel from inventing a link-local address; to be sent before the link goes up.
[[nodiscard]] base::ByteVec make_no_ipv6_addresses(unsigned interface);
/// Link up, with an MTU.
[[nodiscard]] base::ByteVec make_link_up(unsigned interface, unsigned mtu, unsigned queue_length);

}  // namespace caponier::io
