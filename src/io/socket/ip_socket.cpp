#include "io/socket/ip_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/socket/controls.h"
#include "io/socket/sockaddr.h"
#include "wire/ip.h"

namespace caponier::io {

namespace {

constexpr std::size_t ah_spi_at = 4;

int set_int(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value);
}

/// FORCE passes the system's limits with CAP_NET_ADMIN; without, as much as is allowed.
void set_buffers(int fd) {
  if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, socket_buffer_bytes) != 0) {
    static_cast<void>(set_int(fd, SOL_SOCKET, SO_RCVBUF, socket_buffer_bytes));
  }
  if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, socket_buffer_bytes) != 0) {
    static_cast<void>(set_int(fd, SOL_SOCKET, SO_SNDBUF, socket_buffer_bytes));
  }
}

bool set_options(int fd, const IpSocketOptions& options) {
  set_buffers(fd);
  if (options.shares_port && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0) return false;
  const std::size_t spi_at = options.kind == IpSocketKind::ah ? ah_spi_at : 0;
  if (options.kind != IpSocketKind::udp && options.share.count > 1 &&
      !steer_raw(fd, options.family, options.share, spi_at)) {
    return false;
  }
  if (options.mark != 0 && set_int(fd, SOL_SOCKET, SO_MARK, static_cast<int>(options.mark)) != 0) {
    return false;
  }
  if (options.family == base::Family::v4) {
    return set_int(fd, IPPROTO_IP, IP_PKTINFO, 1) == 0 &&
           set_int(fd, IPPROTO_IP, IP_RECVTOS, 1) == 0 &&
           set_int(fd, IPPROTO_IP, IP_RECVERR, 1) == 0 &&
           set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT) == 0;
  }
  if (options.kind != IpSocketKind::udp) {
    // What stood between the IP header and the payload comes in their order.
    for (const int headers : {IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS, IPV6_RECVRTHDR}) {
      if (set_int(fd, IPPROTO_IPV6, headers, 1) != 0) return false;
    }
    if (set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) != 0) return false;
  }
  // A raw IPv6 socket has nothing but IPv6, and refuses to be told so.
  const bool may_be_dual = options.kind == IpSocketKind::udp;
  return (!may_be_dual || set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0) &&
         set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) == 0 &&
         set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) == 0 &&
         set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) == 0 &&
         set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT) == 0;
}

/// Raw IPv4 sockets deliver the IP header too.
void strip_ipv4_header(Received& item, bool is_ah) {
  const base::Bytes bytes = item.packet->bytes();
  const std::size_t header_size =
      bytes.empty() ? 0 : (std::to_integer<std::size_t>(bytes[0]) & 0x0fU) * 4;
  if (header_size < sizeof(iphdr) || header_size > bytes.size()) {
    item.packet->resize(0);
    return;
  }
  item.tos = std::to_integer<std::uint8_t>(bytes[1]);
  item.path.local.address = base::IpAddress::from_bytes(bytes.subspan(16, 4));
  item.is_whole = is_ah || header_size != sizeof(iphdr);
  if (!item.is_whole) item.packet->shrink_front(header_size);
}

/// The protocol number of an extension header that came as control data of this type.
std::optional<std::uint8_t> extension_of(int control_type) {
  switch (control_type) {
    case IPV6_HOPOPTS: return wire::ip_protocol::hop_by_hop;
    case IPV6_DSTOPTS: return wire::ip_protocol::destination_options;
    case IPV6_RTHDR: return wire::ip_protocol::routing;
    default: return std::nullopt;
  }
}

