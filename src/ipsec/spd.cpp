#include "ipsec/spd.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace caponier::ipsec {

namespace {

using policy::TrafficSelector;
using policy::TrafficSelectors;

bool is_opaque(const TrafficSelector& selector) {
  return selector.first_port == 0xffff && selector.last_port == 0;
}

/// Their packets have one value where others have a port at each end.
bool has_single_value(std::uint8_t protocol) {
  return protocol == wire::ip_protocol::icmp || protocol == wire::ip_protocol::icmpv6 ||
         protocol == wire::ip_protocol::mobility;
}

/// RFC 4301 s4.4.1.3: "local: the type, remote: OPAQUE" is what may be sent and not received.
bool takes_any_value(const TrafficSelector& receiver) {
  return is_opaque(receiver) && has_single_value(receiver.protocol);
}

bool matches_receiver(const TrafficSelectors& selectors, const base::IpAddress& address,
                      std::uint8_t protocol, bool has_ports, std::uint16_t port) {
  return std::ranges::any_of(selectors, [&](TrafficSelector selector) {
    if (takes_any_value(selector)) std::swap(selector.first_port, selector.last_port);
    return policy::matches(selector, address, protocol, has_ports, port);
  });
}

/// Empty when no packet has such ports.
std::optional<Interval<std::uint32_t>> ports_of(const TrafficSelector& selector) {
  if (selector.is_any_port()) return Interval<std::uint32_t>{0, opaque_port};
  if (is_opaque(selector)) return Interval<std::uint32_t>{opaque_port, opaque_port};
  if (selector.last_port < selector.first_port) return std::nullopt;
  return Interval<std::uint32_t>{selector.first_port, selector.last_port};
}

std::optional<Interval<std::uint32_t>> protocols_of(const TrafficSelector& local,
                                                    const TrafficSelector& remote) {
  if (local.protocol == 0 && remote.protocol == 0) return Interval<std::uint32_t>{0, 0xff};
  if (local.protocol != 0 && remote.protocol != 0 && local.protocol != remote.protocol) {
    return std::nullopt;
  }
  const std::uint32_t protocol = std::max(local.protocol, remote.protocol);
  return Interval<std::uint32_t>{protocol, protocol};
}

bool has_addresses(const TrafficSelector& selector) {
  return selector.first.family() == selector.last.family() && selector.first <= selector.last;
}

/// Appends what `local` and `remote` make of each other: nothing, one pair, or one per direction.
void append_pairs(const TrafficSelector& local, const TrafficSelector& remote, PolicyPair pair,
                  std::vector<PolicyPair>& pairs) {
  const auto protocols = protocols_of(local, remote);
  const auto local_ports = ports_of(local);
  const auto remote_ports = ports_of(remote);
  if (!has_addresses(local) || !has_addresses(remote) || !protocols || !local_ports ||
      !remote_ports || local.first.family() != remote.first.family()) {
    return;
  }
  constexpr Interval<std::uint32_t> any{0, opaque_port};
  pair.addresses = {{{local.first, local.last}, {remote.first, remote.last}}};
  pair.numbers = {*local_ports, *remote_ports, *protocols};
  if (!takes_any_value(local) && !takes_any_value(remote)) return pairs.push_back(pair);
  PolicyPair outbound = pair;
  outbound.directions &= outbound_bit;
  if (takes_any_value(remote)) outbound.numbers[1] = any;
  if (outbound.directions != 0) pairs.push_back(outbound);
  pair.directions &= inbound_bit;
  if (takes_any_value(local)) pair.numbers[0] = any;
  if (pair.directions != 0) pairs.push_back(pair);
}

std::uint8_t bits_of(PolicyDirection direction) {
  switch (direction) {
    case PolicyDirection::both: return outbound_bit | inbound_bit;
    case PolicyDirection::outbound: return outbound_bit;
    case PolicyDirection::inbound: return inbound_bit;
  }
  return 0;
}

std::uint32_t port_of(const wire::PacketSelectorFields& packet, std::uint16_t port) {
  return packet.has_ports ? port : opaque_port;
}

bool is_same(const Policy& a, const Policy& b) {
  return a.action == b.action && a.connection == b.connection && a.child == b.child &&
         a.local == b.local && a.remote == b.remote && a.direction == b.direction && a.pfp == b.pfp;
}

bool is_match(const Policy& policy, std::uint8_t direction,
              const wire::PacketSelectorFields& packet) {
  if ((bits_of(policy.direction) & direction) == 0) return false;
  return direction == outbound_bit ? is_outbound_match(policy.local, policy.remote, packet)
                                   : is_inbound_match(policy.local, policy.remote, packet);
}

bool is_any_port(const TrafficSelector& selector) { return selector.is_any_port(); }

bool asks_for_ports(const Policy& policy) {
  return !std::ranges::all_of(policy.local, is_any_port) ||
         !std::ranges::all_of(policy.remote, is_any_port);
}

bool matches_but_ports(const TrafficSelectors& selectors, const base::IpAddress& address,
                       std::uint8_t protocol) {
  return std::ranges::any_of(selectors, [&](TrafficSelector selector) {
    selector.first_port = 0;
    selector.last_port = 0xffff;
    return policy::matches(selector, address, protocol, false, 0);
  });
}

}  // namespace

