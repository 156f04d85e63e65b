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

/// [A-Za-z0-9._-]{1,64}
[[nodiscard]] bool is_name(std::string_view text);

/// "30s", "5m", "1h", "1d"; at least one second.
[[nodiscard]] Parsed<base::Duration> parse_duration(std::string_view text);
/// Octets: "500M", "100G"; K, M, G and T are powers of 1024.
[[nodiscard]] Parsed<std::uint64_t> parse_size(std::string_view text, std::uint64_t min);
/// An address a host can have: not unspecified, not multicast.
[[nodiscard]] Parsed<base::IpAddress> parse_address(std::string_view text);
[[nodiscard]] Parsed<base::Prefix> parse_prefix(std::string_view text);
/// An address, a DNS name, or "any".
[[nodiscard]] Parsed<Remote> parse_remote(std::string_view text);
[[nodiscard]] Parsed<policy::Identity> parse_identity(std::string_view text);
[[nodiscard]] Parsed<PortRule> parse_port_rule(std::string_view text);
[[nodiscard]] Parsed<Encap> parse_encap(std::string_view text);
[[nodiscard]] Parsed<Tcp> parse_tcp(std::string_view text);
/// "@name" or "cred:name". `peer` names the file in the suggestion; the text itself is never
/// repeated, for it may be the secret.
[[nodiscard]] Parsed<std::string> parse_secret_reference(std::string_view text,
                                                         std::string_view peer);
[[nodiscard]] Parsed<std::string> parse_tun_name(std::string_view text);
[[nodiscard]] Parsed<policy::Compat> parse_compat(std::string_view text);
[[nodiscard]] Parsed<policy::Offer> parse_suite(std::string_view text, wire::ProtocolId protocol,
                                                policy::Compat compat);

}  // namespace caponier::config
