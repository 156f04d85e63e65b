#pragma once
// Memory for what one call of recvmmsg() brings, shared by the sockets of one thread. The kernel
// may merge the datagrams of a flow into one message of equal segments (UDP_GRO); here each finds
// itself in a buffer of its own again, as a rule without having been copied: buffers are laid out
// for segments as long as the last ones were.

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "io/socket/controls.h"
#include "io/socket/packet_io.h"
#include "io/socket/sockaddr.h"

namespace caponier::io {

class ReceiveBatch {
 public:
  static constexpr std::size_t messages_max = 16;
  static constexpr std::size_t segments_max = 64;  ///< the kernel's own limit
  static constexpr std::size_t packets_max = messages_max * segments_max;

  /// `packet_max`: the largest packet that is not cut short.
  explicit ReceiveBatch(std::size_t packet_max);

  /// Receives without blocking and splits; how many messages came. `segment_expected`: of the last
  /// merged message, kept by the caller for each socket; 0: none was merged.
  [[nodiscard]] std::size_t receive(int fd, std::size_t& segment_expected);

  /// The packets of the last receive(), to be completed by the caller, which knows the socket.
  [[nodiscard]] std::span<Received> packets() { return std::span{packets_}.first(count_); }
  /// Of a message that is one packet; raw sockets have no others.
  [[nodiscard]] msghdr& message_of(std::size_t packet) {
    return messages_[message_of_packet_[packet]].msg_hdr;
  }

 private:
  void lay_out(std::size_t segment_expected);
  void lay_out_parts(std::size_t message);
  void take(std::size_t message, std::size_t& segment_expected);
  void add(std::size_t message, const Received& shared, std::size_t buffer, std::size_t size);
  [[nodiscard]] ipsec::PacketBuffer& buffer(std::size_t message, std::size_t segment) {
    return buffers_[message * segments_max + segment];
  }
  /// Brings a message that lies in pieces of another size than its segments into one piece.
  [[nodiscard]] base::Bytes gather(std::size_t message, std::size_t size);

  std::size_t packet_max_;
  std::vector<ipsec::PacketBuffer> buffers_;
  std::unique_ptr<std::byte[]> spill_;   ///< what is longer than expected, of each message
  std::unique_ptr<std::byte[]> joined_;  ///< a message in one piece
  std::array<mmsghdr, messages_max> messages_{};
  std::array<std::array<iovec, segments_max + 1>, messages_max> parts_{};
  std::array<SocketAddress, messages_max> addresses_{};
  std::array<Control, messages_max> controls_{};
  std::vector<Received> packets_;
  std::vector<std::uint8_t> message_of_packet_;
  std::size_t count_ = 0;
  std::size_t laid_out_for_ = 0;
  bool is_laid_out_ = false;
};

}  // namespace caponier::io
