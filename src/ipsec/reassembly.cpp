#include "ipsec/reassembly.h"

#include <algorithm>
#include <iterator>

#include "wire/checksum.h"
#include "wire/ip.h"

namespace caponier::ipsec {

namespace {

using base::DropReason;

constexpr std::size_t packet_max = 65535;
constexpr unsigned congestion = 3;  ///< both ECN bits

/// IPv6's; IPv4's changes with the checksum.
void set_length(base::MutBytes packet) {
  if (wire::ip_version(packet) == 4) return;
  base::store_be(packet.data() + 4,
                 static_cast<std::uint16_t>(packet.size() - wire::ipv6_header_size));
}

void set_congestion(base::MutBytes header) {
  const bool v4 = wire::ip_version(header) == 4;
  const unsigned mask = v4 ? congestion : congestion << 4;
  const unsigned word = base::load_be<std::uint16_t>(header.data());
  if ((word & mask) != 0) base::store_be(header.data(), static_cast<std::uint16_t>(word | mask));
}

}  // namespace

std::optional<Reassembly::Piece> Reassembly::read_v4(base::Bytes packet) {
  const auto view = wire::Ipv4View::checked(packet);
  if (!view.has_value()) return std::nullopt;
  Piece piece;
  piece.key = {view->source(), view->destination(), view->identification(), view->protocol()};
  piece.begin = view->fragment_offset();
  piece.payload = view->payload();
  piece.is_last = !view->more_fragments();
  piece.header = view->header();
  piece.has_congestion = view->ecn() == wire::Ecn::ce;
  return piece;
}

std::optional<Reassembly::Piece> Reassembly::read_v6(base::Bytes packet) {
  const auto view = wire::Ipv6View::checked(packet);
  if (!view.has_value()) return std::nullopt;
  Piece piece;
  const base::Bytes all = view->packet();
  std::uint8_t next = view->next_header();
  std::size_t next_at = 6;
  std::size_t at = wire::ipv6_header_size;
  for (std::size_t count = 0; count < wire::ipv6_extension_count_max; ++count) {
    const bool is_extension = next == wire::ip_protocol::hop_by_hop ||
                              next == wire::ip_protocol::routing ||
                              next == wire::ip_protocol::destination_options;
    if (!is_extension) break;
    if (all.size() < at + 8) return std::nullopt;
    next = std::to_integer<std::uint8_t>(all[at]);
    next_at = at;
    at += (std::to_integer<std::size_t>(all[at + 1]) + 1) * 8;
  }
  piece.key = {view->source(), view->destination(), 0, 0};
  piece.has_congestion = view->ecn() == wire::Ecn::ce;
  piece.is_last = true;
  piece.header = all.first(std::min(at, all.size()));
  piece.payload = all.subspan(piece.header.size());
  if (next != wire::ip_protocol::fragment) return piece;
  if (piece.payload.size() < wire::ipv6_fragment_header_size) return std::nullopt;
  const unsigned offset = base::load_be<std::uint16_t>(piece.payload.data() + 2);
  piece.key.identification = base::load_be<std::uint32_t>(piece.payload.data() + 4);
  piece.next_header = std::to_integer<std::uint8_t>(piece.payload[0]);
  piece.next_header_at = next_at;
  piece.begin = offset & 0xfff8U;
  piece.is_last = (offset & 1U) == 0;
  piece.payload = piece.payload.subspan(wire::ipv6_fragment_header_size);
  return piece;
}

base::ByteVec Reassembly::make_header(const Piece& first) {
  base::ByteVec header = base::to_vec(first.header);
  if (first.next_header_at != 0) header[first.next_header_at] = std::byte{first.next_header};
  return header;
}

/// RFC 8200 s4.5: what comes twice, as networks do it, is no attack.
bool Reassembly::is_duplicate(const Set& set, const Piece& piece) {
  const auto same = set.pieces.find(piece.begin);
  return same != set.pieces.end() && base::equal(same->second, piece.payload);
}

bool Reassembly::contradicts(const Set& set, const Piece& piece) {
  if (set.end && (piece.end() > *set.end || piece.is_last)) return true;
  const auto next = set.pieces.lower_bound(piece.begin);
  if (next != set.pieces.end() && next->first < piece.end()) return true;
  if (piece.is_last && next != set.pieces.end()) return true;
  if (next == set.pieces.begin()) return false;
  const auto& [begin, payload] = *std::prev(next);
  return begin + payload.size() > piece.begin;
}

base::ByteVec Reassembly::assemble(const Set& set) {
  base::ByteVec packet = set.header;
  const std::size_t header_size = packet.size();
  packet.reserve(header_size + *set.end);
  for (const auto& [begin, payload] : set.pieces) base::append(packet, payload);
  const base::MutBytes header = base::MutBytes{packet}.first(header_size);
  if (set.has_congestion) set_congestion(header);
  if (wire::ip_version(header) == 4) {
    base::store_be<std::uint16_t>(header.data() + 6, 0);
    base::store_be(header.data() + 2, static_cast<std::uint16_t>(packet.size()));
    base::store_be<std::uint16_t>(header.data() + 10, 0);
    base::store_be(header.data() + 10, wire::internet_checksum(header));
  }
  set_length(packet);
  return packet;
}

Reassembly::Result Reassembly::add(base::Bytes packet, base::Instant now) {
  const auto piece = wire::ip_version(packet) == 4 ? read_v4(packet) : read_v6(packet);
  if (!piece) return std::unexpected{DropReason::clear_fragment};
  if (piece->begin == 0 && piece->is_last) {  // RFC 6946: also with a Fragment header, for itself
    base::ByteVec whole = make_header(*piece);
    base::append(whole, piece->payload);
    set_length(whole);
    return whole;
  }
  const bool is_cut = !piece->is_last && piece->payload.size() % 8 != 0;
  if (piece->payload.empty() || is_cut || piece->header.size() + piece->end() > packet_max) {
    return std::unexpected{DropReason::clear_fragment};
  }
  const auto found = find_or_make(piece->key, now);
  if (found == sets_.end()) return std::unexpected{DropReason::clear_fragment_limit};
  Set& set = found->second;
  if (is_duplicate(set, *piece)) return std::nullopt;
  if (set.is_spoiled || contradicts(set, *piece)) return spoil(set, DropReason::clear_fragment);
  if (set.pieces.size() >= limits_.fragments_per_set_max ||
      piece->payload.size() > limits_.bytes_max - bytes_) {
    return spoil(set, DropReason::clear_fragment_limit);
  }
  if (piece->begin == 0) set.header = make_header(*piece);
  if (piece->is_last) set.end = piece->end();
  set.has_congestion = set.has_congestion || piece->has_congestion;
  set.pieces.emplace(piece->begin, base::to_vec(piece->payload));
  set.bytes += piece->payload.size();
  bytes_ += piece->payload.size();
  if (!set.end || set.bytes != *set.end) return std::nullopt;
  base::ByteVec whole = assemble(set);
  forget(found);
  if (whole.size() > packet_max) return std::unexpected{DropReason::clear_fragment};
  return whole;
}

Reassembly::Sets::iterator Reassembly::find_or_make(const Key& key, base::Instant now) {
  const auto found = sets_.find(key);
  if (found != sets_.end()) return found;
  const auto of_source = sets_of_.find(key.source);
  const std::size_t count = of_source == sets_of_.end() ? 0 : of_source->second;
  if (sets_.size() >= limits_.sets_max || count >= limits_.sets_per_source_max) return sets_.end();
  ++sets_of_[key.source];
  by_age_.emplace(now, key);
  const auto made = sets_.emplace(key, Set{}).first;
  made->second.since = now;
  return made;
}

/// It goes on to exist, so that later pieces do not begin it anew.
std::unexpected<DropReason> Reassembly::spoil(Set& set, DropReason reason) {
  bytes_ -= set.bytes;
  set.bytes = 0;
  set.pieces.clear();
  set.header.clear();
  set.is_spoiled = true;
  return std::unexpected{reason};
}

void Reassembly::forget(Sets::iterator set) {
  bytes_ -= set->second.bytes;
  by_age_.erase({set->second.since, set->first});
  const auto of_source = sets_of_.find(set->first.source);
  if (--of_source->second == 0) sets_of_.erase(of_source);
  sets_.erase(set);
}

void Reassembly::handle_deadline(base::Instant now) {
  while (!by_age_.empty() && now - by_age_.begin()->first >= limits_.age_max) {
    const auto set = sets_.find(by_age_.begin()->second);
    if (!set->second.is_spoiled) drops_->add(DropReason::clear_fragment_limit);
    forget(set);
  }
}

std::optional<base::Deadline> Reassembly::poll_deadline() const {
  if (by_age_.empty()) return std::nullopt;
  return base::Deadline{by_age_.begin()->first + limits_.age_max, "fragments that wait for others"};
}

}  // namespace caponier::ipsec
