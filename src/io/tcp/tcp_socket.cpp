#include "io/tcp/tcp_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "io/socket/sockaddr.h"

namespace caponier::io {
namespace {

constexpr int backlog = 64;
/// Unacknowledged data ends a stream after so long: the kernel's own patience is a quarter hour.
constexpr int user_timeout_milliseconds = 30'000;

// <linux/in6.h> and <netinet/in.h> cannot be included together.
#ifndef IPV6_AUTOFLOWLABEL
#define IPV6_AUTOFLOWLABEL 70
#endif

bool set_int(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

bool set_stream_options(int fd, std::uint32_t mark) {
  //= rfc9329#6.1-8
  // Zero for all streams; IPv4 has no such option.
  static_cast<void>(set_int(fd, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0));
  return set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
         set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_milliseconds) &&
         (mark == 0 || set_int(fd, SOL_SOCKET, SO_MARK, static_cast<int>(mark)));
}

Fd open_socket(base::Family family) {
  return Fd{::socket(family == base::Family::v4 ? AF_INET : AF_INET6,
                     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
}

base::Endpoint own_endpoint(int fd) {
  SocketAddress own;
  socklen_t size = SocketAddress::capacity;
  if (::getsockname(fd, own.get_mutable(), &size) != 0) return {};
  return own.endpoint();
}

}  // namespace

Io<Fd> listen_tcp(const TcpListenOptions& options) {
  const base::IpAddress address = options.address.value_or(base::IpAddress::lowest(options.family));
  const auto fail = [&](std::string fix) {
    return std::unexpected{
        error_from_errno(fmt::format("TCP port {} on {}", options.port, address.to_string()), errno,
                         std::move(fix))};
  };
  Fd fd = open_socket(options.family);
  const bool set =
      fd.is_open() && set_int(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) &&
      (options.family == base::Family::v4 || set_int(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
      set_stream_options(fd.get(), options.mark);
  if (!set) return fail("run as root or give the program CAP_NET_ADMIN");
  const SocketAddress at{{address, options.port}};
  if (::bind(fd.get(), at.get(), at.size()) != 0 || ::listen(fd.get(), backlog) != 0) {
    return fail("stop the other program, or leave the port out of daemon.tcp_ports");
  }
  return fd;
}

std::optional<AcceptedTcp> accept_tcp(int listener, std::uint32_t mark, bool& out_of_descriptors) {
  out_of_descriptors = false;
  for (;;) {
    SocketAddress peer;
    socklen_t size = SocketAddress::capacity;
    Fd fd{::accept4(listener, peer.get_mutable(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!fd.is_open()) {
      // What befell the connection before we took it is not the listener's failure.
      if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
      out_of_descriptors = errno == EMFILE || errno == ENFILE;
      return std::nullopt;
    }
    if (!set_stream_options(fd.get(), mark)) continue;
    const base::Path path{own_endpoint(fd.get()), peer.endpoint(), base::Transport::tcp};
    return AcceptedTcp{std::move(fd), path};
  }
}

Fd connect_tcp(const base::Path& path, std::uint32_t mark) {
  Fd fd = open_socket(path.remote.address.family());
  if (!fd.is_open() || !set_int(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) ||
      !set_stream_options(fd.get(), mark)) {
    return {};
  }
  const SocketAddress local{path.local};
  const SocketAddress remote{path.remote};
  if (::bind(fd.get(), local.get(), local.size()) != 0) return {};
  if (::connect(fd.get(), remote.get(), remote.size()) != 0 && errno != EINPROGRESS) return {};
  return fd;
}

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  if (error != 0) return error;
  SocketAddress peer;
  socklen_t peer_size = SocketAddress::capacity;
  return ::getpeername(fd, peer.get_mutable(), &peer_size) == 0 ? 0 : errno;
}

std::uint16_t local_port(int fd) { return own_endpoint(fd).port; }

TcpResult read_tcp(int fd, std::span<std::byte> area, std::size_t& count) {
  for (;;) {
    const ssize_t size = ::recv(fd, area.data(), area.size(), MSG_DONTWAIT);
    count = size > 0 ? static_cast<std::size_t>(size) : 0;
    if (size > 0) return TcpResult::some;
    if (size < 0 && errno == EINTR) continue;
    return size < 0 && errno == EAGAIN ? TcpResult::blocked : TcpResult::ended;
  }
}

TcpResult write_tcp(int fd, base::Bytes bytes, std::size_t& count) {
  for (;;) {
    const ssize_t size = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    count = size > 0 ? static_cast<std::size_t>(size) : 0;
    if (size >= 0) return TcpResult::some;
    if (errno == EINTR) continue;
    return errno == EAGAIN ? TcpResult::blocked : TcpResult::ended;
  }
}

}  // namespace caponier::io
