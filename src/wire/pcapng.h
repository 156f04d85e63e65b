#pragma once
// A capture file in the pcapng format, as bytes: one section header, then interface descriptions,
// then packets in any order. Big-endian, raw IP packets, nanosecond timestamps.

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace caponier::wire {

/// Longer texts are cut, on a UTF-8 boundary.
inline constexpr std::size_t pcapng_text_size_max = 4096;
/// Longer packets are cut; the block keeps the original length.
inline constexpr std::size_t pcapng_packet_size_max = 262144;

/// The file's first block.
[[nodiscard]] base::ByteVec pcapng_section_header(std::string_view application);

/// Link type 101 (raw IP). Interfaces are numbered from 0 in the order of these blocks.
[[nodiscard]] base::ByteVec pcapng_interface(std::string_view name);

enum class PcapngDirection : std::uint8_t { unknown = 0, inbound = 1, outbound = 2 };

struct PcapngPacket {
  std::uint32_t interface_id = 0;
  std::uint64_t unix_nanoseconds = 0;
  PcapngDirection direction = PcapngDirection::unknown;
  base::Bytes packet;        ///< IPv4 or IPv6, borrowed
  std::string_view comment;  ///< empty = none
};

[[nodiscard]] base::ByteVec pcapng_packet(const PcapngPacket& packet);

}  // namespace caponier::wire