void Spd::set(std::vector<Policy> policies) {
  // Peers that come and go have the policies read again more often than these change.
  if (std::ranges::equal(policies, entries_, is_same, {}, &SpdEntry::policy)) return;
  entries_.clear();
  entries_.reserve(policies.size());
  unindexed_.clear();
  with_ports_.clear();
  std::vector<PolicyPair> pairs;
  for (Policy& policy : policies) {
    const auto number = static_cast<std::uint32_t>(entries_.size());
    PolicyPair pair;
    pair.policy = number;
    pair.directions = bits_of(policy.direction);
    if (policy.direction != PolicyDirection::inbound && asks_for_ports(policy)) {
      with_ports_.push_back(number);
    }
    // Each pair may become two.
    if (2 * policy.local.size() * policy.remote.size() > limits_.pairs_max - pairs.size()) {
      unindexed_.push_back(number);
    } else {
      for (const TrafficSelector& local : policy.local) {
        for (const TrafficSelector& remote : policy.remote) {
          append_pairs(local, remote, pair, pairs);
        }
      }
    }
    ChildName child{policy.connection, policy.child};
    entries_.push_back({std::move(policy), std::move(child)});
  }
  index_.build(pairs, limits_.copies_max);
  ++generation_;
}

const SpdEntry* Spd::match_outbound(const wire::PacketSelectorFields& packet) const {
  return match({{packet.source, packet.destination},
                {port_of(packet, packet.source_port), port_of(packet, packet.destination_port),
                 packet.protocol},
                outbound_bit},
               packet);
}

bool Spd::needs_ports(const wire::PacketSelectorFields& fragment, const SpdEntry* found) const {
  if (found != nullptr && is_for_fragments(found->policy.local, found->policy.remote)) return false;
  return std::ranges::any_of(with_ports_, [&](std::uint32_t number) {
    const SpdEntry& entry = entries_[number];
    return (found == nullptr || &entry < found) &&
           matches_but_ports(entry.policy.local, fragment.source, fragment.protocol) &&
           matches_but_ports(entry.policy.remote, fragment.destination, fragment.protocol);
  });
}

const SpdEntry* Spd::match_inbound(const wire::PacketSelectorFields& packet) const {
  return match({{packet.destination, packet.source},
                {port_of(packet, packet.destination_port), port_of(packet, packet.source_port),
                 packet.protocol},
                inbound_bit},
               packet);
}

const SpdEntry* Spd::match(const PolicyKey& key, const wire::PacketSelectorFields& packet) const {
  std::uint32_t best = index_.find(key);
  for (const std::uint32_t number : unindexed_) {
    if (number >= best) break;
    if (is_match(entries_[number].policy, key.direction, packet)) best = number;
  }
  return best == PolicyIndex::no_policy ? nullptr : &entries_[best];
}

std::set<ChildName> Spd::children() const {
  std::set<ChildName> names;
  for (const SpdEntry& entry : entries_) {
    if (entry.policy.action == PolicyAction::protect) names.insert(entry.child);
  }
  return names;
}

bool is_for_fragments(const TrafficSelectors& local, const TrafficSelectors& remote) {
  const auto is_meant = [](const TrafficSelector& selector) {
    return is_opaque(selector) && !has_single_value(selector.protocol);
  };
  return std::ranges::any_of(local, is_meant) || std::ranges::any_of(remote, is_meant);
}

bool is_outbound_match(const policy::TrafficSelectors& local,
                       const policy::TrafficSelectors& remote,
                       const wire::PacketSelectorFields& packet) {
  return policy::matches_any(local, packet.source, packet.protocol, packet.has_ports,
                             packet.source_port) &&
         matches_receiver(remote, packet.destination, packet.protocol, packet.has_ports,
                          packet.destination_port);
}

bool is_inbound_match(const policy::TrafficSelectors& local, const policy::TrafficSelectors& remote,
                      const wire::PacketSelectorFields& packet) {
  return policy::matches_any(remote, packet.source, packet.protocol, packet.has_ports,
                             packet.source_port) &&
         matches_receiver(local, packet.destination, packet.protocol, packet.has_ports,
                          packet.destination_port);
}

}  // namespace caponier::ipsec
