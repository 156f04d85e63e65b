#include "base/address.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"

namespace caponier::base {

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress address;
  store_be(address.raw_.data(), host_order);
  return address;
}

IpAddress IpAddress::from_bytes(Bytes network_order) {
  CAPONIER_ASSERT(network_order.size() == 4 || network_order.size() == 16);
  IpAddress address;
  address.family_ = network_order.size() == 4 ? Family::v4 : Family::v6;
  std::ranges::copy(network_order, address.raw_.begin());
  return address;
}

IpAddress IpAddress::lowest(Family family) {
  IpAddress address;
  address.family_ = family;
  return address;
}

IpAddress IpAddress::highest(Family family) { return lowest(family).with_low_bits(0, true); }

namespace {

template <class T>
std::optional<T> parse_number(std::string_view text, int base, std::size_t digits_max) {
  if (text.empty() || text.size() > digits_max) return std::nullopt;
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::optional<std::uint32_t> parse_v4(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  std::uint32_t value = 0;
  for (const std::string_view part : parts) {
    if (part.size() > 1 && part.front() == '0') return std::nullopt;  // octal look-alikes
    const auto octet = parse_number<std::uint8_t>(part, 10, 3);
    if (!octet) return std::nullopt;
    value = value << 8 | *octet;
  }
  return value;
}

/// The 16-bit groups of one side of "::", an embedded IPv4 address counting as two.
std::optional<std::vector<std::uint16_t>> parse_groups(std::string_view text) {
  std::vector<std::uint16_t> groups;
  if (text.empty()) return groups;
  const auto parts = split(text, ':');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i + 1 == parts.size() && parts[i].find('.') != std::string_view::npos) {
      const auto v4 = parse_v4(parts[i]);
      if (!v4) return std::nullopt;
      groups.push_back(static_cast<std::uint16_t>(*v4 >> 16));
      groups.push_back(static_cast<std::uint16_t>(*v4 & 0xffff));
      continue;
    }
    const auto group = parse_number<std::uint16_t>(parts[i], 16, 4);
    if (!group) return std::nullopt;
    groups.push_back(*group);
  }
  return groups;
}

std::optional<IpAddress> parse_v6(std::string_view text) {
  const std::size_t gap = text.find("::");
  const auto head = parse_groups(text.substr(0, gap));
  const auto tail = gap == std::string_view::npos ? std::optional{std::vector<std::uint16_t>{}}
                                                  : parse_groups(text.substr(gap + 2));
  if (!head || !tail) return std::nullopt;
  const std::size_t given = head->size() + tail->size();
  if (gap == std::string_view::npos ? given != 8 : given > 7) return std::nullopt;
  std::array<std::byte, 16> raw{};
  for (std::size_t i = 0; i < head->size(); ++i) store_be(&raw[2 * i], (*head)[i]);
  for (std::size_t i = 0; i < tail->size(); ++i) {
    store_be(&raw[2 * (8 - tail->size() + i)], (*tail)[i]);
  }
  return IpAddress::from_bytes(raw);
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return parse_v6(text);
  const auto value = parse_v4(text);
  if (!value) return std::nullopt;
  return v4(*value);
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(raw_, [](std::byte b) { return b == std::byte{0}; });
}

bool IpAddress::bit(unsigned index_from_top) const {
  const std::byte mask{static_cast<std::uint8_t>(0x80U >> (index_from_top % 8))};
  return (raw_[index_from_top / 8] & mask) != std::byte{0};
}

IpAddress IpAddress::with_low_bits(unsigned keep_bits, bool ones) const {
  IpAddress result = *this;
  for (unsigned i = keep_bits; i < bit_count(); ++i) {
    const std::byte mask{static_cast<std::uint8_t>(0x80U >> (i % 8))};
    result.raw_[i / 8] = ones ? result.raw_[i / 8] | mask : result.raw_[i / 8] & ~mask;
  }
  return result;
}

std::optional<IpAddress> IpAddress::next() const {
  IpAddress result = *this;
  for (std::size_t i = bytes().size(); i-- > 0;) {
    const auto octet = std::to_integer<std::uint8_t>(result.raw_[i]);
    result.raw_[i] = static_cast<std::byte>(octet + 1);
    if (octet != 0xff) return result;
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::previous() const {
  IpAddress result = *this;
  for (std::size_t i = bytes().size(); i-- > 0;) {
    const auto octet = std::to_integer<std::uint8_t>(result.raw_[i]);
    result.raw_[i] = static_cast<std::byte>(octet - 1);
    if (octet != 0) return result;
  }
  return std::nullopt;
}

std::string IpAddress::to_string() const {
  if (is_v4()) {
    std::array<char, sizeof("255.255.255.255")> text{};
    char* at = text.data();
    for (std::size_t i = 0; i < 4; ++i) {
      if (i > 0) *at++ = '.';
      at = std::to_chars(at, text.data() + text.size(), std::to_integer<unsigned>(raw_[i])).ptr;
    }
    return {text.data(), at};
  }
  std::array<std::uint16_t, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = load_be<std::uint16_t>(&raw_[2 * i]);
  // RFC 5952 s4.2: "::" stands for the longest run of at least two zero groups, the first if equal.
  std::size_t best = 8;
  std::size_t best_length = 1;
  for (std::size_t i = 0; i < 8;) {
    std::size_t end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    i = end + 1;
  }
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == best) {
      text += "::";
      i += best_length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    text += fmt::format("{:x}", groups[i]);
  }
  return text;
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Prefix{*address, address->bit_count()};
  const auto length = parse_number<unsigned>(text.substr(slash + 1), 10, 3);
  if (!length || *length > address->bit_count()) return std::nullopt;
  if (address->with_low_bits(*length, false) != *address) return std::nullopt;
  return Prefix{*address, *length};
}

bool Prefix::contains(const IpAddress& candidate) const {
  return candidate.family() == address.family() && first() <= candidate && candidate <= last();
}

bool Prefix::overlaps(const Prefix& other) const {
  return contains(other.address) || other.contains(address);
}

std::string Prefix::to_string() const { return fmt::format("{}/{}", address.to_string(), length); }

std::string Endpoint::to_string() const {
  std::string text = address.is_v4() ? address.to_string() : '[' + address.to_string() + ']';
  text += ':';
  text += std::to_string(port);
  return text;
}

}  // namespace caponier::base
