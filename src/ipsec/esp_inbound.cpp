#include "ipsec/esp_inbound.h"

#include <algorithm>
#include <expected>

#include "ipsec/ah_mask.h"
#include "ipsec/beet.h"
#include "ipsec/esp_size.h"
#include "ipsec/mss.h"
#include "ipsec/outer_header.h"
#include "ipsec/spd.h"
#include "ipsec/transport.h"
#include "wire/checksum.h"
#include "wire/esp.h"
#include "wire/ip.h"

namespace caponier::ipsec {

namespace {

using base::DropReason;

constexpr std::size_t ipv4_checksum_at = 10;

struct Trailer {
  std::size_t size = 0;  ///< padding, Pad Length and Next Header
  std::uint8_t next_header = 0;
};

/// `text` is at least esp_trailer_size long. Empty unless the padding counts 1, 2, 3 ... (RFC 4303
/// s2.4).
std::optional<Trailer> read_trailer(base::Bytes text) {
  const std::size_t padding = std::to_integer<std::size_t>(text[text.size() - 2]);
  const Trailer trailer{padding + esp_trailer_size,
                        std::to_integer<std::uint8_t>(text[text.size() - 1])};
  if (trailer.size > text.size()) return std::nullopt;
  const base::Bytes pad = text.last(trailer.size).first(padding);
  unsigned difference = 0;
  for (std::size_t i = 0; i < padding; ++i) {
    difference |= std::to_integer<unsigned>(pad[i]) ^ static_cast<unsigned>((i + 1) & 0xff);
  }
  if (difference != 0) return std::nullopt;
  return trailer;
}

/// Of a valid one, as it says itself.
std::size_t ip_packet_size(base::Bytes packet) {
  const bool v4 = wire::ip_version(packet) == 4;
  return v4 ? base::load_be<std::uint16_t>(packet.data() + 2)
            : wire::ipv6_header_size + base::load_be<std::uint16_t>(packet.data() + 4);
}

/// It might overlap the ports that the first fragment shows (RFC 4301 appendix D.3). In IPv6
/// nobody can tell.
bool is_early_fragment(base::Bytes packet) {
  constexpr std::size_t offset_min = 128;
  const auto v4 = wire::Ipv4View::checked(packet);
  return v4.has_value() && v4->fragment_offset() != 0 && v4->fragment_offset() < offset_min;
}

void set_tos(base::MutBytes ip_packet, std::uint8_t tos) {
  const std::uint16_t old_word = base::load_be<std::uint16_t>(ip_packet.data());
  const bool v4 = wire::ip_version(ip_packet) == 4;
  // The second octet of IPv4; the traffic class of IPv6 lies 4 bits higher.
  const unsigned shift = v4 ? 0 : 4;
  const auto new_word = static_cast<std::uint16_t>((old_word & ~(0xffU << shift)) |
                                                   (static_cast<unsigned>(tos) << shift));
  base::store_be(ip_packet.data(), new_word);
  if (!v4) return;
  std::byte* const checksum = ip_packet.data() + ipv4_checksum_at;
  base::store_be(checksum,
                 wire::checksum_update(base::load_be<std::uint16_t>(checksum), old_word, new_word));
}

}  // namespace

EspInbound::EspInbound(bool clamp_mss, InboundPolicy& policy, Sad& sad, Notices& notices,
                       Audit& audit, base::DropCounters& drops)
    : clamp_mss_(clamp_mss),
      policy_(policy),
      sad_(sad),
      notices_(notices),
      audit_(audit),
      drops_(drops) {}

void EspInbound::run(std::span<OpenItem> items, base::Instant now) {
  while (!items.empty()) {
    const std::size_t count = std::min(items.size(), burst_packets_max);
    find_all(items.first(count));
    prepare_all(now);
    open_all();
    complete(now);
    items = items.subspan(count);
  }
}

void EspInbound::find_all(std::span<OpenItem> items) {
  found_.clear();
  wholes_.clear();
  headers_.clear();
  for (OpenItem& item : items) {
    Pending& found = found_.add();
    found = {};
    found.item = &item;
    const bool is_whole = item.is_whole || item.protocol == policy::SaProtocol::ah;
    const bool has_headers = !is_whole || read_headers(found);
    const auto esp = wire::EspView::checked(item.packet->bytes());
    if (!has_headers || !esp.has_value()) {
      found_.remove_last();
      drop(item, nullptr, DropReason::esp_malformed);
      continue;
    }
    if (item.protocol == policy::SaProtocol::ah) continue;
    sad_.prefetch_inbound(esp->spi());
    found.spi = esp->spi();
  }
  for (Pending& found : found_.all()) {
    found.sa = sad_.find_inbound(found.item->protocol, found.spi);
    if (found.sa != nullptr) found.sa->prefetch_in();
  }
}

bool EspInbound::read_headers(Pending& found) {
  PacketBuffer& packet = *found.item->packet;
  const bool is_ah = found.item->protocol == policy::SaProtocol::ah;
  const auto headers =
      headers_before(packet.bytes(), is_ah ? wire::ip_protocol::ah : wire::ip_protocol::esp);
  if (!headers.has_value()) return false;
  packet.shrink_back(packet.size() - ip_packet_size(packet.bytes()));
  Whole& whole = wholes_.add();
  whole = {*headers, headers_.save(packet.bytes().first(headers->size)), {}};
  found.whole = &whole;
  if (!is_ah) {
    packet.shrink_front(headers->size);
    return true;
  }
  const auto ah = wire::AhView::checked(packet.bytes().subspan(headers->size));
  if (!ah.has_value()) return false;
  whole.ah = {headers->size, ah->size()};
  found.spi = ah->spi();
  return true;
}

void EspInbound::prepare_all(base::Instant now) {
  kept_item_ = nullptr;
  jobs_.clear();
  pending_.clear();
  for (std::size_t i = 0; i < found_.size(); ++i) {
    Pending& found = found_[i];
    if (i + key_distance < found_.size()) {
      const Sa* const later = found_[i + key_distance].sa;
      if (later != nullptr) __builtin_prefetch(&later->common->replay);
    }
    //= rfc4303#3.4.2-1 rfc4302#3.4.2-1
    if (found.sa == nullptr) {
      drop(*found.item, nullptr, DropReason::esp_no_sa);
    } else {
      prepare(found, now);
    }
  }
}

std::optional<std::uint64_t> EspInbound::read_sequence(const Sa& sa, const std::byte* field) {
  const ReplayWindow& replay = sa.common->replay;
  //= rfc4303#3.4.3-5..6 rfc4302#3.4.3-4..5
  const auto sequence = replay.infer(base::load_be<std::uint32_t>(field));
  if (!sequence.has_value() || !replay.is_acceptable(*sequence)) return std::nullopt;
  return sequence;
}

void EspInbound::prepare_ah(Pending& found) {
  OpenItem& item = *found.item;
  Sa& sa = *found.sa;
  PacketBuffer& packet = *item.packet;
  const AhPlace& ah = found.whole->ah;
  // More padding than RFC 4302 s3.3.3.2.1 allows in IPv4 comes from those who align both families
  // to 64 bits; it is authentic, and so it may.
  const std::size_t filled = wire::ah_fixed_size + sa.shape.iv + sa.shape.icv;
  const bool fits = ah.size >= filled && ah.size - filled < 8;
  if (!fits || packet.size() > ah_packet_max || packet.back_space() < sa.shape.icv) {
    return drop(item, &sa, DropReason::esp_malformed);
  }
  const auto sequence = read_sequence(sa, packet.bytes().data() + ah.at + 8);
  if (!sequence.has_value()) return drop(item, &sa, DropReason::esp_replay);
  if (!mask_mutable_fields(packet.bytes().first(ah.at), AhEnd::receiver)) {
    return drop(item, &sa, DropReason::esp_malformed);
  }
  if (sa.esn && sa.failures >= resync_failures && kept_item_ == nullptr) {
    kept_item_ = &item;
    kept_.clear();  // computing an ICV changes nothing
  }
  lift_icv(packet, ah, sa);
  set_ah_job(jobs_.add(), packet, ah, sa, *sequence);
  found.sequence = *sequence;
  pending_.add() = found;
}

void EspInbound::prepare(Pending& found, base::Instant now) {
  OpenItem& item = *found.item;
  Sa& sa = *found.sa;
  sad_.expire_by_time(sa, now);
  if (sa.is_expired) {
    sad_.announce_hard(sa);
    return drop(item, &sa, DropReason::esp_expired);
  }
  if (item.protocol == policy::SaProtocol::ah) [[unlikely]]
    return prepare_ah(found);
  const base::MutBytes esp = item.packet->bytes();
  const std::size_t fixed = wire::esp_header_size + sa.shape.iv + sa.shape.icv;
  if (esp.size() < fixed + sa.shape.alignment ||
      ((esp.size() - fixed) & (sa.shape.alignment - 1)) != 0) {
    return drop(item, &sa, DropReason::esp_malformed);
  }
  const auto sequence = read_sequence(sa, esp.data() + 4);
  if (!sequence.has_value()) return drop(item, &sa, DropReason::esp_replay);
  if (sa.esn && sa.failures >= resync_failures && kept_item_ == nullptr) {
    kept_item_ = &item;
    kept_ = base::to_vec(esp);
  }
  crypto::PacketJob& job = jobs_.add();
  job.header = esp.first(wire::esp_header_size);
  job.esn_high.reset();
  if (sa.esn) job.esn_high = static_cast<std::uint32_t>(*sequence >> 32);
  job.iv = esp.subspan(wire::esp_header_size, sa.shape.iv);
  job.text = esp.subspan(wire::esp_header_size + sa.shape.iv, esp.size() - fixed);
  job.icv = esp.last(sa.shape.icv);
  job.ok = false;
  found.sequence = *sequence;
  pending_.add() = found;
}

void EspInbound::open_all() {
  const std::size_t count = jobs_.size();
  for (std::size_t at = 0; at < count;) {
    Sa& sa = *pending_[at].sa;
    std::size_t end = at + 1;
    while (end < count && pending_[end].sa == &sa) ++end;
    const std::size_t ahead = at + key_distance;
    if (ahead < count && pending_[ahead].sa != &sa) {
      pending_[ahead].sa->opener_lines.prefetch(jobs_[ahead].text.size());
    }
    sa.opener->start_open(jobs_.all().subspan(at, end - at));
    at = end;
  }
  sad_.finish_crypto();
}

void EspInbound::complete(base::Instant now) {
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    OpenItem& item = *pending_[i].item;
    Sa& sa = *pending_[i].sa;
    if (const auto reason = finish(pending_[i], jobs_[i], now)) {
      drop(item, &sa, *reason);
      continue;
    }
    item.verdict = Verdict::forward;
    item.sa = sa.id;
    sa.in.add(item.packet->size());
  }
}

