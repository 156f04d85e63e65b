#include "gateway/worker.h"

#include <utility>

namespace caponier::gateway {

void Worker::protect(std::span<ipsec::ProtectItem> items, base::Instant now) {
  if (inspection_.is_on()) [[unlikely]] {
    const base::Guard guard{inspection_.lock()};
    inspection_.before(items);
    engine_.protect(items, now);
    inspection_.after(items, engine_, now);
  } else {
    engine_.protect(items, now);
  }
  tell_sent(items, now);
  publish();
}

void Worker::open(std::span<ipsec::OpenItem> items, base::Instant now) {
  if (inspection_.is_on()) [[unlikely]] {
    const base::Guard guard{inspection_.lock()};
    inspection_.before(items, now);
    engine_.open(items, now);
    inspection_.after(items, engine_, now);
  } else {
    engine_.open(items, now);
  }
  hear(items, now);
  publish();
}

std::size_t Worker::take_waiting(std::span<ipsec::PacketBuffer* const> to) {
  const std::size_t count = engine_.take_waiting(to);
  publish();
  return count;
}

std::size_t Worker::take_early(std::span<ipsec::OpenItem> to) {
  const std::size_t count = engine_.take_early(to);
  publish();
  return count;
}

void Worker::handle_deadline(base::Instant now) {
  engine_.handle_deadline(now);
  if (inspection_.is_on()) [[unlikely]] {
    const base::Guard guard{inspection_.lock()};
    inspection_.record_made(engine_.made(), now);
  }
  publish();
}

std::optional<Worker::News> Worker::poll_news() {
  if (auto news = news_.pop()) return news;
  if (auto notice = engine_.poll_notice()) return News{std::move(*notice)};
  publish();
  return std::nullopt;
}

void Worker::forget(policy::ChildSaId id) {
  heard_.erase(id);
  told_.erase(id);
}

void Worker::publish() {
  const auto deadline = engine_.poll_deadline();
  deadline_.store(deadline ? deadline->at.since_origin.count() : INT64_MAX,
                  std::memory_order_release);
  has_news_.store(!news_.empty() || engine_.has_notice(), std::memory_order_release);
  has_released_.store(engine_.has_released(), std::memory_order_release);
}

std::optional<base::Instant> Worker::next_deadline() const {
  const std::int64_t at = deadline_.load(std::memory_order_acquire);
  if (at == INT64_MAX) return std::nullopt;
  return base::Instant{base::Duration{at}};
}

bool Worker::is_due(Times& times, policy::ChildSaId id, base::Instant now) {
  const auto [found, fresh] = times.try_emplace(id, now);
  if (!fresh && now - found->second < heard_interval) return false;
  found->second = now;
  return true;
}

void Worker::hear(std::span<const ipsec::OpenItem> items, base::Instant now) {
  std::optional<policy::ChildSaId> last;
  for (const ipsec::OpenItem& item : items) {
    if (item.verdict != ipsec::Verdict::forward || item.sa == last) continue;
    last = item.sa;
    if (is_due(heard_, item.sa, now)) {
      static_cast<void>(news_.push(ike::PeerHeard{item.sa, item.path}));
    }
  }
}

void Worker::tell_sent(std::span<const ipsec::ProtectItem> items, base::Instant now) {
  std::optional<policy::ChildSaId> last;
  for (const ipsec::ProtectItem& item : items) {
    // Native ESP opens no mapping in a NAT.
    if (item.verdict != ipsec::Verdict::forward || !item.udp_encap || item.sa == last) continue;
    last = item.sa;
    if (is_due(told_, item.sa, now)) static_cast<void>(news_.push(ike::EspSent{item.sa}));
  }
}

}  // namespace caponier::gateway
