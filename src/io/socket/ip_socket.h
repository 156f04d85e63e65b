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
#include "ipsec/packet.h"

namespace caponier::io {

inline constexpr std::size_t batch_max = 64;
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
  std::uint32_t mark = 0;  ///< SO_MARK, so that outer packets escape our own routes
};

/// The caller provides `packet`; it is empty afterwards when the datagram was cut short or is not
/// valid IP.
struct Received {
  ipsec::PacketBuffer* packet = nullptr;
  base::Path path;
  std::uint8_t tos = 0;
  /// It begins with its IP header, and has what stood between that and ESP or AH: of AH always, of
  /// ESP when there was anything.
  bool is_whole = false;
};

struct Outgoing {
  base::Bytes bytes;
  base::Path path;  ///< an unspecified local address lets the kernel choose
  std::uint8_t tos = 0;
  std::uint8_t ttl = 0;          ///< or hop limit; 0: the system's
  std::uint32_t flow_label = 0;  ///< IPv6; 0: the system's
  /// The packet leaves whole, with DF in IPv4, whatever the kernel believes of the path; what the
  /// device cannot carry is refused. Otherwise the kernel may fragment it, and routers may.
  bool dont_fragment = false;
};

/// Something along the way, or this host, could not carry a packet of that size.
struct SizeError {
  base::Endpoint remote;  ///< the packet's
  std::size_t mtu = 0;
  bool is_own_host = false;
  base::Bytes quoted;  ///< of the packet, behind the IP header or, for UDP, behind its header, of
                       ///< AH from the SPI on; borrowed until the next call
};

struct SendResult {
  std::size_t sent = 0;
  std::size_t refused = 0;  ///< by the kernel: no route, too big, ...
  std::size_t queue_full = 0;
};

class IpSocket {
 public:
  [[nodiscard]] static Io<IpSocket> open(const IpSocketOptions& options);
  IpSocket(IpSocket&&) noexcept;
  IpSocket& operator=(IpSocket&&) noexcept;
  ~IpSocket();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const IpSocketOptions& options() const { return options_; }
  /// This socket may send with `local` as the source.
  [[nodiscard]] bool serves(const base::Endpoint& local) const;
  /// Fills the first elements of `batch` (at most batch_max) without blocking; how many.
  [[nodiscard]] std::size_t receive(std::span<Received> batch);
  SendResult send(std::span<const Outgoing> batch);
  /// Errors that are not about sizes are skipped. To be called until empty whenever the socket is
  /// readable: waiting errors make it so.
  [[nodiscard]] std::optional<SizeError> poll_size_error();

 private:
  struct Batch;
  IpSocket(Fd fd, const IpSocketOptions& options);
  void send_some(std::span<const Outgoing> batch, SendResult& result);
  void set_dont_fragment(bool wanted);
  void finish(Received& item, std::size_t index);

  Fd fd_;
  IpSocketOptions options_;
  bool dont_fragment_ = false;
  std::array<std::byte, 576> quoted_{};
  std::unique_ptr<Batch> in_;
  std::unique_ptr<Batch> out_;
};

}  // namespace caponier::io
