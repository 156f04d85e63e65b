#include "io/udp/udp_sockets.h"

#include <fmt/format.h>

#include "base/error.h"
#include "io/udp/port_owner.h"

namespace caponier::io {
namespace {

Io<IpSocket> open_one(const IpSocketOptions& options) {
  auto socket = IpSocket::open(options);
  if (!socket && socket.error().fault == IoFault::in_use) {
    const auto address = options.address.value_or(base::IpAddress::lowest(options.family));
    return std::unexpected{
        IoError{IoFault::in_use,
                fmt::format("UDP port {} on {} is in use by {}", options.port, address.to_string(),
                            describe_port_owner(options.port)),
                "stop it, or set daemon.ike_port and daemon.natt_port, or daemon.listen"}};
  }
  return socket;
}

}  // namespace

Io<UdpSockets> UdpSockets::open(const UdpOptions& options, std::vector<std::string>& notices) {
  UdpSockets result;
  for (const std::uint16_t port : {options.ike_port, options.natt_port}) {
    for (const base::IpAddress& address : options.listen) {
      result.sockets_.push_back(
          TRY(open_one({IpSocketKind::udp, address.family(), address, port, options.mark})));
    }
    if (!options.listen.empty()) continue;
    result.sockets_.push_back(
        TRY(open_one({IpSocketKind::udp, base::Family::v4, std::nullopt, port, options.mark})));
    auto v6 = open_one({IpSocketKind::udp, base::Family::v6, std::nullopt, port, options.mark});
    if (v6) {
      result.sockets_.push_back(std::move(*v6));
    } else if (v6.error().fault == IoFault::network) {
      notices.push_back(fmt::format("no IPv6: {}", v6.error().message));
    } else {
      return std::unexpected{std::move(v6.error())};
    }
  }
  return result;
}

IpSocket* UdpSockets::find(const base::Endpoint& local) {
  for (IpSocket& socket : sockets_) {
    if (socket.serves(local)) return &socket;
  }
  return nullptr;
}

}  // namespace caponier::io
