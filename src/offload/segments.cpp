#include "offload/segments.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "base/error.h"
#include "offload/header_fields.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace caponier::offload {

using base::load_be;
using base::store_be;

std::string_view name_of(Fault fault) {
  switch (fault) {
    case Fault::unknown_type: return "unknown_type";
    case Fault::malformed_packet: return "malformed_packet";
    case Fault::fragment: return "fragment";
    case Fault::other_protocol: return "other_protocol";
    case Fault::no_segment_size: return "no_segment_size";
    case Fault::no_room: return "no_room";
    case Fault::checksum_out_of_range: return "checksum_out_of_range";
    case Fault::checksum_elsewhere: return "checksum_elsewhere";
  }
  return "unknown";
}

namespace {

constexpr std::size_t checksum_size = 2;
constexpr std::size_t transport_header_size_max = 60;

/// What a checksum may cover begins behind the IP header; it may belong to a tunnelled packet.
std::expected<void, Fault> check_range(const VirtioHeader& header, Bytes packet) {
  const std::uint8_t version = wire::ip_version(packet);
  if (version != 4 && version != 6) return std::unexpected{Fault::malformed_packet};
  const std::size_t covered_min =
      version == 4 ? wire::ipv4_header_size_min : wire::ipv6_header_size;
  const std::size_t end = std::size_t{header.csum_start} + header.csum_offset + checksum_size;
  if (header.csum_start < covered_min || end > packet.size()) {
    return std::unexpected{Fault::checksum_out_of_range};
  }
  return {};
}

/// The covered octets hold the pseudo header's sum in the checksum's place.
void finish_checksum(const VirtioHeader& header, MutBytes packet) {
  const MutBytes covered = packet.subspan(header.csum_start);
  std::uint16_t checksum = wire::internet_checksum(covered);
  // RFC 768: a zero would say that there is none.
  if (checksum == 0 && header.csum_offset == udp_field::checksum) checksum = 0xffff;
  store_be(&covered[header.csum_offset], checksum);
}

/// What one's complement arithmetic adds in order to take `value` away.
std::uint64_t negated(std::size_t value) { return ~static_cast<std::uint64_t>(value) & 0xffff; }

std::uint16_t to_u16(std::size_t value) { return static_cast<std::uint16_t>(value); }

/// The sum of a header of which some runs of octets, {begin, size}, count as zero.
wire::ChecksumSum sum_without(Bytes header,
                              std::initializer_list<std::pair<std::size_t, std::size_t>> runs) {
  std::array<std::byte, transport_header_size_max> copy;
  base::copy_into(copy, header);
  for (const auto& [begin, size] : runs) std::fill_n(&copy[begin], size, std::byte{0});
  return wire::checksum_add(0, Bytes{copy}.first(header.size()));
}

}  // namespace

std::expected<void, Fault> complete_checksum(const VirtioHeader& header, MutBytes packet) {
  if (!header.needs_checksum()) return {};
  TRY_VOID(check_range(header, packet));
  finish_checksum(header, packet);
  return {};
}

std::expected<Segments, Fault> Segments::plan(const VirtioHeader& header, Bytes packet,
                                              std::size_t size_max) {
  Segments segments{header, packet};
  if (!segments.is_segmented()) {
    if (header.needs_checksum()) TRY_VOID(check_range(header, packet));
    return segments;
  }
  TRY_VOID(segments.find_headers());
  TRY_VOID(segments.sum_pseudo_header());
  segments.sum_headers();
  if (header.gso_size == 0) return std::unexpected{Fault::no_segment_size};
  segments.each_ = header.gso_size;
  if (segments.is_tcp_) {
    if (size_max <= segments.headers_) return std::unexpected{Fault::no_room};
    segments.each_ = std::min(segments.each_, size_max - segments.headers_);
  }
  const std::size_t payload = segments.packet_.size() - segments.headers_;
  segments.count_ = std::max<std::size_t>(1, (payload + segments.each_ - 1) / segments.each_);
  return segments;
}

/// Trusts only the packet's own headers.
std::expected<void, Fault> Segments::find_headers() {
  const bool is_udp = header_.gso_type == virtio::gso_udp_l4;
  const unsigned tcp_type = header_.gso_type & ~unsigned{virtio::gso_ecn};
  is_tcp_ = tcp_type == virtio::gso_tcpv4 || tcp_type == virtio::gso_tcpv6;
  if (!is_udp && !is_tcp_) return std::unexpected{Fault::unknown_type};
  const auto upper = wire::upper_layer(packet_);
  if (!upper) return std::unexpected{Fault::malformed_packet};
  if (upper->is_fragment) return std::unexpected{Fault::fragment};
  is_v4_ = wire::ip_version(packet_) == 4;
  const bool is_version = is_udp || is_v4_ == (tcp_type == virtio::gso_tcpv4);
  if (!is_version ||
      upper->protocol != (is_tcp_ ? wire::ip_protocol::tcp : wire::ip_protocol::udp)) {
    return std::unexpected{Fault::other_protocol};
  }
  packet_ = packet_.first(upper->end);
  transport_ = upper->offset;
  const Bytes transport = packet_.subspan(transport_);
  headers_ = transport_ + wire::udp_header_size;
  if (is_tcp_) {
    const auto tcp = wire::TcpView::checked(transport);
    if (!tcp) return std::unexpected{Fault::malformed_packet};
    headers_ = transport_ + tcp->header_length();
  }
  if (packet_.size() < headers_) return std::unexpected{Fault::malformed_packet};
  return {};
}

