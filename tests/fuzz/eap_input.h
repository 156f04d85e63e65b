#pragma once
// The input of the EAP targets: one octet of options, then packets, each behind an octet that says
// whether its Identifier is corrected and 16 bits of length.

#include <algorithm>
#include <optional>

#include "base/bytes.h"

namespace caponier::fuzz {

inline constexpr std::uint8_t option_tls13 = 1;
inline constexpr std::uint8_t option_inner_pap = 2;
inline constexpr std::uint8_t option_inner_mschapv2 = 4;
inline constexpr std::uint8_t packet_correct_identifier = 1;

/// The next packet; nothing when the input is used up.
inline std::optional<base::ByteVec> next_packet(base::Reader& in, std::uint8_t identifier) {
  const auto options = in.u8("options");
  const auto size = options ? in.u16("size") : base::Wire<std::uint16_t>{std::uint16_t{0}};
  if (!options || !size) return std::nullopt;
  const auto bytes = in.take(std::min<std::size_t>(*size, in.remaining()), "packet");
  base::ByteVec packet = base::to_vec(*bytes);
  if ((*options & packet_correct_identifier) != 0 && packet.size() > 1) {
    packet[1] = std::byte{identifier};
  }
  return packet;
}

inline void write_packet(base::Writer& out, base::Bytes packet) {
  out.u8(packet_correct_identifier);
  out.u16(static_cast<std::uint16_t>(packet.size()));
  out.bytes(packet);
}

}  // namespace caponier::fuzz
