#include "config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"

namespace caponier::config {

namespace {

std::unexpected<Fault> fault(std::string message, std::string fix) {
  return std::unexpected{Fault{std::move(message), std::move(fix)}};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_visible(char c) { return c >= ' ' && c != '\x7f'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  if (!is_digits(text)) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Meant as an address, right or wrong, and not as a name.
bool looks_like_address(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return true;
  return std::ranges::all_of(text, [](char c) { return is_digit(c) || c == '.' || c == '/'; });
}

bool is_multicast(const base::IpAddress& address) {
  const auto first = std::to_integer<unsigned>(address.bytes()[0]);
  return address.is_v4() ? first >= 224 : first == 0xff;
}

constexpr std::string_view address_examples = "write an address such as 203.0.113.9 or 2001:db8::9";

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= name_size_max && std::ranges::all_of(text, [](char c) {
    return is_alnum(c) || c == '.' || c == '_' || c == '-';
  });
}

Parsed<base::Duration> parse_duration(std::string_view text) {
  constexpr std::string_view examples = "write a number and a unit, such as 30s, 5m, 1h or 1d";
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number(text.substr(0, digits));
  const std::string_view unit = text.substr(digits);
  if (number && unit.empty()) {
    return fault(fmt::format("{} has no unit", quoted(text)),
                 fmt::format("write \"{0}s\" for seconds, \"{0}m\" for minutes", *number));
  }
  if (number && digits != 0 && unit == "ms") {
    constexpr std::uint64_t milliseconds_max = 24ULL * 60 * 60 * 1000;
    if (*number > milliseconds_max) {
      return fault(fmt::format("{} is too long", quoted(text)), "write it in seconds");
    }
    return std::chrono::milliseconds{static_cast<std::int64_t>(*number)};
  }
  std::uint64_t seconds = 0;
  if (unit == "s") {
    seconds = 1;
  } else if (unit == "m") {
    seconds = 60;
  } else if (unit == "h") {
    seconds = std::uint64_t{60} * 60;
  } else if (unit == "d") {
    seconds = std::uint64_t{24} * 60 * 60;
  }
  if (digits == 0 || seconds == 0) {
    return fault(fmt::format("{} is not a duration", quoted(text)), std::string{examples});
  }
  constexpr std::uint64_t seconds_max = 10ULL * 365 * 24 * 60 * 60;
  if (!number || *number > seconds_max / seconds) {
    return fault(fmt::format("{} is too long", quoted(text)), "write a shorter duration");
  }
  return std::chrono::seconds{static_cast<std::int64_t>(*number * seconds)};
}

Parsed<std::uint64_t> parse_size(std::string_view text, std::uint64_t min) {
  constexpr std::string_view units = "KMGT";
  const std::string example = "write a number and a unit of octets, such as 500M or 100G";
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number(text.substr(0, digits));
  const std::size_t unit = units.find(text.size() == digits + 1 ? text.back() : '?');
  if (digits == 0 || unit == std::string_view::npos) {
    return fault(fmt::format("{} is not a size", quoted(text)), example);
  }
  const std::size_t shift = 10 * (unit + 1);
  constexpr unsigned bits_max = 60;
  if (!number || *number >= std::uint64_t{1} << (bits_max - shift)) {
    return fault(fmt::format("{} is too much", quoted(text)), "write a smaller size, or none");
  }
  const std::uint64_t size = *number << shift;
  if (size < min) return fault(fmt::format("{} is too little", quoted(text)), "write at least 1M");
  return size;
}

Parsed<base::IpAddress> parse_address(std::string_view text) {
  const auto address = base::IpAddress::parse(text);
  if (!address) {
    if (base::IpAddress::parse(text.substr(0, text.find('/')))) {
      return fault(fmt::format("{} is a network, not an address", quoted(text)),
                   fmt::format("write \"{}\"", text.substr(0, text.find('/'))));
    }
    return fault(fmt::format("{} is not an IP address", quoted(text)),
                 std::string{address_examples});
  }
  if (address->is_unspecified()) {
    return fault(fmt::format("{} stands for no host", quoted(text)), "write the host's address");
  }
  if (is_multicast(*address)) {
    return fault(fmt::format("{} is a multicast or reserved address", quoted(text)),
                 "write the host's own address");
  }
  return *address;
}

Parsed<base::Prefix> parse_prefix(std::string_view text) {
  if (const auto prefix = base::Prefix::parse(text)) return *prefix;
  const std::size_t slash = text.find('/');
  const auto address = base::IpAddress::parse(text.substr(0, slash));
  if (!address) {
    return fault(fmt::format("{} is not an address or a network", quoted(text)),
                 "write a network such as 10.1.0.0/16 or 2001:db8:1::/48");
  }
  const auto length = parse_number(text.substr(slash + 1));
  if (!length || *length > address->bit_count()) {
    return fault(fmt::format("{} has no valid prefix length", quoted(text)),
                 fmt::format("write a length from 0 to {} behind the slash", address->bit_count()));
  }
  const base::Prefix masked{address->with_low_bits(static_cast<unsigned>(*length), false),
                            static_cast<unsigned>(*length)};
  return fault(fmt::format("{} has bits set behind its prefix length", quoted(text)),
               fmt::format("write \"{}\"", masked.to_string()));
}

namespace {

/// RFC 1123 s2.1 host names, and underscores, which people do use.
bool is_dns_name(std::string_view text) {
  constexpr std::size_t dns_name_size_max = 253;
  constexpr std::size_t label_size_max = 63;
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > dns_name_size_max) return false;
  for (;;) {
    const std::size_t end = text.find('.');
    const std::string_view label = text.substr(0, end);
    if (label.empty() || label.size() > label_size_max) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    if (!std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-' || c == '_'; })) {
      return false;
    }
    if (end == std::string_view::npos) return !is_digits(label);
    text.remove_prefix(end + 1);
  }
}

std::optional<std::string_view> address_with_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !is_digits(text.substr(colon + 1))) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (!base::IpAddress::parse(host) && !is_dns_name(host)) return std::nullopt;
  return host;
}

}  // namespace

