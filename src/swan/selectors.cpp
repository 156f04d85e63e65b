// Traffic selectors: "10.1.0.0/16[tcp/443]", "10.1.0.5-10.1.0.9", "dynamic[udp/l2tp]".

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "config/values.h"
#include "swan/section.h"
#include "swan/values.h"
#include "wire/ip.h"

namespace caponier::swan {

namespace {

using config::quoted;

std::unexpected<Fault> fault(std::string message, std::string fix) {
  return std::unexpected{Fault{std::move(message), std::move(fix)}};
}

struct Named {
  std::string_view name;
  std::uint16_t number;
};
/// What /etc/protocols calls those that config::parse_protocol() does not know.
constexpr std::array protocols = {
    Named{"igmp", 2},
    Named{"ipencap", 4},
    Named{"ipip", 4},
    Named{"ipv6", 41},
    Named{"esp", 50},
    Named{"ah", 51},
    Named{"ipv6-icmp", 58},
    Named{"eigrp", 88},
    Named{"ospfigp", 89},
    Named{"pim", 103},
    Named{"vrrp", 112},
    Named{"l2tp", 115},
    Named{"mobility-header", 135},
};
/// Of /etc/services, which is not read here.
constexpr std::array services = {
    Named{"ftp", 21},           Named{"ssh", 22},      Named{"telnet", 23},
    Named{"smtp", 25},          Named{"domain", 53},   Named{"bootps", 67},
    Named{"bootpc", 68},        Named{"tftp", 69},     Named{"http", 80},
    Named{"www", 80},           Named{"kerberos", 88}, Named{"pop3", 110},
    Named{"ntp", 123},          Named{"imap2", 143},   Named{"snmp", 161},
    Named{"bgp", 179},          Named{"ldap", 389},    Named{"https", 443},
    Named{"microsoft-ds", 445}, Named{"isakmp", 500},  Named{"syslog", 514},
    Named{"ldaps", 636},        Named{"imaps", 993},   Named{"pop3s", 995},
    Named{"l2tp", 1701},        Named{"l2f", 1701},    Named{"radius", 1812},
    Named{"radius-acct", 1813}, Named{"nfs", 2049},    Named{"mysql", 3306},
    Named{"postgresql", 5432},  Named{"sip", 5060},
};

Parsed<std::uint8_t> parse_protocol(std::string_view text) {
  if (text.empty() || text == "any") return std::uint8_t{0};
  const auto* const row = std::ranges::find(protocols, text, &Named::name);
  if (row != protocols.end()) return static_cast<std::uint8_t>(row->number);
  if (text == "0") return std::uint8_t{0};
  return config::parse_protocol(text);
}

Parsed<std::uint16_t> parse_port(std::string_view text) {
  const auto number = parse_number(text, 0xffff);
  if (number) return static_cast<std::uint16_t>(*number);
  const auto* const row = std::ranges::find(services, text, &Named::name);
  if (row != services.end()) return row->number;
  return fault(fmt::format("{} is no port", quoted(text)), "write its number");
}

Parsed<config::PortRange> parse_ports(std::string_view text) {
  if (text.empty() || text == "any") return config::PortRange{};
  if (text == "opaque") return config::PortRange{0xffff, 0};
  const std::size_t dash = text.find('-');
  const bool is_range = dash != std::string_view::npos &&
                        std::ranges::find(services, text, &Named::name) == services.end();
  const std::uint16_t first = TRY(parse_port(text.substr(0, is_range ? dash : text.size())));
  const std::uint16_t last = is_range ? TRY(parse_port(text.substr(dash + 1))) : first;
  if (last < first) {
    return fault(fmt::format("{} ends before it begins", quoted(text)),
                 fmt::format("write {}-{}", last, first));
  }
  return config::PortRange{first, last};
}

/// "tcp/443", "tcp", "/53".
Parsed<void> read_restriction(std::string_view text, policy::TrafficSelector& ts) {
  const std::size_t slash = text.find('/');
  ts.protocol = TRY(parse_protocol(trimmed(text.substr(0, slash))));
  if (slash == std::string_view::npos) return {};
  const std::string_view written = trimmed(text.substr(slash + 1));
  const bool has_types =
      ts.protocol == wire::ip_protocol::icmp || ts.protocol == wire::ip_protocol::icmpv6;
  const bool is_number = !written.empty() && written.front() >= '0' && written.front() <= '9';
  const config::PortRange ports =
      TRY(has_types && is_number ? config::parse_type_range(written, true) : parse_ports(written));
  ts.first_port = ports.first;
  ts.last_port = ports.last;
  return {};
}

/// A network, a range or an address; bits behind the prefix length are cut off, as charon does.
Parsed<void> read_addresses(std::string_view text, policy::TrafficSelector& ts) {
  const auto wrong = [&] {
    return fault(fmt::format("{} is no network or range of addresses", quoted(text)),
                 "write 10.1.0.0/16, 10.1.0.5-10.1.0.9, or dynamic");
  };
  const std::size_t cut = text.find_first_of("-/");
  const auto first = base::IpAddress::parse(trimmed(text.substr(0, cut)));
  if (!first) return wrong();
  ts.first = ts.last = *first;
  if (cut == std::string_view::npos) return {};
  const std::string_view rest = trimmed(text.substr(cut + 1));
  if (text[cut] == '/') {
    const auto length = parse_number(rest, first->bit_count());
    if (!length) return wrong();
    ts.first = first->with_low_bits(static_cast<unsigned>(*length), false);
    ts.last = first->with_low_bits(static_cast<unsigned>(*length), true);
    return {};
  }
  const auto last = base::IpAddress::parse(rest);
  if (!last || last->family() != first->family()) return wrong();
  if (*last < *first) {
    return fault(fmt::format("{} ends before it begins", quoted(text)),
                 fmt::format("write {}-{}", last->to_string(), first->to_string()));
  }
  ts.last = *last;
  return {};
}

}  // namespace

Parsed<Selector> parse_selector(std::string_view text) {
  text = trimmed(text);
  Selector selector;
  const std::size_t bracket = text.find('[');
  const std::string_view addresses = trimmed(text.substr(0, bracket));
  if (bracket != std::string_view::npos) {
    if (!text.ends_with(']')) {
      return fault(fmt::format("{} has no ']' at its end", quoted(text)),
                   "write the protocol and port in brackets: 10.1.0.0/16[tcp/443]");
    }
    TRY_VOID(read_restriction(text.substr(bracket + 1, text.size() - bracket - 2), selector.ts));
  }
  if (addresses.empty() || addresses == "dynamic" || addresses == "%dynamic") {
    selector.is_dynamic = true;
    if (text.empty()) return fault("a selector is empty", "write a network, or dynamic");
    return selector;
  }
  TRY_VOID(read_addresses(addresses, selector.ts));
  return selector;
}

std::string Selector::to_string() const {
  if (!is_dynamic) return ts.to_string();
  const std::string text = ts.to_string();
  const std::size_t bracket = text.find('[');
  return bracket == std::string::npos ? "dynamic" : "dynamic" + text.substr(bracket);
}

}  // namespace caponier::swan
