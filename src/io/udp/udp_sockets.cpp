#include "io/udp/udp_sockets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "io/udp/port_owner.h"

namespace caponier::io {
namespace {

/// The port must be nobody's: the kernel would let root's programs share it.
Io<void> check_free(IpSocketOptions options) {
  options.shares_port = false;
  auto socket = IpSocket::open(options);
  if (socket) return {};
  if (socket.error().fault != IoFault::in_use) return std::unexpected{std::move(socket.error())};
  const auto address = options.address.value_or(base::IpAddress::lowest(options.family));
  return std::unexpected{
      IoError{IoFault::in_use,
              fmt::format("UDP port {} on {} is in use by {}", options.port, address.to_string(),
                          describe_port_owner(options.port)),
              "stop it, or set daemon.ike_port and daemon.natt_port, or daemon.listen"}};
}

Io<IpSocket> open_first(const IpSocketOptions& options, unsigned workers, bool is_natt) {
  TRY_VOID(check_free(options));
  IpSocket socket = TRY(IpSocket::open(options));
  if (!steer_udp(socket.fd(), workers, is_natt)) {
    return std::unexpected{error_from_errno("cannot steer ESP to its worker", errno,
                                            "run a kernel of 4.5 or later with CONFIG_BPF")};
  }
  return socket;
}

}  // namespace

template <class Open>
Io<UdpSockets> UdpSockets::open_all(const UdpOptions& options, const Open& open_one) {
  UdpSockets result;
  for (const std::uint16_t port : {options.ike_port, options.natt_port}) {
    const auto open_at = [&](base::Family family, std::optional<base::IpAddress> address) {
      return open_one(
          IpSocketOptions{IpSocketKind::udp, family, address, port, options.mark, true, {}});
    };
    for (const base::IpAddress& address : options.listen) {
      result.sockets_.push_back(TRY(open_at(address.family(), address)));
    }
    if (!options.listen.empty()) continue;
    result.sockets_.push_back(TRY(open_at(base::Family::v4, std::nullopt)));
    auto v6 = open_at(base::Family::v6, std::nullopt);
    if (v6) {
      result.sockets_.push_back(std::move(*v6));
    } else if (v6.error().fault == IoFault::network) {
      result.notices_.push_back(fmt::format("no IPv6: {}", v6.error().message));
    } else {
      return std::unexpected{std::move(v6.error())};
    }
  }
  return result;
}

Io<UdpSockets> UdpSockets::open(const UdpOptions& options, std::vector<std::string>& notices) {
  UdpSockets result = TRY(open_all(options, [&](const IpSocketOptions& one) {
    return open_first(one, options.workers, one.port == options.natt_port);
  }));
  std::move(result.notices_.begin(), result.notices_.end(), std::back_inserter(notices));
  return result;
}

Io<UdpSockets> UdpSockets::open_beside(const UdpOptions& options) {
  return open_all(options, [](const IpSocketOptions& one) { return IpSocket::open(one); });
}

IpSocket* UdpSockets::find(const base::Endpoint& local) {
  for (IpSocket& socket : sockets_) {
    if (socket.serves(local)) return &socket;
  }
  return nullptr;
}

}  // namespace caponier::io
