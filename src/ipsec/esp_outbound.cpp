#include "ipsec/esp_outbound.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ipsec/ah_mask.h"
#include "ipsec/esp_job.h"
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
//= rfc4301#7.3-2 rfc4301#7.3-4
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

/// RFC 4303 s2.7: the inner header tells the receiver where the packet ends. As much as there is
/// room for.
//= rfc4303#2.7-1..2
void pad(PacketBuffer& packet, std::size_t size) {
  const std::size_t before = packet.size();
  const std::size_t reserve = PacketBuffer::tailroom;
  if (packet.back_space() <= reserve) return;
  packet.grow_back(std::min(size - before, packet.back_space() - reserve));
  std::ranges::fill(packet.bytes().subspan(before), std::byte{0});
}

std::size_t ip_header_size_of(const IpSummary& packet) {
  return packet.is_v4 ? wire::ipv4_header_size_min : wire::ipv6_header_size;
}

/// Makes room between the headers and what they stand before.
void insert_behind(PacketBuffer& packet, const IpHeaders& headers, std::size_t count) {
  packet.grow_front(count);
  std::byte* const to = packet.bytes().data();
  std::copy_n(to + count, headers.size, to);
}

/// Kernels choose an IPv4 identification where there is none, and AH covers it.
std::uint16_t identification_of(std::uint64_t sequence) {
  return static_cast<std::uint16_t>((sequence - 1) % 0xffff + 1);
}

/// Of a packet in transport mode, as `item` says; its size is final.
void finish_headers(base::MutBytes packet, const IpHeaders& headers, std::uint8_t protocol,
                    const ProtectItem& item, std::uint64_t sequence) {
  if (wire::ip_version(packet) == 4) {
    std::byte* const identification = packet.data() + 4;
    if (base::load_be<std::uint16_t>(identification) == 0) {
      base::store_be(identification, identification_of(sequence));
    }
    base::store_be<std::uint16_t>(packet.data() + 6, item.dont_fragment ? 0x4000 : 0);
  }
  adjust_headers(packet, headers, protocol);
}

/// Tunnel mode's, at the front of `packet`.
void write_outer_headers(base::MutBytes packet, std::uint8_t protocol, const base::Path& path,
                         const ProtectItem& item, std::uint64_t sequence) {
  if (path.remote.address.is_v4()) {
    wire::write_ipv4_header(packet, {.source = path.local.address,
                                     .destination = path.remote.address,
                                     .protocol = protocol,
                                     .total_length = static_cast<std::uint16_t>(packet.size()),
                                     .ttl = item.ttl,
                                     .tos = item.tos,
                                     .identification = identification_of(sequence),
                                     .dont_fragment = item.dont_fragment});
    return;
  }
  wire::write_ipv6_header(
      packet, {.source = path.local.address,
               .destination = path.remote.address,
               .next_header = protocol,
               .payload_length = static_cast<std::uint16_t>(packet.size() - wire::ipv6_header_size),
               .hop_limit = item.ttl,
               .traffic_class = item.tos,
               .flow_label = item.flow_label});
}

/// Nobody behind us fragments an IPv4 packet that is whole already.
void limit_size(ProtectItem& item, const Sa& sa) {
  if (sa.params.path.remote.address.is_v4() && !item.dont_fragment &&
      item.packet->size() > sa.path_mtu) {
    item.fragment_to = sa.path_mtu;
  }
}

/// Padding 1, 2, 3 ..., its length and the next header (RFC 4303 s2.4); an ICV of at least two
/// octets is yet to be written behind.
//= rfc4303#2.4-2..3
void write_trailer(std::byte* to, std::size_t padding, std::uint8_t next_header) {
  // Without a loop as much as ciphers that need no whole blocks ever want.
  constexpr std::array<std::byte, 4> first{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  std::memcpy(to, first.data(), first.size());
  for (std::size_t i = first.size(); i < padding; ++i) to[i] = static_cast<std::byte>(i + 1);
  to[padding] = static_cast<std::byte>(padding);
  to[padding + 1] = std::byte{next_header};
}

}  // namespace

EspOutbound::EspOutbound(const EngineLimits& limits, base::Rng& rng, const Spd& spd, Sad& sad,
                         Notices& notices, WaitingPackets& waiting, Reassembly& reassembly,
                         Audit& audit, base::DropCounters& drops)
    : clamp_mss_(limits.clamp_mss),
      resource_(limits.resource),
      made_(limits.made_packets_max),
      rng_(rng),
      spd_(spd),
      sad_(sad),
      notices_(notices),
      waiting_(waiting),
      reassembly_(reassembly),
      audit_(audit),
      drops_(drops) {}

