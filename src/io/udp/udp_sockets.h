#pragma once
// The UDP sockets of IKE and NAT traversal, for each listening address or for all.

#include <string>
#include <vector>

#include "io/socket/ip_socket.h"

namespace caponier::io {

struct UdpOptions {
  std::vector<base::IpAddress> listen;  ///< empty: the wildcard of both families
  std::uint16_t ike_port = 500;
  std::uint16_t natt_port = 4500;
  std::uint32_t mark = 0;
  unsigned workers = 1;  ///< that will have sockets beside these
};

class UdpSockets {
 public:
  /// Those of the control side, for IKE. A port that another program has is refused. IPv6 may be
  /// missing altogether when nothing asked for it; `notices` then says so.
  [[nodiscard]] static Io<UdpSockets> open(const UdpOptions& options,
                                           std::vector<std::string>& notices);
  /// Those of the next worker, for ESP in UDP, on the same ports. To be called for one after the
  /// other.
  [[nodiscard]] static Io<UdpSockets> open_beside(const UdpOptions& options);

  [[nodiscard]] std::vector<IpSocket>& all() { return sockets_; }
  /// The socket to send from; null when none is bound to that address and port.
  [[nodiscard]] IpSocket* find(const base::Endpoint& local);

 private:
  template <class Open>
  [[nodiscard]] static Io<UdpSockets> open_all(const UdpOptions& options, const Open& open_one);

  std::vector<IpSocket> sockets_;
  std::vector<std::string> notices_;
};

}  // namespace caponier::io
