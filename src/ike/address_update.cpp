// The addresses of an IKE SA and its children, and their changes: followed as RFC 7296 s2.23 says,
// or agreed upon as RFC 4555 (MOBIKE) says.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/ike_sa.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;

void IkeSa::peer_heard(policy::ChildSaId child, const std::optional<base::Path>&, Instant now) {
  last_heard_ = now;
  child_heard(child);
}

void IkeSa::esp_sent(policy::ChildSaId child, Instant now) {
  const auto found = children_.find(child);
  if (found != children_.end() && found->second.info.udp_encap) last_sent_ = now;
}

void IkeSa::peer_moved(const base::Path& path, Instant now) {
  last_heard_ = now;
  if (may_follow(path)) follow_peer(path);
}

void IkeSa::follow_peer(const base::Path& path) {
  if (path == path_ || state_ != IkeState::established) return;
  report(EventKind::ike_peer_moved, fmt::format("{}: the peer moved from {} to {}", name(),
                                                path_.remote.to_string(), path.remote.to_string()));
  relocate(path);
}

void IkeSa::heed_local_addresses(const std::vector<base::IpAddress>& before, Instant now) {
  const auto& ours = shared_.local_addresses;
  const base::IpAddress& current = path_.local.address;
  is_local_lost_ = std::ranges::find(ours, current) == ours.end() &&
                   (is_local_lost_ || std::ranges::find(before, current) != before.end());
  if (!is_local_lost_) return;
  // Without another address there is nowhere to go; the old one may come back.
  const bool has_other = std::ranges::any_of(
      ours, [&](const base::IpAddress& other) { return other.family() == current.family(); });
  if (!has_other || !connection_ || connection_->local_address || state_ == IkeState::dead) return;
  report(EventKind::ike_addresses,
         fmt::format("{}: our address {} is gone; the IKE SA cannot follow to another", who(),
                     current.to_string()));
  die(EndReason::address_lost, now, false);
}

}  // namespace caponier::ike
