#include "io/socket/ip_socket.h"

#include <fmt/format.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/socket/sockaddr.h"
#include "wire/ip.h"

namespace caponier::io {

/// What recvmmsg and sendmmsg want, laid out once.
struct IpSocket::Batch {
  struct alignas(cmsghdr) Control {
    std::array<char, 512> bytes;  ///< addresses, classes, and IPv6 extension headers
  };
  std::array<mmsghdr, batch_max> messages{};
  std::array<iovec, batch_max> parts{};
  std::array<SocketAddress, batch_max> addresses{};
  std::array<Control, batch_max> controls{};
};

namespace {

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

/// IPV6_FLOWINFO of linux/in6.h, which netinet/in.h does not go together with.
constexpr int ipv6_flow_info = 11;

template <class T>
T read_control(cmsghdr* header) {
  T value{};
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

/// Destination address and TOS of a received packet.
void read_controls(msghdr& message, Received& item) {
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      item.path.local.address = address_of(read_control<in_pktinfo>(at).ipi_addr);
    } else if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) {
      item.tos = read_control<std::uint8_t>(at);
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      item.path.local.address = address_of(read_control<in6_pktinfo>(at).ipi6_addr);
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS) {
      item.tos = static_cast<std::uint8_t>(read_control<int>(at));
    }
  }
}

template <class T>
void append_control(msghdr& message, int level, int type, const T& value) {
  const std::size_t at = message.msg_controllen;
  auto* header = reinterpret_cast<cmsghdr*>(static_cast<char*>(message.msg_control) + at);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
  message.msg_controllen = at + CMSG_SPACE(sizeof value);
}

void write_controls(msghdr& message, const Outgoing& item) {
  message.msg_controllen = 0;
  const base::IpAddress& local = item.path.local.address;
  const int tos = item.tos;
  const int ttl = item.ttl;
  if (item.path.remote.address.is_v4()) {
    if (local.is_v4() && !local.is_unspecified()) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, local.bytes().data(), 4);
      append_control(message, IPPROTO_IP, IP_PKTINFO, info);
    }
    if (tos != 0) append_control(message, IPPROTO_IP, IP_TOS, tos);
    if (ttl != 0) append_control(message, IPPROTO_IP, IP_TTL, ttl);
    return;
  }
  if (!local.is_v4() && !local.is_unspecified()) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, local.bytes().data(), 16);
    append_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  if (tos != 0) append_control(message, IPPROTO_IPV6, IPV6_TCLASS, tos);
  if (ttl != 0) append_control(message, IPPROTO_IPV6, IPV6_HOPLIMIT, ttl);
  if (item.flow_label != 0) {
    append_control(message, IPPROTO_IPV6, ipv6_flow_info, htonl(item.flow_label));
  }
}

std::optional<sock_extended_err> read_error(msghdr& message) {
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    const bool is_error = (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVERR) ||
                          (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVERR);
    if (is_error) return read_control<sock_extended_err>(at);
  }
  return std::nullopt;
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
    : fd_(std::move(fd)),
      options_(options),
      in_(std::make_unique<Batch>()),
      out_(std::make_unique<Batch>()) {}
IpSocket::IpSocket(IpSocket&&) noexcept = default;
IpSocket& IpSocket::operator=(IpSocket&&) noexcept = default;
IpSocket::~IpSocket() = default;

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

