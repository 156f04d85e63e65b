#pragma once
// Packets that wait for the SA their policy wants (RFC 4301 s5.1): held, never sent in clear,
// bounded in number, size and age, and given back in the order they came.

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/drops.h"
#include "ipsec/engine.h"
#include "ipsec/notices.h"
#include "wire/ip.h"

namespace caponier::ipsec {

class WaitingPackets {
 public:
  WaitingPackets(const EngineLimits& limits, base::DropCounters& drops)
      : limits_(limits), drops_(drops) {}

  [[nodiscard]] bool is_on() const { return limits_.waiting_packets_max > 0; }
  /// False when there is no room; the caller drops the packet.
  [[nodiscard]] bool hold(const ChildName& child, const wire::PacketSelectorFields& fields,
                          const PacketBuffer& packet, base::Instant now);
  /// Something about the child has changed: what can go is marked to be taken, and `ask` is called
  /// for everything else.
  using CanGo = std::function<bool(const wire::PacketSelectorFields&)>;
  using Ask = std::function<void(const wire::PacketSelectorFields&)>;
  void release(const ChildName& child, const CanGo& can_go, const Ask& ask);
  /// Marks a packet to be taken that was put together of fragments. False when there is no room.
  [[nodiscard]] bool push_reassembled(base::ByteVec packet) {
    return push({std::move(packet), true});
  }
  /// The same for one that we have made.
  [[nodiscard]] bool push_own(base::ByteVec packet) { return push({std::move(packet), false}); }
  /// Copies marked packets to `to`; how many there were.
  [[nodiscard]] std::size_t take(std::span<PacketBuffer* const> to);
  [[nodiscard]] bool has_released() const { return !ready_.empty(); }
  /// Drops what waits for any child but these.
  void keep_children(const std::set<ChildName>& children);
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const;
  [[nodiscard]] std::size_t size() const { return packets_; }

 private:
  struct Copy {
    base::ByteVec bytes;
    bool is_reassembled = false;
  };
  struct Held {
    wire::PacketSelectorFields fields;
    Copy packet;
    base::Instant since;
  };
  struct Queue {
    std::deque<Held> packets;  ///< oldest first
    std::size_t bytes = 0;
  };

  [[nodiscard]] bool has_room(std::size_t size) const;
  [[nodiscard]] bool push(Copy packet);
  void forget(std::size_t size);

  EngineLimits limits_;
  base::DropCounters& drops_;
  std::map<ChildName, Queue> queues_;  ///< none is empty
  std::deque<Copy> ready_;
  std::size_t packets_ = 0;  ///< in all queues and ready
  std::size_t bytes_ = 0;
};

}  // namespace caponier::ipsec
