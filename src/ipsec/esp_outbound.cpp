#include "ipsec/esp_outbound.h"

#include <algorithm>

#include "ipsec/esp_run.h"
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
void write_trailer(base::MutBytes trailer, std::uint8_t next_header) {
  const std::size_t padding = trailer.size() - esp_trailer_size;
  for (std::size_t i = 0; i < padding; ++i) trailer[i] = static_cast<std::byte>(i + 1);
  trailer[padding] = static_cast<std::byte>(padding);
  trailer[padding + 1] = std::byte{next_header};
}

}  // namespace

EspOutbound::EspOutbound(bool clamp_mss, const Spd& spd, Sad& sad, Notices& notices,
                         base::DropCounters& drops)
    : clamp_mss_(clamp_mss), spd_(spd), sad_(sad), notices_(notices), drops_(drops) {
  jobs_.reserve(run_packets_max);
  pending_.reserve(run_packets_max);
}

void EspOutbound::run(std::span<ProtectItem> items, base::Instant now) {
  for (ProtectItem& item : items) {
    Sa* sa = decide(item, now);
    if (sa == nullptr) continue;
    if (sa != run_sa_ || jobs_.size() >= run_packets_max) flush(now);
    run_sa_ = sa;
    prepare(item, *sa, now);
  }
  flush(now);
}

Sa* EspOutbound::decide(ProtectItem& item, base::Instant now) {
  const auto fields = wire::selector_fields(item.packet->bytes());
  if (!fields.has_value()) {
    drop(item, nullptr, DropReason::clear_malformed);
    return nullptr;
  }
  const Flow flow = find_living_flow(*fields, now);
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
    notices_.acquire(flow.entry->child, now);
    drop(item, nullptr, DropReason::clear_no_sa);
    return nullptr;
  }
  if (flow.sa->is_expired) {
    sad_.announce_hard(*flow.sa);
    drop(item, flow.sa, DropReason::clear_expired);
    return nullptr;
  }
  return flow.sa;
}

Flow EspOutbound::find_living_flow(const wire::PacketSelectorFields& packet, base::Instant now) {
  Flow flow = look_up(packet);
  while (flow.sa != nullptr && !flow.sa->is_expired) {
    sad_.expire_by_time(*flow.sa, now);
    if (!flow.sa->is_expired) break;
    flow = look_up(packet);  // an older SA may still live; each turn ends one, so this ends
  }
  return flow;
}

Flow EspOutbound::look_up(const wire::PacketSelectorFields& packet) {
  // Both only grow, so their sum never repeats.
  const std::uint64_t generation = spd_.generation() + sad_.generation();
  if (const Flow* known = flows_.find(packet, generation)) return *known;
  Flow flow{spd_.match(packet), nullptr};
  if (flow.entry != nullptr && flow.entry->policy.action == PolicyAction::protect) {
    flow.sa = sad_.find_outbound(flow.entry->child, packet);
  }
  flows_.insert(packet, generation, flow);
  return flow;
}

void EspOutbound::prepare(ProtectItem& item, Sa& sa, base::Instant now) {
  if (sa.sequence_out >= sa.sequence_out_max) {
    sad_.announce_hard(sa);
    return drop(item, &sa, DropReason::clear_sequence_limit);
  }
  Inner inner;
  if (const auto v4 = wire::Ipv4View::checked(item.packet->bytes())) {
    inner = {base::Family::v4,        v4->tos(), v4->dont_fragment(),
             wire::ip_protocol::ipv4, 0,         v4->packet().size()};
  } else if (const auto v6 = wire::Ipv6View::checked(item.packet->bytes())) {
    inner = {base::Family::v6,   v6->traffic_class(), true, wire::ip_protocol::ipv6, 0,
             v6->packet().size()};
  } else {
    return drop(item, &sa, DropReason::clear_malformed);
  }
  item.packet->shrink_back(item.packet->size() - inner.size);
  if (sa.params.mode == policy::SaMode::transport) {
    const auto payload = transport_payload(item.packet->bytes());
    if (!payload.has_value()) return drop(item, &sa, payload.error());
    inner.next_header = payload->protocol;
    inner.stripped = payload->header_size;
  }
  if (clamp_mss_) clamp_packet_mss(item.packet->bytes(), sa.inner_mtu);
  if (!fits(item, sa, inner, now)) return drop(item, &sa, DropReason::clear_too_big);
  item.tos = inner.tos;  // DSCP and ECN alike (RFC 4301 s5.1.2, RFC 6040 s4.1)
  encapsulate(item, sa, inner);
}

