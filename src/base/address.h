#pragma once
// IP addresses, prefixes and UDP endpoints as values, with their text forms (RFC 5952 for IPv6).

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace caponier::base {

enum class Family : std::uint8_t { v4, v6 };

/// An IPv4 or IPv6 address. Ordered by family, then numerically.
class IpAddress {
 public:
  /// 0.0.0.0
  constexpr IpAddress() = default;
  [[nodiscard]] static IpAddress v4(std::uint32_t host_order);
  /// From 4 or 16 network-order bytes; any other size is the caller's mistake.
  [[nodiscard]] static IpAddress from_bytes(Bytes network_order);
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
  /// The lowest (all zeros) and highest (all ones) address of a family.
  [[nodiscard]] static IpAddress lowest(Family family);
  [[nodiscard]] static IpAddress highest(Family family);

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] bool is_v4() const { return family_ == Family::v4; }
  /// 4 or 16 bytes in network order, borrowed.
  [[nodiscard]] Bytes bytes() const { return Bytes{raw_}.first(is_v4() ? 4 : 16); }
  [[nodiscard]] unsigned bit_count() const { return is_v4() ? 32 : 128; }
  /// Host-order value; IPv4 only.
  [[nodiscard]] std::uint32_t v4_value() const { return load_be<std::uint32_t>(raw_.data()); }
  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool bit(unsigned index_from_top) const;
  /// This address with all bits below the first `keep_bits` set to `ones`.
  [[nodiscard]] IpAddress with_low_bits(unsigned keep_bits, bool ones) const;
  /// The numerically next or previous address; empty past the end of the family.
  [[nodiscard]] std::optional<IpAddress> next() const;
  [[nodiscard]] std::optional<IpAddress> previous() const;
  [[nodiscard]] std::string to_string() const;

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Family family_ = Family::v4;
  std::array<std::byte, 16> raw_{};
};

/// A CIDR prefix whose host bits are zero.
struct Prefix {
  IpAddress address;
  unsigned length = 0;

  /// "10.1.0.0/16" or a bare address (full length). Refuses set host bits.
  [[nodiscard]] static std::optional<Prefix> parse(std::string_view text);
  [[nodiscard]] IpAddress first() const { return address; }
  [[nodiscard]] IpAddress last() const { return address.with_low_bits(length, true); }
  [[nodiscard]] bool contains(const IpAddress& candidate) const;
  [[nodiscard]] bool overlaps(const Prefix& other) const;
  [[nodiscard]] std::string to_string() const;
  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;
};

/// An address and a UDP port in host order.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  /// "192.0.2.1:500" or "[2001:db8::1]:500".
  [[nodiscard]] std::string to_string() const;
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// What carries IKE and encapsulated ESP between two endpoints. `tcp` is RFC 9329's stream, in
/// which every message keeps its boundaries.
enum class Transport : std::uint8_t { udp, tcp };

/// Where a datagram came from or goes to: our end and the peer's end.
struct Path {
  Endpoint local;
  Endpoint remote;
  Transport transport = Transport::udp;
  friend constexpr auto operator<=>(const Path&, const Path&) = default;
};

}  // namespace caponier::base
