#pragma once
// ICMP (RFC 792, RFC 1191) and ICMPv6 (RFC 4443).

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "wire/ip.h"

namespace caponier::wire {

using base::Bytes;
using base::ByteVec;
using base::IpAddress;
using base::Wire;

inline constexpr std::size_t icmp_header_size = 8;
/// RFC 1812 s4.3.2.3 and RFC 4443 s2.4(c): the whole error packet is no longer than these.
inline constexpr std::size_t icmp_error_size_max = 576;
inline constexpr std::size_t icmpv6_error_size_max = 1280;

namespace icmp_type {
inline constexpr std::uint8_t echo_reply = 0;
inline constexpr std::uint8_t destination_unreachable = 3;
inline constexpr std::uint8_t echo_request = 8;
}  // namespace icmp_type
inline constexpr std::uint8_t icmp_code_fragmentation_needed = 4;

namespace icmpv6_type {
inline constexpr std::uint8_t packet_too_big = 2;
inline constexpr std::uint8_t echo_request = 128;
inline constexpr std::uint8_t echo_reply = 129;
}  // namespace icmpv6_type

/// An ICMP or ICMPv6 message of at least 8 bytes.
class IcmpView {
 public:
  [[nodiscard]] static Wire<IcmpView> checked(Bytes bytes);

  [[nodiscard]] std::uint8_t type() const { return std::to_integer<std::uint8_t>(bytes_[0]); }
  [[nodiscard]] std::uint8_t code() const { return std::to_integer<std::uint8_t>(bytes_[1]); }
  [[nodiscard]] std::uint16_t checksum() const { return word(2); }
  /// Of echo messages.
  [[nodiscard]] std::uint16_t id() const { return word(4); }
  [[nodiscard]] std::uint16_t sequence() const { return word(6); }
  /// Of type 3 code 4 (RFC 1191 s4).
  [[nodiscard]] std::uint16_t next_hop_mtu() const { return word(6); }
  /// Of ICMPv6 type 2 (RFC 4443 s3.2).
  [[nodiscard]] std::uint32_t mtu() const {
    return base::load_be<std::uint32_t>(bytes_.data() + 4);
  }
  /// After the first 8 bytes: echo data, or the offending packet of an error.
  [[nodiscard]] Bytes body() const { return bytes_.subspan(icmp_header_size); }

 private:
  explicit IcmpView(Bytes bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint16_t word(std::size_t at) const {
    return base::load_be<std::uint16_t>(bytes_.data() + at);
  }

  Bytes bytes_;
};

/// The whole IP packet that tells the sender of `offending` to send at most `mtu` octets: ICMP type
/// 3 code 4, or ICMPv6 type 2. Empty when no error may be sent about it (RFC 1122 s3.2.2, RFC 4443
/// s2.4(e)): not IP of `from`'s family, itself an ICMP error, a later fragment, from an address
/// that names no single host, or IPv4 to a group.
[[nodiscard]] ByteVec make_too_big(Bytes offending, std::uint32_t mtu, const IpAddress& from);

/// Of an ICMP error (no redirect): what a packet back to the sender of the quoted one would look
/// like, its addresses and ports exchanged (RFC 4301 s6.2). Empty for any other packet, and when
/// the quotation ends too early.
[[nodiscard]] std::optional<PacketSelectorFields> return_traffic_of(Bytes ip_packet);

struct Echo {
  bool is_reply = false;
  std::uint16_t id = 0;
  std::uint16_t sequence = 0;
  Bytes data;
};

/// A whole IP packet with an echo request or reply of the addresses' family. Empty when the
/// addresses are of two families or the data is too long.
[[nodiscard]] ByteVec make_echo_packet(const IpAddress& source, const IpAddress& destination,
                                       const Echo& echo, std::uint8_t ttl = 64);

}  // namespace caponier::wire