/// Raw IPv6 sockets deliver the payload alone, and its headers beside it.
void rebuild_ipv6_headers(msghdr& message, Received& item, std::uint8_t protocol) {
  std::array<std::byte, ipsec::PacketBuffer::headroom> headers{};
  std::size_t size = wire::ipv6_header_size;
  std::size_t next_at = 6;
  std::uint8_t first = protocol;
  std::uint8_t hop_limit = 0;
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level != IPPROTO_IPV6) continue;
    if (at->cmsg_type == IPV6_HOPLIMIT) {
      hop_limit = static_cast<std::uint8_t>(read_control<int>(at));
    }
    const auto extension = extension_of(at->cmsg_type);
    if (!extension) continue;
    const std::size_t length = at->cmsg_len - CMSG_LEN(0);
    if (length < 8 || length > headers.size() - size) return item.packet->resize(0);
    if (next_at == 6) first = *extension;
    headers[next_at] = std::byte{*extension};
    std::memcpy(&headers[size], CMSG_DATA(at), length);
    next_at = size;
    size += length;
  }
  item.is_whole = protocol == wire::ip_protocol::ah || size != wire::ipv6_header_size;
  if (!item.is_whole || item.packet->size() == 0) return;
  const std::size_t payload = size - wire::ipv6_header_size + item.packet->size();
  if (payload > UINT16_MAX) return item.packet->resize(0);
  // A Fragment header in between has done its work.
  headers[next_at] = std::byte{protocol};
  wire::write_ipv6_header(headers, {.source = item.path.remote.address,
                                    .destination = item.path.local.address,
                                    .next_header = first,
                                    .payload_length = static_cast<std::uint16_t>(payload),
                                    .hop_limit = hop_limit,
                                    .traffic_class = item.tos});
  item.packet->grow_front(size);
  base::copy_into(item.packet->bytes(), base::Bytes{headers}.first(size));
}

int protocol_of(IpSocketKind kind) {
  switch (kind) {
    case IpSocketKind::udp: return 0;
    case IpSocketKind::esp: return IPPROTO_ESP;
    case IpSocketKind::ah: return IPPROTO_AH;
  }
  return 0;
}

std::string_view text_of(IpSocketKind kind) {
  switch (kind) {
    case IpSocketKind::udp: return "UDP";
    case IpSocketKind::esp: return "raw ESP";
    case IpSocketKind::ah: return "raw AH";
  }
  return "raw";
}

}  // namespace

IpSocket::IpSocket(Fd fd, const IpSocketOptions& options)
    : fd_(std::move(fd)), options_(options), out_(std::make_unique<SendBatch>()) {
  if (options.kind != IpSocketKind::udp) return;
  // Both are of Linux 5.0; without them packets come and go one by one.
  may_merge_ = set_int(fd_.get(), IPPROTO_UDP, UDP_SEGMENT, 0) == 0;
  static_cast<void>(set_int(fd_.get(), IPPROTO_UDP, UDP_GRO, 1));
}

Io<IpSocket> IpSocket::open(const IpSocketOptions& options) {
  const bool is_udp = options.kind == IpSocketKind::udp;
  const int family = options.family == base::Family::v4 ? AF_INET : AF_INET6;
  Fd fd{::socket(family, (is_udp ? SOCK_DGRAM : SOCK_RAW) | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 protocol_of(options.kind))};
  const std::string_view kind = text_of(options.kind);
  const std::string need = "run as root or give the program CAP_NET_ADMIN and CAP_NET_RAW";
  if (!fd.is_open()) {
    return std::unexpected{
        error_from_errno(fmt::format("cannot open a {} socket", kind), errno, need)};
  }
  if (!set_options(fd.get(), options)) {
    return std::unexpected{
        error_from_errno(fmt::format("cannot set the options of a {} socket", kind), errno, need)};
  }
  const base::IpAddress address = options.address.value_or(base::IpAddress::lowest(options.family));
  const SocketAddress at{{address, options.port}};
  if (::bind(fd.get(), at.get(), at.size()) != 0) {
    return std::unexpected{error_from_errno(
        fmt::format("{} port {} on {}", kind, options.port, address.to_string()), errno)};
  }
  return IpSocket{std::move(fd), options};
}

