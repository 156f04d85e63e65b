#pragma once
// Who holds a UDP port, for the error message.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace caponier::io {

/// The socket's inode from the text of /proc/net/udp or udp6; empty when nobody holds `port`.
[[nodiscard]] std::optional<std::uint64_t> find_port_inode(std::string_view table,
                                                           std::uint16_t port);
/// "charon, process 1234", or "another program" when /proc does not tell.
[[nodiscard]] std::string describe_port_owner(std::uint16_t port);

}  // namespace caponier::io
