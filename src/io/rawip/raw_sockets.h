#pragma once
// Native ESP (IP protocol 50), and packets a policy lets pass in clear, on raw sockets.

#include <string>
#include <vector>

#include "io/socket/ip_socket.h"

namespace caponier::io {

struct RawOptions {
  std::vector<base::IpAddress> listen;  ///< empty: the wildcard of both families
  std::uint32_t mark = 0;
};

class RawSockets {
 public:
  [[nodiscard]] static Io<RawSockets> open(const RawOptions& options);

  [[nodiscard]] std::vector<IpSocket>& all() { return sockets_; }
  [[nodiscard]] IpSocket* find(const base::IpAddress& local);
  /// Sends a whole IP packet with our mark, that is past our own routes. False: refused.
  [[nodiscard]] bool send_clear(base::Bytes packet);

 private:
  std::vector<IpSocket> sockets_;
  Fd clear_v4_;
  Fd clear_v6_;
};

}  // namespace caponier::io
