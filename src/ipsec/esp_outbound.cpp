#include "ipsec/esp_outbound.h"

#include <algorithm>

#include "ipsec/esp_size.h"
#include "ipsec/mss.h"
#include "ipsec/transport.h"
#include "wire/esp.h"

namespace caponier::ipsec {

namespace {

using base::DropReason;

/// Every link carries packets of this size (RFC 791, RFC 8200 s5): below it the outer packet is
/// fragmented whatever the inner header says, as no sender would go lower (RFC 2473 s7.1).
std::size_t mtu_min(base::Family family) { return family == base::Family::v4 ? 68 : 1280; }

/// Padding 1, 2, 3 ..., its length and the next header (RFC 4303 s2.4).
void write_trailer(std::byte* to, std::size_t padding, std::uint8_t next_header) {
  for (std::size_t i = 0; i < padding; ++i) to[i] = static_cast<std::byte>(i + 1);
  to[padding] = static_cast<std::byte>(padding);
  to[padding + 1] = std::byte{next_header};
}

}  // namespace

EspOutbound::EspOutbound(bool clamp_mss, const Spd& spd, Sad& sad, Notices& notices,
                         WaitingPackets& waiting, base::DropCounters& drops)
    : clamp_mss_(clamp_mss),
      spd_(spd),
      sad_(sad),
      notices_(notices),
      waiting_(waiting),
      drops_(drops) {}

void EspOutbound::run(std::span<ProtectItem> items, base::Instant now) {
  while (!items.empty()) {
    const std::size_t count = std::min(items.size(), burst_packets_max);
    choose(items.first(count));
    prepare_all(now);
    seal_all();
    complete(now);
    items = items.subspan(count);
  }
}

void EspOutbound::choose(std::span<ProtectItem> items) {
  chosen_.clear();
  for (ProtectItem& item : items) {
    Chosen& chosen = chosen_.add();
    if (!summarize(item.packet->bytes(), chosen.packet)) {
      chosen_.remove_last();
      drop(item, nullptr, DropReason::clear_malformed);
      continue;
    }
    chosen.item = &item;
    chosen.hash = chosen.packet.flow.hash();
    flows_.prefetch(chosen.hash);
  }
  chosen_at_ = generation();
  for (Chosen& chosen : chosen_.all()) {
    const Flow* const flow = flows_.find(chosen.packet.flow, chosen.hash, chosen_at_);
    chosen.sa = flow == nullptr ? look_up(chosen).sa : flow->sa;
    if (chosen.sa != nullptr) chosen.sa->prefetch_out();
  }
}

// Once per packet, and called from one place each: the calls would cost as much as they do.

inline bool EspOutbound::fits(ProtectItem& item, const Sa& sa, const Inner& inner,
                              base::Instant now) {
  const std::size_t payload = inner.packet.size - inner.stripped;
  const std::size_t outer = sa.outer_headers + sa.shape.esp_size(payload);
  item.dont_fragment = inner.packet.dont_fragment;
  if (outer > sa.path_mtu) {
    const std::size_t least = mtu_min(inner.packet.is_v4 ? base::Family::v4 : base::Family::v6);
    if (inner.packet.dont_fragment && inner.packet.size > least) {
      notices_.too_big(item.packet->bytes(), std::max(sa.inner_mtu, least), now);
      return false;
    }
    item.dont_fragment = false;
  }
  const PacketBuffer& packet = *item.packet;
  return outer <= PacketBuffer::payload_max &&
         packet.front_space() + inner.stripped >= wire::esp_header_size + sa.shape.iv &&
         packet.back_space() >= sa.shape.padding(payload) + esp_trailer_size + sa.shape.icv;
}

inline void EspOutbound::encapsulate(ProtectItem& item, Sa& sa, const Inner& inner) {
  SaCommon& common = *sa.common;
  if (common.sequence_out.get() >= sa.sequence_out_max) return refuse_sequence(item, sa);
  const std::uint64_t sequence = common.sequence_out.add(1, common.shared);
  if (sequence > sa.sequence_out_max) return refuse_sequence(item, sa);  // others were faster
  PacketBuffer& packet = *item.packet;
  const EspShape& shape = sa.shape;
  packet.shrink_front(inner.stripped);
  const std::size_t payload = packet.size();
  const std::size_t padding = shape.padding(payload);
  const std::size_t front = wire::esp_header_size + shape.iv;
  const std::size_t text = payload + padding + esp_trailer_size;
  std::byte* const esp = packet.surround(front, padding + esp_trailer_size + shape.icv);
  wire::write_esp_header({esp, front}, sa.spi_out, static_cast<std::uint32_t>(sequence));
  write_trailer(esp + front + payload, padding, inner.next_header);
  crypto::PacketJob& job = jobs_.add();
  job.header = {esp, wire::esp_header_size};
  job.esn_high.reset();
  if (sa.esn) job.esn_high = static_cast<std::uint32_t>(sequence >> 32);
  job.iv = {esp + wire::esp_header_size, shape.iv};
  job.text = {esp + front, text};
  job.icv = {esp + front + text, shape.icv};
  job.iv_counter = sequence;
  job.ok = false;
  pending_.add() = {&item, &sa, inner.packet.size};
  sad_.count_out(sa, sequence, text);
}

inline void EspOutbound::prepare(const Chosen& chosen, Sa& sa, base::Instant now) {
  ProtectItem& item = *chosen.item;
  const IpSummary& packet = chosen.packet;
  Inner inner{packet, packet.is_v4 ? wire::ip_protocol::ipv4 : wire::ip_protocol::ipv6, 0};
  item.packet->shrink_back(item.packet->size() - packet.size);
  if (sa.mode == policy::SaMode::transport) {
    const auto payload = transport_payload(item.packet->bytes());
    if (!payload.has_value()) return drop(item, &sa, payload.error());
    inner.next_header = payload->protocol;
    inner.stripped = payload->header_size;
  }
  if (clamp_mss_ && packet.is_syn) clamp_packet_mss(item.packet->bytes(), sa.inner_mtu);
  if (!fits(item, sa, inner, now)) return drop(item, &sa, DropReason::clear_too_big);
  item.tos = packet.tos;  // DSCP and ECN alike (RFC 4301 s5.1.2, RFC 6040 s4.1)
  encapsulate(item, sa, inner);
}

void EspOutbound::prepare_all(base::Instant now) {
  jobs_.clear();
  pending_.clear();
  for (const Chosen& chosen : chosen_.all()) {
    Sa* sa = chosen.sa;
    // Time may have ended it, or an earlier packet.
    if (sa == nullptr || generation() != chosen_at_ || now >= sa->ends_at || sa->is_expired) {
      sa = decide(chosen, now);
    }
    if (sa != nullptr) prepare(chosen, *sa, now);
  }
}

void EspOutbound::seal_all() {
  const std::size_t count = jobs_.size();
  for (std::size_t at = 0; at < count;) {
    Sa& sa = *pending_[at].sa;
    std::size_t end = at + 1;
    while (end < count && pending_[end].sa == &sa) ++end;
    const std::size_t ahead = at + key_distance;
    if (ahead < count && pending_[ahead].sa != &sa) {
      pending_[ahead].sa->sealer_lines.prefetch(jobs_[ahead].text.size());
    }
    sa.sealer->start_seal(jobs_.all().subspan(at, end - at));
    at = end;
  }
  sad_.finish_crypto();
}

Sa* EspOutbound::decide(const Chosen& chosen, base::Instant now) {
  ProtectItem& item = *chosen.item;
  const Flow flow = find_living_flow(chosen, now);
  if (flow.entry == nullptr) {
    drop(item, nullptr, DropReason::clear_no_policy);
    return nullptr;
  }
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

void EspOutbound::hold(ProtectItem& item, const SpdEntry& entry, base::Instant now) {
  const auto fields = wire::selector_fields(item.packet->bytes());
  if (!fields.has_value()) return drop(item, nullptr, DropReason::clear_malformed);
  const Policy& policy = entry.policy;
  notices_.acquire(entry.child,
                   policy::make_trigger(*fields, policy.pfp, policy.local, policy.remote), now);
  if (!waiting_.is_on()) return drop(item, nullptr, DropReason::clear_no_sa);
  if (!waiting_.hold(entry.child, *fields, item.packet->bytes(), now)) {
    return drop(item, nullptr, DropReason::clear_queue_full);
  }
  item.verdict = Verdict::held;
}

Flow EspOutbound::find_living_flow(const Chosen& chosen, base::Instant now) {
  Flow flow = look_up(chosen);
  while (flow.sa != nullptr && !flow.sa->is_expired) {
    sad_.expire_by_time(*flow.sa, now);
    if (!flow.sa->is_expired) break;
    flow = look_up(chosen);  // an older SA may still live; each turn ends one, so this ends
  }
  return flow;
}

Flow EspOutbound::look_up(const Chosen& chosen) {
  if (const Flow* known = flows_.find(chosen.packet.flow, generation())) return *known;
  const auto fields = wire::selector_fields(chosen.item->packet->bytes());
  if (!fields.has_value()) return {};
  Flow flow{spd_.match_outbound(*fields), nullptr};
  if (flow.entry != nullptr && flow.entry->policy.action == PolicyAction::protect) {
    flow.sa = sad_.find_outbound(flow.entry->child, *fields);
  }
  flows_.insert(chosen.packet.flow, generation(), flow);
  return flow;
}

void EspOutbound::refuse_sequence(ProtectItem& item, Sa& sa) {
  sad_.announce_hard(sa);
  drop(item, &sa, DropReason::clear_sequence_limit);
}

void EspOutbound::complete(base::Instant now) {
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    ProtectItem& item = *pending_[i].item;
    Sa& sa = *pending_[i].sa;
    if (!jobs_[i].ok) {
      drop(item, &sa, DropReason::clear_seal_failed);
      continue;
    }
    item.verdict = Verdict::forward;
    item.sa = sa.id;
    item.path = sa.params.path;
    item.udp_encap = sa.params.udp_encap;
    ++sa.out.packets;
    sa.out.bytes += pending_[i].inner_size;
    sa.out.last = now;
  }
}

void EspOutbound::drop(ProtectItem& item, Sa* sa, DropReason reason) {
  item.verdict = Verdict::drop;
  item.drop = reason;
  drops_.add(reason);
  if (sa == nullptr) return;
  item.sa = sa->id;
  sa->drops.add(reason);
}

}  // namespace caponier::ipsec
