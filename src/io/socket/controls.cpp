#include "io/socket/controls.h"

#include <netinet/in.h>

#include "io/socket/sockaddr.h"

namespace caponier::io {
namespace {

/// IPV6_FLOWINFO of linux/in6.h, which netinet/in.h does not go together with.
constexpr int ipv6_flow_info = 11;

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

}  // namespace

std::size_t read_controls(msghdr& message, Received& item) {
  std::size_t segment_size = 0;
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      item.path.local.address = address_of(read_control<in_pktinfo>(at).ipi_addr);
    } else if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) {
      item.tos = read_control<std::uint8_t>(at);
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      item.path.local.address = address_of(read_control<in6_pktinfo>(at).ipi6_addr);
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS) {
      item.tos = static_cast<std::uint8_t>(read_control<int>(at));
    } else if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO) {
      segment_size = static_cast<std::size_t>(read_control<int>(at));
    }
  }
  return segment_size;
}

void write_controls(msghdr& message, const Outgoing& item, std::size_t segment_size) {
  message.msg_controllen = 0;
  if (segment_size != 0) {
    append_control(message, IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(segment_size));
  }
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

}  // namespace caponier::io
