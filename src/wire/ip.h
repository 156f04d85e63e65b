#pragma once
// IPv4 (RFC 791) and IPv6 (RFC 8200) packets: views that prove their lengths once, header writers,
// and what a policy lookup needs to know of a packet (RFC 4301 s4.4.1.1). Nothing here allocates.

#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

namespace caponier::wire {

using base::Bytes;
using base::IpAddress;
using base::MutBytes;
using base::Wire;

/// IP protocol numbers this project names; any other value is as good.
namespace ip_protocol {
inline constexpr std::uint8_t hop_by_hop = 0;
inline constexpr std::uint8_t icmp = 1;
inline constexpr std::uint8_t ipv4 = 4;
inline constexpr std::uint8_t tcp = 6;
inline constexpr std::uint8_t udp = 17;
inline constexpr std::uint8_t ipv6 = 41;
inline constexpr std::uint8_t routing = 43;
inline constexpr std::uint8_t fragment = 44;
inline constexpr std::uint8_t esp = 50;
inline constexpr std::uint8_t ah = 51;
inline constexpr std::uint8_t icmpv6 = 58;
inline constexpr std::uint8_t no_next_header = 59;
inline constexpr std::uint8_t destination_options = 60;
inline constexpr std::uint8_t dccp = 33;
inline constexpr std::uint8_t sctp = 132;
inline constexpr std::uint8_t mobility = 135;
inline constexpr std::uint8_t udp_lite = 136;
}  // namespace ip_protocol

/// The low two bits of the TOS or traffic class octet (RFC 3168 s5).
enum class Ecn : std::uint8_t { not_ect = 0, ect1 = 1, ect0 = 2, ce = 3 };

inline constexpr std::size_t ipv4_header_size_min = 20;
inline constexpr std::size_t ipv6_header_size = 40;
inline constexpr std::size_t ipv6_fragment_header_size = 8;
/// More extension headers than this in one packet are refused.
inline constexpr std::size_t ipv6_extension_count_max = 8;

/// The version nibble; 0 for an empty packet.
[[nodiscard]] inline std::uint8_t ip_version(Bytes packet) {
  return packet.empty() ? std::uint8_t{0}
                        : static_cast<std::uint8_t>(std::to_integer<unsigned>(packet[0]) >> 4);
}

/// A packet whose version, header length and total length hold. Bytes beyond the total length are
/// permitted and left out of packet() and payload(). The checksum is not verified.
class Ipv4View {
 public:
  [[nodiscard]] static Wire<Ipv4View> checked(Bytes bytes);

  [[nodiscard]] Bytes packet() const { return bytes_; }
  [[nodiscard]] Bytes header() const { return bytes_.first(header_length()); }
  [[nodiscard]] Bytes options() const { return header().subspan(ipv4_header_size_min); }
  [[nodiscard]] Bytes payload() const { return bytes_.subspan(header_length()); }
  [[nodiscard]] std::size_t header_length() const { return std::size_t{octet(0) & 0x0fU} * 4; }
  [[nodiscard]] std::uint16_t total_length() const { return word(2); }
  /// DSCP and ECN together.
  [[nodiscard]] std::uint8_t tos() const { return octet(1); }
  [[nodiscard]] std::uint8_t dscp() const { return static_cast<std::uint8_t>(octet(1) >> 2); }
  [[nodiscard]] Ecn ecn() const { return static_cast<Ecn>(octet(1) & 3); }
  [[nodiscard]] std::uint16_t identification() const { return word(4); }
  [[nodiscard]] bool dont_fragment() const { return (word(6) & 0x4000) != 0; }
  [[nodiscard]] bool more_fragments() const { return (word(6) & 0x2000) != 0; }
  /// In octets.
  [[nodiscard]] std::size_t fragment_offset() const { return std::size_t{word(6) & 0x1fffU} * 8; }
  [[nodiscard]] bool is_fragment() const { return (word(6) & 0x3fff) != 0; }
  [[nodiscard]] std::uint8_t ttl() const { return octet(8); }
  [[nodiscard]] std::uint8_t protocol() const { return octet(9); }
  [[nodiscard]] std::uint16_t checksum() const { return word(10); }
  [[nodiscard]] IpAddress source() const { return IpAddress::from_bytes(bytes_.subspan(12, 4)); }
  [[nodiscard]] IpAddress destination() const {
    return IpAddress::from_bytes(bytes_.subspan(16, 4));
  }

