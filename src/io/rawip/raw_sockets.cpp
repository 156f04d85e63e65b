#include "io/rawip/raw_sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
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

/// Of the next packet that is split: one row for all workers, as they share addresses.
std::uint32_t next_identification() {
  // Nobody off the path shall guess it (RFC 7739).
  static std::atomic<std::uint32_t> last{OsRng{}.public_u32()};
  return last.fetch_add(1, std::memory_order_relaxed);
}

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
  for (const IpSocketKind kind : {IpSocketKind::esp, IpSocketKind::ah}) {
    for (const base::IpAddress& address : options.listen) {
      result.sockets_.push_back(TRY(IpSocket::open(
          {kind, address.family(), address, 0, options.mark, false, options.share})));
    }
    if (!options.listen.empty()) continue;
    result.sockets_.push_back(TRY(IpSocket::open(
        {kind, base::Family::v4, std::nullopt, 0, options.mark, false, options.share})));
    auto v6 = IpSocket::open(
        {kind, base::Family::v6, std::nullopt, 0, options.mark, false, options.share});
    if (v6) {
      result.sockets_.push_back(std::move(*v6));
    } else if (v6.error().fault != IoFault::network) {
      return std::unexpected{std::move(v6.error())};
    }
  }
  result.clear_v4_ = open_clear(AF_INET, options.mark);
  result.clear_v6_ = open_clear(AF_INET6, options.mark);
  return result;
}

IpSocket* RawSockets::find(const base::IpAddress& local) {
  for (IpSocket& socket : sockets_) {
    const bool is_esp = socket.options().kind == IpSocketKind::esp;
    if (is_esp && socket.serves({local, 0})) return &socket;
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
  return send_split_v6(packet, mtu);
}

bool RawSockets::send_split_v6(base::Bytes packet, std::size_t mtu) {
  const auto split = wire::Ipv6Split::plan(packet, mtu, next_identification());
  if (!split) return send_clear(packet);
  base::ByteVec piece;
  for (std::size_t i = 0; i < split->count(); ++i) {
    piece.resize(split->size_of(i));
    split->write(i, piece);
    if (!send_clear(piece)) return false;
  }
  return true;
}

bool RawSockets::send_split_v4(base::Bytes packet, std::size_t mtu) {
  const auto split = wire::Ipv4Split::plan(packet, mtu);
  if (!split) return send_clear(packet);
  base::ByteVec first = base::to_vec(packet);
  split->cut_first(first);
  if (!send_clear(base::Bytes{first}.first(split->size_of(0)))) return false;
  base::ByteVec piece;
  for (std::size_t i = 1; i < split->count(); ++i) {
    piece.resize(split->size_of(i));
    split->write(i, piece);
    if (!send_clear(piece)) return false;
  }
  return true;
}

bool RawSockets::send_whole(base::Bytes packet, std::size_t mtu) {
  if (mtu == 0) return send_clear(packet);
  return wire::ip_version(packet) == 4 ? send_split_v4(packet, mtu) : send_split_v6(packet, mtu);
}

bool RawSockets::send_clear_split(base::Bytes packet) {
  // What every path of IPv6 carries, and nearly every one of IPv4.
  constexpr std::size_t mtu = 1280;
  return send_whole(packet, mtu);
}

}  // namespace caponier::io
