#pragma once
// How long a packet becomes in ESP (RFC 4303 s2) or with AH (RFC 4302 s2): exact, without looking
// at it.

#include <algorithm>
#include <cstddef>

#include "wire/esp.h"
#include "wire/ip.h"
#include "wire/udp.h"

namespace caponier::ipsec {

inline constexpr std::size_t esp_trailer_size = 2;  ///< Pad Length and Next Header

/// The octets that ESP adds around one payload.
struct EspFrame {
  std::size_t front = 0;  ///< SPI, sequence number and IV
  std::size_t padding = 0;
  std::size_t back = 0;  ///< padding, trailer and ICV
};

/// What one SA adds to a packet. In one word: every packet asks for it, again and again.
struct EspShape {
  EspShape() = default;
  EspShape(std::size_t iv_size, std::size_t icv_size, std::size_t block)
      : iv(static_cast<std::uint16_t>(iv_size)),
        icv(static_cast<std::uint16_t>(icv_size)),
        alignment(static_cast<std::uint16_t>(std::max<std::size_t>(block, 4))) {}
  void set_ah(std::size_t size) { ah = static_cast<std::uint16_t>(size); }

  std::uint16_t iv = 0;
  std::uint16_t icv = 0;
  /// Payload, padding and trailer are a multiple of this: the cipher's block and 4 (s2.4). A power
  /// of two.
  std::uint16_t alignment = 4;
  std::uint16_t ah = 0;  ///< the whole Authentication Header, where the SA is one of AH

  [[nodiscard]] std::size_t padding(std::size_t payload) const {
    return (std::size_t{0} - payload - esp_trailer_size) & (std::size_t{alignment} - 1);
  }
  [[nodiscard]] EspFrame around(std::size_t payload) const {
    const std::size_t count = padding(payload);
    return {wire::esp_header_size + iv, count, count + esp_trailer_size + icv};
  }
  /// From the SPI to the end of the ICV; AH and payload.
  [[nodiscard]] std::size_t protected_size(std::size_t payload) const {
    if (ah != 0) return ah + payload;
    const EspFrame frame = around(payload);
    return frame.front + payload + frame.back;
  }
  /// The largest payload whose protected_size() is at most `room`; 0 when there is none.
  [[nodiscard]] std::size_t payload_max(std::size_t room) const {
    if (ah != 0) return room > ah ? room - ah : 0;
    const std::size_t fixed = wire::esp_header_size + iv + icv;
    if (room < fixed + alignment) return 0;
    return ((room - fixed) & ~(std::size_t{alignment} - 1)) - esp_trailer_size;
  }
};

[[nodiscard]] inline std::size_t ip_header_size(base::Family family) {
  return family == base::Family::v4 ? wire::ipv4_header_size_min : wire::ipv6_header_size;
}

/// The headers in front of the SPI.
[[nodiscard]] inline std::size_t outer_header_size(base::Family family, bool udp_encap) {
  return ip_header_size(family) + (udp_encap ? wire::udp_header_size : 0);
}

}  // namespace caponier::ipsec
