#pragma once
// One IP socket, UDP or raw ESP, read and written in batches. The local address of every packet is
// known on receipt and chosen on sending.

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
};

struct Outgoing {
  base::Bytes bytes;
  base::Path path;  ///< an unspecified local address lets the kernel choose
  std::uint8_t tos = 0;
  /// IPv4: sets DF and, once the kernel has learnt a smaller path MTU, fragments to it. Otherwise
  /// DF is clear.
  bool dont_fragment = false;
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

 private:
  struct Batch;
  IpSocket(Fd fd, const IpSocketOptions& options);
  void send_some(std::span<const Outgoing> batch, SendResult& result);
  void set_dont_fragment(bool wanted);
  void finish(Received& item, std::size_t index);

  Fd fd_;
  IpSocketOptions options_;
  bool dont_fragment_ = false;
  std::unique_ptr<Batch> in_;
  std::unique_ptr<Batch> out_;
};

}  // namespace caponier::io