Parsed<Remote> parse_remote(std::string_view text) {
  if (text == "any") return Remote{std::string{text}, std::nullopt, true};
  if (text == "%any" || text == "0.0.0.0" || text == "::" || text == "0.0.0.0/0") {
    return fault(fmt::format("{} is not the address of a peer", quoted(text)),
                 "write \"any\" to answer whoever knows the secret");
  }
  if (base::IpAddress::parse(text)) {
    return Remote{std::string{text}, TRY(parse_address(text)), false};
  }
  if (const auto host = address_with_port(text)) {
    return fault(fmt::format("{} holds a port", quoted(text)),
                 fmt::format("write \"{}\" and put the port into remote_port", *host));
  }
  if (is_dns_name(text)) return Remote{std::string{text}, std::nullopt, false};
  if (!text.empty() && looks_like_address(text)) {
    return std::unexpected{parse_address(text).error()};
  }
  return fault(fmt::format("{} is neither an address nor a DNS name", quoted(text)),
               "write an address, a name such as gw.example.org, or \"any\"");
}

Parsed<policy::Identity> parse_identity(std::string_view text) {
  constexpr std::string_view keyid = "keyid:";
  if (text.empty() || text == "@") {
    return fault("the identity is empty",
                 "write an address, a name, user@host or keyid:HEX, or leave the key out");
  }
  const bool is_name = text.starts_with("dn:");
  const std::size_t size_max = is_name ? name_identity_size_max : identity_size_max;
  if (text.size() > size_max) {
    return fault(fmt::format("the identity has {} bytes, more than {}", text.size(), size_max),
                 "write a shorter identity");
  }
  if (is_name && policy::Identity::parse(text).type != wire::IdType::der_asn1_dn) {
    return fault(fmt::format("{} holds no distinguished name", quoted(text)),
                 "write the subject's DER in hexadecimal behind dn:");
  }
  if (text.starts_with(keyid)) {
    const auto bytes = base::from_hex(text.substr(keyid.size()));
    if (!bytes || bytes->empty()) {
      return fault(fmt::format("{} holds no hexadecimal bytes", quoted(text)),
                   "write an even number of digits 0-9 and a-f behind keyid:");
    }
  }
  return policy::Identity::parse(text);
}