bool EspOutbound::fits(ProtectItem& item, const Sa& sa, const Inner& inner, base::Instant now) {
  const std::size_t payload = inner.size - inner.stripped;
  const std::size_t esp = sa.shape.esp_size(payload);
  const std::size_t outer =
      outer_header_size(sa.params.path.remote.address.family(), sa.params.udp_encap) + esp;
  item.dont_fragment = inner.dont_fragment;
  if (outer > sa.path_mtu) {
    if (inner.dont_fragment && inner.size > mtu_min(inner.family)) {
      notices_.too_big(item.packet->bytes(), std::max(sa.inner_mtu, mtu_min(inner.family)), now);
      return false;
    }
    item.dont_fragment = false;
  }
  const PacketBuffer& packet = *item.packet;
  return outer <= PacketBuffer::payload_max &&
         packet.front_space() + inner.stripped >= wire::esp_header_size + sa.shape.iv &&
         packet.back_space() >= sa.shape.padding(payload) + esp_trailer_size + sa.shape.icv;
}

void EspOutbound::encapsulate(ProtectItem& item, Sa& sa, const Inner& inner) {
  PacketBuffer& packet = *item.packet;
  const EspShape& shape = sa.shape;
  packet.shrink_front(inner.stripped);
  const std::size_t payload = packet.size();
  const std::size_t trailer = shape.padding(payload) + esp_trailer_size;
  packet.grow_back(trailer + shape.icv);
  packet.grow_front(wire::esp_header_size + shape.iv);

  const std::uint64_t sequence = ++sa.sequence_out;
  const base::MutBytes esp = packet.bytes();
  wire::write_esp_header(esp, sa.params.spi_out, static_cast<std::uint32_t>(sequence));
  crypto::PacketJob job;
  job.header = esp.first(wire::esp_header_size);
  if (sa.params.suite.esn) job.esn_high = static_cast<std::uint32_t>(sequence >> 32);
  job.iv = esp.subspan(wire::esp_header_size, shape.iv);
  job.text = esp.subspan(wire::esp_header_size + shape.iv, payload + trailer);
  job.icv = esp.last(shape.icv);
  job.iv_counter = ++sa.iv_counter;
  write_trailer(job.text.last(trailer), inner.next_header);
  jobs_.push_back(job);
  pending_.push_back({&item, inner.size});
  sad_.count_use(sa, sa.use_out, job.text.size());
}

void EspOutbound::flush(base::Instant now) {
  if (jobs_.empty()) return;
  Sa& sa = *run_sa_;
  sa.sealer->seal(jobs_);
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    ProtectItem& item = *pending_[i].item;
    if (!jobs_[i].ok) {
      drop(item, &sa, DropReason::clear_seal_failed);
      continue;
    }
    item.verdict = Verdict::forward;
    item.sa = sa.params.id;
    item.path = sa.params.path;
    item.udp_encap = sa.params.udp_encap;
    ++sa.counters.packets_out;
    sa.counters.bytes_out += pending_[i].inner_size;
    sa.counters.last_out = now;
  }
  jobs_.clear();
  pending_.clear();
}

void EspOutbound::drop(ProtectItem& item, Sa* sa, DropReason reason) {
  item.verdict = Verdict::drop;
  item.drop = reason;
  drops_.add(reason);
  if (sa == nullptr) return;
  item.sa = sa->params.id;
  sa->counters.drops.add(reason);
}

}  // namespace caponier::ipsec