std::optional<DropReason> EspInbound::finish(Pending& pending, crypto::PacketJob& job,
                                             base::Instant now) {
  Sa& sa = *pending.sa;
  ReplayWindow& replay = sa.common->replay;
  //= rfc4303#3.4.3-8 rfc4303#3.4.4.1-1 rfc4303#3.4.4.1-5 rfc4303#3.4.4.2-1 rfc4302#3.4.3-7
  //= rfc4302#3.4.4-1
  if (!job.ok && !resynchronise(pending, job)) return DropReason::esp_bad_icv;
  if (sa.failures != 0) sa.failures = 0;
  const bool is_newest = pending.sequence > replay.highest();
  if (!replay.accept(pending.sequence)) return DropReason::esp_replay;
  if (sa.is_expired) return DropReason::esp_expired;  // by an earlier packet of this burst
  sa.in.touch(now);
  if (is_newest && (sa.follows_peer || pending.item->path.transport == base::Transport::tcp)) {
    note_path(*pending.item, sa);
  }
  if (!sa.sends && !sa.heard_announced) sa.heard_announced = notices_.peer_sends(sa.params.id);
  sad_.count_in(sa, job.text.size());
  if (sa.shape.ah != 0) [[unlikely]]
    return unwrap_ah(pending, sa);

  const auto trailer = read_trailer(job.text);
  if (!trailer.has_value()) return DropReason::esp_bad_padding;
  //= rfc4303#2.6-2
  if (trailer->next_header == wire::ip_protocol::no_next_header) return DropReason::esp_dummy;
  PacketBuffer& packet = *pending.item->packet;
  packet.shrink_front(wire::esp_header_size + sa.shape.iv);
  packet.shrink_back(sa.shape.icv + trailer->size);
  switch (sa.mode) {
    case policy::SaMode::tunnel: return unwrap_tunnel(*pending.item, sa, trailer->next_header);
    case policy::SaMode::beet:
      if (trailer->next_header == wire::ip_protocol::fragment ||
          !unwrap_beet(packet, sa.params, trailer->next_header, pending.item->outer_tos)) {
        return DropReason::esp_bad_inner;
      }
      return check_transport(packet, sa);
    case policy::SaMode::transport: return unwrap_transport(pending, sa, trailer->next_header);
  }
  return DropReason::esp_bad_inner;
}

