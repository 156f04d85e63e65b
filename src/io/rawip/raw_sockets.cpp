#include "io/rawip/raw_sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "io/os/rng.h"
#include "io/socket/sockaddr.h"
#include "wire/ip.h"
#include "wire/ip_packet.h"
#include "wire/ip_split.h"
#include "wire/udp.h"

namespace caponier::io {
namespace {

Fd open_clear(int family, std::uint32_t mark) {
  Fd fd{::socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW)};
  const int value = static_cast<int>(mark);
  if (fd.is_open() && ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &value, sizeof value) != 0) {
    fd.reset();
  }
  return fd;
}

}  // namespace

Io<RawSockets> RawSockets::open(const RawOptions& options) {
  RawSockets result;
  for (const base::IpAddress& address : options.listen) {
    result.sockets_.push_back(
        TRY(IpSocket::open({IpSocketKind::esp, address.family(), address, 0, options.mark})));
  }
  if (options.listen.empty()) {
    result.sockets_.push_back(
        TRY(IpSocket::open({IpSocketKind::esp, base::Family::v4, std::nullopt, 0, options.mark})));
    auto v6 = IpSocket::open({IpSocketKind::esp, base::Family::v6, std::nullopt, 0, options.mark});
    if (v6) {
      result.sockets_.push_back(std::move(*v6));
    } else if (v6.error().fault != IoFault::network) {
      return std::unexpected{std::move(v6.error())};
    }
  }
  // Nobody off the path shall guess it (RFC 7739).
  OsRng rng;
  result.identification_ = static_cast<std::uint32_t>(rng.public_u64());
  result.clear_v4_ = open_clear(AF_INET, options.mark);
  result.clear_v6_ = open_clear(AF_INET6, options.mark);
  return result;
}

IpSocket* RawSockets::find(const base::IpAddress& local) {
  for (IpSocket& socket : sockets_) {
    if (socket.serves({local, 0})) return &socket;
  }
  return nullptr;
}

bool RawSockets::send_clear(base::Bytes packet) {
  const bool is_v4 = !packet.empty() && (packet[0] >> 4) == std::byte{4};
  if (packet.size() < (is_v4 ? 20U : 40U)) return false;
  const auto address =
      base::IpAddress::from_bytes(is_v4 ? packet.subspan(16, 4) : packet.subspan(24, 16));
  const SocketAddress to{{address, 0}};
  const int fd = is_v4 ? clear_v4_.get() : clear_v6_.get();
  for (;;) {
    const ssize_t sent =
        ::sendto(fd, packet.data(), packet.size(), MSG_DONTWAIT, to.get(), to.size());
    if (sent >= 0) return true;
    if (errno != EINTR) return false;
  }
}

bool RawSockets::send_split(const Outgoing& item, std::size_t mtu) {
  const base::Path& path = item.path;
  base::ByteVec packet;
  if (path.local.port != 0) {
    packet = wire::make_udp_packet(path.local, path.remote, item.bytes);
  } else {
    packet = wire::make_ip_packet({path.local.address, path.remote.address, wire::ip_protocol::esp},
                                  item.bytes.size());
    if (!packet.empty())
      base::copy_into(base::MutBytes{packet}.last(item.bytes.size()), item.bytes);
  }
  if (packet.empty() || path.remote.address.is_v4()) return false;
  constexpr std::size_t hop_limit_at = 7;
  base::store_be(packet.data(), 0x60000000U | std::uint32_t{item.tos} << 20 | item.flow_label);
  if (item.ttl != 0) packet[hop_limit_at] = std::byte{item.ttl};
  return send_v6_pieces(packet, mtu);
}

bool RawSockets::send_v6_pieces(base::Bytes packet, std::size_t mtu) {
  const auto split = wire::Ipv6Split::plan(packet, mtu, ++identification_);
  if (!split) return send_clear(packet);
  base::ByteVec piece;
  for (std::size_t i = 0; i < split->count(); ++i) {
    piece.resize(split->size_of(i));
    split->write(i, piece);
    if (!send_clear(piece)) return false;
  }
  return true;
}

bool RawSockets::send_clear_split(base::MutBytes packet) {
  constexpr std::size_t mtu =
      1280;  // what every path of IPv6 carries, and nearly every one of IPv4
  if (wire::ip_version(packet) != 4) return send_v6_pieces(packet, mtu);
  const auto split = wire::Ipv4Split::plan(packet, mtu);
  if (!split) return send_clear(packet);
  std::vector<base::ByteVec> later;
  for (std::size_t i = 1; i < split->count(); ++i) {
    split->write(i, later.emplace_back(split->size_of(i)));
  }
  split->cut_first(packet);
  return send_clear(packet.first(split->size_of(0))) &&
         std::ranges::all_of(later, [&](const base::ByteVec& piece) { return send_clear(piece); });
}

}  // namespace caponier::io
