#pragma once
// The data plane as the control side sees it: a lane for each worker, and what the control side
// receives and sends itself: IKE, and the TCP streams.

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "base/drops.h"
#include "daemon/lane.h"
#include "daemon/packet_side.h"
#include "daemon/xdp_side.h"
#include "gateway/gateway.h"
#include "io/loop/loop.h"
#include "io/tcp/tcp_streams.h"
#include "io/tun/tun_device.h"

namespace caponier::daemon {

/// ESP of streams that goes through an engine together.
inline constexpr std::size_t stream_batch_max = 64;

struct PlaneOptions {
  std::vector<base::IpAddress> listen;
  std::uint16_t ike_port = 0;
  std::uint16_t natt_port = 0;
  std::vector<std::uint16_t> tcp_ports;
  std::uint32_t mark = 0;
  bool pin_workers = false;
};

class Plane {
 public:
  /// All references must outlive the object; the TUN has a queue for each of the gateway's workers.
  [[nodiscard]] static io::Io<std::unique_ptr<Plane>> open(const PlaneOptions& options,
                                                           gateway::Gateway& gateway,
                                                           io::Loop& loop, io::TunDevice& tun,
                                                           PacketSide& packets, XdpSide& xdp,
                                                           std::vector<std::string>& notices);
  Plane(const Plane&) = delete;
  Plane& operator=(const Plane&) = delete;
  ~Plane();

  /// Packets begin to pass.
  void start();

  void transmit(const ike::Transmit& message);
  void close_stream(const base::Path& path, base::Instant now) { tcp_->close(path, now); }
  void deliver_clear(base::Bytes packet) { lanes_.front()->deliver_clear(packet); }
  /// Sends what waited for its SA and need not any more.
  void release_waiting();
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const;

  [[nodiscard]] base::DropCounters drops() const;
  /// Those of drops() that belong to each worker.
  [[nodiscard]] std::vector<base::DropCounters> worker_drops() const;
  /// Taken by each worker so far.
  [[nodiscard]] std::vector<base::Duration> worker_cpu_times() const;

 private:
  /// What the lanes of a side know of next hops.
  struct Hops {
    io::HopFinder* finder = nullptr;  ///< none: TUN or sockets alone
    bool are_spread = true;           ///< the lanes know what it does
  };

  Plane(const PlaneOptions& options, gateway::Gateway& gateway, io::Loop& loop,
        io::HopFinder* clear_finder, io::HopFinder* outer_finder, io::UdpSockets udp);
  void watch(Hops& hops);
  void heed_lanes();
  void heed(StrayIke& stray);
  void heed(StreamEsp& esp);
  void heed(TooBigHeard& heard);
  void heed(NextHopWanted& wanted);
  void heed(OuterHopWanted& wanted);
  void spread_next_hops();
  void pump_udp(io::IpSocket& socket);
  void take_from_stream(const base::Path& path, base::Bytes message);
  void settle_streams();
  [[nodiscard]] io::TcpStreams::Handler stream_handler();
  void transmit_on_stream(const ike::Transmit& message);
  void open_from_streams();
  /// What is in `buffer` comes from `path`.
  void open(ipsec::PacketBuffer& buffer, const base::Path& path);

  PlaneOptions options_;
  gateway::Gateway& gateway_;
  io::Loop& loop_;
  Hops clear_hops_;
  Hops outer_hops_;
  io::UdpSockets udp_;
  io::Wakeup news_;
  std::unique_ptr<io::TcpStreams> tcp_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  base::DropCounters drops_;

  io::ReceiveBatch received_;
  std::vector<ipsec::PacketBuffer> stream_buffers_;
  std::array<ipsec::OpenItem, stream_batch_max> stream_items_;
  std::size_t from_streams_ = 0;  ///< ESP from streams that waits in stream_items_
  std::optional<base::Path> spoiled_stream_;
};

}  // namespace caponier::daemon
