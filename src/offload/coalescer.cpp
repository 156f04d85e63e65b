#include "offload/coalescer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "offload/header_fields.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace caponier::offload {

using base::load_be;
using base::store_be;

namespace {

constexpr std::uint16_t ipv4_dont_fragment = 0x4000;
constexpr std::uint16_t ipv4_fragment_bits = 0x3fff;
constexpr unsigned ends_group = tcp_flag::fin | tcp_flag::psh;
/// CWR, because RFC 3168 means one segment by it, and Accurate ECN counts with it in each.
constexpr unsigned never_joined = tcp_flag::syn | tcp_flag::rst | tcp_flag::urg | tcp_flag::cwr;

enum class Kind : std::uint8_t {
  foreign,  ///< no order with TCP and UDP has to be kept
  odd,      ///< to be passed on alone; may be of any flow between its addresses
  plain,    ///< without options, extension headers and errors
};

template <class T>
bool is_same(const std::byte* a, const std::byte* b, std::size_t at) {
  return load_be<T>(a + at) == load_be<T>(b + at);
}

bool is_flow_protocol(std::uint8_t protocol) {
  return protocol == wire::ip_protocol::tcp || protocol == wire::ip_protocol::udp;
}

bool is_extension(std::uint8_t protocol) {
  return protocol == wire::ip_protocol::hop_by_hop || protocol == wire::ip_protocol::routing ||
         protocol == wire::ip_protocol::fragment ||
         protocol == wire::ip_protocol::destination_options;
}

std::uint8_t octet_at(Bytes packet, std::size_t at) {
  return std::to_integer<std::uint8_t>(packet.data()[at]);
}

/// Of a header without options, the sum in the machine's byte order (RFC 1071 s2(B)).
bool ipv4_checksum_holds(Bytes packet) {
  std::array<std::uint32_t, 5> words;
  std::memcpy(words.data(), packet.data(), sizeof words);
  std::uint64_t sum = 0;
  for (const std::uint32_t word : words) sum += word;
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}

Kind kind_of_ipv4(Bytes packet) {
  const auto flags = load_be<std::uint16_t>(packet.data() + ipv4_field::flags);
  const bool is_fragment = (flags & ipv4_fragment_bits) != 0;
  const bool is_flow = is_flow_protocol(octet_at(packet, ipv4_field::protocol));
  if (!is_flow && !is_fragment) return Kind::foreign;
  const bool is_plain =
      is_flow && octet_at(packet, 0) == 0x45 && (flags & ~unsigned{ipv4_dont_fragment}) == 0 &&
      load_be<std::uint16_t>(packet.data() + ipv4_field::total_length) == packet.size() &&
      ipv4_checksum_holds(packet);
  return is_plain ? Kind::plain : Kind::odd;
}

Kind kind_of_ipv6(Bytes packet) {
  const std::uint8_t next = octet_at(packet, ipv6_field::next_header);
  if (is_extension(next)) return Kind::odd;
  if (!is_flow_protocol(next)) return Kind::foreign;
  const std::size_t size =
      wire::ipv6_header_size + load_be<std::uint16_t>(packet.data() + ipv6_field::payload_length);
  return size == packet.size() && size <= packet_size_max ? Kind::plain : Kind::odd;
}

Kind kind_of(Bytes packet) {
  const std::uint8_t version = wire::ip_version(packet);
  if (version == 4 && packet.size() >= wire::ipv4_header_size_min) return kind_of_ipv4(packet);
  if (version == 6 && packet.size() >= wire::ipv6_header_size) return kind_of_ipv6(packet);
  return Kind::foreign;
}

std::uint64_t mix(std::uint64_t value) {
  value *= 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio
  return value ^ value >> 32;
}

std::uint64_t hash_of_addresses(Bytes packet) {
  const std::byte* const ip = packet.data();
  if (wire::ip_version(packet) == 4) {
    return mix(load_be<std::uint64_t>(ip + ipv4_field::addresses));
  }
  std::uint64_t hash = 0;
  for (std::size_t at = ipv6_field::addresses; at < wire::ipv6_header_size; at += 8) {
    hash = mix(hash + load_be<std::uint64_t>(ip + at));
  }
  return hash;
}

/// Nothing but lengths, checksums and IPv4 identifications may differ.
bool is_same_ipv4(const std::byte* first, const std::byte* other) {
  return is_same<std::uint16_t>(first, other, 0) &&
         is_same<std::uint16_t>(first, other, ipv4_field::flags) &&
         is_same<std::uint16_t>(first, other, ipv4_field::ttl) &&  // and the protocol
         is_same<std::uint64_t>(first, other, ipv4_field::addresses);
}

bool is_same_ipv6(const std::byte* first, const std::byte* other) {
  return is_same<std::uint32_t>(first, other, 0) &&
         is_same<std::uint16_t>(first, other, ipv6_field::next_header) &&  // and the hop limit
         std::equal(first + ipv6_field::addresses, first + wire::ipv6_header_size,
                    other + ipv6_field::addresses);
}

bool is_same_tcp(const std::byte* first, const std::byte* other, std::size_t size) {
  const std::uint32_t changed = load_be<std::uint32_t>(first + tcp_field::data_offset) ^
                                load_be<std::uint32_t>(other + tcp_field::data_offset);
  return is_same<std::uint32_t>(first, other, 0) &&  // the ports
         is_same<std::uint32_t>(first, other, tcp_field::acknowledgment) &&
         (changed & ~(std::uint32_t{ends_group} << 16)) == 0 &&  // offset, flags and window
         is_same<std::uint16_t>(first, other, tcp_field::urgent_pointer) &&
         std::equal(first + wire::tcp_header_size_min, first + size,
                    other + wire::tcp_header_size_min);
}

/// How far the identification is from the first's.
unsigned identification_step(Bytes first, Bytes other) {
  const unsigned from = load_be<std::uint16_t>(first.data() + ipv4_field::identification);
  return (load_be<std::uint16_t>(other.data() + ipv4_field::identification) - from) & 0xffffU;
}

bool is_dont_fragment(Bytes ipv4) {
  return (load_be<std::uint16_t>(ipv4.data() + ipv4_field::flags) & ipv4_dont_fragment) != 0;
}

/// 0 when the header does not hold. (The views of wire tell why, which takes time.)
std::size_t tcp_header_size(Bytes segment) {
  if (segment.size() < wire::tcp_header_size_min) return 0;
  const std::size_t size = std::size_t{octet_at(segment, tcp_field::data_offset)} / 16 * 4;
  return size >= wire::tcp_header_size_min && size <= segment.size() ? size : 0;
}

std::size_t udp_header_size(Bytes datagram) {
  if (datagram.size() < wire::udp_header_size) return 0;
  const std::size_t length = load_be<std::uint16_t>(datagram.data() + udp_field::length);
  return length == datagram.size() ? wire::udp_header_size : 0;
}

Bytes addresses_of(Bytes packet) {
  return wire::ip_version(packet) == 4
             ? packet.subspan(ipv4_field::addresses,
                              wire::ipv4_header_size_min - ipv4_field::addresses)
             : packet.subspan(ipv6_field::addresses,
                              wire::ipv6_header_size - ipv6_field::addresses);
}

std::uint8_t protocol_of(Bytes packet) {
  return octet_at(packet,
                  wire::ip_version(packet) == 4 ? ipv4_field::protocol : ipv6_field::next_header);
}

/// Folded: what a checksum field holds that is still to be completed.
std::uint16_t pseudo_header_sum(Bytes packet, std::uint16_t length) {
  const wire::ChecksumSum sum =
      wire::checksum_add(wire::ChecksumSum{protocol_of(packet)} + length, addresses_of(packet));
  return static_cast<std::uint16_t>(~wire::checksum_finish(sum));
}

}  // namespace

