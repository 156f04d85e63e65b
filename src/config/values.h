#pragma once
// The text forms of single values. Each parser says what is wrong and what would be right.

#include <optional>
#include <string>
#include <string_view>

#include "config/errors.h"

namespace caponier::config {

struct Remote {
  std::string text;
  std::optional<base::IpAddress> address;
  bool any = false;
};

inline constexpr std::size_t name_size_max = 64;
inline constexpr std::size_t identity_size_max = 255;
inline constexpr std::size_t name_identity_size_max = 4096;  ///< "dn:" and hexadecimal

/// [A-Za-z0-9._-]{1,64}
[[nodiscard]] bool is_name(std::string_view text);

/// "30s", "5m", "1h", "1d"; at least one second.
[[nodiscard]] Parsed<base::Duration> parse_duration(std::string_view text);
/// Octets: "500M", "100G"; K, M, G and T are powers of 1024.
[[nodiscard]] Parsed<std::uint64_t> parse_size(std::string_view text, std::uint64_t min);
/// An address a host can have: not unspecified, not multicast.
[[nodiscard]] Parsed<base::IpAddress> parse_address(std::string_view text);
/// "10.1.0.5" with the port `otherwise`, "10.1.0.5:1812", "[2001:db8::5]:1812". `what` it is the
/// address of is for the refusal.
[[nodiscard]] Parsed<base::Endpoint> parse_endpoint(std::string_view text, std::uint16_t otherwise,
                                                    std::string_view what);
[[nodiscard]] Parsed<base::Prefix> parse_prefix(std::string_view text);
/// An address, a DNS name, or "any".
[[nodiscard]] Parsed<Remote> parse_remote(std::string_view text);
[[nodiscard]] Parsed<policy::Identity> parse_identity(std::string_view text);
/// The same, or "*.example.org", "*@example.org", a prefix, a range of addresses.
[[nodiscard]] Parsed<policy::IdentityPattern> parse_identity_pattern(std::string_view text);
/// Whether it is written as a distinguished name: "C=CH, O=Example, CN=gw".
[[nodiscard]] bool is_name_text(std::string_view text);
[[nodiscard]] Parsed<PortRule> parse_port_rule(std::string_view text);
/// The same as text; empty when it cannot be said so.
[[nodiscard]] std::string to_text(const PortRule& rule);
/// First to last, both included. Ports: 65535 to 0 is OPAQUE (RFC 4301), as in traffic selectors.
struct AddressRange {
  base::IpAddress first;
  base::IpAddress last;
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0xffff;
  friend bool operator==(const PortRange&, const PortRange&) = default;
};
/// "10.1.0.0/16", "10.1.0.9", "10.1.0.5-10.1.0.99".
[[nodiscard]] Parsed<AddressRange> parse_address_range(std::string_view text);
/// A name, "mobility", or a number from 1 to 255; "any" is 0.
[[nodiscard]] Parsed<std::uint8_t> parse_protocol(std::string_view text);
/// "443", "1000-2000", "opaque".
[[nodiscard]] Parsed<PortRange> parse_port_range(std::string_view text);
/// "8", "8-10", and for ICMP a code too: "3(4)". Type << 8 | code.
[[nodiscard]] Parsed<PortRange> parse_type_range(std::string_view text, bool has_code);
[[nodiscard]] Parsed<Encap> parse_encap(std::string_view text);
[[nodiscard]] Parsed<policy::Product> parse_product(std::string_view text);
[[nodiscard]] Parsed<Tcp> parse_tcp(std::string_view text);
/// "@name" or "cred:name". `peer` names the file in the suggestion; the text itself is never
/// repeated, for it may be the secret.
[[nodiscard]] Parsed<std::string> parse_secret_reference(std::string_view text,
                                                         std::string_view peer);
[[nodiscard]] Parsed<std::string> parse_tun_name(std::string_view text);
/// Where a socket lies; empty: nowhere.
[[nodiscard]] Parsed<std::string> parse_socket_path(std::string_view text);
/// A file to write; empty: none.
[[nodiscard]] Parsed<std::string> parse_log_path(std::string_view text);
/// For strftime(3); may be empty.
[[nodiscard]] Parsed<std::string> parse_time_form(std::string_view text);
/// A program by its path, and its words.
[[nodiscard]] Parsed<std::string> parse_command(std::string_view text);
/// One that is there.
[[nodiscard]] Parsed<std::string> parse_interface_name(std::string_view text);
[[nodiscard]] Parsed<policy::Compat> parse_compat(std::string_view text);
[[nodiscard]] Parsed<policy::Offer> parse_suite(std::string_view text, wire::ProtocolId protocol,
                                                policy::Compat compat);

}  // namespace caponier::config
