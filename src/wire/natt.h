#pragma once
// What shares UDP port 4500 (RFC 3948 s2).

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace caponier::wire {

using base::Bytes;

/// The Non-ESP Marker in front of IKE (RFC 3948 s2.2).
inline constexpr std::array<std::byte, 4> non_esp_marker{};
/// The NAT-keepalive's only octet (RFC 3948 s2.3).
inline constexpr std::array<std::byte, 1> nat_keepalive{std::byte{0xff}};

enum class NattKind : std::uint8_t {
  keepalive,
  ike,        ///< `body` begins with the IKE header
  esp,        ///< `body` holds at least SPI and sequence number
  too_short,  ///< none of these; to be dropped
};

struct NattDatagram {
  NattKind kind = NattKind::too_short;
  Bytes body;  ///< borrowed; the Non-ESP Marker is stripped; empty for a keepalive
};

[[nodiscard]] NattDatagram classify_natt(Bytes datagram);

/// The same for a port without markers, such as 500: some peers send ESP to the port of
/// IKE_SA_INIT. Never `too_short`: what is neither is a malformed IKE message.
[[nodiscard]] NattDatagram classify_ike_port(Bytes datagram);

}  // namespace caponier::wire
