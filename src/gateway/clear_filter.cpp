#include "gateway/clear_filter.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

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

/// Its packets go by route to the engine, which protects them.
ClearVerdict departing_verdict_of(ipsec::PolicyAction action) {
  return action == ipsec::PolicyAction::discard ? ClearVerdict::discard : ClearVerdict::admit;
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

/// The rules for packets between the two ends of `policy`.
void add_ends(ClearRules& rules, const ipsec::Policy& policy, ClearVerdict verdict) {
  for (const auto& [local, local_ranges] : by_shape(policy.local)) {
    for (const auto& [remote, remote_ranges] : by_shape(policy.remote)) {
      const bool may_meet =
          local.family == remote.family &&
          (local.protocol == 0 || remote.protocol == 0 || local.protocol == remote.protocol);
      if (!may_meet) continue;
      add(rules, {verdict, std::max(local.protocol, remote.protocol), remote.ports, local.ports,
                  remote_ranges, local_ranges});
    }
  }
}

void add_unmatched(ClearRules& rules) {
  for (const auto family : {base::Family::v4, base::Family::v6}) {
    const TrafficSelector any = TrafficSelector::any(family);
    const Ranges everything{{any.first, any.last}};
    rules.push_back({ClearVerdict::unmatched, 0, {}, {}, everything, everything});
  }
}

/// From the other end's point of view.
ClearRule turned(ClearRule rule) {
  std::swap(rule.remote, rule.local);
  std::swap(rule.remote_ports, rule.local_ports);
  return rule;
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

bool matches_ports(const ClearRule& rule, const wire::PacketSelectorFields& packet) {
  const bool is_later_fragment = packet.is_fragment && !packet.is_first_fragment;
  if (is_later_fragment && takes_later_fragments(rule)) return true;
  return matches(rule.remote_ports, packet.has_ports, packet.source_port) &&
         matches(rule.local_ports, packet.has_ports, packet.destination_port);
}

/// IPv6 finds its neighbours, routers and addresses by ICMP, below any policy (RFC 4861: these
/// messages never pass a router, which their hop limit proves); and listens for them by MLD (RFC
/// 3810).
bool is_neighbour_discovery(base::Bytes packet, const wire::PacketSelectorFields& fields) {
  constexpr std::size_t hop_limit_at = 7;
  if (fields.protocol != wire::ip_protocol::icmpv6 || !fields.has_ports) return false;
  const auto type = static_cast<std::uint16_t>(fields.source_port >> 8);
  const bool is_discovery = 133 <= type && type <= 137 && packet[hop_limit_at] == std::byte{255};
  const bool is_listening =
      (type == 143 || (130 <= type && type <= 132)) && packet[hop_limit_at] == std::byte{1};
  return is_discovery || is_listening;
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

//= rfc4301#7.4-2
bool takes_later_fragments(const ClearRule& rule) {
  const auto is_some = [](const PortRange& ports) { return !ports.is_any() && !ports.is_opaque(); };
  return rule.verdict == ClearVerdict::unprotected && !rule.remote_ports.is_opaque() &&
         !rule.local_ports.is_opaque() && (is_some(rule.remote_ports) || is_some(rule.local_ports));
}

ClearRules make_clear_rules(const std::vector<ipsec::Policy>& policies) {
  ClearRules rules;
  for (const ipsec::Policy& policy : policies) {
    if (policy.direction == ipsec::PolicyDirection::outbound) continue;
    if (policy.action == ipsec::PolicyAction::protect) admit_neighbours(rules, policy);
    add_ends(rules, policy, verdict_of(policy.action));
  }
  return rules;
}

//= rfc4301#4.4.1-4 rfc4301#5-2
SetClearFilter make_closed_filter(const std::vector<ipsec::Policy>& policies) {
  SetClearFilter filter{make_clear_rules(policies), {}};
  for (const ipsec::Policy& policy : policies) {
    if (policy.direction == ipsec::PolicyDirection::inbound) continue;
    add_ends(filter.departing, policy, departing_verdict_of(policy.action));
  }
  // What is forwarded arrives here too, on its way out.
  for (const ClearRule& rule : filter.departing) filter.rules.push_back(turned(rule));
  add_unmatched(filter.rules);
  add_unmatched(filter.departing);
  return filter;
}

std::optional<base::DropReason> judge_clear(const ClearRules& rules, base::Bytes ip_packet) {
  const auto fields = wire::selector_fields(ip_packet);
  if (!fields || is_neighbour_discovery(ip_packet, *fields)) return std::nullopt;
  for (const ClearRule& rule : rules) {
    const bool matched = (rule.protocol == 0 || rule.protocol == fields->protocol) &&
                         contains(rule.remote, fields->source) &&
                         contains(rule.local, fields->destination) && matches_ports(rule, *fields);
    if (!matched) continue;
    switch (rule.verdict) {
      case ClearVerdict::admit: return std::nullopt;
      case ClearVerdict::unprotected: return base::DropReason::clear_unprotected;
      case ClearVerdict::discard: return base::DropReason::clear_policy_discard;
      case ClearVerdict::unmatched: return base::DropReason::clear_unmatched;
    }
  }
  return std::nullopt;
}

}  // namespace caponier::gateway