void EspOutbound::run_dummies(base::Instant now) {
  made_.clear();
  while (made_.has_room(1)) {
    Sa* const sa = sad_.take_dummy_due(now);
    if (sa == nullptr) break;
    make_dummy(*sa);
  }
  if (!made_.items().empty()) seal_made(now);
}

void EspOutbound::read_all(std::span<ProtectItem> items) {
  chosen_.clear();
  const Chosen* before = nullptr;
  for (ProtectItem& item : items) {
    Chosen& chosen = chosen_.next();
    if (!summarize(item.packet->bytes(), chosen.packet)) {
      drop(item, nullptr, DropReason::clear_malformed);
      continue;
    }
    chosen_.take();
    if (item.packet->is_reassembled()) chosen.packet.dont_fragment = false;
    chosen.item = &item;
    chosen.follows = before != nullptr && before->packet.flow == chosen.packet.flow;
    before = &chosen;
    if (chosen.follows) continue;
    chosen.hash = chosen.packet.flow.hash();
    flows_.prefetch(chosen.hash);
  }
}

void EspOutbound::choose_all(base::Instant now) {
  chosen_at_ = generation();
  Sa* before = nullptr;
  for (Chosen& chosen : chosen_.all()) {
    if (chosen.follows) {
      chosen.sa = before;
      continue;
    }
    const Flow* const flow = flows_.find(chosen.packet.flow, chosen.hash, chosen_at_);
    chosen.sa = flow == nullptr ? look_up(chosen, now).sa : flow->sa;
    if (chosen.sa != nullptr) chosen.sa->prefetch_out();
    before = chosen.sa;
  }
}

// Once per packet, and called from few places: the calls would cost as much as they do.

inline std::uint64_t EspOutbound::next_sequence(ProtectItem& item, Sa& sa) {
  SaCommon& common = *sa.common;
  //= rfc4303#2.2-1 rfc4303#2.2-5 rfc4303#3.3.3-1 rfc4302#2.5-1 rfc4302#2.5-5 rfc4302#3.3.2-1
  if (common.sequence_out.get() < sa.sequence_out_max) {
    const std::uint64_t sequence = common.sequence_out.add(1, common.shared);
    if (sequence <= sa.sequence_out_max) return sequence;  // else others were faster
  }
  sad_.announce_hard(sa);
  drop(item, &sa, DropReason::clear_sequence_limit);
  return 0;
}

inline void EspOutbound::add_esp_job(Sa& sa, std::uint64_t sequence, std::byte* esp,
                                     std::size_t text) {
  wire::write_esp_header({esp, wire::esp_header_size}, sa.spi_out,
                         static_cast<std::uint32_t>(sequence));
  set_esp_job(jobs_.add(), esp, text, sa, sequence);
  sad_.count_out(sa, sequence, text);
}

inline void EspOutbound::encapsulate(ProtectItem& item, Sa& sa, const IpSummary& packet,
                                     std::uint8_t next_header, const EspFrame& frame) {
  const std::uint64_t sequence = next_sequence(item, sa);
  if (sequence == 0) return;
  const std::size_t payload = item.packet->size();
  std::byte* const esp = item.packet->surround(frame.front, frame.back);
  write_trailer(esp + frame.front + payload, frame.padding, next_header);
  pending_.add() = {&item, &sa, packet.size, nullptr,
                    next_header == wire::ip_protocol::no_next_header};
  add_esp_job(sa, sequence, esp, payload + frame.padding + esp_trailer_size);
}

inline void EspOutbound::prepare(const Chosen& chosen, Sa& sa, base::Instant now) {
  ProtectItem& item = *chosen.item;
  PacketBuffer& packet = *item.packet;
  const std::size_t size = chosen.packet.size;
  packet.shrink_back(packet.size() - size);
  const EspFrame frame = sa.shape.around(size);
  const std::size_t outer = sa.outer_headers + frame.front + size + frame.back;
  const bool has_room = outer <= PacketBuffer::payload_max && packet.front_space() >= frame.front &&
                        packet.back_space() >= frame.back;
  if (sa.mode != policy::SaMode::tunnel || sa.shape.ah != 0 || chosen.packet.is_syn ||
      size < sa.pad_to || outer > sa.path_mtu || !has_room) [[unlikely]] {
    return prepare_special(chosen, sa, now);
  }
  set_outer_header(item, sa, chosen.packet, outer);
  encapsulate(item, sa, chosen.packet, next_header_of(chosen.packet), frame);
}

