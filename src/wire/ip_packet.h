#pragma once
// Whole IP packets for the few this project originates in clear.

#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

namespace caponier::wire {

struct IpPacketFields {
  base::IpAddress source;
  base::IpAddress destination;
  std::uint8_t protocol = 0;
  std::uint8_t ttl = 64;
};

/// The header of the addresses' family followed by `payload_size` zero bytes. IPv4 packets say
/// "don't fragment". Empty when the addresses are of two families or the length does not fit.
[[nodiscard]] base::ByteVec make_ip_packet(const IpPacketFields& fields, std::size_t payload_size);

}  // namespace caponier::wire
