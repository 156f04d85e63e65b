#pragma once
// rtnetlink messages about the way to a neighbour, and about Ethernet interfaces. No sockets.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"

namespace caponier::io {

using MacAddress = std::array<std::byte, 6>;

/// What forwarding a packet comes down to.
struct Way {
  unsigned interface = 0;
  base::IpAddress via;  ///< a router, or the destination itself
  std::size_t mtu = 0;  ///< 0: the interface's
  friend bool operator==(const Way&, const Way&) = default;
};
/// Which way is asked for.
struct WayQuestion {
  base::IpAddress destination;
  /// Of a packet that this host sends; unspecified: it is forwarded.
  base::IpAddress source;
  friend auto operator<=>(const WayQuestion&, const WayQuestion&) = default;
};
/// `mark`: of the packet; 0: none.
[[nodiscard]] base::ByteVec make_way_query(const WayQuestion& question, std::uint32_t mark);
/// Empty unless it is by one neighbour with an address of the destination's family.
[[nodiscard]] std::optional<Way> read_way(base::Bytes message, const base::IpAddress& destination);

struct Neighbour {
  unsigned interface = 0;
  base::IpAddress address;
  std::optional<MacAddress> mac;  ///< empty: cannot be reached (yet, or any more)
  bool is_stale = false;          ///< nothing has been heard of it for a while
  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};
[[nodiscard]] base::ByteVec make_neighbour_query(unsigned interface,
                                                 const base::IpAddress& address);
/// As if the kernel itself had a packet for the neighbour: it finds it, or asks whether it is
/// there.
[[nodiscard]] base::ByteVec make_neighbour_use(unsigned interface, const base::IpAddress& address);
/// Also what is none of IP's: bridges tell of theirs in the same messages.
[[nodiscard]] bool is_about_neighbour(base::Bytes message);
/// Also from the notice that it was forgotten.
[[nodiscard]] std::optional<Neighbour> read_neighbour(base::Bytes message);

struct EthernetLink {
  unsigned interface = 0;
  MacAddress mac{};
  std::size_t mtu = 0;
  bool has_master = false;  ///< part of a bridge, a bond, a VRF
  bool is_bond = false;     ///< or a team: other interfaces receive for it
};
[[nodiscard]] base::ByteVec make_link_query(unsigned interface);
/// Empty also for links of another kind.
[[nodiscard]] std::optional<EthernetLink> read_ethernet_link(base::Bytes message);

}  // namespace caponier::io