/// Leaves the length out. What the sender put into the checksum's place is better than what the
/// addresses give: it knows of routing headers (RFC 8200 s8.1) and home addresses.
std::expected<void, Fault> Segments::sum_pseudo_header() {
  const std::size_t field = is_tcp_ ? tcp_field::checksum : udp_field::checksum;
  if (header_.needs_checksum()) {
    TRY_VOID(check_range(header_, packet_));
    if (header_.csum_start != transport_ || header_.csum_offset != field) {
      return std::unexpected{Fault::checksum_elsewhere};
    }
    transport_sum_ =
        load_be<std::uint16_t>(&packet_[transport_ + field]) + negated(packet_.size() - transport_);
    return {};
  }
  const Bytes addresses = is_v4_ ? packet_.subspan(ipv4_field::addresses, 8)
                                 : packet_.subspan(ipv6_field::addresses, 32);
  transport_sum_ =
      wire::checksum_add(is_tcp_ ? wire::ip_protocol::tcp : wire::ip_protocol::udp, addresses);
  return {};
}

void Segments::sum_headers() {
  const Bytes transport = packet_.subspan(transport_, headers_ - transport_);
  if (is_tcp_) {
    transport_sum_ += sum_without(transport, {{tcp_field::sequence, 4},
                                              {tcp_field::data_offset, 2},  // and the flags
                                              {tcp_field::checksum, checksum_size}});
  } else {
    transport_sum_ +=
        sum_without(transport, {{udp_field::length, 2}, {udp_field::checksum, checksum_size}});
  }
  if (!is_v4_) return;
  ipv4_sum_ = sum_without(packet_.first(transport_), {{ipv4_field::total_length, 2},
                                                      {ipv4_field::identification, 2},
                                                      {ipv4_field::checksum, checksum_size}});
}

std::size_t Segments::size_of(std::size_t index) const {
  CAPONIER_ASSERT(index < count_);
  return headers_ + std::min(each_, packet_.size() - headers_ - index * each_);
}

void Segments::write(std::size_t index, MutBytes to) const {
  CAPONIER_ASSERT(to.size() == size_of(index));
  if (!is_segmented()) {
    base::copy_into(to, packet_);
    if (header_.needs_checksum()) finish_checksum(header_, to);
    return;
  }
  base::copy_into(to, packet_.first(headers_));
  if (is_v4_) {
    write_ipv4(index, to);
  } else {
    store_be(&to[ipv6_field::payload_length], to_u16(to.size() - wire::ipv6_header_size));
  }
  const MutBytes transport = to.subspan(transport_);
  wire::ChecksumSum sum = transport_sum_ + transport.size();
  if (is_tcp_) {
    sum += write_tcp(index, transport);
  } else {
    store_be(&transport[udp_field::length], to_u16(transport.size()));
    sum += transport.size();
  }
  const Bytes payload = packet_.subspan(headers_ + index * each_, to.size() - headers_);
  const std::uint16_t checksum =
      wire::checksum_finish(wire::checksum_copy(sum, to.subspan(headers_), payload));
  if (is_tcp_) {
    store_be(&transport[tcp_field::checksum], checksum);
  } else {  // RFC 768: a zero would say that there is none
    store_be(&transport[udp_field::checksum], checksum == 0 ? std::uint16_t{0xffff} : checksum);
  }
}

void Segments::write_ipv4(std::size_t index, MutBytes packet) const {
  const auto first = load_be<std::uint16_t>(&packet_[ipv4_field::identification]);
  const std::uint16_t identification = to_u16(first + index);
  store_be(&packet[ipv4_field::total_length], to_u16(packet.size()));
  store_be(&packet[ipv4_field::identification], identification);
  store_be(&packet[ipv4_field::checksum],
           wire::checksum_finish(ipv4_sum_ + packet.size() + identification));
}

/// The sum of what it wrote.
wire::ChecksumSum Segments::write_tcp(std::size_t index, MutBytes segment) const {
  const Bytes original = packet_.subspan(transport_);
  const auto sequence = static_cast<std::uint32_t>(
      load_be<std::uint32_t>(&original[tcp_field::sequence]) + index * each_);
  store_be(&segment[tcp_field::sequence], sequence);
  unsigned cleared = 0;
  if (index + 1 < count_) cleared |= tcp_flag::fin | tcp_flag::psh;
  if (index > 0 && (header_.gso_type & virtio::gso_ecn) != 0) cleared |= tcp_flag::cwr;
  const auto flags = to_u16(load_be<std::uint16_t>(&original[tcp_field::data_offset]) & ~cleared);
  store_be(&segment[tcp_field::data_offset], flags);
  return wire::ChecksumSum{sequence >> 16} + (sequence & 0xffff) + flags;
}

}  // namespace caponier::offload
