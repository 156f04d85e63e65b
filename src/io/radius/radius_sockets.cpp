#include "io/radius/radius_sockets.h"

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "io/socket/sockaddr.h"
#include "radius/packet.h"

namespace caponier::io {
namespace {

/// An errno, or 0.
int open_socket(base::Family family, std::uint32_t mark, Fd& fd) {
  const int domain = family == base::Family::v4 ? AF_INET : AF_INET6;
  fd.reset(::socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno;
  const int value = static_cast<int>(mark);
  if (mark != 0 && ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &value, sizeof value) != 0) {
    return errno;
  }
  const int on = 1;
  if (family == base::Family::v6 &&
      ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
    return errno;
  }
  return 0;
}

}  // namespace

RadiusSockets::RadiusSockets(std::uint32_t mark, OnOpen on_open)
    : mark_(mark), on_open_(std::move(on_open)) {}

void RadiusSockets::send(const radius::Transmit& transmit) {
  const int fd = find_or_open({transmit.port, transmit.to.address.family()});
  if (fd >= 0) send_radius_answer(fd, transmit.to, transmit.datagram);
}

int RadiusSockets::find_or_open(const Key& key) {
  if (const auto at = sockets_.find(key); at != sockets_.end()) return at->second.get();
  Fd fd;
  // The first sendto() binds it.
  if (open_socket(key.second, mark_, fd) != 0) return -1;
  const int opened = fd.get();
  sockets_.emplace(key, std::move(fd));
  on_open_(opened, key.first);
  return opened;
}

std::vector<RadiusDatagram> RadiusSockets::receive(int fd) {
  std::vector<RadiusDatagram> received;
  // One octet more than may be, to tell what is too long.
  std::array<std::byte, radius::packet_size_max + 1> buffer;
  while (received.size() < burst_max) {
    SocketAddress from;
    socklen_t size = SocketAddress::capacity;
    const ssize_t length =
        ::recvfrom(fd, buffer.data(), buffer.size(), 0, from.get_mutable(), &size);
    // An ICMP error of an earlier datagram is reported here, and says nothing of the next.
    if (length < 0 && (errno == EINTR || errno == ECONNREFUSED)) continue;
    if (length < 0) break;
    received.push_back({from.endpoint(),
                        base::to_vec(base::Bytes{buffer}.first(static_cast<std::size_t>(length)))});
  }
  return received;
}

Io<Fd> open_radius_listener(const base::Endpoint& local, std::uint32_t mark) {
  Fd fd;
  int error = open_socket(local.address.family(), mark, fd);
  const SocketAddress address{local};
  if (error == 0 && ::bind(fd.get(), address.get(), address.size()) != 0) error = errno;
  if (error != 0) {
    return std::unexpected{error_from_errno(
        fmt::format("cannot listen for RADIUS on UDP {}", local.to_string()), error)};
  }
  return fd;
}

bool send_radius_answer(int fd, const base::Endpoint& to, base::Bytes datagram) {
  const SocketAddress address{to};
  const ssize_t sent =
      ::sendto(fd, datagram.data(), datagram.size(), MSG_NOSIGNAL, address.get(), address.size());
  return sent == static_cast<ssize_t>(datagram.size());
}

}  // namespace caponier::io
