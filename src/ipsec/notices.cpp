#include "ipsec/notices.h"

#include <utility>

#include "wire/icmp.h"
#include "wire/ip.h"

namespace caponier::ipsec {

void Notices::acquire(const ChildName& child, policy::Trigger trigger, base::Instant now) {
  AcquireName name{child, std::nullopt};
  if (trigger.is_exact) name.second = trigger;
  const auto is_fresh = [&](base::Instant at) { return now - at < limits_.acquire_interval; };
  const auto last = last_acquire_.find(name);
  if (last != last_acquire_.end() && is_fresh(last->second)) return;
  if (last_acquire_.size() >= limits_.acquires_remembered_max) {
    std::erase_if(last_acquire_, [&](const auto& entry) { return !is_fresh(entry.second); });
    if (last_acquire_.size() >= limits_.acquires_remembered_max) return;
  }
  if (queue_.push(Acquire{child.first, child.second, std::move(trigger)})) {
    last_acquire_.insert_or_assign(std::move(name), now);
  }
}

void Notices::too_big(base::Bytes offending, std::size_t mtu, base::Instant now) {
  if (!too_big_since_.has_value() || now - *too_big_since_ >= limits_.too_big_interval) {
    too_big_since_ = now;
    too_big_count_ = 0;
  }
  if (too_big_count_ >= limits_.too_big_burst_max) return;
  ++too_big_count_;
  const bool v4 = wire::ip_version(offending) == 4;
  // The engine knows no address of its own on the clear side, and the outer one may be of the other
  // family or unroutable there. The packet's own destination is what the sender certainly accepts
  // an answer from, and a stateful firewall between them lets it pass.
  const base::IpAddress from = v4 ? wire::Ipv4View::checked(offending)->destination()
                                  : wire::Ipv6View::checked(offending)->destination();
  base::ByteVec reply = wire::make_too_big(offending, static_cast<std::uint32_t>(mtu), from);
  if (!reply.empty()) (void)queue_.push(TooBig{std::move(reply)});
}

void Notices::keep_children(const std::set<ChildName>& children) {
  std::erase_if(last_acquire_,
                [&](const auto& entry) { return !children.contains(entry.first.first); });
}

}  // namespace caponier::ipsec