void EspOutbound::prepare_special(const Chosen& chosen, Sa& sa, base::Instant now) {
  switch (sa.mode) {
    case policy::SaMode::tunnel:
      return prepare_inner(*chosen.item, sa, {chosen.packet, next_header_of(chosen.packet)}, now);
    case policy::SaMode::beet: return prepare_beet(chosen, sa, now);
    case policy::SaMode::transport: return prepare_transport(chosen, sa, now);
  }
}

void EspOutbound::prepare_inner(ProtectItem& item, Sa& sa, const Inner& inner, base::Instant now) {
  if (inner.packet.is_syn && clamp_mss_ && sa.clamp_mss) {
    clamp_packet_mss(item.packet->bytes(), sa.inner_mtu);
  }
  const Fit how = pack(item, sa, inner);
  if (how != Fit::whole) treat_size(item, sa, inner, how, now);
}

EspOutbound::Fit EspOutbound::pack(ProtectItem& item, Sa& sa, const Inner& inner) {
  PacketBuffer& packet = *item.packet;
  if (packet.size() < sa.pad_to) pad(packet, sa.pad_to);
  if (sa.shape.ah != 0 || inner.outside != nullptr) return pack_whole(item, sa, inner);
  const std::size_t payload = packet.size() - inner.stripped;
  const EspFrame frame = sa.shape.around(payload);
  const std::size_t outer = sa.outer_headers + frame.front + payload + frame.back;
  if (outer > sa.path_mtu) {
    if (const Fit how = judge_size(item, sa, inner); how != Fit::whole) return how;
  }
  set_outer_header(item, sa, inner.packet, outer);
  if (outer > PacketBuffer::payload_max || packet.back_space() < frame.back ||
      packet.front_space() + inner.stripped < frame.front) {
    return Fit::impossible;
  }
  if (inner.beet != nullptr) write_pseudo_header(packet.bytes(), *inner.beet);
  packet.shrink_front(inner.stripped);
  encapsulate(item, sa, inner.packet, inner.next_header, frame);
  return Fit::whole;
}

EspOutbound::Fit EspOutbound::judge_size(const ProtectItem& item, const Sa& sa,
                                         const Inner& inner) {
  if (inner.packet.dont_fragment && inner.packet.size > mtu_min(inner.packet)) return Fit::too_big;
  return may_split(sa, inner.packet, item.packet->bytes()) ? Fit::pieces : Fit::whole;
}

void EspOutbound::prepare_beet(const Chosen& chosen, Sa& sa, base::Instant now) {
  ProtectItem& item = *chosen.item;
  const auto payload = beet_payload(item.packet->bytes());
  if (!payload.has_value()) return refuse(item, sa, payload.error(), now);
  Inner inner{chosen.packet, payload->next_header, payload->stripped};
  if (payload->options != 0) inner.beet = &*payload;
  prepare_inner(item, sa, inner, now);
}

void EspOutbound::prepare_transport(const Chosen& chosen, Sa& sa, base::Instant now) {
  ProtectItem& item = *chosen.item;
  const auto outside = headers_outside(item.packet->bytes());
  if (!outside.has_value()) return refuse(item, sa, outside.error(), now);
  Inner inner{chosen.packet, outside->protocol};
  const bool is_bare = outside->size == ip_header_size_of(chosen.packet);
  if (is_bare && sa.shape.ah == 0) {
    inner.stripped = outside->size;
  } else if (sa.params.udp_encap) {
    return refuse(item, sa, DropReason::clear_headers, now);
  } else {
    inner.outside = &*outside;
  }
  prepare_inner(item, sa, inner, now);
}

void EspOutbound::refuse(ProtectItem& item, Sa& sa, DropReason reason, base::Instant now) {
  reason == DropReason::clear_fragment ? gather(item, &sa, now) : drop(item, &sa, reason);
}

void EspOutbound::prepare_all(base::Instant now) {
  jobs_.clear();
  pending_.clear();
  masked_.clear();
  headers_.clear();
  const Sa* last = nullptr;
  const std::span<const Chosen> all = chosen_.all();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Chosen& chosen = all[i];
    Sa* sa = chosen.sa;
    if (i + common_distance < all.size()) {
      const Sa* const later = all[i + common_distance].sa;
      if (later != nullptr && later != sa) __builtin_prefetch(later->common);
    }
    // Time may have ended it, or an earlier packet.
    if (sa == nullptr || generation() != chosen_at_ || now >= sa->ends_at || sa->is_expired) {
      sa = decide(chosen, now);
      if (sa == nullptr) continue;
    }
    if (sa != last) sa->sealer_lines.prefetch(chosen.packet.size);
    last = sa;
    prepare(chosen, *sa, now);
  }
}