bool is_name_text(std::string_view text) {
  const std::size_t end = text.find('=');
  if (end == std::string_view::npos || end == 0) return false;
  return std::ranges::all_of(text.substr(0, end), [](char one) {
    return (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z') || (one >= '0' && one <= '9') ||
           one == '.' || one == ' ';
  });
}

Parsed<policy::IdentityPattern> parse_identity_pattern(std::string_view text) {
  const std::size_t end = text.find_first_of("-/");
  if (end != std::string_view::npos && base::IpAddress::parse(text.substr(0, end))) {
    const AddressRange range = TRY(parse_address_range(text));
    return policy::IdentityPattern::range(range.first, range.last);
  }
  const bool is_below = text.starts_with("*.") || text.starts_with("*@");
  const std::string_view name = is_below ? text.substr(1) : text;
  if (name.size() < (is_below ? 2 : 0) || name.contains('*')) {
    return fault(fmt::format("{} is no group of names", quoted(text)),
                 "write *.example.org, *@example.org, or one whole name");
  }
  if (!is_below) return policy::IdentityPattern{TRY(parse_identity(text))};
  const auto type = name.front() == '@' ? wire::IdType::rfc822_addr : wire::IdType::fqdn;
  return policy::IdentityPattern::below({type, base::to_vec(base::as_bytes(name))});
}

namespace {

struct ProtocolName {
  std::string_view name;
  std::uint8_t number;
  bool has_ports;
};

constexpr std::array protocol_names = {
    ProtocolName{"tcp", 6, true},    ProtocolName{"udp", 17, true},
    ProtocolName{"sctp", 132, true}, ProtocolName{"dccp", 33, true},
    ProtocolName{"icmp", 1, false},  ProtocolName{"icmpv6", 58, false},
    ProtocolName{"gre", 47, false},  ProtocolName{"ospf", 89, false},
};

Parsed<std::uint16_t> parse_port(std::string_view text) {
  const auto number = parse_number(text);
  if (!number || *number == 0 || *number > 0xffff) {
    return fault(fmt::format("{} is not a port", quoted(text)), "write a number from 1 to 65535");
  }
  return static_cast<std::uint16_t>(*number);
}

}  // namespace

Parsed<PortRule> parse_port_rule(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view name = text.substr(0, slash);
  const auto* protocol = std::ranges::find(protocol_names, name, &ProtocolName::name);
  if (protocol == protocol_names.end()) {
    if (is_digits(name)) {
      return fault(fmt::format("{} names no protocol", quoted(text)),
                   fmt::format("write \"tcp/{0}\" or \"udp/{0}\"", name));
    }
    std::array<std::string_view, protocol_names.size()> names;
    std::ranges::transform(protocol_names, names.begin(), &ProtocolName::name);
    return fault(fmt::format("{} is not a protocol", quoted(name)),
                 suggest(name, names, fmt::format("write {}", join(names, "or"))));
  }
  if (slash == std::string_view::npos) return PortRule{protocol->number, 0, 0xffff};
  if (!protocol->has_ports) {
    return fault(fmt::format("{} has no ports", name), fmt::format("write \"{}\"", name));
  }
  const std::string_view range = text.substr(slash + 1);
  const std::size_t dash = range.find('-');
  const std::uint16_t first = TRY(parse_port(range.substr(0, dash)));
  if (dash == std::string_view::npos) return PortRule{protocol->number, first, first};
  const std::uint16_t last = TRY(parse_port(range.substr(dash + 1)));
  if (last < first) {
    return fault(fmt::format("{} ends before it begins", quoted(text)),
                 fmt::format("write \"{}/{}-{}\"", name, last, first));
  }
  return PortRule{protocol->number, first, last};
}

std::string to_text(const PortRule& rule) {
  const auto* const protocol =
      std::ranges::find(protocol_names, rule.protocol, &ProtocolName::number);
  if (protocol == protocol_names.end()) return {};
  if (rule.first == 0 && rule.last == 0xffff) return std::string{protocol->name};
  if (!protocol->has_ports || rule.first == 0 || rule.last < rule.first) return {};
  if (rule.first == rule.last) return fmt::format("{}/{}", protocol->name, rule.first);
  return fmt::format("{}/{}-{}", protocol->name, rule.first, rule.last);
}

Parsed<AddressRange> parse_address_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    const base::Prefix prefix = TRY(parse_prefix(text));
    return AddressRange{prefix.first(), prefix.last()};
  }
  const auto first = base::IpAddress::parse(text.substr(0, dash));
  const auto last = base::IpAddress::parse(text.substr(dash + 1));
  if (!first || !last || first->family() != last->family()) {
    return fault(fmt::format("{} is not a range of addresses", quoted(text)),
                 "write two addresses of one family such as 10.1.0.5-10.1.0.99");
  }
  if (*last < *first) {
    return fault(fmt::format("{} ends before it begins", quoted(text)),
                 fmt::format("write \"{}-{}\"", last->to_string(), first->to_string()));
  }
  return AddressRange{*first, *last};
}

