#pragma once
// What sendmmsg() wants, laid out once. Datagrams of one size and with the same headers become one
// message, which the kernel or the network card cuts up again (UDP_SEGMENT).

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <span>

#include "io/socket/controls.h"
#include "io/socket/packet_io.h"
#include "io/socket/sockaddr.h"

namespace caponier::io {

struct SendResult {
  std::size_t sent = 0;
  std::size_t refused = 0;  ///< by the kernel: no route, too big, ...
  std::size_t queue_full = 0;
};

class SendBatch {
 public:
  static constexpr std::size_t packets_max = 256;
  /// What the kernels know that merge (UDP_MAX_SEGMENTS), and what one IP packet carries.
  static constexpr std::size_t segments_max = 64;
  static constexpr std::size_t message_bytes_max = 65000;

  /// Without blocking; at most packets_max. `has_ports`: UDP. `may_merge` becomes false where the
  /// kernel cannot take merged messages.
  void send(int fd, std::span<const Outgoing> batch, bool has_ports, bool& may_merge,
            SendResult& result);

 private:
  /// How many of the first packets become one message.
  [[nodiscard]] static std::size_t run_length(std::span<const Outgoing> batch);
  void lay_out(std::span<const Outgoing> batch, bool has_ports, bool may_merge);
  /// False: the socket takes no more now.
  [[nodiscard]] bool send_one_by_one(int fd, std::size_t message, SendResult& result);

  std::array<mmsghdr, packets_max> messages_{};
  std::array<iovec, packets_max> parts_{};
  std::array<SocketAddress, packets_max> addresses_{};
  std::array<Control, packets_max> controls_{};
  std::array<const Outgoing*, packets_max> first_of_{};  ///< each message's first packet
  std::size_t count_ = 0;
};

}  // namespace caponier::io