/// A packet that is plain down to the end of its TCP or UDP header.
struct Coalescer::Candidate {
  MutBytes packet;
  std::size_t transport;    ///< where the transport header begins
  std::size_t headers = 0;  ///< where the payload does
  bool is_tcp;

  explicit Candidate(MutBytes whole)
      : packet(whole),
        transport(wire::ip_version(whole) == 4 ? wire::ipv4_header_size_min
                                               : wire::ipv6_header_size),
        is_tcp(protocol_of(whole) == wire::ip_protocol::tcp) {
    const Bytes segment = packet.subspan(transport);
    const std::size_t size = is_tcp ? tcp_header_size(segment) : udp_header_size(segment);
    if (size != 0) headers = transport + size;
  }

  /// Whether its transport header holds; nothing else may be asked if not.
  [[nodiscard]] bool is_valid() const { return headers != 0; }

  [[nodiscard]] bool is_v4() const { return transport == wire::ipv4_header_size_min; }
  [[nodiscard]] const std::byte* segment() const { return packet.data() + transport; }
  [[nodiscard]] std::size_t payload_size() const { return packet.size() - headers; }
  [[nodiscard]] std::uint8_t tcp_flags() const {
    return octet_at(packet, transport + tcp_field::flags);
  }
  [[nodiscard]] std::uint32_t tcp_sequence() const {
    return load_be<std::uint32_t>(segment() + tcp_field::sequence);
  }
  [[nodiscard]] std::uint32_t next_sequence() const {
    return is_tcp ? tcp_sequence() + static_cast<std::uint32_t>(payload_size()) : 0;
  }
  [[nodiscard]] bool may_join() const {
    if (payload_size() == 0) return false;
    if (is_tcp) return (tcp_flags() & never_joined) == 0;
    return load_be<std::uint16_t>(segment() + udp_field::checksum) != 0;
  }
  [[nodiscard]] bool may_begin() const {
    return may_join() && !(is_tcp && (tcp_flags() & ends_group) != 0);
  }
  /// The addresses stand right before the transport header, so that one sum takes both.
  [[nodiscard]] bool checksum_holds() const {
    const Bytes covered = packet.subspan(is_v4() ? ipv4_field::addresses : ipv6_field::addresses);
    const wire::ChecksumSum rest = protocol_of(packet) + (packet.size() - transport);
    return wire::checksum_finish(wire::checksum_add(rest, covered)) == 0;
  }
};