 private:
  explicit Ipv4View(Bytes bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint8_t octet(std::size_t at) const {
    return std::to_integer<std::uint8_t>(bytes_[at]);
  }
  [[nodiscard]] std::uint16_t word(std::size_t at) const {
    return base::load_be<std::uint16_t>(bytes_.data() + at);
  }

  Bytes bytes_;
};

/// A packet whose version and payload length hold; jumbograms (RFC 2675) look empty. Bytes beyond
/// the payload length are left out of packet() and payload().
class Ipv6View {
 public:
  [[nodiscard]] static Wire<Ipv6View> checked(Bytes bytes);

  [[nodiscard]] Bytes packet() const { return bytes_; }
  /// Extension headers included.
  [[nodiscard]] Bytes payload() const { return bytes_.subspan(ipv6_header_size); }
  [[nodiscard]] std::uint16_t payload_length() const { return word(4); }
  /// DSCP and ECN together.
  [[nodiscard]] std::uint8_t traffic_class() const {
    return static_cast<std::uint8_t>(word(0) >> 4);
  }
  [[nodiscard]] std::uint8_t dscp() const {
    return static_cast<std::uint8_t>(traffic_class() >> 2);
  }
  [[nodiscard]] Ecn ecn() const { return static_cast<Ecn>(traffic_class() & 3); }
  [[nodiscard]] std::uint32_t flow_label() const {
    return base::load_be<std::uint32_t>(bytes_.data()) & 0xfffff;
  }
  /// Of the first header after this one, which may be an extension.
  [[nodiscard]] std::uint8_t next_header() const { return octet(6); }
  [[nodiscard]] std::uint8_t hop_limit() const { return octet(7); }
  [[nodiscard]] IpAddress source() const { return IpAddress::from_bytes(bytes_.subspan(8, 16)); }
  [[nodiscard]] IpAddress destination() const {
    return IpAddress::from_bytes(bytes_.subspan(24, 16));
  }

 private:
  explicit Ipv6View(Bytes bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint8_t octet(std::size_t at) const {
    return std::to_integer<std::uint8_t>(bytes_[at]);
  }
  [[nodiscard]] std::uint16_t word(std::size_t at) const {
    return base::load_be<std::uint16_t>(bytes_.data() + at);
  }

  Bytes bytes_;
};

/// Where the next-layer protocol of a packet begins, after IPv4 options or the IPv6 extension
/// headers 0, 43, 44 and 60 (RFC 4301 s4.4.1.1; AH and ESP are next-layer protocols there).
struct UpperLayer {
  std::uint8_t protocol = 0;    ///< of a later IPv6 fragment: what its Fragment header names
  std::size_t protocol_at = 0;  ///< offset of the octet that names `protocol`
  std::size_t offset = 0;       ///< offset of the upper layer's first octet
  std::size_t end = 0;          ///< offset behind its last octet
  bool is_fragment = false;     ///< false for IPv6 atomic fragments (RFC 6946)
  bool is_first_fragment = false;
};

[[nodiscard]] Wire<UpperLayer> upper_layer(Bytes ip_packet);

/// What an SPD lookup compares (RFC 4301 s4.4.1.1).
struct PacketSelectorFields {
  IpAddress source{};
  IpAddress destination{};
  std::uint8_t protocol = 0;
  bool is_fragment = false;
  bool is_first_fragment = false;
  /// False for protocols without ports and for fragments after the first: the selectors' OPAQUE.
  bool has_ports = false;
  /// 0 if none. ICMP: type << 8 | code in both; Mobility Header: its type << 8 in both
  /// (RFC 7296 s3.13.1).
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  friend bool operator==(const PacketSelectorFields&, const PacketSelectorFields&) = default;
};

/// Fails for malformed IP, and when a packet that is not a later fragment ends before its ports.
[[nodiscard]] Wire<PacketSelectorFields> selector_fields(Bytes ip_packet);

struct Ipv4Header {
  IpAddress source{};
  IpAddress destination{};
  std::uint8_t protocol = 0;
  std::uint16_t total_length = 0;
  std::uint8_t ttl = 64;
  std::uint8_t tos = 0;
  std::uint16_t identification = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  std::uint16_t fragment_offset = 0;  ///< in octets, a multiple of 8
};

/// Writes 20 bytes without options, checksum included. `to` must have room for them.
void write_ipv4_header(MutBytes to, const Ipv4Header& header);

struct Ipv6Header {
  IpAddress source{};
  IpAddress destination{};
  std::uint8_t next_header = 0;
  std::uint16_t payload_length = 0;
  std::uint8_t hop_limit = 64;
  std::uint8_t traffic_class = 0;
  std::uint32_t flow_label = 0;
};

/// Writes 40 bytes. `to` must have room for them.
void write_ipv6_header(MutBytes to, const Ipv6Header& header);

}  // namespace caponier::wire
