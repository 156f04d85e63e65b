#pragma once
// The UDP sockets of a RadiusClient: one for each of its source ports and address family, opened
// when it is first used, on a port of the kernel's choice; and the one on which servers may ask.

#include <functional>
#include <map>
#include <optional>

#include "base/address.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"
#include "radius/client.h"

namespace caponier::io {

class RadiusSockets {
 public:
  /// `on_open` and `on_close` see every descriptor, for the event loop. `mark`: SO_MARK, so that
  /// packets to a server go round the tunnels; 0: none.
  RadiusSockets(std::uint32_t mark, std::function<void(int fd)> on_open,
                std::function<void(int fd)> on_close);
  ~RadiusSockets();
  RadiusSockets(const RadiusSockets&) = delete;
  RadiusSockets& operator=(const RadiusSockets&) = delete;

  /// A datagram that cannot be sent counts as lost: the client repeats it.
  void send(const radius::Transmit& transmit);

  struct Received {
    radius::PortHandle port;
    base::Endpoint from;
    base::ByteVec datagram;
  };
  /// What waits at that descriptor, at most `burst_max` datagrams a call.
  [[nodiscard]] std::vector<Received> receive(int fd);
  static constexpr std::size_t burst_max = 64;

 private:
  struct Key {
    radius::PortHandle port;
    base::Family family;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  std::uint32_t mark_;
  std::function<void(int)> on_open_;
  std::function<void(int)> on_close_;
  std::map<Key, Fd> sockets_;
};

}  // namespace caponier::io
