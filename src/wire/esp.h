#pragma once
// The clear part of an ESP packet (RFC 4303 s2).

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong.h"

namespace caponier::wire {

using base::Bytes;
using base::MutBytes;
using base::Wire;

inline constexpr std::size_t esp_header_size = 8;

/// At least SPI and sequence number are there.
class EspView {
 public:
  [[nodiscard]] static Wire<EspView> checked(Bytes bytes) {
    if (bytes.size() < esp_header_size) {
      return std::unexpected{
          base::WireError{base::WireFault::truncated, bytes.size(), "esp.header"}};
    }
    return EspView{bytes};
  }

  [[nodiscard]] base::Spi spi() const { return {base::load_be<std::uint32_t>(bytes_.data())}; }
  /// The low 32 bits when extended sequence numbers are in use.
  [[nodiscard]] std::uint32_t sequence() const {
    return base::load_be<std::uint32_t>(bytes_.data() + 4);
  }
  [[nodiscard]] Bytes packet() const { return bytes_; }
  /// SPI and sequence number as bytes: the start of the AAD.
  [[nodiscard]] Bytes header() const { return bytes_.first(esp_header_size); }
  /// IV, ciphertext and ICV.
  [[nodiscard]] Bytes rest() const { return bytes_.subspan(esp_header_size); }

 private:
  explicit EspView(Bytes bytes) : bytes_(bytes) {}

  Bytes bytes_;
};

/// Writes 8 bytes. `to` must have room for them.
//= rfc4303#2.2-2 rfc4303#2.2-4
inline void write_esp_header(MutBytes to, base::Spi spi, std::uint32_t sequence) {
  CAPONIER_ASSERT(to.size() >= esp_header_size);
  base::store_be(to.data(), spi.value);
  base::store_be(&to[4], sequence);
}

}  // namespace caponier::wire