std::optional<DropReason> EspInbound::unwrap_tunnel(OpenItem& item, Sa& sa,
                                                    std::uint8_t next_header) {
  IpSummary inner;
  if (!summarize(item.packet->bytes(), inner)) return DropReason::esp_bad_inner;
  const std::uint8_t expected = inner.is_v4 ? wire::ip_protocol::ipv4 : wire::ip_protocol::ipv6;
  if (next_header != expected) return DropReason::esp_bad_inner;
  // The sender may add what it likes behind the packet (RFC 4303 s2.7).
  item.packet->shrink_back(item.packet->size() - inner.size);
  if (const auto reason = check_selectors(*item.packet, inner, sa)) return reason;
  const auto tos = tos_inward(sa.outer, inner.tos, item.outer_tos);
  if (!tos.has_value()) return DropReason::esp_congestion;
  if (*tos != inner.tos) set_tos(item.packet->bytes(), *tos);
  clamp(*item.packet, inner, sa);
  return std::nullopt;
}

std::optional<DropReason> EspInbound::unwrap_transport(const Pending& pending, Sa& sa,
                                                       std::uint8_t next_header) {
  PacketBuffer& packet = *pending.item->packet;
  if (next_header == wire::ip_protocol::fragment) return DropReason::esp_bad_inner;
  if (pending.whole == nullptr) {
    if (!rebuild_ip_header(packet, transport_addresses(sa.params), next_header,
                           pending.item->outer_tos)) {
      return DropReason::esp_bad_inner;
    }
  } else {
    const IpHeaders& headers = pending.whole->headers;
    packet.grow_front(headers.size);
    headers_.restore(pending.whole->saved_at, packet.bytes().first(headers.size));
    adjust_headers(packet.bytes(), headers, next_header);
  }
  return check_transport(packet, sa);
}