void EspOutbound::treat_size(ProtectItem& item, Sa& sa, const Inner& inner, Fit how,
                             base::Instant now) {
  if (how == Fit::pieces && split(item, sa, inner)) return;
  //= rfc4303#3.3.4-2 rfc4302#3.3.4-2
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
    plan->write(i, made_.add({&sa}, plan->size_of(i)).bytes());
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
  return pack(item, sa, piece) == Fit::whole;
}

// Nobody reads what is in it, but for the fields that the outer header may copy.
//= rfc4303#2.6-1..3
void EspOutbound::make_dummy(Sa& sa) {
  constexpr std::size_t size_min = 64;
  const base::IpAddress source = sa.params.local.front().first;
  const base::IpAddress destination = sa.params.remote.front().first;
  std::size_t size = sa.pad_to;
  if (size == 0) {
    // Only a tunnel's packets keep the IP header that inner_mtu counts.
    const bool keeps_header = sa.mode == policy::SaMode::tunnel;
    const std::size_t header = source.is_v4() ? wire::ipv4_header_size_min : wire::ipv6_header_size;
    const std::size_t size_max =
        std::max(sa.inner_mtu, size_min + header) - (keeps_header ? 0 : header);
    size = size_min + rng_.public_below(size_max - size_min + 1);
  }
  const base::MutBytes packet = made_.add({&sa, true}, size).bytes();
  std::ranges::fill(packet, std::byte{0});
  if (source.is_v4()) {
    wire::write_ipv4_header(packet, {.source = source,
                                     .destination = destination,
                                     .protocol = wire::ip_protocol::no_next_header,
                                     .total_length = static_cast<std::uint16_t>(size)});
  } else {
    wire::write_ipv6_header(
        packet, {.source = source,
                 .destination = destination,
                 .next_header = wire::ip_protocol::no_next_header,
                 .payload_length = static_cast<std::uint16_t>(size - wire::ipv6_header_size)});
  }
}

