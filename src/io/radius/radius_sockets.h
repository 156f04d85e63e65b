#pragma once
// The UDP sockets of RADIUS: one for each source port of a RadiusClient and address family, opened
// when it is first used, on a port of the kernel's choice; and those on which servers may ask.

#include <functional>
#include <map>
#include <vector>

#include "base/address.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"
#include "radius/client.h"

namespace caponier::io {

struct RadiusDatagram {
  base::Endpoint from;
  base::ByteVec data;
};

class RadiusSockets {
 public:
  /// Datagrams of one call, so that a flood does not starve the rest of the loop.
  static constexpr std::size_t burst_max = 64;

  /// `on_open` is told of every descriptor and its port, to watch it; the descriptors stay open as
  /// long as this object. `mark`: SO_MARK, so that packets to a server go round the tunnels; 0:
  /// none.
  using OnOpen = std::function<void(int fd, radius::PortHandle port)>;
  RadiusSockets(std::uint32_t mark, OnOpen on_open);

  /// A datagram that cannot be sent counts as lost: the client repeats it.
  void send(const radius::Transmit& transmit);
  [[nodiscard]] static std::vector<RadiusDatagram> receive(int fd);

 private:
  using Key = std::pair<radius::PortHandle, base::Family>;

  /// -1 when none can be opened.
  [[nodiscard]] int find_or_open(const Key& key);

  std::uint32_t mark_;
  OnOpen on_open_;
  std::map<Key, Fd> sockets_;
};

/// A socket for Disconnect and CoA requests (RFC 5176 s2.1: UDP port 3799).
[[nodiscard]] Io<Fd> open_radius_listener(const base::Endpoint& local, std::uint32_t mark);
/// False when the kernel did not take it.
bool send_radius_answer(int fd, const base::Endpoint& to, base::Bytes datagram);

}  // namespace caponier::io
