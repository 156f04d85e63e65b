#pragma once
// The path of packets between the TUN and the wire. Meets the control side only through Gateway's
// methods. Nothing here allocates per packet.

#include <array>
#include <vector>

#include "base/drops.h"
#include "gateway/gateway.h"
#include "io/loop/loop.h"
#include "io/rawip/raw_sockets.h"
#include "io/tcp/tcp_streams.h"
#include "io/tun/tun_device.h"
#include "io/udp/udp_sockets.h"
#include "offload/coalescer.h"

namespace caponier::daemon {

/// The largest packet on either side: the TUN's largest MTU, and that with all of ESP around it.
/// What had come in fragments may be larger than the TUN's MTU.
inline constexpr std::size_t clear_packet_max = ipsec::PacketBuffer::payload_max;
inline constexpr std::size_t wire_packet_max = clear_packet_max + 384;
/// A busy descriptor lets the others run after so many batches.
inline constexpr int batches_per_round_max = 8;
/// Packets of the clear side, and of streams, that go through the engine together.
inline constexpr std::size_t clear_batch_max = 128;
inline constexpr std::size_t stream_batch_max = 64;

class Plane {
 public:
  /// All references must outlive the object.
  Plane(gateway::Gateway& gateway, io::Loop& loop, io::TunDevice& tun, io::UdpSockets udp,
        io::RawSockets raw, std::uint16_t natt_port, const io::TcpOptions& tcp,
        std::vector<std::string>& notices);
  Plane(const Plane&) = delete;
  Plane& operator=(const Plane&) = delete;
  ~Plane();

  void transmit(const ike::Transmit& message);
  void close_stream(const base::Path& path, base::Instant now) { tcp_.close(path, now); }
  void deliver_clear(base::Bytes packet);
  /// Sends what the last deadline made.
  void send_made() { send(gateway_.made()); }
  /// Sends what waited for its SA and need not any more.
  void release_waiting();
  void handle_deadline(base::Instant now) { tcp_.handle_deadline(now); }
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const { return tcp_.poll_deadline(); }
  [[nodiscard]] base::DropCounters drops() const;

 private:
  void pump_clear();
  void protect(std::size_t count);
  void pump_udp(io::IpSocket& socket);
  /// ESP or AH.
  void pump_raw(io::IpSocket& socket);
  void take_from_stream(const base::Path& path, base::Bytes message);
  void settle_streams();
  [[nodiscard]] io::TcpStreams::Handler stream_handler();
  void transmit_on_stream(const ike::Transmit& message);
  void open(std::size_t count);
  /// Decrypted packets of open_items_, merged as far as they may be.
  void write_clear(std::span<const ipsec::OpenItem> items);
  void send(std::span<const ipsec::ProtectItem> items);
  /// Too large for its path as far as that is known, and IPv6: it leaves in fragments.
  void send_split(const ipsec::ProtectItem& item);
  void heed_size_errors(io::IpSocket& socket);
  void flush(io::IpSocket* socket, std::size_t count);
  void count(const io::SendResult& result);
  [[nodiscard]] io::IpSocket* socket_for(const ipsec::ProtectItem& item);

  gateway::Gateway& gateway_;
  io::Loop& loop_;
  io::TunDevice& tun_;
  io::UdpSockets udp_;
  io::RawSockets raw_;
  io::TcpStreams tcp_;
  std::uint16_t natt_port_;
  base::DropCounters drops_;

  std::vector<ipsec::PacketBuffer> clear_buffers_;
  std::vector<ipsec::PacketBuffer> stream_buffers_;
  io::ReceiveBatch received_;
  offload::Coalescer coalescer_;
  std::array<ipsec::PacketBuffer*, clear_batch_max> clear_batch_{};
  std::array<ipsec::ProtectItem, clear_batch_max> protect_items_;
  std::vector<ipsec::OpenItem> open_items_;
  std::array<io::Outgoing, io::SendBatch::packets_max> outgoing_;
  std::size_t from_streams_ = 0;  ///< ESP from streams that waits in open_items_
  std::optional<base::Path> spoiled_stream_;
};

}  // namespace caponier::daemon