Coalescer::Coalescer(std::size_t capacity, UdpCoalescing udp)
    : capacity_(capacity),
      udp_(udp),
      slots_(std::bit_ceil(std::max<std::size_t>(2 * capacity, 16))),
      pieces_(capacity) {
  fences_.fill(1);
  members_.reserve(capacity);
  drafts_.reserve(capacity);
  groups_.reserve(capacity);
}

void Coalescer::clear() {
  is_complete_ = false;
  for (std::uint64_t& fence : fences_) ++fence;
  members_.clear();
  drafts_.clear();
  groups_.clear();
}

bool Coalescer::add(MutBytes packet) {
  if (is_complete_ || members_.size() == capacity_) return false;
  Kind kind = kind_of(packet);
  if (kind == Kind::plain) {
    if (const Candidate candidate{packet}; candidate.is_valid()) {
      add_plain(candidate);
      return true;
    }
    kind = Kind::odd;
  }
  if (kind == Kind::odd) ++fences_[hash_of_addresses(packet) % fences_.size()];
  begin(packet);
  return true;
}

void Coalescer::add_plain(const Candidate& candidate) {
  if (!candidate.is_tcp && udp_ == UdpCoalescing::off) {
    begin(candidate.packet);
    return;
  }
  const std::uint64_t addresses = hash_of_addresses(candidate.packet);
  const std::uint64_t ports = load_be<std::uint32_t>(candidate.segment());
  const std::uint64_t fence = fences_[addresses % fences_.size()];
  const std::uint64_t hash = mix(addresses ^ (2 * ports + (candidate.is_tcp ? 1 : 0)));
  Slot& slot = slots_[hash & (slots_.size() - 1)];
  const bool joins =
      slot.fence == fence && candidate.may_join() && fits(drafts_[slot.draft], candidate);
  const bool is_verified = (joins || candidate.may_begin()) && candidate.checksum_holds();
  if (joins && is_verified) {
    if (join(slot.draft, candidate)) slot = {};
    return;
  }
  slot.fence = is_verified ? fence : 0;
  slot.draft = static_cast<std::uint32_t>(drafts_.size());
  Draft& draft = begin(candidate.packet);
  draft.next_sequence = candidate.next_sequence();
  draft.segment_size = static_cast<std::uint16_t>(candidate.payload_size());
  draft.transport = static_cast<std::uint8_t>(candidate.transport);
  draft.headers = static_cast<std::uint8_t>(candidate.headers);
  draft.is_tcp = candidate.is_tcp;
  draft.is_verified = is_verified;
}