Parsed<std::uint8_t> parse_protocol(std::string_view text) {
  constexpr std::array more = {ProtocolName{"any", 0, false}, ProtocolName{"udplite", 136, true},
                               ProtocolName{"mobility", 135, false}};
  for (const ProtocolName& protocol : protocol_names) {
    if (protocol.name == text) return protocol.number;
  }
  for (const ProtocolName& protocol : more) {
    if (protocol.name == text) return protocol.number;
  }
  const auto number = is_digits(text) ? parse_number(text) : std::nullopt;
  if (number && *number > 0 && *number <= 0xff) return static_cast<std::uint8_t>(*number);
  return fault(fmt::format("{} is not a protocol", quoted(text)),
               "write tcp, udp, sctp, dccp, udplite, icmp, icmpv6, mobility, gre, ospf, any, or a "
               "number from 1 to 255");
}

Parsed<PortRange> parse_port_range(std::string_view text) {
  if (text == "opaque") return PortRange{0xffff, 0};
  const std::size_t dash = text.find('-');
  const std::uint16_t first = TRY(parse_port(text.substr(0, dash)));
  if (dash == std::string_view::npos) return PortRange{first, first};
  const std::uint16_t last = TRY(parse_port(text.substr(dash + 1)));
  if (last < first) {
    return fault(fmt::format("{} ends before it begins", quoted(text)),
                 fmt::format("write \"{}-{}\"", last, first));
  }
  return PortRange{first, last};
}

