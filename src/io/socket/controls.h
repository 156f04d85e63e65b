#pragma once
// What travels beside a packet in recvmsg() and sendmsg(): addresses, classes, segment sizes,
// errors.

#include <time.h>

#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "io/socket/packet_io.h"

namespace caponier::io {

/// Room for addresses, classes, and IPv6 extension headers.
struct alignas(cmsghdr) Control {
  std::array<char, 512> bytes;
};

template <class T>
T read_control(cmsghdr* header) {
  T value{};
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

/// Fills in destination address and TOS; the size of the segments of merged datagrams, or 0.
[[nodiscard]] std::size_t read_controls(msghdr& message, Received& item);
/// `segment_size` 0: the message is one datagram.
void write_controls(msghdr& message, const Outgoing& item, std::size_t segment_size);
[[nodiscard]] std::optional<sock_extended_err> read_error(msghdr& message);

}  // namespace caponier::io