bool IpSocket::serves(const base::Endpoint& local) const {
  return options_.family == local.address.family() && options_.port == local.port &&
         (!options_.address || *options_.address == local.address ||
          local.address.is_unspecified());
}

bool IpSocket::receive(ReceiveBatch& batch) {
  const std::size_t messages = batch.receive(fd_.get(), segment_expected_);
  const std::span<Received> packets = batch.packets();
  for (std::size_t i = 0; i < packets.size(); ++i) finish(packets[i], batch.message_of(i));
  return messages == ReceiveBatch::messages_max;
}

void IpSocket::finish(Received& item, msghdr& message) {
  item.path.local.port = options_.port;
  if (options_.kind == IpSocketKind::udp) return;
  item.path.remote.port = 0;
  if ((message.msg_flags & MSG_CTRUNC) != 0) item.packet->resize(0);
  if (options_.family == base::Family::v4) {
    strip_ipv4_header(item, options_.kind == IpSocketKind::ah);
  } else {
    rebuild_ipv6_headers(message, item, static_cast<std::uint8_t>(protocol_of(options_.kind)));
  }
}

SendResult IpSocket::send(std::span<const Outgoing> batch) {
  SendResult result;
  while (!batch.empty()) {
    const bool wanted = batch.front().dont_fragment;
    std::size_t count = 1;
    while (count < std::min(batch.size(), SendBatch::packets_max) &&
           batch[count].dont_fragment == wanted) {
      ++count;
    }
    set_dont_fragment(wanted);
    out_->send(fd_.get(), batch.first(count), options_.kind == IpSocketKind::udp, may_merge_,
               result);
    batch = batch.subspan(count);
  }
  return result;
}

void IpSocket::set_dont_fragment(bool wanted) {
  if (wanted == dont_fragment_) return;
  // There is no per-packet DF on Linux; runs of equal wishes share one call. With PROBE the kernel
  // heeds only its devices: what it believes of paths, any ICMP error may have told it. OMIT is
  // DONT with the difference that it does not swallow errors about packets sent before.
  if (options_.family == base::Family::v4) {
    static_cast<void>(set_int(fd_.get(), IPPROTO_IP, IP_MTU_DISCOVER,
                              wanted ? IP_PMTUDISC_PROBE : IP_PMTUDISC_OMIT));
  } else {
    static_cast<void>(set_int(fd_.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                              wanted ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT));
    static_cast<void>(set_int(fd_.get(), IPPROTO_IPV6, IPV6_DONTFRAG, wanted ? 1 : 0));
  }
  dont_fragment_ = wanted;
}

std::optional<SizeError> IpSocket::poll_size_error() {
  constexpr std::size_t errors_at_once_max = 64;
  for (std::size_t errors = 0; errors < errors_at_once_max; ++errors) {
    SocketAddress remote;
    std::array<char, 512> control;
    iovec part{quoted_.data(), quoted_.size()};
    msghdr header{};
    header.msg_name = remote.get_mutable();
    header.msg_namelen = SocketAddress::capacity;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(fd_.get(), &header, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (size < 0) {
      if (errno == EINTR) continue;
      return std::nullopt;
    }
    const auto cause = read_error(header);
    if (!cause || cause->ee_errno != EMSGSIZE) continue;
    SizeError error;
    error.remote = remote.endpoint();
    if (options_.kind != IpSocketKind::udp) error.remote.port = 0;
    error.mtu = cause->ee_info;
    error.is_own_host = cause->ee_origin == SO_EE_ORIGIN_LOCAL;
    if (error.is_own_host) return error;
    error.quoted = base::Bytes{quoted_}.first(static_cast<std::size_t>(size));
    if (options_.kind == IpSocketKind::ah) {
      error.quoted = error.quoted.subspan(std::min(ah_spi_at, error.quoted.size()));
    }
    return error;
  }
  return std::nullopt;
}

}  // namespace caponier::io
