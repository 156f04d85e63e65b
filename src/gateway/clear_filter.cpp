#include "gateway/clear_filter.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "wire/ip.h"

namespace caponier::gateway {
namespace {

using policy::TrafficSelector;
using policy::TrafficSelectors;
using Ranges = std::vector<AddressRange>;

struct Shape {
  base::Family family{};
  std::uint8_t protocol = 0;
  PortRange ports;
  friend auto operator<=>(const Shape&, const Shape&) = default;
};

/// The selectors of one end, those that differ in nothing but addresses together.
std::map<Shape, Ranges> by_shape(const TrafficSelectors& selectors) {
  std::map<Shape, Ranges> groups;
  for (const TrafficSelector& selector : selectors) {
    const Shape shape{
        selector.first.family(), selector.protocol, {selector.first_port, selector.last_port}};
    groups[shape].push_back({selector.first, selector.last});
  }
  return groups;
}

ClearVerdict verdict_of(ipsec::PolicyAction action) {
  switch (action) {
    case ipsec::PolicyAction::protect: return ClearVerdict::unprotected;
    case ipsec::PolicyAction::bypass: return ClearVerdict::admit;
    case ipsec::PolicyAction::discard: return ClearVerdict::discard;
  }
  return ClearVerdict::unprotected;
}

/// Adds to the rule before it where only the remote addresses differ: many sites behind one and the
/// same network are then one look into a set.
void add(ClearRules& rules, ClearRule rule) {
  rule.remote = merged(std::move(rule.remote));
  rule.local = merged(std::move(rule.local));
  if (!rules.empty()) {
    ClearRule& last = rules.back();
    const auto rest = [](const ClearRule& r) {
      return std::tie(r.verdict, r.protocol, r.remote_ports, r.local_ports, r.local);
    };
    const bool one_family =
        last.remote.front().first.family() == rule.remote.front().first.family();
    if (one_family && rest(last) == rest(rule)) {
      last.remote.insert(last.remote.end(), rule.remote.begin(), rule.remote.end());
      last.remote = merged(std::move(last.remote));
      return;
    }
  }
  rules.push_back(std::move(rule));
}

/// Networks of ours that lie inside a remote one stay outside the tunnel (see AddRoute), so what
/// they send to each other arrives in clear by right.
void admit_neighbours(ClearRules& rules, const ipsec::Policy& policy) {
  for (const auto& [shape, locals] : by_shape(policy.local)) {
    Ranges inside;
    for (const AddressRange& range : locals) {
      const bool covered = std::any_of(
          policy.remote.begin(), policy.remote.end(), [&](const TrafficSelector& remote) {
            return remote.first <= range.first && range.last <= remote.last &&
                   (remote.first != range.first || remote.last != range.last);
          });
      if (covered) inside.push_back(range);
    }
    if (!inside.empty()) add(rules, {ClearVerdict::admit, 0, {}, {}, inside, locals});
  }
}

bool contains(const Ranges& ranges, const base::IpAddress& address) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), address,
                       [](const auto& wanted, const auto& range) { return wanted < range.first; });
  return after != ranges.begin() && address <= std::prev(after)->last;
}

bool matches(const PortRange& range, bool has_ports, std::uint16_t port) {
  if (range.is_any()) return true;
  if (!has_ports) return range.is_opaque();
  return range.first <= port && port <= range.last;
}

/// IPv6 finds its neighbours, routers and addresses by ICMP, below any policy (RFC 4861: these
/// messages never pass a router, which their hop limit proves).
bool is_neighbour_discovery(base::Bytes packet, const wire::PacketSelectorFields& fields) {
  constexpr std::size_t hop_limit_at = 7;
  constexpr std::uint16_t first = 133;
  constexpr std::uint16_t last = 137;
  const auto type = static_cast<std::uint16_t>(fields.source_port >> 8);
  return fields.protocol == wire::ip_protocol::icmpv6 && fields.has_ports && first <= type &&
         type <= last && packet[hop_limit_at] == std::byte{255};
}

}  // namespace

std::vector<AddressRange> merged(std::vector<AddressRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<AddressRange> out;
  for (const AddressRange& range : ranges) {
    const auto after = out.empty() ? std::nullopt : out.back().last.next();
    const bool touches = !out.empty() && out.back().last.family() == range.first.family() &&
                         (!after || range.first <= *after);
    if (touches) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

ClearRules make_clear_rules(const std::vector<ipsec::Policy>& policies) {
  ClearRules rules;
  for (const ipsec::Policy& policy : policies) {
    if (policy.direction == ipsec::PolicyDirection::outbound) continue;
    if (policy.action == ipsec::PolicyAction::protect) admit_neighbours(rules, policy);
    for (const auto& [local, local_ranges] : by_shape(policy.local)) {
      for (const auto& [remote, remote_ranges] : by_shape(policy.remote)) {
        const bool may_meet =
            local.family == remote.family &&
            (local.protocol == 0 || remote.protocol == 0 || local.protocol == remote.protocol);
        if (!may_meet) continue;
        add(rules, {verdict_of(policy.action), std::max(local.protocol, remote.protocol),
                    remote.ports, local.ports, remote_ranges, local_ranges});
      }
    }
  }
  return rules;
}

std::optional<base::DropReason> judge_clear(const ClearRules& rules, base::Bytes ip_packet) {
  const auto fields = wire::selector_fields(ip_packet);
  if (!fields || is_neighbour_discovery(ip_packet, *fields)) return std::nullopt;
  for (const ClearRule& rule : rules) {
    const bool matched = (rule.protocol == 0 || rule.protocol == fields->protocol) &&
                         contains(rule.remote, fields->source) &&
                         contains(rule.local, fields->destination) &&
                         matches(rule.remote_ports, fields->has_ports, fields->source_port) &&
                         matches(rule.local_ports, fields->has_ports, fields->destination_port);
    if (!matched) continue;
    switch (rule.verdict) {
      case ClearVerdict::admit: return std::nullopt;
      case ClearVerdict::unprotected: return base::DropReason::clear_unprotected;
      case ClearVerdict::discard: return base::DropReason::clear_policy_discard;
    }
  }
  return std::nullopt;
}

}  // namespace caponier::gateway