std::optional<DropReason> EspInbound::unwrap_ah(const Pending& pending, Sa& sa) {
  PacketBuffer& packet = *pending.item->packet;
  const AhPlace& ah = pending.whole->ah;
  packet.shrink_back(sa.shape.icv);
  const auto next_header = std::to_integer<std::uint8_t>(packet.bytes()[ah.at]);
  if (sa.mode == policy::SaMode::tunnel) {
    packet.shrink_front(ah.at + ah.size);
    return unwrap_tunnel(*pending.item, sa, next_header);
  }
  if (next_header == wire::ip_protocol::fragment) return DropReason::esp_bad_inner;
  packet.shrink_front(ah.size);
  headers_.restore(pending.whole->saved_at, packet.bytes().first(ah.at));
  adjust_headers(packet.bytes(), pending.whole->headers, next_header);
  return check_transport(packet, sa);
}

std::optional<DropReason> EspInbound::check_transport(PacketBuffer& packet, Sa& sa) {
  IpSummary inner;
  if (!summarize(packet.bytes(), inner)) return DropReason::esp_bad_inner;
  if (const auto reason = check_selectors(packet, inner, sa)) return reason;
  // BEET's addresses are those that the sender's stack knows too.
  if (sa.params.udp_encap && sa.mode == policy::SaMode::transport)
    fix_transport_checksum(packet.bytes());
  clamp(packet, inner, sa);
  return std::nullopt;
}

