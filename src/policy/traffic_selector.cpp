#include "policy/traffic_selector.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "wire/ip.h"

namespace caponier::policy {

namespace {

using base::IpAddress;

struct Ports {
  std::uint16_t first = 0;
  std::uint16_t last = 0xffff;
};

bool is_opaque(const TrafficSelector& ts) { return ts.first_port == 0xffff && ts.last_port == 0; }

/// Matches no packet at all.
bool is_empty(const TrafficSelector& ts) {
  return ts.first.family() != ts.last.family() || ts.last < ts.first ||
         (ts.last_port < ts.first_port && !is_opaque(ts));
}

/// "Any port" includes packets whose ports cannot be seen, OPAQUE is those alone, and a range has
/// none of them (RFC 4301 s4.4.1.1).
std::optional<Ports> common_ports(const TrafficSelector& a, const TrafficSelector& b) {
  if (a.is_any_port()) return Ports{b.first_port, b.last_port};
  if (b.is_any_port()) return Ports{a.first_port, a.last_port};
  if (is_opaque(a) || is_opaque(b)) {
    if (is_opaque(a) && is_opaque(b)) return Ports{a.first_port, a.last_port};
    return std::nullopt;
  }
  const Ports common{std::max(a.first_port, b.first_port), std::min(a.last_port, b.last_port)};
  if (common.last < common.first) return std::nullopt;
  return common;
}

std::optional<std::uint8_t> common_protocol(std::uint8_t a, std::uint8_t b) {
  if (a == 0) return b;
  if (b == 0 || a == b) return a;
  return std::nullopt;
}

/// The prefix that is exactly first..last, when there is one.
std::optional<base::Prefix> as_prefix(const TrafficSelector& ts) {
  unsigned length = 0;
  while (length < ts.first.bit_count() && ts.first.bit(length) == ts.last.bit(length)) ++length;
  if (ts.first.with_low_bits(length, false) != ts.first) return std::nullopt;
  if (ts.last.with_low_bits(length, true) != ts.last) return std::nullopt;
  return base::Prefix{ts.first, length};
}

bool is_icmp(std::uint8_t protocol) {
  return protocol == wire::ip_protocol::icmp || protocol == wire::ip_protocol::icmpv6;
}

std::string protocol_text(std::uint8_t protocol) {
  switch (protocol) {
    case 0: return "any";
    case wire::ip_protocol::icmp: return "icmp";
    case wire::ip_protocol::tcp: return "tcp";
    case wire::ip_protocol::udp: return "udp";
    case wire::ip_protocol::icmpv6: return "icmpv6";
    case wire::ip_protocol::sctp: return "sctp";
    default: return fmt::format("{}", protocol);
  }
}

/// "8" is a whole ICMP type, "3(1)" one type and code.
std::string icmp_text(const TrafficSelector& ts) {
  const unsigned first_type = ts.first_port >> 8;
  const unsigned first_code = ts.first_port & 0xff;
  const unsigned last_type = ts.last_port >> 8;
  const unsigned last_code = ts.last_port & 0xff;
  if (first_code == 0 && last_code == 0xff) {
    if (first_type == last_type) return fmt::format("{}", first_type);
    return fmt::format("{}-{}", first_type, last_type);
  }
  if (ts.first_port == ts.last_port) return fmt::format("{}({})", first_type, first_code);
  return fmt::format("{}({})-{}({})", first_type, first_code, last_type, last_code);
}

std::string ports_text(const TrafficSelector& ts) {
  if (ts.is_any_port()) return {};
  if (is_opaque(ts)) return "/opaque";
  if (is_icmp(ts.protocol)) return '/' + icmp_text(ts);
  if (ts.first_port == ts.last_port) return fmt::format("/{}", ts.first_port);
  return fmt::format("/{}-{}", ts.first_port, ts.last_port);
}

}  // namespace

TrafficSelector TrafficSelector::from_prefix(const base::Prefix& prefix, std::uint8_t protocol,
                                             std::uint16_t first_port, std::uint16_t last_port) {
  return {prefix.first(), prefix.last(), protocol, first_port, last_port};
}

TrafficSelector TrafficSelector::any(base::Family family) {
  return {IpAddress::lowest(family), IpAddress::highest(family)};
}

std::string TrafficSelector::to_string() const {
  const auto prefix = first.family() == last.family() ? as_prefix(*this) : std::nullopt;
  std::string text =
      prefix ? prefix->to_string() : fmt::format("{}-{}", first.to_string(), last.to_string());
  if (protocol == 0 && is_any_port()) return text;
  return text + fmt::format("[{}{}]", protocol_text(protocol), ports_text(*this));
}

std::vector<base::Prefix> prefixes_of(const TrafficSelector& selector) {
  std::vector<base::Prefix> prefixes;
  std::optional<IpAddress> from = selector.first;
  while (from && from->family() == selector.last.family() && *from <= selector.last) {
    // The largest network that begins here and does not go beyond the last address.
    unsigned length = from->bit_count();
    while (length > 0 && from->with_low_bits(length - 1, false) == *from &&
           from->with_low_bits(length - 1, true) <= selector.last) {
      --length;
    }
    prefixes.push_back({*from, length});
    from = prefixes.back().last().next();
  }
  return prefixes;
}

std::optional<TrafficSelector> intersect(const TrafficSelector& a, const TrafficSelector& b) {
  if (is_empty(a) || is_empty(b) || a.first.family() != b.first.family()) return std::nullopt;
  const auto protocol = common_protocol(a.protocol, b.protocol);
  const auto ports = common_ports(a, b);
  const IpAddress first = std::max(a.first, b.first);
  const IpAddress last = std::min(a.last, b.last);
  if (!protocol || !ports || last < first) return std::nullopt;
  return TrafficSelector{first, last, *protocol, ports->first, ports->last};
}

bool contains(const TrafficSelector& outer, const TrafficSelector& inner) {
  return is_empty(inner) || intersect(outer, inner) == inner;
}

bool contains(const TrafficSelectors& outer, const TrafficSelectors& inner) {
  return std::ranges::all_of(inner, [&outer](const TrafficSelector& element) {
    return std::ranges::any_of(
        outer, [&element](const TrafficSelector& whole) { return contains(whole, element); });
  });
}

TrafficSelectors narrow(const TrafficSelectors& offered, const TrafficSelectors& allowed) {
  TrafficSelectors result;
  for (const TrafficSelector& offer : offered) {
    for (const TrafficSelector& limit : allowed) {
      const auto common = intersect(offer, limit);
      if (!common || contains(result, {*common})) continue;
      std::erase_if(result, [&common](const auto& known) { return contains(*common, known); });
      if (result.size() < wire::traffic_selector_count_max) result.push_back(*common);
    }
  }
  return result;
}

bool matches(const TrafficSelector& selector, const base::IpAddress& address, std::uint8_t protocol,
             bool has_ports, std::uint16_t port) {
  if (is_empty(selector) || selector.first.family() != address.family()) return false;
  if (address < selector.first || selector.last < address) return false;
  if (selector.protocol != 0 && selector.protocol != protocol) return false;
  if (selector.is_any_port()) return true;
  if (!has_ports || is_opaque(selector)) return !has_ports && is_opaque(selector);
  return selector.first_port <= port && port <= selector.last_port;
}

bool matches_any(const TrafficSelectors& selectors, const base::IpAddress& address,
                 std::uint8_t protocol, bool has_ports, std::uint16_t port) {
  return std::ranges::any_of(selectors, [&](const TrafficSelector& selector) {
    return matches(selector, address, protocol, has_ports, port);
  });
}

TrafficSelectors from_wire(const wire::TsPayload& payload) {
  TrafficSelectors result;
  for (const wire::TrafficSelector& raw : payload.selectors) {
    if (raw.type != wire::TsType::ipv4_addr_range && raw.type != wire::TsType::ipv6_addr_range) {
      continue;
    }
    const TrafficSelector ts{raw.first, raw.last, raw.protocol, raw.first_port, raw.last_port};
    if (!is_empty(ts)) result.push_back(ts);
  }
  return result;
}

wire::TsPayload to_wire(const TrafficSelectors& selectors, bool initiator) {
  wire::TsPayload payload;
  payload.initiator = initiator;
  for (const TrafficSelector& ts : selectors) {
    wire::TrafficSelector raw;
    raw.type = ts.first.is_v4() ? wire::TsType::ipv4_addr_range : wire::TsType::ipv6_addr_range;
    raw.protocol = ts.protocol;
    //= rfc7296#3.13.1-1..4
    raw.first_port = ts.first_port;
    raw.last_port = ts.last_port;
    raw.first = ts.first;
    raw.last = ts.last;
    payload.selectors.push_back(std::move(raw));
  }
  return payload;
}

std::string to_string(const TrafficSelectors& selectors) {
  std::string text;
  for (const TrafficSelector& ts : selectors) {
    if (!text.empty()) text += ", ";
    text += ts.to_string();
  }
  return text.empty() ? "none" : text;
}

}  // namespace caponier::policy
