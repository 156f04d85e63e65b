#pragma once
// Where the fields stand that segmentation and coalescing compare or rewrite.

#include <cstddef>
#include <cstdint>

namespace caponier::offload {

/// The largest IP packet, and so the largest super-packet.
inline constexpr std::size_t packet_size_max = 65535;

namespace ipv4_field {  // RFC 791 s3.1
inline constexpr std::size_t tos = 1;
inline constexpr std::size_t total_length = 2;
inline constexpr std::size_t identification = 4;
inline constexpr std::size_t flags = 6;  ///< and the fragment offset
inline constexpr std::size_t ttl = 8;
inline constexpr std::size_t protocol = 9;
inline constexpr std::size_t checksum = 10;
inline constexpr std::size_t addresses = 12;
}  // namespace ipv4_field

namespace ipv6_field {  // RFC 8200 s3
inline constexpr std::size_t payload_length = 4;
inline constexpr std::size_t next_header = 6;
inline constexpr std::size_t addresses = 8;
}  // namespace ipv6_field

namespace tcp_field {  // RFC 9293 s3.1
inline constexpr std::size_t sequence = 4;
inline constexpr std::size_t acknowledgment = 8;
inline constexpr std::size_t data_offset = 12;
inline constexpr std::size_t flags = 13;
inline constexpr std::size_t checksum = 16;
inline constexpr std::size_t urgent_pointer = 18;
}  // namespace tcp_field

namespace udp_field {  // RFC 768
inline constexpr std::size_t length = 4;
inline constexpr std::size_t checksum = 6;
}  // namespace udp_field

namespace tcp_flag {
inline constexpr std::uint8_t fin = 0x01;
inline constexpr std::uint8_t syn = 0x02;
inline constexpr std::uint8_t rst = 0x04;
inline constexpr std::uint8_t psh = 0x08;
inline constexpr std::uint8_t urg = 0x20;
inline constexpr std::uint8_t cwr = 0x80;  ///< RFC 3168 s6.1
}  // namespace tcp_flag

}  // namespace caponier::offload