Parsed<PortRange> parse_type_range(std::string_view text, bool has_code) {
  const auto octet = [](std::string_view digits) -> std::optional<unsigned> {
    const auto number = is_digits(digits) ? parse_number(digits) : std::nullopt;
    if (!number || *number > 0xff) return std::nullopt;
    return static_cast<unsigned>(*number);
  };
  const auto wrong = [&] {
    return fault(fmt::format("{} is not a type", quoted(text)),
                 has_code ? "write a number such as 8, a range such as 8-10, or a type with its "
                            "code such as 3(4)"
                          : "write a number such as 5, or a range such as 1-4");
  };
  const std::size_t bracket = text.find('(');
  if (bracket != std::string_view::npos) {
    const auto type = octet(text.substr(0, bracket));
    const auto code = text.ends_with(')')
                          ? octet(text.substr(bracket + 1, text.size() - bracket - 2))
                          : std::nullopt;
    if (!has_code || !type || !code) return wrong();
    const auto value = static_cast<std::uint16_t>(*type << 8 | *code);
    return PortRange{value, value};
  }
  const std::size_t dash = text.find('-');
  const auto first = octet(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : octet(text.substr(dash + 1));
  if (!first || !last || *last < *first) return wrong();
  return PortRange{static_cast<std::uint16_t>(*first << 8),
                   static_cast<std::uint16_t>(*last << 8 | 0xff)};
}

Parsed<policy::Product> parse_product(std::string_view text) {
  if (const auto product = policy::product_by_word(text)) return *product;
  std::string words;
  for (const policy::ProductRow& row : policy::all_products()) {
    words += fmt::format("{}\"{}\"", words.empty() ? "" : ", ", row.word);
  }
  return std::unexpected{Fault{fmt::format("{} is no product that is known here", quoted(text)),
                               fmt::format("write one of {}, or take peer away", words)}};
}

Parsed<Encap> parse_encap(std::string_view text) {
  if (text == "auto") return Encap::automatic;
  if (text == "native") return Encap::native;
  if (text == "always") return Encap::always;
  if (text == "never") return Encap::never;
  constexpr std::array<std::string_view, 4> words = {"auto", "native", "always", "never"};
  return fault(fmt::format("{} is not a way to encapsulate", quoted(text)),
               suggest(text, words, "write \"auto\", \"native\", \"always\" or \"never\""));
}

Parsed<Tcp> parse_tcp(std::string_view text) {
  if (text == "fallback") return Tcp::fallback;
  if (text == "never") return Tcp::never;
  if (text == "always") return Tcp::always;
  constexpr std::array<std::string_view, 3> words = {"fallback", "never", "always"};
  return fault(fmt::format("{} is not when to use TCP", quoted(text)),
               suggest(text, words, "write \"fallback\", \"never\" or \"always\""));
}

Parsed<std::string> parse_secret_reference(std::string_view text, std::string_view peer) {
  std::string_view name = text;
  if (text.starts_with('@')) {
    name.remove_prefix(1);
  } else if (text.starts_with("cred:")) {
    name.remove_prefix(std::string_view{"cred:"}.size());
  } else {
    return fault(
        "a secret must not stand in this file",
        fmt::format("write it to the file secrets/{0} (mode 0600) beside the configuration "
                    "and refer to it: psk = \"@{0}\"",
                    peer));
  }
  if (!is_name(name) || name.starts_with('.')) {
    return fault("the secret's name holds characters that are not allowed",
                 "use 1 to 64 of A-Z a-z 0-9 . _ - and no dot in front");
  }
  return std::string{text};
}

Parsed<base::Endpoint> parse_endpoint(std::string_view text, std::uint16_t otherwise,
                                      std::string_view what) {
  const auto bad = [&] {
    return fault(fmt::format("{} is no address of {}", quoted(text), what),
                 fmt::format("write \"10.1.0.5\", or \"10.1.0.5:{}\"", otherwise));
  };
  if (const auto address = base::IpAddress::parse(text)) return base::Endpoint{*address, otherwise};
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const auto address = base::IpAddress::parse(host);
  const auto port = parse_port_range(text.substr(colon + 1));
  if (!address || !port || port->first != port->last || port->first == 0) return bad();
  return base::Endpoint{*address, port->first};
}

Parsed<std::string> parse_socket_path(std::string_view text) {
  constexpr std::size_t socket_path_size_max = 107;
  const bool is_good =
      text.empty() || (text.starts_with('/') && text.size() <= socket_path_size_max);
  if (is_good && text.find('\0') == std::string_view::npos) return std::string{text};
  return fault(fmt::format("{} is not a path for a socket", quoted(text)),
               "write one from the root with at most 107 characters, such as "
               "\"/run/caponier/charon.vici\", or \"\" for no socket");
}

Parsed<std::string> parse_log_path(std::string_view text) {
  constexpr std::size_t path_size_max = 4095;
  const bool is_good = text.empty() || (text.starts_with('/') && !text.ends_with('/') &&
                                        text.size() <= path_size_max);
  if (is_good && std::ranges::all_of(text, is_visible)) return std::string{text};
  return fault(fmt::format("{} is not a file to write", quoted(text)),
               "write its path from the root, such as \"/var/log/charon.log\"");
}

Parsed<std::string> parse_time_form(std::string_view text) {
  constexpr std::size_t form_size_max = 64;
  if (text.size() <= form_size_max && std::ranges::all_of(text, is_visible)) {
    return std::string{text};
  }
  return fault(fmt::format("{} is no form of the time", quoted(text)),
               "write it for strftime(3), such as \"%b %e %T\"");
}

Parsed<std::string> parse_command(std::string_view text) {
  constexpr std::size_t command_size_max = 1024;
  if (text.starts_with('/') && text.size() <= command_size_max &&
      std::ranges::all_of(text, is_visible)) {
    return std::string{text};
  }
  return fault(fmt::format("{} is no command", quoted(text)),
               "write a program by its path from the root, and its words, at most 1024 characters: "
               "\"/etc/caponier/updown\"");
}

Parsed<std::string> parse_tun_name(std::string_view text) {
  constexpr std::size_t interface_name_size_max = 15;
  std::string plain{text};
  if (const std::size_t at = plain.find("%d"); at != std::string::npos) plain.erase(at, 2);
  const bool fits = !text.empty() && text.size() <= interface_name_size_max;
  if (!fits || !(plain.empty() || is_name(plain)) || plain == "." || plain == "..") {
    return fault(fmt::format("{} is not a name for an interface", quoted(text)),
                 "use 1 to 15 of A-Z a-z 0-9 . _ - and at most one %d for a number");
  }
  return std::string{text};
}

Parsed<std::string> parse_interface_name(std::string_view text) {
  const bool is_pattern = text.find('%') != std::string_view::npos;
  if (is_pattern || !parse_tun_name(text)) {
    return fault(fmt::format("{} is not a name of an interface", quoted(text)),
                 "write a name as ip link shows it, such as \"lan0\"");
  }
  return std::string{text};
}

Parsed<policy::Compat> parse_compat(std::string_view text) {
  if (text == "legacy") return policy::Compat::legacy;
  return fault(fmt::format("{} is no set of algorithms", quoted(text)),
               "write \"legacy\", or leave compat out");
}

Parsed<policy::Offer> parse_suite(std::string_view text, wire::ProtocolId protocol,
                                  policy::Compat compat) {
  const std::string_view example = protocol == wire::ProtocolId::ike
                                       ? "aes256gcm16-prfsha384-x25519"
                                       : "aes256gcm16 or aes128-sha256";
  const auto offer = policy::parse_offer(text, protocol, compat);
  if (offer) return *offer;
  // "what is wrong; what to do", where policy knows the cure.
  const std::string& sentence = offer.error();
  const std::size_t cut = sentence.find("; ");
  if (cut != std::string::npos) return fault(sentence.substr(0, cut), sentence.substr(cut + 2));
  return fault(sentence, fmt::format("write for example {}, or leave the key out", example));
}

}  // namespace caponier::config