std::size_t IpSocket::receive(std::span<Received> batch) {
  batch = batch.first(std::min(batch.size(), batch_max));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const base::MutBytes area = batch[i].packet->fill_area();
    in_->parts[i] = {area.data(), area.size()};
    msghdr& header = in_->messages[i].msg_hdr;
    header = {};
    header.msg_name = in_->addresses[i].get_mutable();
    header.msg_namelen = SocketAddress::capacity;
    header.msg_iov = &in_->parts[i];
    header.msg_iovlen = 1;
    header.msg_control = in_->controls[i].bytes.data();
    header.msg_controllen = in_->controls[i].bytes.size();
  }
  for (;;) {
    const int count = ::recvmmsg(fd_.get(), in_->messages.data(),
                                 static_cast<unsigned>(batch.size()), MSG_DONTWAIT, nullptr);
    // A pending ICMP error is taken out by the call that reports it; the next one goes on.
    if (count < 0 && errno != EAGAIN && errno != EBADF && errno != ENOMEM) continue;
    if (count <= 0) return 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) finish(batch[i], i);
    return static_cast<std::size_t>(count);
  }
}

void IpSocket::finish(Received& item, std::size_t index) {
  mmsghdr& message = in_->messages[index];
  item.tos = 0;
  item.is_whole = false;
  item.path.local.port = options_.port;
  item.path.remote = in_->addresses[index].endpoint();
  const bool is_udp = options_.kind == IpSocketKind::udp;
  if (!is_udp) item.path.remote.port = 0;
  read_controls(message.msg_hdr, item);
  const int cut = is_udp ? MSG_TRUNC : MSG_TRUNC | MSG_CTRUNC;
  item.packet->resize((message.msg_hdr.msg_flags & cut) != 0 ? 0 : message.msg_len);
  if (is_udp) return;
  if (options_.family == base::Family::v4) {
    strip_ipv4_header(item, options_.kind == IpSocketKind::ah);
  } else {
    rebuild_ipv6_headers(message.msg_hdr, item,
                         static_cast<std::uint8_t>(protocol_of(options_.kind)));
  }
}

SendResult IpSocket::send(std::span<const Outgoing> batch) {
  SendResult result;
  while (!batch.empty()) {
    const bool wanted = batch.front().dont_fragment;
    std::size_t count = 1;
    while (count < std::min(batch.size(), batch_max) && batch[count].dont_fragment == wanted) {
      ++count;
    }
    set_dont_fragment(wanted);
    send_some(batch.first(count), result);
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
  for (std::size_t errors = 0; errors < batch_max; ++errors) {
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
      constexpr std::size_t spi_at = 4;
      error.quoted = error.quoted.subspan(std::min(spi_at, error.quoted.size()));
    }
    return error;
  }
  return std::nullopt;
}

void IpSocket::send_some(std::span<const Outgoing> batch, SendResult& result) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Outgoing& item = batch[i];
    // sendmmsg only reads, but its structure is shared with recvmmsg.
    out_->parts[i] = {const_cast<std::byte*>(item.bytes.data()), item.bytes.size()};
    // A raw IPv6 socket takes a port for a protocol number.
    const bool has_port = options_.kind == IpSocketKind::udp;
    out_->addresses[i] = SocketAddress{
        {item.path.remote.address, has_port ? item.path.remote.port : std::uint16_t{0}}};
    msghdr& header = out_->messages[i].msg_hdr;
    header = {};
    header.msg_name = out_->addresses[i].get_mutable();
    header.msg_namelen = out_->addresses[i].size();
    header.msg_iov = &out_->parts[i];
    header.msg_iovlen = 1;
    header.msg_control = out_->controls[i].bytes.data();
    write_controls(header, item);
  }
  std::size_t done = 0;
  bool retried = false;
  while (done < batch.size()) {
    const int count = ::sendmmsg(fd_.get(), &out_->messages[done],
                                 static_cast<unsigned>(batch.size() - done), MSG_DONTWAIT);
    if (count > 0) {
      done += static_cast<std::size_t>(count);
      result.sent += static_cast<std::size_t>(count);
      retried = false;
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ENOBUFS) {
      result.queue_full += batch.size() - done;
      return;
    }
    // The error may be an older packet's (ICMP); a second refusal is about this one.
    if (!retried) {
      retried = true;
      continue;
    }
    retried = false;
    ++result.refused;
    ++done;
  }
}

}  // namespace caponier::io
