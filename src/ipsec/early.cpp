#include "ipsec/early.h"

#include <algorithm>
#include <utility>

namespace caponier::ipsec {

bool EarlyPackets::hold(base::Spi spi, const OpenItem& item, base::Instant now) {
  if (!expected_.contains(spi)) return false;
  const std::size_t size = item.packet->size();
  if (held_.size() + ready_.size() >= limits_.early_packets_max ||
      size > limits_.early_bytes_max - bytes_) {
    return false;
  }
  held_.push_back({spi, base::to_vec(std::as_const(*item.packet).bytes()), item, now});
  held_.back().item.packet = nullptr;
  bytes_ += size;
  return true;
}

void EarlyPackets::release(base::Spi spi) {
  if (expected_.erase(spi) == 0 || held_.empty()) return;
  std::erase_if(held_, [&](Held& held) {
    if (held.spi != spi) return false;
    ready_.push_back(std::move(held));
    return true;
  });
}

void EarlyPackets::give_up(base::Spi spi) {
  if (expected_.erase(spi) == 0) return;
  std::erase_if(held_, [&](const Held& held) {
    if (held.spi != spi) return false;
    drop(held);
    return true;
  });
}

void EarlyPackets::drop(const Held& held) {
  bytes_ -= held.bytes.size();
  drops_.add(base::DropReason::esp_no_sa);
  PacketBuffer packet{held.bytes.size()};
  packet.assign(held.bytes);
  OpenItem item = held.item;
  item.packet = &packet;
  audit_.note(item, nullptr, base::DropReason::esp_no_sa);
}

std::size_t EarlyPackets::take(std::span<OpenItem> to) {
  std::size_t count = 0;
  while (count < to.size() && !ready_.empty()) {
    const Held held = std::move(ready_.front());
    ready_.pop_front();
    PacketBuffer* const packet = to[count].packet;
    if (held.bytes.size() > packet->fill_area().size()) {
      drop(held);
      continue;
    }
    bytes_ -= held.bytes.size();
    packet->assign(held.bytes);
    to[count] = held.item;
    to[count].packet = packet;
    ++count;
  }
  return count;
}

void EarlyPackets::handle_deadline(base::Instant now) {
  while (!held_.empty() && now - held_.front().since >= limits_.early_age_max) {
    const Held held = std::move(held_.front());
    held_.pop_front();
    drop(held);
  }
}

std::optional<base::Instant> EarlyPackets::poll_deadline() const {
  if (held_.empty()) return std::nullopt;
  return held_.front().since + limits_.early_age_max;
}

}  // namespace caponier::ipsec
