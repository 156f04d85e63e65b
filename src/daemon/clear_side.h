#pragma once
// Where one worker's clear packets come from and go to: its queue of the TUN, and the packet
// sockets on Ethernet interfaces, if there are any. The TUN carries whatever they cannot.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/time.h"
#include "daemon/questions.h"
#include "io/afpacket/next_hops.h"
#include "io/afpacket/packet_queue.h"
#include "io/tun/tun_queue.h"

namespace caponier::daemon {

class ClearSide {
 public:
  /// `tun` must outlive the object.
  ClearSide(io::TunQueue& tun, std::vector<io::PacketQueue> queues);

  [[nodiscard]] io::TunQueue& tun() { return tun_; }
  [[nodiscard]] std::span<io::PacketQueue> packet_queues() { return queues_; }
  [[nodiscard]] base::DropCounters drops() const;

  /// False: the kernel refused the packet.
  [[nodiscard]] bool write(base::Bytes packet, base::Instant now);
  [[nodiscard]] bool write(const offload::Coalescer::Group& group, base::Instant now);

  /// Ways that the TUN serves, or soon has to, for want of a next hop.
  [[nodiscard]] std::optional<io::WayQuestion> poll_question() { return questions_.poll(); }
  void set_next_hops(std::shared_ptr<const io::NextHops> hops);

 private:
  [[nodiscard]] const io::NextHop* find_hop(base::Bytes packet, base::Instant now);
  [[nodiscard]] io::PacketQueue* queue_for(const io::NextHop& hop, base::Bytes packet);

  io::TunQueue& tun_;
  std::vector<io::PacketQueue> queues_;
  std::shared_ptr<const io::NextHops> hops_ = std::make_shared<const io::NextHops>();
  Questions questions_;
};

}  // namespace caponier::daemon
