#include "ipsec/waiting.h"

#include <utility>

namespace caponier::ipsec {

using base::DropReason;

bool WaitingPackets::has_room(std::size_t size) const {
  return packets_ < limits_.waiting_packets_all_max &&
         size <= limits_.waiting_bytes_all_max - bytes_;
}

void WaitingPackets::forget(std::size_t size) {
  --packets_;
  bytes_ -= size;
}

bool WaitingPackets::hold(const ChildName& child, const wire::PacketSelectorFields& fields,
                          const PacketBuffer& packet, base::Instant now) {
  if (!has_room(packet.size()) || packet.size() > limits_.waiting_bytes_max) return false;
  // The first packets are kept, not the last: they are the ones that others wait for an answer to.
  const auto found = queues_.find(child);
  const std::size_t count = found == queues_.end() ? 0 : found->second.packets.size();
  const std::size_t bytes = found == queues_.end() ? 0 : found->second.bytes;
  if (count >= limits_.waiting_packets_max || packet.size() > limits_.waiting_bytes_max - bytes) {
    return false;
  }
  Queue& queue = queues_[child];
  queue.packets.push_back({fields, {base::to_vec(packet.bytes()), packet.is_reassembled()}, now});
  queue.bytes += packet.size();
  ++packets_;
  bytes_ += packet.size();
  return true;
}

void WaitingPackets::release(const ChildName& child, const CanGo& can_go, const Ask& ask) {
  const auto found = queues_.find(child);
  if (found == queues_.end()) return;
  Queue queue = std::exchange(found->second, {});
  for (Held& held : queue.packets) {
    if (can_go(held.fields)) {
      ready_.push_back(std::move(held.packet));
      continue;
    }
    ask(held.fields);
    found->second.bytes += held.packet.bytes.size();
    found->second.packets.push_back(std::move(held));
  }
  if (found->second.packets.empty()) queues_.erase(found);
}

bool WaitingPackets::push(Copy packet) {
  if (!has_room(packet.bytes.size())) return false;
  ++packets_;
  bytes_ += packet.bytes.size();
  ready_.push_back(std::move(packet));
  return true;
}

std::size_t WaitingPackets::take(std::span<PacketBuffer* const> to) {
  std::size_t count = 0;
  while (count < to.size() && !ready_.empty()) {
    const Copy packet = std::move(ready_.front());
    ready_.pop_front();
    forget(packet.bytes.size());
    if (packet.bytes.size() > to[count]->fill_area().size()) {
      drops_.add(DropReason::clear_queue_full);
      continue;
    }
    to[count]->assign(packet.bytes);
    if (packet.is_reassembled) to[count]->mark_reassembled();
    ++count;
  }
  return count;
}

void WaitingPackets::keep_children(const std::set<ChildName>& children) {
  std::erase_if(queues_, [&](const auto& entry) {
    if (children.contains(entry.first)) return false;
    for (const Held& held : entry.second.packets) {
      forget(held.packet.bytes.size());
      drops_.add(DropReason::clear_no_sa);
    }
    return true;
  });
}

void WaitingPackets::handle_deadline(base::Instant now) {
  for (auto& [child, queue] : queues_) {
    while (!queue.packets.empty() && now - queue.packets.front().since >= limits_.waiting_age_max) {
      const std::size_t size = queue.packets.front().packet.bytes.size();
      queue.packets.pop_front();
      queue.bytes -= size;
      forget(size);
      drops_.add(DropReason::clear_queue_full);
    }
  }
  std::erase_if(queues_, [](const auto& entry) { return entry.second.packets.empty(); });
}

std::optional<base::Instant> WaitingPackets::poll_deadline() const {
  std::optional<base::Instant> earliest;
  for (const auto& [child, queue] : queues_) {
    const base::Instant at = queue.packets.front().since + limits_.waiting_age_max;
    if (!earliest || at < *earliest) earliest = at;
  }
  return earliest;
}

}  // namespace caponier::ipsec
