#pragma once
// One IP socket, UDP, raw ESP or raw AH, read and written in batches. The local address of every
// packet is known on receipt and chosen on sending.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/address.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"
#include "io/socket/packet_io.h"
#include "io/socket/receive_batch.h"
#include "io/socket/send_batch.h"
#include "io/socket/steering.h"

namespace caponier::io {

inline constexpr int socket_buffer_bytes = 4 << 20;

enum class IpSocketKind : std::uint8_t {
  udp,
  esp,  ///< IP protocol 50; ports are 0
  ah,   ///< IP protocol 51, for receiving
};

struct IpSocketOptions {
  IpSocketKind kind{};
  base::Family family{};
  std::optional<base::IpAddress> address;  ///< empty: every address of the family
  std::uint16_t port = 0;
  std::uint32_t mark = 0;    ///< SO_MARK, so that outer packets escape our own routes
  bool shares_port = false;  ///< UDP: with other sockets of ours; see steer_udp()
  WorkerShare share{};       ///< raw: of the packets; see steer_raw()
};

/// Something along the way, or this host, could not carry a packet of that size.
struct SizeError {
  base::Endpoint remote;  ///< the packet's
  std::size_t mtu = 0;
  bool is_own_host = false;
  base::Bytes quoted;  ///< of the packet, behind the IP header or, for UDP, behind its header, of
                       ///< AH from the SPI on; borrowed until the next call
};

class IpSocket {
 public:
  [[nodiscard]] static Io<IpSocket> open(const IpSocketOptions& options);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const IpSocketOptions& options() const { return options_; }
  /// This socket may send with `local` as the source.
  [[nodiscard]] bool serves(const base::Endpoint& local) const;
  /// Fills `batch` without blocking; false: there may be no more now.
  [[nodiscard]] bool receive(ReceiveBatch& batch);
  SendResult send(std::span<const Outgoing> batch);
  /// Errors that are not about sizes are skipped. To be called until empty whenever the socket is
  /// readable: waiting errors make it so.
  [[nodiscard]] std::optional<SizeError> poll_size_error();

 private:
  IpSocket(Fd fd, const IpSocketOptions& options);
  void set_dont_fragment(bool wanted);
  void finish(Received& item, msghdr& message);

  Fd fd_;
  IpSocketOptions options_;
  bool dont_fragment_ = false;
  std::array<std::byte, 576> quoted_{};
  std::unique_ptr<SendBatch> out_;
  bool may_merge_ = false;
  std::size_t segment_expected_ = 0;
};

}  // namespace caponier::io
