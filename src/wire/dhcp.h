#pragma once
// DHCP messages (RFC 2131) with options that may be long or lie in other fields (RFC 3396), and the
// classless routes of RFC 3442.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace caponier::wire {

inline constexpr std::uint16_t dhcp_server_port = 67;
inline constexpr std::uint16_t dhcp_client_port = 68;

enum class DhcpOp : std::uint8_t { request = 1, reply = 2 };
enum class DhcpType : std::uint8_t { ack = 5, inform = 8 };

/// RFC 2132, RFC 3442; option 249 is Microsoft's number for the same routes.
enum class DhcpCode : std::uint8_t {
  pad = 0,
  dns = 6,
  domain = 15,
  wins = 44,
  overload = 52,
  message_type = 53,
  server_id = 54,
  wishes = 55,
  size_max = 57,
  routes = 121,
  microsoft_routes = 249,
  end = 255,
};

struct DhcpOption {
  std::uint8_t code = 0;
  base::ByteVec value;
  friend bool operator==(const DhcpOption&, const DhcpOption&) = default;
};

struct DhcpMessage {
  static constexpr std::size_t size_max = 1472;  ///< of what is decoded
  static constexpr std::size_t options_max = 64;
  static constexpr std::size_t hardware_size_max = 16;

  DhcpOp op = DhcpOp::request;
  std::uint8_t hardware_type = 1;
  std::uint8_t hardware_size = 0;
  std::uint8_t hops = 0;
  std::uint32_t xid = 0;
  std::uint16_t seconds = 0;
  std::uint16_t flags = 0;
  base::IpAddress client;   ///< ciaddr; all four are IPv4, 0.0.0.0 where there is none
  base::IpAddress yours;    ///< yiaddr
  base::IpAddress server;   ///< siaddr
  base::IpAddress gateway;  ///< giaddr
  std::array<std::byte, hardware_size_max> hardware{};
  /// Each code once, in the order of their first parts; without pad, overload and end.
  std::vector<DhcpOption> options;
  friend bool operator==(const DhcpMessage&, const DhcpMessage&) = default;

  [[nodiscard]] static base::Wire<DhcpMessage> decode(base::Bytes datagram);
  /// At least 300 octets, as a BOOTP message is. All options stand in their own field.
  [[nodiscard]] base::ByteVec encode() const;
  /// Null: there is none.
  [[nodiscard]] const DhcpOption* find(DhcpCode code) const;
  void add(DhcpCode code, base::Bytes value);
  /// Option 53, if it is what it should be.
  [[nodiscard]] std::optional<std::uint8_t> type() const;
};

/// RFC 3442: destinations and where to send to, which is 0.0.0.0 for what is at the interface
/// itself. IPv4 only.
[[nodiscard]] base::ByteVec encode_dhcp_routes(std::span<const base::Prefix> networks,
                                               const base::IpAddress& router);

}  // namespace caponier::wire
