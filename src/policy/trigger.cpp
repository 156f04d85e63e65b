#include "policy/trigger.h"

#include <algorithm>

namespace caponier::policy {

namespace {

/// One end of a packet.
struct End {
  base::IpAddress address;
  std::uint8_t protocol = 0;
  bool has_ports = false;
  std::uint16_t port = 0;
};

void set_port(TrafficSelector& selector, const End& end) {
  selector.first_port = end.has_ports ? end.port : std::uint16_t{0xffff};
  selector.last_port = end.has_ports ? end.port : std::uint16_t{0};
}

TrafficSelectors populate(const End& end, bool address, bool protocol, bool port,
                          const TrafficSelectors& allowed) {
  TrafficSelector box = TrafficSelector::any(end.address.family());
  if (address) box.first = box.last = end.address;
  // A port means something with its protocol only.
  if (protocol || port) box.protocol = end.protocol;
  if (port) set_port(box, end);
  TrafficSelectors result;
  for (const TrafficSelector& selector : allowed) {
    if (const auto common = intersect(selector, box)) result.push_back(*common);
  }
  return result;
}

TrafficSelectors own(const End& end) {
  TrafficSelector selector{end.address, end.address, end.protocol};
  if (end.has_ports) set_port(selector, end);
  return {selector};
}

}  // namespace

Trigger make_trigger(const wire::PacketSelectorFields& packet, const PfpFlags& pfp,
                     const TrafficSelectors& local, const TrafficSelectors& remote) {
  const End here{packet.source, packet.protocol, packet.has_ports, packet.source_port};
  const End there{packet.destination, packet.protocol, packet.has_ports, packet.destination_port};
  if (!pfp.any()) return {own(here), own(there), false};
  return {populate(here, pfp.local_address, pfp.protocol, pfp.local_port, local),
          populate(there, pfp.remote_address, pfp.protocol, pfp.remote_port, remote), true};
}

TrafficSelectors offer_for(const TrafficSelectors& wanted, bool is_exact,
                           const TrafficSelectors& allowed) {
  TrafficSelectors offer = narrow(wanted, allowed);
  if (offer.empty()) return allowed;
  if (is_exact) return offer;
  //= rfc7296#2.9-1
  for (const TrafficSelector& selector : allowed) {
    const bool is_known = std::ranges::find(offer, selector) != offer.end();
    if (!is_known && offer.size() < wire::traffic_selector_count_max) offer.push_back(selector);
  }
  return offer;
}

}  // namespace caponier::policy
