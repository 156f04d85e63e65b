#pragma once
// The headers that stand in front of AH and ESP in a whole IP packet: IPv4 with options, IPv6 with
// extension headers (RFC 4302 s3.1.1, RFC 4303 s3.1.1).

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>

#include "base/bytes.h"
#include "base/drops.h"
#include "policy/child_sa.h"
#include "wire/esp.h"

namespace caponier::ipsec {

/// Longer ones are refused, in both directions.
inline constexpr std::size_t headers_size_max = 512;

struct IpHeaders {
  std::size_t size = 0;
  std::size_t protocol_at = 0;  ///< offset of the octet that names what follows
  std::uint8_t protocol = 0;    ///< what follows
};

/// What stays outside in transport mode: the IP header, hop-by-hop options, routing headers, and
/// destination options that a routing header follows. Fragments are refused, and what exceeds
/// headers_size_max or does not parse. `ip_packet` begins with a valid IP header.
[[nodiscard]] std::expected<IpHeaders, base::DropReason> headers_outside(base::Bytes ip_packet);

/// The headers of an arrived packet up to `protocol`, AH or ESP; esp_malformed when it is not
/// there, or the packet is a fragment (RFC 4302 s3.4.1, RFC 4303 s3.4.1).
[[nodiscard]] std::expected<IpHeaders, base::DropReason> headers_before(base::Bytes ip_packet,
                                                                        std::uint8_t protocol);

/// SPI and sequence number of a packet as an engine takes and gives it: AH is always whole.
[[nodiscard]] std::optional<wire::EspView> numbers_of(base::Bytes packet,
                                                      policy::SaProtocol protocol, bool is_whole);

/// Makes the headers at the front of `ip_packet` say what the packet has become: what follows them
/// and how long it is, with IPv4's checksum.
void adjust_headers(base::MutBytes ip_packet, const IpHeaders& headers, std::uint8_t protocol);

}  // namespace caponier::ipsec
