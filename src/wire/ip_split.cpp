#include "wire/ip_split.h"

#include <algorithm>

#include "base/error.h"
#include "wire/checksum.h"
#include "wire/ip.h"

namespace caponier::wire {

namespace {

constexpr std::uint16_t more_fragments = 0x2000;
constexpr std::size_t flags_at = 6;
constexpr std::size_t checksum_at = 10;
constexpr std::size_t offset_max = 0xfff8;

constexpr std::byte option_end{0};
constexpr std::byte option_nop{1};
constexpr std::byte option_copied{0x80};

std::size_t whole_units(std::size_t octets) { return octets / 8 * 8; }

/// What later fragments repeat of the options (RFC 791 s3.1), filled up to whole words. `to` has
/// room for as many octets as there are options.
std::size_t copy_options(Bytes options, MutBytes to) {
  std::size_t size = 0;
  while (!options.empty() && options[0] != option_end) {
    if (options[0] == option_nop) {
      options = options.subspan(1);
      continue;
    }
    const std::size_t length = options.size() < 2 ? 0 : std::to_integer<std::size_t>(options[1]);
    if (length < 2 || length > options.size()) break;  // nonsense is not repeated
    if ((options[0] & option_copied) != std::byte{0}) {
      base::copy_into(to.subspan(size), options.first(length));
      size += length;
    }
    options = options.subspan(length);
  }
  while (size % 4 != 0) to[size++] = option_end;
  return size;
}

void finish_header(MutBytes header, std::size_t total, std::uint16_t flags_and_offset) {
  base::store_be(header.data() + 2, static_cast<std::uint16_t>(total));
  base::store_be(header.data() + flags_at, flags_and_offset);
  base::store_be<std::uint16_t>(header.data() + checksum_at, 0);
  base::store_be(header.data() + checksum_at, internet_checksum(header));
}

}  // namespace

std::optional<Ipv4Split> Ipv4Split::plan(Bytes packet, std::size_t mtu) {
  const auto view = Ipv4View::checked(packet);
  if (!view.has_value() || view->dont_fragment() || view->packet().size() <= mtu) {
    return std::nullopt;
  }
  if (view->fragment_offset() + view->payload().size() > offset_max) return std::nullopt;
  Ipv4Split split;
  split.packet_ = view->packet();
  split.header_ = view->header_length();
  std::byte options[60 - ipv4_header_size_min];
  split.later_header_ = ipv4_header_size_min + copy_options(view->options(), options);
  if (mtu < split.header_ + 8) return std::nullopt;
  split.first_ = whole_units(mtu - split.header_);
  split.later_ = whole_units(mtu - split.later_header_);
  return split;
}

std::size_t Ipv4Split::count() const {
  const std::size_t rest = packet_.size() - header_ - first_;
  return 1 + (rest + later_ - 1) / later_;
}

std::size_t Ipv4Split::begin_of(std::size_t index) const {
  return index == 0 ? 0 : first_ + (index - 1) * later_;
}

std::size_t Ipv4Split::size_of(std::size_t index) const {
  if (index == 0) return header_ + first_;
  const std::size_t rest = packet_.size() - header_ - begin_of(index);
  return later_header_ + std::min(rest, later_);
}

void Ipv4Split::write(std::size_t index, MutBytes to) const {
  CAPONIER_ASSERT(index > 0 && index < count() && to.size() == size_of(index));
  const Bytes options = packet_.subspan(ipv4_header_size_min, header_ - ipv4_header_size_min);
  base::copy_into(to, packet_.first(ipv4_header_size_min));
  (void)copy_options(options, to.subspan(ipv4_header_size_min));
  to[0] = static_cast<std::byte>(0x40 | later_header_ / 4);
  const std::size_t begin = begin_of(index);
  base::copy_into(to.subspan(later_header_),
                  packet_.subspan(header_ + begin, to.size() - later_header_));
  const auto old = base::load_be<std::uint16_t>(packet_.data() + flags_at);
  const bool is_last = index + 1 == count();
  const auto flags = static_cast<std::uint16_t>(is_last ? old : old | more_fragments);
  finish_header(to.first(later_header_), to.size(), static_cast<std::uint16_t>(flags + begin / 8));
}

void Ipv4Split::cut_first(MutBytes packet) const {
  const auto old = base::load_be<std::uint16_t>(packet.data() + flags_at);
  finish_header(packet.first(header_), size_of(0), old | more_fragments);
}

std::optional<Ipv6Split> Ipv6Split::plan(Bytes packet, std::size_t mtu,
                                         std::uint32_t identification) {
  const auto view = Ipv6View::checked(packet);
  constexpr std::size_t headers = ipv6_header_size + ipv6_fragment_header_size;
  if (!view.has_value() || view->packet().size() <= mtu || mtu < headers + 8) return std::nullopt;
  Ipv6Split split;
  split.packet_ = view->packet();
  split.identification_ = identification;
  split.each_ = whole_units(mtu - headers);
  return split;
}

std::size_t Ipv6Split::count() const {
  return (packet_.size() - ipv6_header_size + each_ - 1) / each_;
}

std::size_t Ipv6Split::size_of(std::size_t index) const {
  const std::size_t rest = packet_.size() - ipv6_header_size - index * each_;
  return ipv6_header_size + ipv6_fragment_header_size + std::min(rest, each_);
}

void Ipv6Split::write(std::size_t index, MutBytes to) const {
  CAPONIER_ASSERT(index < count() && to.size() == size_of(index));
  constexpr std::size_t payload_length_at = 4;
  constexpr std::size_t next_header_at = 6;
  base::copy_into(to, packet_.first(ipv6_header_size));
  base::store_be(to.data() + payload_length_at,
                 static_cast<std::uint16_t>(to.size() - ipv6_header_size));
  to[next_header_at] = std::byte{ip_protocol::fragment};
  const MutBytes fragment = to.subspan(ipv6_header_size);
  const std::size_t begin = index * each_;
  fragment[0] = packet_[next_header_at];
  fragment[1] = std::byte{0};
  base::store_be(fragment.data() + 2,
                 static_cast<std::uint16_t>(begin | (index + 1 == count() ? 0U : 1U)));
  base::store_be(fragment.data() + 4, identification_);
  base::copy_into(
      fragment.subspan(ipv6_fragment_header_size),
      packet_.subspan(ipv6_header_size + begin, fragment.size() - ipv6_fragment_header_size));
}

}  // namespace caponier::wire
