#include "ipsec/esp_inbound.h"

#include <algorithm>
#include <expected>
#include <utility>

#include "ipsec/ah_mask.h"
#include "ipsec/beet.h"
#include "ipsec/esp_job.h"
#include "ipsec/esp_size.h"
#include "ipsec/mss.h"
#include "ipsec/outer_header.h"
#include "ipsec/spd.h"
#include "ipsec/transport.h"
#include "wire/checksum.h"
#include "wire/dhcp.h"
#include "wire/esp.h"
#include "wire/ip.h"

namespace caponier::ipsec {

namespace {

using base::DropReason;

constexpr std::size_t ipv4_checksum_at = 10;

struct Trailer {
  std::size_t size = 0;  ///< padding, Pad Length and Next Header; 0: they contradict each other
  std::uint8_t next_header = 0;
};

/// `text` is at least esp_trailer_size long. The padding must count 1, 2, 3 ... (RFC 4303 s2.4).
Trailer read_trailer(base::Bytes text) {
  const std::byte* const end = text.data() + text.size();
  const std::size_t padding = std::to_integer<std::size_t>(end[-2]);
  const Trailer trailer{padding + esp_trailer_size, std::to_integer<std::uint8_t>(end[-1])};
  if (trailer.size > text.size()) return {};
  const std::byte* const pad = end - trailer.size;
  for (std::size_t i = 0; i < padding; ++i) {
    if (pad[i] != static_cast<std::byte>(i + 1)) return {};
  }
  return trailer;
}

/// The packet that tunnel mode carries, behind which the sender may have added what it likes (RFC
/// 4303 s2.7); false when there is none.
bool read_tunnelled(PacketBuffer& packet, std::uint8_t next_header, IpSummary& to) {
  if (!summarize(packet.bytes(), to)) return false;
  if (next_header != (to.is_v4 ? wire::ip_protocol::ipv4 : wire::ip_protocol::ipv6)) return false;
  packet.shrink_back(packet.size() - to.size);
  return true;
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

EspInbound::EspInbound(const EngineLimits& limits, InboundPolicy& policy, Sad& sad,
                       EarlyPackets& early, Notices& notices, Audit& audit,
                       base::DropCounters& drops)
    : limits_(limits),
      policy_(policy),
      sad_(sad),
      early_(early),
      notices_(notices),
      audit_(audit),
      drops_(drops) {}

void EspInbound::read_all(std::span<OpenItem> items) {
  found_.clear();
  wholes_.clear();
  headers_.clear();
  base::Spi before;
  for (OpenItem& item : items) {
    const Whole* whole = nullptr;
    if (item.is_whole || item.protocol == policy::SaProtocol::ah) [[unlikely]] {
      whole = read_headers(item);
      if (whole == nullptr) {
        drop(item, nullptr, DropReason::esp_malformed);
        continue;
      }
      if (item.protocol == policy::SaProtocol::ah) {
        found_.add() = {&item, nullptr, whole->spi, whole};
        continue;
      }
    }
    const auto esp = wire::EspView::checked(item.packet->bytes());
    if (!esp.has_value()) {
      drop(item, nullptr, DropReason::esp_malformed);
      continue;
    }
    if (esp->spi() != before) sad_.prefetch_inbound(esp->spi());
    before = esp->spi();
    found_.add() = {&item, nullptr, esp->spi(), whole};
  }
}

void EspInbound::find_all() {
  const Found* before = nullptr;
  for (Found& found : found_.all()) {
    const policy::SaProtocol protocol = found.item->protocol;
    if (before != nullptr && before->spi == found.spi && before->item->protocol == protocol) {
      found.sa = before->sa;
      continue;
    }
    before = &found;
    found.sa = sad_.find_inbound(protocol, found.spi);
    if (found.sa != nullptr) found.sa->prefetch_in();
  }
}

const EspInbound::Whole* EspInbound::read_headers(OpenItem& item) {
  PacketBuffer& packet = *item.packet;
  const bool is_ah = item.protocol == policy::SaProtocol::ah;
  const auto headers =
      headers_before(packet.bytes(), is_ah ? wire::ip_protocol::ah : wire::ip_protocol::esp);
  if (!headers.has_value()) return nullptr;
  packet.shrink_back(packet.size() - ip_packet_size(packet.bytes()));
  Whole& whole = wholes_.add();
  whole = {*headers, headers_.save(packet.bytes().first(headers->size)), {}, {}};
  if (!is_ah) {
    packet.shrink_front(headers->size);
    return &whole;
  }
  const auto ah = wire::AhView::checked(packet.bytes().subspan(headers->size));
  if (!ah.has_value()) return nullptr;
  whole.ah = {headers->size, ah->size()};
  whole.spi = ah->spi();
  return &whole;
}

void EspInbound::prepare_all(base::Instant now) {
  kept_item_ = nullptr;
  jobs_.clear();
  pending_.clear();
  const Sa* last = nullptr;
  const std::span<const Found> all = found_.all();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Found& found = all[i];
    if (i + common_distance < all.size()) {
      const Sa* const later = all[i + common_distance].sa;
      if (later != nullptr && later != found.sa) __builtin_prefetch(&later->common->replay);
    }
    //= rfc4303#3.4.2-1 rfc4302#3.4.2-1
    if (found.sa == nullptr) {
      hold_or_drop(found, now);
    } else {
      if (found.sa != last) found.sa->opener_lines.prefetch(found.item->packet->size());
      last = found.sa;
      prepare(found, now);
    }
  }
}

void EspInbound::hold_or_drop(const Found& found, base::Instant now) {
  OpenItem& item = *found.item;
  const bool is_cut = found.whole != nullptr && item.protocol != policy::SaProtocol::ah;
  if (is_cut) item.packet->grow_front(found.whole->headers.size);
  if (early_.hold(found.spi, item, now)) {
    item.verdict = Verdict::held;
    return;
  }
  if (is_cut) item.packet->shrink_front(found.whole->headers.size);
  drop(item, nullptr, DropReason::esp_no_sa);
}

void EspInbound::keep(OpenItem& item, base::Bytes packet) {
  if (kept_item_ != nullptr) return;
  kept_item_ = &item;
  kept_.assign(packet.begin(), packet.end());
}

inline void EspInbound::prepare(const Found& found, base::Instant now) {
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
  const EspShape shape = sa.shape;
  const std::size_t fixed = wire::esp_header_size + shape.iv + shape.icv;
  const std::size_t misaligned = (esp.size() - fixed) & (std::size_t{shape.alignment} - 1);
  if (esp.size() < fixed + shape.alignment || misaligned != 0) {
    return drop(item, &sa, DropReason::esp_malformed);
  }
  const ReplayWindow& replay = sa.common->replay;
  //= rfc4303#3.4.3-5..6 rfc4302#3.4.3-4..5
  const auto sequence = replay.infer(base::load_be<std::uint32_t>(esp.data() + 4));
  if (!sequence.has_value() || !replay.is_acceptable(*sequence)) {
    return drop(item, &sa, DropReason::esp_replay);
  }
  replay.prefetch(*sequence);
  if (sa.esn && sa.failures >= resync_failures) [[unlikely]]
    keep(item, esp);
  set_esp_job(jobs_.add(), esp.data(), esp.size() - fixed, sa, *sequence);
  pending_.add() = {&item, &sa, *sequence, found.whole};
}

void EspInbound::prepare_ah(const Found& found) {
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
  const ReplayWindow& replay = sa.common->replay;
  //= rfc4303#3.4.3-5..6 rfc4302#3.4.3-4..5
  const auto sequence =
      replay.infer(base::load_be<std::uint32_t>(packet.bytes().data() + ah.at + 8));
  if (!sequence.has_value() || !replay.is_acceptable(*sequence)) {
    return drop(item, &sa, DropReason::esp_replay);
  }
  if (!mask_mutable_fields(packet.bytes().first(ah.at), AhEnd::receiver)) {
    return drop(item, &sa, DropReason::esp_malformed);
  }
  // Computing an ICV changes nothing.
  if (sa.esn && sa.failures >= resync_failures) keep(item, {});
  lift_icv(packet, ah, sa);
  set_ah_job(jobs_.add(), packet, ah, sa, *sequence);
  pending_.add() = {&item, &sa, *sequence, found.whole};
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

void EspInbound::unwrap_all(base::Instant now) {
  opened_.clear();
  const Opened* before = nullptr;
  const std::span<crypto::PacketJob> jobs = jobs_.all();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Pending& pending = pending_[i];
    crypto::PacketJob& job = jobs[i];
    Opened& opened = opened_.next();
    if (!accept(pending, job, now) || !unwrap(pending, job.text, opened.inner)) continue;
    opened_.take();
    opened.item = pending.item;
    opened.sa = pending.sa;
    opened.follows =
        before != nullptr && before->sa == opened.sa && before->inner.flow == opened.inner.flow;
    before = &opened;
    if (!opened.follows) flows_.prefetch(opened.inner.flow.hash());
  }
}

void EspInbound::deliver_all(base::Instant now) {
  // Both only grow, so their sum never repeats.
  const std::uint64_t generation = sad_.generation() + policy_.generation();
  bool is_flow_known = false;
  for (const Opened& opened : opened_.all()) {
    if (!check_fragment(opened)) continue;
    is_flow_known = (is_flow_known && opened.follows) || is_known(opened, generation);
    if (!is_flow_known && !check_new_flow(opened, generation, now)) continue;
    if (!merge_headers(opened)) continue;
    OpenItem& item = *opened.item;
    Sa& sa = *opened.sa;
    if (opened.inner.is_syn && limits_.clamp_mss && sa.clamp_mss) {
      clamp_packet_mss(item.packet->bytes(), sa.inner_mtu);
    }
    item.verdict = Verdict::forward;
    item.sa = sa.id;
    sa.in.add(item.packet->size());
  }
}

inline bool EspInbound::accept(Pending& pending, crypto::PacketJob& job, base::Instant now) {
  OpenItem& item = *pending.item;
  Sa& sa = *pending.sa;
  ReplayWindow& replay = sa.common->replay;
  //= rfc4303#3.4.3-8 rfc4303#3.4.4.1-1 rfc4303#3.4.4.1-5 rfc4303#3.4.4.2-1 rfc4302#3.4.3-7
  //= rfc4302#3.4.4-1
  if (!job.ok && !resynchronise(pending, job)) return refuse(item, sa, DropReason::esp_bad_icv);
  if (sa.failures != 0) sa.failures = 0;
  const bool is_newest = pending.sequence > replay.highest();
  if (!replay.accept(pending.sequence)) return refuse(item, sa, DropReason::esp_replay);
  // By an earlier packet of this burst.
  if (sa.is_expired) return refuse(item, sa, DropReason::esp_expired);
  sa.in.touch(now);
  if (is_newest && (sa.follows_peer || item.path.transport == base::Transport::tcp)) {
    note_path(item, sa);
  }
  if (!sa.sends && !sa.heard_announced) sa.heard_announced = notices_.peer_sends(sa.params.id);
  sad_.count_in(sa, job.text.size());
  return true;
}

inline bool EspInbound::unwrap(const Pending& pending, base::Bytes text, IpSummary& inner) {
  OpenItem& item = *pending.item;
  Sa& sa = *pending.sa;
  if (sa.shape.ah != 0) [[unlikely]]
    return unwrap_ah(pending, inner);
  const Trailer trailer = read_trailer(text);
  if (trailer.size == 0) return refuse(item, sa, DropReason::esp_bad_padding);
  //= rfc4303#2.6-2
  if (trailer.next_header == wire::ip_protocol::no_next_header) {
    return refuse(item, sa, DropReason::esp_dummy);
  }
  item.packet->shrink(wire::esp_header_size + sa.shape.iv, sa.shape.icv + trailer.size);
  const bool is_inner = sa.mode == policy::SaMode::tunnel
                            ? read_tunnelled(*item.packet, trailer.next_header, inner)
                            : rebuild(pending, trailer.next_header, inner);
  return is_inner || refuse(item, sa, DropReason::esp_bad_inner);
}

bool EspInbound::unwrap_ah(const Pending& pending, IpSummary& inner) {
  Sa& sa = *pending.sa;
  PacketBuffer& packet = *pending.item->packet;
  const AhPlace& ah = pending.whole->ah;
  packet.shrink_back(sa.shape.icv);
  const auto next_header = std::to_integer<std::uint8_t>(packet.bytes()[ah.at]);
  bool is_inner = false;
  if (sa.mode == policy::SaMode::tunnel) {
    packet.shrink_front(ah.at + ah.size);
    is_inner = read_tunnelled(packet, next_header, inner);
  } else if (next_header != wire::ip_protocol::fragment) {
    packet.shrink_front(ah.size);
    headers_.restore(pending.whole->saved_at, packet.bytes().first(ah.at));
    adjust_headers(packet.bytes(), pending.whole->headers, next_header);
    is_inner = summarize(packet.bytes(), inner);
  }
  return is_inner || refuse(*pending.item, sa, DropReason::esp_bad_inner);
}

bool EspInbound::rebuild(const Pending& pending, std::uint8_t next_header, IpSummary& inner) {
  if (next_header == wire::ip_protocol::fragment) return false;
  const Sa& sa = *pending.sa;
  PacketBuffer& packet = *pending.item->packet;
  const bool is_rebuilt = sa.mode == policy::SaMode::beet
                              ? unwrap_beet(packet, sa.params, next_header, pending.item->outer_tos)
                              : rebuild_transport(pending, next_header);
  return is_rebuilt && summarize(packet.bytes(), inner);
}

bool EspInbound::rebuild_transport(const Pending& pending, std::uint8_t next_header) {
  PacketBuffer& packet = *pending.item->packet;
  if (pending.whole == nullptr) {
    return rebuild_ip_header(packet, transport_addresses(pending.sa->params), next_header,
                             pending.item->outer_tos);
  }
  const IpHeaders& headers = pending.whole->headers;
  packet.grow_front(headers.size);
  headers_.restore(pending.whole->saved_at, packet.bytes().first(headers.size));
  adjust_headers(packet.bytes(), headers, next_header);
  return true;
}

inline bool EspInbound::check_fragment(const Opened& opened) {
  OpenItem& item = *opened.item;
  //= rfc4301#7.2-2
  const bool may_overlap = opened.sa->is_for_fragments && is_early_fragment(item.packet->bytes());
  return !may_overlap || refuse(item, *opened.sa, DropReason::esp_bad_inner);
}

inline bool EspInbound::is_known(const Opened& opened, std::uint64_t generation) const {
  const Flow* const known = flows_.find(opened.inner.flow, generation);
  return known != nullptr && known->sa == opened.sa;
}

bool EspInbound::check_new_flow(const Opened& opened, std::uint64_t generation, base::Instant now) {
  OpenItem& item = *opened.item;
  Sa& sa = *opened.sa;
  const auto fields = wire::selector_fields(item.packet->bytes());
  if (!fields.has_value()) return refuse(item, sa, DropReason::esp_bad_inner);
  if (auto reason = policy_.check(*fields, sa)) {
    // Never kept: the next error of this flow may quote something else.
    if (*reason == DropReason::esp_selector) {
      reason = policy_.check_icmp_error(item.packet->bytes(), *fields, sa);
    }
    return !reason.has_value() || refuse(item, sa, *reason);
  }
  // Such a flow is never kept, so that others cost nothing.
  const bool is_for_us =
      sa.has_services &&
      policy::matches_any(sa.params.services, fields->destination, fields->protocol,
                          fields->has_ports, fields->destination_port);
  if (is_for_us) {
    hand_over(item, sa, *fields, now);
    return false;
  }
  flows_.insert(opened.inner.flow, generation, {nullptr, &sa});
  return true;
}

void EspInbound::hand_over(OpenItem& item, Sa& sa, const wire::PacketSelectorFields& fields,
                           base::Instant now) {
  const bool is_dhcp = fields.protocol == wire::ip_protocol::udp && fields.has_ports &&
                       fields.destination_port == wire::dhcp_server_port;
  if (!is_dhcp) return drop(item, &sa, DropReason::esp_service);
  if (now - sa.dhcp_since >= limits_.dhcp_interval) {
    sa.dhcp_since = now;
    sa.dhcp_count = 0;
  }
  const bool is_handed = sa.dhcp_count < limits_.dhcp_burst_max &&
                         notices_.dhcp_asked(sa.id, std::as_const(*item.packet).bytes());
  if (!is_handed) return drop(item, &sa, DropReason::esp_service);
  ++sa.dhcp_count;
  item.verdict = Verdict::held;
  item.sa = sa.id;
  sa.in.add(item.packet->size());
}

inline bool EspInbound::merge_headers(const Opened& opened) {
  OpenItem& item = *opened.item;
  Sa& sa = *opened.sa;
  if (sa.mode == policy::SaMode::tunnel) {
    if ((item.outer_tos & ecn_mask) == 0 && !sa.outer.copy_dscp_inward) return true;
    const auto tos = tos_inward(sa.outer, opened.inner.tos, item.outer_tos);
    if (!tos.has_value()) return refuse(item, sa, DropReason::esp_congestion);
    if (*tos != opened.inner.tos) set_tos(item.packet->bytes(), *tos);
  } else if (sa.mode == policy::SaMode::transport && sa.params.udp_encap) {
    // Not in BEET, whose addresses are those that the sender's stack knows too.
    fix_transport_checksum(item.packet->bytes());
  }
  return true;
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
