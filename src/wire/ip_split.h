#pragma once
// Fragmentation of IP packets by whoever sends or forwards them (RFC 791 s3.2, RFC 8200 s4.5).

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace caponier::wire {

using base::Bytes;
using base::MutBytes;

/// An IPv4 packet, which may be a fragment itself, as fragments of at most `mtu` octets. The first
/// one stays where the packet is.
class Ipv4Split {
 public:
  /// Empty when the packet is not valid, says "don't fragment", fits already, or an `mtu` so small
  /// leaves no room for anything.
  [[nodiscard]] static std::optional<Ipv4Split> plan(Bytes packet, std::size_t mtu);

  [[nodiscard]] std::size_t count() const;  ///< at least 2
  [[nodiscard]] std::size_t size_of(std::size_t index) const;
  /// Writes size_of(index) octets; not for the first, index 0.
  void write(std::size_t index, MutBytes to) const;
  /// Turns the planned packet, once the others are written, into the first: its header; the caller
  /// cuts it to size_of(0).
  void cut_first(MutBytes packet) const;

 private:
  Ipv4Split() = default;
  [[nodiscard]] std::size_t begin_of(std::size_t index) const;

  Bytes packet_;
  std::size_t header_ = 0;
  std::size_t later_header_ = 0;  ///< without the options that are not copied
  std::size_t first_ = 0;         ///< payload octets of the first
  std::size_t later_ = 0;         ///< and of each later one but the last
};

/// An IPv6 packet without extension headers, likewise; its source alone may do so. All fragments
/// are written elsewhere.
class Ipv6Split {
 public:
  [[nodiscard]] static std::optional<Ipv6Split> plan(Bytes packet, std::size_t mtu,
                                                     std::uint32_t identification);

  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::size_t size_of(std::size_t index) const;
  void write(std::size_t index, MutBytes to) const;

 private:
  Ipv6Split() = default;

  Bytes packet_;
  std::uint32_t identification_ = 0;
  std::size_t each_ = 0;  ///< payload octets of all but the last
};

}  // namespace caponier::wire
