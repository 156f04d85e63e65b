#pragma once
// Native ESP and AH (IP protocols 50 and 51), and packets a policy lets pass in clear, on raw
// sockets.

#include <string>
#include <vector>

#include "io/socket/ip_socket.h"

namespace caponier::io {

struct RawOptions {
  std::vector<base::IpAddress> listen;  ///< empty: the wildcard of both families
  std::uint32_t mark = 0;
  WorkerShare share{};  ///< of what arrives
};

class RawSockets {
 public:
  [[nodiscard]] static Io<RawSockets> open(const RawOptions& options);

  [[nodiscard]] std::vector<IpSocket>& all() { return sockets_; }
  /// For sending ESP.
  [[nodiscard]] IpSocket* find(const base::IpAddress& local);
  /// Sends a whole IP packet with our mark, that is past our own routes. False: refused.
  [[nodiscard]] bool send_clear(base::Bytes packet);
  /// The same for one that its sender had in fragments.
  [[nodiscard]] bool send_clear_split(base::Bytes packet);
  /// An IPv6 packet with this payload, UDP when `path` has ports and else ESP, in fragments of at
  /// most `mtu` octets: sockets cannot be told to make any. False: refused.
  [[nodiscard]] bool send_split(const Outgoing& item, std::size_t mtu);
  /// The same for a whole packet of either family, IPv6 without extension headers; `mtu` 0: in one
  /// piece.
  [[nodiscard]] bool send_whole(base::Bytes packet, std::size_t mtu);

 private:
  [[nodiscard]] bool send_split_v4(base::Bytes packet, std::size_t mtu);
  [[nodiscard]] bool send_split_v6(base::Bytes packet, std::size_t mtu);

  std::vector<IpSocket> sockets_;
  Fd clear_v4_;
  Fd clear_v6_;
};

}  // namespace caponier::io
