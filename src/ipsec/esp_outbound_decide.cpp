// What becomes of a packet whose flow is not in the cache, or whose SA has ended.
#include "ipsec/esp_outbound.h"

#include <utility>

#include "wire/icmp.h"

namespace caponier::ipsec {

using base::DropReason;

Sa* EspOutbound::decide(const Chosen& chosen, base::Instant now) {
  ProtectItem& item = *chosen.item;
  const Flow flow = find_living_flow(chosen, now);
  if (flow.entry == &of_whole_packet_) {
    gather(item, nullptr, now);
    return nullptr;
  }
  if (flow.entry == nullptr) return find_for_icmp_error(item, now);
  switch (flow.entry->policy.action) {
    case PolicyAction::bypass: item.verdict = Verdict::bypass; return nullptr;
    case PolicyAction::discard:
      drop(item, nullptr, DropReason::clear_policy_discard);
      return nullptr;
    case PolicyAction::protect: break;
  }
  if (flow.sa == nullptr) {
    hold(item, *flow.entry, now);
    return nullptr;
  }
  if (flow.sa->is_expired) {
    sad_.announce_hard(*flow.sa);
    drop(item, flow.sa, DropReason::clear_expired);
    return nullptr;
  }
  return flow.sa;
}

//= rfc4301#6.2-2..3
Sa* EspOutbound::find_for_icmp_error(ProtectItem& item, base::Instant now) {
  const base::Bytes packet = std::as_const(*item.packet).bytes();
  const auto refuse = [&](Sa* sa, DropReason reason) -> Sa* {
    drop(item, sa, reason);
    return nullptr;
  };
  const auto fields = wire::selector_fields(packet);
  const auto answer = wire::return_traffic_of(packet);
  if (!fields.has_value() || !answer.has_value() || fields->destination != answer->destination) {
    return refuse(nullptr, DropReason::clear_no_policy);
  }
  const SpdEntry* const entry = spd_.match_outbound(*answer);
  if (entry == nullptr || entry->policy.action != PolicyAction::protect) {
    return refuse(nullptr, DropReason::clear_no_policy);
  }
  // An error is no reason to negotiate.
  Sa* const sa = sad_.find_outbound(entry->child, *answer);
  if (sa == nullptr) return refuse(nullptr, DropReason::clear_no_sa);
  // Only a tunnel carries a router's address.
  if (sa->mode != policy::SaMode::tunnel && fields->source != answer->source) {
    return refuse(sa, DropReason::clear_no_policy);
  }
  sad_.expire_by_time(*sa, now);
  if (sa->is_expired) return refuse(sa, DropReason::clear_expired);
  return sa;
}

void EspOutbound::hold(ProtectItem& item, const SpdEntry& entry, base::Instant now) {
  const auto fields = wire::selector_fields(item.packet->bytes());
  if (!fields.has_value()) return drop(item, nullptr, DropReason::clear_malformed);
  const Policy& policy = entry.policy;
  notices_.acquire({policy.connection, policy.child,
                    policy::make_trigger(*fields, policy.pfp, policy.local, policy.remote)},
                   now);
  if (!waiting_.is_on()) return drop(item, nullptr, DropReason::clear_no_sa);
  if (!waiting_.hold(entry.child, *fields, *item.packet, now)) {
    return drop(item, nullptr, DropReason::clear_queue_full);
  }
  item.verdict = Verdict::held;
}

void EspOutbound::gather(ProtectItem& item, Sa* sa, base::Instant now) {
  auto whole = reassembly_.add(item.packet->bytes(), now);
  if (!whole.has_value()) return drop(item, sa, whole.error());
  if (whole->has_value() && !waiting_.push_reassembled(std::move(**whole))) {
    return drop(item, sa, DropReason::clear_queue_full);
  }
  item.verdict = Verdict::held;
}

Flow EspOutbound::find_living_flow(const Chosen& chosen, base::Instant now) {
  Flow flow = look_up(chosen, now);
  while (flow.sa != nullptr && !flow.sa->is_expired) {
    sad_.expire_by_time(*flow.sa, now);
    if (!flow.sa->is_expired) break;
    flow = look_up(chosen, now);  // an older SA may still live; each turn ends one, so this ends
  }
  return flow;
}

const SpdEntry* EspOutbound::match(const wire::PacketSelectorFields& packet) const {
  if (packet.is_fragment) {
    wire::PacketSelectorFields without = packet;
    without.has_ports = false;  // all fragments of a packet are judged alike
    if (spd_.needs_ports(without, spd_.match_outbound(without))) return &of_whole_packet_;
  }
  return spd_.match_outbound(packet);
}

/// RFC 9611 s6. What carries the packet meanwhile is remembered for its flow: the next SA, or the
/// next flow, asks again.
void EspOutbound::ask_for_own(const Policy& policy, const Sa& found, base::Instant now) {
  if (!resource_ || resource_->value >= policy.resources || found.params.resource == resource_) {
    return;
  }
  notices_.acquire({.connection = policy.connection, .child = policy.child, .resource = resource_},
                   now);
}

Flow EspOutbound::look_up(const Chosen& chosen, base::Instant now) {
  if (const Flow* known = flows_.find(chosen.packet.flow, generation())) return *known;
  const auto fields = wire::selector_fields(chosen.item->packet->bytes());
  if (!fields.has_value()) return {};
  Flow flow{match(*fields), nullptr};
  if (flow.entry != nullptr && flow.entry->policy.action == PolicyAction::protect) {
    flow.sa = sad_.find_outbound(flow.entry->child, *fields);
    if (flow.sa != nullptr) ask_for_own(flow.entry->policy, *flow.sa, now);
  }
  flows_.insert(chosen.packet.flow, generation(), flow);
  return flow;
}

}  // namespace caponier::ipsec
