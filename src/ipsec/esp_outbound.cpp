#include "ipsec/esp_outbound.h"

#include <algorithm>

#include "ipsec/esp_size.h"
#include "ipsec/mss.h"
#include "ipsec/outer_header.h"
#include "ipsec/transport.h"
#include "wire/esp.h"
#include "wire/ip_split.h"

namespace caponier::ipsec {

namespace {

using base::DropReason;

/// Every link carries packets of this size (RFC 791, RFC 8200 s5): below it the outer packet is
/// fragmented whatever the inner header says, as no sender would go lower (RFC 2473 s7.1).
std::size_t mtu_min(const IpSummary& packet) { return packet.is_v4 ? 68 : 1280; }

/// Whether fragments of the packet may go through its SA one by one: later ones show no ports.
bool may_split(const Sa& sa, const IpSummary& packet, base::Bytes bytes) {
  if (packet.dont_fragment) return false;
  if (sa.mode != policy::SaMode::tunnel) return false;
  if (sa.params.treatment.fragment != policy::FragmentWhen::before) return false;
  auto fields = wire::selector_fields(bytes);
  if (!fields.has_value()) return false;
  fields->has_ports = false;
  return is_outbound_match(sa.params.local, sa.params.remote, *fields);
}

/// In tunnel mode.
std::uint8_t next_header_of(const IpSummary& packet) {
  return packet.is_v4 ? wire::ip_protocol::ipv4 : wire::ip_protocol::ipv6;
}

/// Padding 1, 2, 3 ..., its length and the next header (RFC 4303 s2.4).
void write_trailer(std::byte* to, std::size_t padding, std::uint8_t next_header) {
  for (std::size_t i = 0; i < padding; ++i) to[i] = static_cast<std::byte>(i + 1);
  to[padding] = static_cast<std::byte>(padding);
  to[padding + 1] = std::byte{next_header};
}

}  // namespace

EspOutbound::EspOutbound(const EngineLimits& limits, const Spd& spd, Sad& sad, Notices& notices,
                         WaitingPackets& waiting, Reassembly& reassembly, base::DropCounters& drops)
    : clamp_mss_(limits.clamp_mss),
      made_(limits.made_packets_max),
      spd_(spd),
      sad_(sad),
      notices_(notices),
      waiting_(waiting),
      reassembly_(reassembly),
      drops_(drops) {}

void EspOutbound::run(std::span<ProtectItem> items, base::Instant now) {
  made_.clear();
  while (!items.empty()) {
    const std::size_t count = std::min(items.size(), burst_packets_max);
    choose(items.first(count));
    prepare_all(now);
    seal_all();
    complete(now);
    items = items.subspan(count);
  }
  if (!made_.items().empty()) seal_made(now);
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
    if (item.packet->is_reassembled()) chosen.packet.dont_fragment = false;
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

inline EspOutbound::Fit EspOutbound::fit(ProtectItem& item, const Sa& sa,
                                         const Inner& inner) const {
  const std::size_t payload = inner.packet.size - inner.stripped;
  const std::size_t outer = sa.outer_headers + sa.shape.esp_size(payload);
  if (outer > sa.path_mtu) {
    if (inner.packet.dont_fragment && inner.packet.size > mtu_min(inner.packet)) {
      return Fit::too_big;
    }
    if (may_split(sa, inner.packet, item.packet->bytes())) return Fit::pieces;
  }
  set_outer_header(item, sa, inner.packet, outer);
  const PacketBuffer& packet = *item.packet;
  const bool has_room =
      outer <= PacketBuffer::payload_max &&
      packet.front_space() + inner.stripped >= wire::esp_header_size + sa.shape.iv &&
      packet.back_space() >= sa.shape.padding(payload) + esp_trailer_size + sa.shape.icv;
  return has_room ? Fit::whole : Fit::impossible;
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
  Inner inner{packet, next_header_of(packet), 0};
  item.packet->shrink_back(item.packet->size() - packet.size);
  if (sa.mode == policy::SaMode::transport) {
    const auto payload = transport_payload(item.packet->bytes());
    if (!payload.has_value()) {
      if (payload.error() == DropReason::clear_fragment) return gather(item, &sa, now);
      return drop(item, &sa, payload.error());
    }
    inner.next_header = payload->protocol;
    inner.stripped = payload->header_size;
  }
  if (clamp_mss_ && packet.is_syn && sa.clamp_mss) {
    clamp_packet_mss(item.packet->bytes(), sa.inner_mtu);
  }
  const Fit how = fit(item, sa, inner);
  if (how != Fit::whole) return treat_size(item, sa, inner, how, now);
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

void EspOutbound::treat_size(ProtectItem& item, Sa& sa, const Inner& inner, Fit how,
                             base::Instant now) {
  if (how == Fit::pieces && split(item, sa, inner)) return;
  if (how == Fit::too_big) {
    notices_.too_big(item.packet->bytes(), std::max(sa.inner_mtu, mtu_min(inner.packet)), now);
  }
  drop(item, &sa, DropReason::clear_too_big);
}

bool EspOutbound::split(ProtectItem& item, Sa& sa, const Inner& inner) {
  const base::Bytes packet = item.packet->bytes();
  if (inner.packet.is_v4) {
    return split(item, sa, inner, wire::Ipv4Split::plan(packet, sa.inner_mtu));
  }
  // Only what had come in fragments; their own identification is known no more.
  const auto identification =
      static_cast<std::uint32_t>(sa.common->sequence_out.get()) ^ sa.spi_out.value;
  return split(item, sa, inner, wire::Ipv6Split::plan(packet, sa.inner_mtu, identification));
}

template <class Plan>
bool EspOutbound::split(ProtectItem& item, Sa& sa, const Inner& inner,
                        const std::optional<Plan>& plan) {
  PacketBuffer& packet = *item.packet;
  if (!plan.has_value()) return false;
  if (!made_.has_room(plan->count() - 1)) {
    drop(item, &sa, DropReason::clear_queue_full);
    return true;
  }
  for (std::size_t i = 1; i < plan->count(); ++i) {
    plan->write(i, made_.add(sa, plan->size_of(i)).bytes());
  }
  IpSummary first = inner.packet;
  first.size = plan->size_of(0);
  if constexpr (std::is_same_v<Plan, wire::Ipv4Split>) {
    plan->cut_first(packet.bytes());
    packet.shrink_back(packet.size() - first.size);
  } else {
    base::ByteVec piece(first.size);
    plan->write(0, piece);
    packet.assign(piece);
  }
  const Inner piece{first, inner.next_header, 0};
  if (fit(item, sa, piece) != Fit::whole) return false;
  encapsulate(item, sa, piece);
  return true;
}

// Their SA is known: another lookup might find a policy that the first fragment, with its ports,
// does not match, or none.
void EspOutbound::seal_made(base::Instant now) {
  const std::span<ProtectItem> items = made_.items();
  for (std::size_t at = 0; at < items.size();) {
    const std::size_t end = std::min(items.size(), at + burst_packets_max);
    jobs_.clear();
    pending_.clear();
    for (; at < end; ++at) {
      Sa& sa = made_.sa_of(at);
      IpSummary summary;
      if (sa.is_expired) {
        drop(items[at], &sa, DropReason::clear_expired);
        continue;
      }
      const bool is_ip = summarize(items[at].packet->bytes(), summary);
      const Inner inner{summary, next_header_of(summary), 0};
      if (is_ip && fit(items[at], sa, inner) == Fit::whole) {
        encapsulate(items[at], sa, inner);
      } else {
        drop(items[at], &sa, DropReason::clear_too_big);
      }
    }
    seal_all();
    complete(now);
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
  if (flow.entry == &of_whole_packet_) {
    gather(item, nullptr, now);
    return nullptr;
  }
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
  Flow flow = look_up(chosen);
  while (flow.sa != nullptr && !flow.sa->is_expired) {
    sad_.expire_by_time(*flow.sa, now);
    if (!flow.sa->is_expired) break;
    flow = look_up(chosen);  // an older SA may still live; each turn ends one, so this ends
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

Flow EspOutbound::look_up(const Chosen& chosen) {
  if (const Flow* known = flows_.find(chosen.packet.flow, generation())) return *known;
  const auto fields = wire::selector_fields(chosen.item->packet->bytes());
  if (!fields.has_value()) return {};
  Flow flow{match(*fields), nullptr};
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
