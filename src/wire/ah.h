#pragma once
// The Authentication Header (RFC 4302 s2).

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong.h"

namespace caponier::wire {

using base::Bytes;
using base::MutBytes;
using base::Wire;

inline constexpr std::size_t ah_fixed_size = 12;  ///< up to the sequence number
/// Payload Len is one octet and counts words of 4 octets, less two.
inline constexpr std::size_t ah_size_max = std::size_t{0xff + 2} * 4;

/// A header that is there as far as its Payload Len says, and something behind it or nothing.
class AhView {
 public:
  [[nodiscard]] static Wire<AhView> checked(Bytes bytes) {
    const auto fault = [](base::WireFault what, std::size_t at, std::string_view field) {
      return std::unexpected{base::WireError{what, at, field}};
    };
    if (bytes.size() < ah_fixed_size) {
      return fault(base::WireFault::truncated, bytes.size(), "ah.header");
    }
    const std::size_t size = (std::to_integer<std::size_t>(bytes[1]) + 2) * 4;
    if (size < ah_fixed_size) return fault(base::WireFault::bad_length, 1, "ah.payload_len");
    if (size > bytes.size()) return fault(base::WireFault::truncated, bytes.size(), "ah.icv");
    return AhView{bytes, size};
  }

  /// Of the whole header, ICV and its padding included.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::uint8_t next_header() const {
    return std::to_integer<std::uint8_t>(bytes_[0]);
  }
  [[nodiscard]] base::Spi spi() const { return {base::load_be<std::uint32_t>(&bytes_[4])}; }
  /// The low 32 bits when extended sequence numbers are in use.
  [[nodiscard]] std::uint32_t sequence() const { return base::load_be<std::uint32_t>(&bytes_[8]); }
  [[nodiscard]] Bytes payload() const { return bytes_.subspan(size_); }

 private:
  AhView(Bytes bytes, std::size_t size) : bytes_(bytes), size_(size) {}

  Bytes bytes_;
  std::size_t size_;
};

struct AhHeader {
  std::uint8_t next_header = 0;
  base::Spi spi;
  std::uint32_t sequence = 0;
};

/// Fills `to`, a whole header; the ICV is zero. Its size is a multiple of 4 that fits Payload Len.
//= rfc4302#2.3-1 rfc4302#2.5-2 rfc4302#2.5-4
inline void write_ah_header(MutBytes to, const AhHeader& header) {
  CAPONIER_ASSERT(to.size() >= ah_fixed_size && to.size() <= ah_size_max && to.size() % 4 == 0);
  for (std::byte& octet : to) octet = std::byte{0};
  to[0] = std::byte{header.next_header};
  to[1] = static_cast<std::byte>(to.size() / 4 - 2);
  base::store_be(&to[4], header.spi.value);
  base::store_be(&to[8], header.sequence);
}

}  // namespace caponier::wire