// Their SA is known: another lookup might find a policy that the first fragment, with its ports,
// does not match, or none.
void EspOutbound::seal_made(base::Instant now) {
  const std::span<ProtectItem> items = made_.items();
  for (std::size_t at = 0; at < items.size();) {
    const std::size_t end = std::min(items.size(), at + burst_packets_max);
    jobs_.clear();
    pending_.clear();
    masked_.clear();
    headers_.clear();
    for (; at < end; ++at) {
      const MadePackets::Origin& origin = made_.origin_of(at);
      Sa& sa = *origin.sa;
      IpSummary summary;
      if (sa.is_expired) {
        drop(items[at], &sa, DropReason::clear_expired);
        continue;
      }
      const bool is_ip = summarize(items[at].packet->bytes(), summary);
      const Inner inner{
          summary, origin.is_dummy ? wire::ip_protocol::no_next_header : next_header_of(summary),
          0};
      if (!is_ip || pack(items[at], sa, inner) != Fit::whole) {
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

EspOutbound::Fit EspOutbound::pack_whole(ProtectItem& item, Sa& sa, const Inner& inner) {
  const std::size_t outside = inner.outside == nullptr ? 0 : inner.outside->size;
  const std::size_t headers = outside != 0 ? outside : sa.outer_headers;
  const std::size_t payload = item.packet->size() - inner.stripped - outside;
  const std::size_t outer = headers + sa.shape.protected_size(payload);
  if (outer > sa.path_mtu) {
    if (const Fit how = judge_size(item, sa, inner); how != Fit::whole) return how;
  }
  set_outer_header(item, sa, inner.packet, outer);
  if (!has_room_whole(*item.packet, sa, inner, outer)) return Fit::impossible;
  encapsulate_whole(item, sa, inner);
  return Fit::whole;
}

bool EspOutbound::has_room_whole(const PacketBuffer& packet, const Sa& sa, const Inner& inner,
                                 std::size_t outer_size) {
  if (sa.shape.ah != 0) {
    const std::size_t front = inner.outside != nullptr ? 0 : sa.outer_headers;
    return outer_size <= ah_packet_max && packet.front_space() >= front + sa.shape.ah &&
           packet.back_space() >= sa.shape.icv;
  }
  const std::size_t payload = inner.packet.size - inner.outside->size;
  return outer_size <= PacketBuffer::payload_max &&
         packet.front_space() >= wire::esp_header_size + sa.shape.iv &&
         packet.back_space() >= sa.shape.padding(payload) + esp_trailer_size + sa.shape.icv;
}

void EspOutbound::encapsulate_whole(ProtectItem& item, Sa& sa, const Inner& inner) {
  // A kernel would choose another source, and AH covers it.
  if (sa.params.path.local.address.is_unspecified()) {
    return drop(item, &sa, DropReason::clear_no_sa);
  }
  const std::uint64_t sequence = next_sequence(item, sa);
  if (sequence == 0) return;
  item.is_whole = true;
  item.protocol = sa.params.protocol;
  if (sa.shape.ah != 0) {
    encapsulate_in_ah(item, sa, inner, sequence);
  } else {
    encapsulate_behind_headers(item, sa, inner, sequence);
  }
}

void EspOutbound::encapsulate_in_ah(ProtectItem& item, Sa& sa, const Inner& inner,
                                    std::uint64_t sequence) {
  PacketBuffer& packet = *item.packet;
  AhPlace ah{0, sa.shape.ah};
  if (inner.outside != nullptr) {
    ah.at = inner.outside->size;
    insert_behind(packet, *inner.outside, ah.size);
    finish_headers(packet.bytes(), *inner.outside, wire::ip_protocol::ah, item, sequence);
  } else {
    ah.at = sa.outer_headers;
    packet.grow_front(ah.at + ah.size);
    write_outer_headers(packet.bytes(), wire::ip_protocol::ah, sa.params.path, item, sequence);
  }
  limit_size(item, sa);
  const base::MutBytes bytes = packet.bytes();
  wire::write_ah_header(bytes.subspan(ah.at, ah.size),
                        {inner.next_header, sa.spi_out, static_cast<std::uint32_t>(sequence)});
  const std::size_t saved_at = headers_.save(bytes.first(ah.at));
  if (!mask_mutable_fields(bytes.first(ah.at), AhEnd::sender)) {
    return drop(item, &sa, DropReason::clear_headers);
  }
  packet.grow_back(sa.shape.icv);
  crypto::PacketJob& job = jobs_.add();
  set_ah_job(job, packet, ah, sa, sequence);
  Masked& masked = masked_.add();
  masked = {ah, saved_at};
  pending_.add() = {&item, &sa, inner.packet.size, &masked};
  sad_.count_out(sa, sequence, job.text.size());
}

void EspOutbound::encapsulate_behind_headers(ProtectItem& item, Sa& sa, const Inner& inner,
                                             std::uint64_t sequence) {
  PacketBuffer& packet = *item.packet;
  const IpHeaders& outside = *inner.outside;
  const std::size_t payload = packet.size() - outside.size;
  const EspFrame frame = sa.shape.around(payload);
  insert_behind(packet, outside, frame.front);
  packet.grow_back(frame.back);
  finish_headers(packet.bytes(), outside, wire::ip_protocol::esp, item, sequence);
  limit_size(item, sa);
  std::byte* const esp = packet.bytes().data() + outside.size;
  write_trailer(esp + frame.front + payload, frame.padding, inner.next_header);
  pending_.add() = {&item, &sa, inner.packet.size, nullptr,
                    inner.next_header == wire::ip_protocol::no_next_header};
  add_esp_job(sa, sequence, esp, payload + frame.padding + esp_trailer_size);
}

void EspOutbound::complete(base::Instant now) {
  const std::span<const crypto::PacketJob> jobs = jobs_.all();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const Pending& pending = pending_[i];
    ProtectItem& item = *pending.item;
    Sa& sa = *pending.sa;
    if (!jobs[i].ok) {
      drop(item, &sa, DropReason::clear_seal_failed);
      continue;
    }
    if (const Masked* const masked = pending.masked; masked != nullptr) {
      place_icv(*item.packet, masked->ah, sa);
      headers_.restore(masked->saved_at, item.packet->bytes().first(masked->ah.at));
    }
    item.verdict = Verdict::forward;
    item.sa = sa.id;
    item.path = sa.params.path;
    item.udp_encap = sa.params.udp_encap;
    if (pending.is_dummy) continue;  // no traffic
    sa.out.add(pending.inner_size);
    sa.out.touch(now);
  }
}

void EspOutbound::drop(ProtectItem& item, Sa* sa, DropReason reason) {
  item.verdict = Verdict::drop;
  item.drop = reason;
  drops_.add(reason);
  audit_.note(item, sa, reason);
  if (sa == nullptr) return;
  item.sa = sa->id;
  sa->drops.add(reason);
}

}  // namespace caponier::ipsec