std::optional<DropReason> EspInbound::check_selectors(const PacketBuffer& packet,
                                                      const IpSummary& inner, Sa& sa) {
  //= rfc4301#7.2-2
  if (sa.is_for_fragments && is_early_fragment(packet.bytes())) [[unlikely]]
    return DropReason::esp_bad_inner;
  // Both only grow, so their sum never repeats.
  const std::uint64_t generation = sad_.generation() + policy_.generation();
  const Flow* const known = flows_.find(inner.flow, generation);
  if (known != nullptr && known->sa == &sa) return std::nullopt;
  const auto fields = wire::selector_fields(packet.bytes());
  if (!fields.has_value()) return DropReason::esp_bad_inner;
  if (const auto reason = policy_.check(*fields, sa)) {
    // Never kept: the next error of this flow may quote something else.
    return *reason == DropReason::esp_selector
               ? policy_.check_icmp_error(packet.bytes(), *fields, sa)
               : reason;
  }
  flows_.insert(inner.flow, generation, {nullptr, &sa});
  return std::nullopt;
}

void EspInbound::clamp(PacketBuffer& packet, const IpSummary& inner, const Sa& sa) const {
  if (clamp_mss_ && inner.is_syn && sa.clamp_mss) clamp_packet_mss(packet.bytes(), sa.inner_mtu);
}

bool EspInbound::resynchronise(Pending& pending, crypto::PacketJob& job) {
  Sa& sa = *pending.sa;
  ++sa.failures;
  if (pending.item != kept_item_) return false;
  sa.failures = 0;  // whatever comes of it: the next attempt has to be earned anew
  for (std::uint64_t wraps = 1; wraps <= resync_wraps_max; ++wraps) {
    const std::uint64_t high = (pending.sequence >> 32) + wraps;
    if (high > UINT32_MAX) return false;
    if (!kept_.empty()) base::copy_into(pending.item->packet->bytes(), kept_);
    job.esn_high = static_cast<std::uint32_t>(high);
    sa.opener->open({&job, 1});
    if (!job.ok) continue;
    pending.sequence = high << 32 | (pending.sequence & UINT32_MAX);
    return true;
  }
  return false;
}

void EspInbound::note_path(const OpenItem& item, Sa& sa) {
  const base::Path& known = sa.params.path;
  const base::Path& path = item.path;
  const bool has_stream =
      known.transport == base::Transport::tcp || path.transport == base::Transport::tcp;
  if (!sa.params.peer_behind_nat && !has_stream) return;
  if (path.local.port == 0) return;  // native ESP tells no port to answer to
  if (path.remote == known.remote && path.transport == known.transport) {
    sa.moved_to.reset();
  } else if (sa.moved_to != path && notices_.peer_moved(sa.params.id, path)) {
    sa.moved_to = path;
  }
}

void EspInbound::drop(OpenItem& item, Sa* sa, DropReason reason) {
  item.verdict = Verdict::drop;
  item.drop = reason;
  drops_.add(reason);
  audit_.note(item, sa, reason);
  if (sa == nullptr) return;
  item.sa = sa->id;
  sa->drops.add(reason);
}

}  // namespace caponier::ipsec
