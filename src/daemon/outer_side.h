#pragma once
// One worker's XDP sockets on the outer interfaces, if there are any. Sockets carry whatever these
// cannot.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/drops.h"
#include "base/time.h"
#include "daemon/questions.h"
#include "io/afpacket/next_hops.h"
#include "io/xdp/xdp_queue.h"

namespace caponier::daemon {

class OuterSide {
 public:
  OuterSide() = default;
  explicit OuterSide(std::vector<io::XdpQueue> queues) : queues_(std::move(queues)) {}

  [[nodiscard]] std::span<io::XdpQueue> queues() { return queues_; }
  [[nodiscard]] base::DropCounters drops() const;

  /// ESP, in UDP where its path has ports. It leaves with flush() at the latest, or is dropped and
  /// counted. False: not by this way, for want of a next hop or of an XDP socket there, or because
  /// the packet is too large to leave in one piece.
  [[nodiscard]] bool send(const io::Outgoing& item, base::Instant now);
  /// False: not everything has left; to be called again soon.
  [[nodiscard]] bool flush();

  /// Ways that sockets serve, or soon have to, for want of a next hop.
  [[nodiscard]] std::optional<io::WayQuestion> poll_question() { return questions_.poll(); }
  void set_next_hops(std::shared_ptr<const io::NextHops> hops);

 private:
  /// The way that packets to one peer go, as a rule many in a row.
  struct Course {
    io::WayQuestion question;
    const io::NextHop* hop = nullptr;
    io::XdpQueue* queue = nullptr;
  };
  [[nodiscard]] const Course& find_course(const io::WayQuestion& question, base::Instant now);

  std::vector<io::XdpQueue> queues_;
  std::shared_ptr<const io::NextHops> hops_ = std::make_shared<const io::NextHops>();
  Course last_;
  Questions questions_;
  base::DropCounters drops_;
};

}  // namespace caponier::daemon
