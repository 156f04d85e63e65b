#pragma once
// The path of packets of one worker, from its clear side to its sockets and back, in a thread of
// its own. Nothing here allocates per packet. What is not ESP or AH it leaves to the control
// side.

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/bounded.h"
#include "base/drops.h"
#include "daemon/clear_side.h"
#include "daemon/outer_side.h"
#include "gateway/gateway.h"
#include "io/loop/loop.h"
#include "io/os/thread.h"
#include "io/os/wakeup.h"
#include "io/rawip/raw_sockets.h"
#include "io/udp/udp_sockets.h"
#include "offload/coalescer.h"

namespace caponier::daemon {

/// The largest packet on either side: the TUN's largest MTU, and that with all of ESP around it.
/// What had come in fragments may be larger than the TUN's MTU.
inline constexpr std::size_t clear_packet_max = ipsec::PacketBuffer::payload_max;
inline constexpr std::size_t wire_packet_max = clear_packet_max + 384;
/// A busy descriptor lets the others run after so many batches.
inline constexpr int batches_per_round_max = 8;
/// Packets of the clear side that go through the engine together.
inline constexpr std::size_t clear_batch_max = 128;
/// What waits for the control side.
inline constexpr std::size_t lane_outbox_max = 1024;
inline constexpr std::size_t size_errors_per_round_max = 64;
/// An interface that takes no more is asked again after this time.
inline constexpr base::Duration outer_retry_interval{std::chrono::milliseconds{1}};

/// An IKE message that came to a worker: the kernel could not steer it, or knows no better.
struct StrayIke {
  base::Path path;
  base::ByteVec message;
};
/// ESP that leaves in a TCP stream.
struct StreamEsp {
  base::Path path;
  base::ByteVec packet;
};
/// As gateway::OuterTooBig, with its bytes.
struct TooBigHeard {
  gateway::OuterTooBig error;  ///< quoting nothing
  base::ByteVec quoted;
};
/// The TUN carries packets that an Ethernet neighbour might take.
struct NextHopWanted {
  io::WayQuestion way;
};
/// Sockets carry packets that an XDP socket might.
struct OuterHopWanted {
  io::WayQuestion way;
};
using LaneMessage = std::variant<StrayIke, StreamEsp, TooBigHeard, NextHopWanted, OuterHopWanted>;

struct LanePorts {
  io::UdpSockets udp;
  io::RawSockets raw;
  OuterSide outer;
  std::uint16_t natt_port = 0;
};

class Lane {
 public:
  /// All references must outlive the object. `news` is woken when take_message() or the worker has
  /// something for the control side.
  Lane(gateway::Worker& worker, ClearSide clear, LanePorts ports, io::Wakeup& news);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  /// Ends the thread.
  ~Lane();

  void start(unsigned number, std::optional<unsigned> cpu);
  [[nodiscard]] base::Duration cpu_time() const;
  [[nodiscard]] base::DropCounters drops() const;
  [[nodiscard]] bool has_messages() const { return has_messages_.load(std::memory_order_acquire); }

  // For the control side; these take the worker's lock.
  [[nodiscard]] std::optional<LaneMessage> take_message();
  void handle_deadline(base::Instant now);
  void release_waiting();
  /// ESP that the control side received; verdicts come back in `items`.
  void open(std::span<ipsec::OpenItem> items);
  void deliver_clear(base::Bytes packet);
  void set_next_hops(std::shared_ptr<const io::NextHops> hops);
  void set_outer_hops(std::shared_ptr<const io::NextHops> hops);

 private:
  void run();
  /// A TUN's or a packet socket's.
  template <class Queue>
  void pump_clear(Queue& queue);
  void protect(std::size_t count);
  /// Under the lock: what had to wait for its SA, both ways.
  void release();
  void pump_udp(io::IpSocket& socket);
  /// ESP or AH.
  void pump_raw(io::IpSocket& socket);
  void pump_xdp(io::XdpQueue& queue);
  void open_batch(std::span<ipsec::OpenItem> items);
  /// Decrypted packets, merged as far as they may be.
  void write_clear(std::span<const ipsec::OpenItem> items);
  void send(std::span<const ipsec::ProtectItem> items);
  /// Too large for its path as far as that is known, and IPv6: it leaves in fragments.
  void send_split(const ipsec::ProtectItem& item);
  void flush_outer();
  /// What an interface had no room for.
  void flush_outer_again(io::Loop& loop);
  void heed_size_errors(io::IpSocket& socket);
  void flush(io::IpSocket* socket, std::size_t count);
  [[nodiscard]] io::IpSocket* socket_for(const ipsec::ProtectItem& item);
  void tell(LaneMessage message);
  void announce();

  gateway::Worker& worker_;
  ClearSide clear_;
  io::UdpSockets udp_;
  io::RawSockets raw_;
  OuterSide outer_;
  std::uint16_t natt_port_;
  io::Wakeup& news_;
  io::Wakeup stop_;
  io::Wakeup retry_;
  std::atomic<bool> outer_waits_ = false;  ///< flush_outer_again() has something to do
  base::DropCounters drops_;

  std::vector<ipsec::PacketBuffer> clear_buffers_;
  io::ReceiveBatch received_;
  offload::Coalescer coalescer_;
  std::array<ipsec::PacketBuffer*, clear_batch_max> clear_batch_{};
  std::array<ipsec::ProtectItem, clear_batch_max> protect_items_;
  std::vector<ipsec::OpenItem> open_items_;
  std::array<io::Outgoing, io::SendBatch::packets_max> outgoing_;
  base::BoundedQueue<LaneMessage> outbox_{lane_outbox_max};
  std::atomic<bool> has_messages_ = false;
  std::unique_ptr<io::Thread> thread_;
};

}  // namespace caponier::daemon
