#include "ipsec/spd.h"

#include <utility>

namespace caponier::ipsec {

void Spd::set(std::vector<Policy> policies) {
  entries_.clear();
  entries_.reserve(policies.size());
  for (Policy& policy : policies) {
    ChildName child{policy.connection, policy.child};
    entries_.push_back({std::move(policy), std::move(child)});
  }
  ++generation_;
}

const SpdEntry* Spd::match(const wire::PacketSelectorFields& packet) const {
  for (const SpdEntry& entry : entries_) {
    if (is_outbound_match(entry.policy.local, entry.policy.remote, packet)) return &entry;
  }
  return nullptr;
}

std::set<ChildName> Spd::children() const {
  std::set<ChildName> names;
  for (const SpdEntry& entry : entries_) {
    if (entry.policy.action == PolicyAction::protect) names.insert(entry.child);
  }
  return names;
}

bool is_outbound_match(const policy::TrafficSelectors& local,
                       const policy::TrafficSelectors& remote,
                       const wire::PacketSelectorFields& packet) {
  return policy::matches_any(local, packet.source, packet.protocol, packet.has_ports,
                             packet.source_port) &&
         policy::matches_any(remote, packet.destination, packet.protocol, packet.has_ports,
                             packet.destination_port);
}

bool is_inbound_match(const policy::TrafficSelectors& local, const policy::TrafficSelectors& remote,
                      const wire::PacketSelectorFields& packet) {
  return policy::matches_any(remote, packet.source, packet.protocol, packet.has_ports,
                             packet.source_port) &&
         policy::matches_any(local, packet.destination, packet.protocol, packet.has_ports,
                             packet.destination_port);
}

}  // namespace caponier::ipsec
