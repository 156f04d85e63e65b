#pragma once
// UDP (RFC 768).

#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

namespace caponier::wire {

using base::Bytes;
using base::ByteVec;
using base::IpAddress;
using base::MutBytes;
using base::Wire;

inline constexpr std::size_t udp_header_size = 8;

/// A datagram whose length field holds. Bytes beyond it are left out of payload().
class UdpView {
 public:
  [[nodiscard]] static Wire<UdpView> checked(Bytes bytes);

  [[nodiscard]] std::uint16_t source_port() const { return word(0); }
  [[nodiscard]] std::uint16_t destination_port() const { return word(2); }
  [[nodiscard]] std::uint16_t length() const { return word(4); }
  /// 0 = the sender made none.
  [[nodiscard]] std::uint16_t checksum() const { return word(6); }
  [[nodiscard]] Bytes datagram() const { return bytes_; }
  [[nodiscard]] Bytes payload() const { return bytes_.subspan(udp_header_size); }

 private:
  explicit UdpView(Bytes bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint16_t word(std::size_t at) const {
    return base::load_be<std::uint16_t>(bytes_.data() + at);
  }

  Bytes bytes_;
};

struct UdpHeader {
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint16_t length = 0;    ///< header included
  std::uint16_t checksum = 0;  ///< as stored; 0 = none, right for ESP in UDP (RFC 3948 s2.1)
};

/// Writes 8 bytes. `to` must have room for them.
void write_udp_header(MutBytes to, const UdpHeader& header);

/// The checksum to store in `datagram` (whose own checksum field is taken as zero); never 0.
[[nodiscard]] std::uint16_t udp_checksum(const IpAddress& source, const IpAddress& destination,
                                         Bytes datagram);

/// A whole IPv4 or IPv6 packet with a UDP datagram and correct checksums. Empty when the addresses
/// are of two families or the payload is too long.
[[nodiscard]] ByteVec make_udp_packet(const base::Endpoint& source,
                                      const base::Endpoint& destination, Bytes payload,
                                      std::uint8_t ttl = 64);

}  // namespace caponier::wire