bool Coalescer::fits(const Draft& draft, const Candidate& candidate) {
  const std::size_t payload = candidate.payload_size();
  if (draft.transport != candidate.transport || draft.headers != candidate.headers ||
      payload > draft.segment_size || draft.size + payload > packet_size_max) {
    return false;
  }
  const std::byte* const first = draft.first.data();
  const std::byte* const other = candidate.packet.data();
  if (!(candidate.is_v4() ? is_same_ipv4(first, other) : is_same_ipv6(first, other))) return false;
  if (candidate.is_v4() && !fits_identification(draft, candidate)) return false;
  const std::byte* const segment = first + draft.transport;
  if (!candidate.is_tcp) return is_same<std::uint32_t>(segment, candidate.segment(), 0);
  return candidate.tcp_sequence() == draft.next_sequence &&
         is_same_tcp(segment, candidate.segment(), draft.headers - draft.transport);
}

/// They count upwards; where they have no meaning (RFC 6864 s4.1) all may be the same.
bool Coalescer::fits_identification(const Draft& draft, const Candidate& candidate) {
  const unsigned step = identification_step(draft.first, candidate.packet);
  if (draft.count > 1 && draft.has_fixed_identification) return step == 0;
  if (draft.count == 1 && step == 0) return is_dont_fragment(draft.first);
  return step == draft.count;
}

/// In place, as a copy right after byte-wide stores would stall.
Coalescer::Draft& Coalescer::begin(MutBytes packet) {
  members_.emplace_back(packet, static_cast<std::uint32_t>(drafts_.size()));
  Draft& draft = drafts_.emplace_back();
  draft.first = packet;
  draft.size = static_cast<std::uint32_t>(packet.size());
  return draft;
}

bool Coalescer::join(std::uint32_t index, const Candidate& candidate) {
  Draft& draft = drafts_[index];
  const std::size_t payload = candidate.payload_size();
  if (candidate.is_v4() && draft.count == 1) {
    draft.has_fixed_identification = identification_step(draft.first, candidate.packet) == 0;
  }
  if (candidate.is_tcp) {
    draft.last_flags = static_cast<std::uint8_t>(candidate.tcp_flags() & ends_group);
    draft.next_sequence = candidate.next_sequence();
  }
  draft.size += static_cast<std::uint32_t>(payload);
  ++draft.count;
  members_.emplace_back(candidate.packet.subspan(candidate.headers), index);
  return payload < draft.segment_size || draft.last_flags != 0 || draft.count == segments_max;
}

std::span<const Coalescer::Group> Coalescer::groups() {
  if (is_complete_) return groups_;
  is_complete_ = true;
  std::uint32_t at = 0;
  for (Draft& draft : drafts_) {
    groups_.push_back({finish(draft), std::span{pieces_}.subspan(at, draft.count)});
    draft.next_piece = at;
    at += draft.count;
  }
  for (const Member& member : members_) {
    pieces_[drafts_[member.draft].next_piece++] = member.piece;
  }
  return groups_;
}

/// Makes the first packet's headers those of the whole.
VirtioHeader Coalescer::finish(const Draft& draft) {
  if (draft.count == 1) {
    return {.flags = draft.is_verified ? virtio::flag_data_valid : std::uint8_t{0}};
  }
  const bool is_v4 = draft.transport == wire::ipv4_header_size_min;
  const MutBytes ip = draft.first;
  const MutBytes segment = ip.subspan(draft.transport);
  const auto length = static_cast<std::uint16_t>(draft.size - draft.transport);
  if (is_v4) {
    store_be(&ip[ipv4_field::total_length], static_cast<std::uint16_t>(draft.size));
    store_be(&ip[ipv4_field::checksum], std::uint16_t{0});
    store_be(&ip[ipv4_field::checksum],
             wire::internet_checksum(ip.first(wire::ipv4_header_size_min)));
  } else {
    store_be(&ip[ipv6_field::payload_length], length);
  }
  if (draft.is_tcp) {
    segment[tcp_field::flags] |= std::byte{draft.last_flags};
  } else {
    store_be(&segment[udp_field::length], length);
  }
  const std::size_t checksum_at = draft.is_tcp ? tcp_field::checksum : udp_field::checksum;
  store_be(&segment[checksum_at], pseudo_header_sum(ip, length));
  const std::uint8_t tcp_type = is_v4 ? virtio::gso_tcpv4 : virtio::gso_tcpv6;
  return {.flags = virtio::flag_needs_csum,
          .gso_type = draft.is_tcp ? tcp_type : virtio::gso_udp_l4,
          .hdr_len = draft.headers,
          .gso_size = draft.segment_size,
          .csum_start = draft.transport,
          .csum_offset = static_cast<std::uint16_t>(checksum_at)};
}

}  // namespace caponier::offload
