#pragma once
// The Ethernet interfaces that the configuration names.

#include <string>
#include <string_view>

#include "io/netlink/neighbour_messages.h"
#include "io/netlink/netlink.h"

namespace caponier::io {

/// Refused unless it is there and no part of another. `key`: of [daemon], where `name` stands.
[[nodiscard]] Io<EthernetLink> find_ethernet(const std::string& name, std::string_view key,
                                             Netlink& netlink);

}  // namespace caponier::io
