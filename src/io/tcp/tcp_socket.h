#pragma once
// The system calls behind a TCP stream.

#include <cstdint>
#include <optional>
#include <span>

#include "base/address.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::io {

/// A listening socket; without an address it takes every address of the family.
struct TcpListenOptions {
  base::Family family{};
  std::optional<base::IpAddress> address;
  std::uint16_t port = 0;  ///< 0: any free one
  std::uint32_t mark = 0;  ///< SO_MARK, also of the accepted streams
};
[[nodiscard]] Io<Fd> listen_tcp(const TcpListenOptions& options);

struct AcceptedTcp {
  Fd fd;
  base::Path path;
};
/// Nothing when nobody waits; `out_of_descriptors` tells the one failure that does not go by
/// itself.
[[nodiscard]] std::optional<AcceptedTcp> accept_tcp(int listener, std::uint32_t mark,
                                                    bool& out_of_descriptors);

/// Begins to connect from path.local, port included. Not open when that failed at once.
[[nodiscard]] Fd connect_tcp(const base::Path& path, std::uint32_t mark);
/// Of a socket whose connect() has come to an end: 0 or an errno.
[[nodiscard]] int pending_error(int fd);
[[nodiscard]] std::uint16_t local_port(int fd);

enum class TcpResult : std::uint8_t { some, blocked, ended };
/// One read into `area`; `count` of them came.
[[nodiscard]] TcpResult read_tcp(int fd, std::span<std::byte> area, std::size_t& count);
/// One write; `count` of `bytes` are gone.
[[nodiscard]] TcpResult write_tcp(int fd, base::Bytes bytes, std::size_t& count);

}  // namespace caponier::io
