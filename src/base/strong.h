#pragma once
// Distinct types for quantities that must not be mixed up.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace caponier::base {

/// A value of T that converts to nothing else. `Tag` is never defined.
template <class Tag, class T>
struct Strong {
  T value{};
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;
};

/// An ESP or AH Security Parameters Index in host order (RFC 4303 s2.1); 0-255 are never allocated.
using Spi = Strong<struct SpiTag, std::uint32_t>;
/// The worker of the data plane at which ESP with an SPI of ours arrives: the kernel computes the
/// same (io/socket/steering.h).
[[nodiscard]] constexpr std::uint32_t worker_of(Spi spi, std::uint32_t workers) {
  return spi.value % workers;
}
/// An IKE SA's SPI of one side (RFC 7296 s3.1), read big-endian; 0 means "not yet known".
using IkeSpi = Strong<struct IkeSpiTag, std::uint64_t>;
/// The Message ID of an IKE exchange (RFC 7296 s2.2).
using MessageId = Strong<struct MessageIdTag, std::uint32_t>;

}  // namespace caponier::base

template <class Tag, class T>
struct std::hash<caponier::base::Strong<Tag, T>> {
  std::size_t operator()(const caponier::base::Strong<Tag, T>& strong) const noexcept {
    return std::hash<T>{}(strong.value);
  }
};
