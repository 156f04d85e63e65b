// What those who watch are told of SAs, and what they may ask of one SA without looking at others.

#include <utility>

#include "gateway/gateway_impl.h"

namespace caponier::gateway {

std::optional<SaStatus> Gateway::Impl::find_sa(ike::IkeSaId id) const {
  auto info = endpoint_ ? endpoint_->find(id) : std::nullopt;
  if (!info) return std::nullopt;
  SaStatus status{std::move(*info), {}};
  for (const ike::ChildSaInfo& child : status.ike.children) {
    status.counters.push_back(workers_.counters(child.id).value_or(ipsec::SaCounters{}));
  }
  return status;
}

std::optional<PeerBrief> Gateway::Impl::find_peer(const std::string& name) const {
  const auto found = peers_.find(name);
  if (found == peers_.end()) return std::nullopt;
  const Peer& peer = found->second;
  PeerBrief brief{peer.state(), peer.is_off(), peer.trapped(), {}, peer.attempts(), peer.note()};
  for (const config::ChildConfig& child : peer.config().children) {
    if (peer.has_sa(child.name)) brief.up.push_back(child.name);
  }
  return brief;
}

void Gateway::Impl::order(const ike::Command& what, base::Instant now) {
  if (shutting_down_) return;
  command(what, now);
  pump(now);
}

std::optional<ChildChange> Gateway::Impl::describe(const ike::IkeSaInfo& sa,
                                                   policy::ChildSaId id) const {
  for (const ike::ChildSaInfo& child : sa.children) {
    if (child.id != id) continue;
    return ChildChange{child, workers_.counters(id).value_or(ipsec::SaCounters{})};
  }
  return std::nullopt;
}

void Gateway::Impl::note_change(const ike::IkeUp& up) {
  if (!changes_.is_on()) return;
  SaChange change;
  change.kind = up.replaces ? SaChange::Kind::ike_rekeyed : SaChange::Kind::ike_up;
  change.connection = up.connection;
  change.sa = endpoint_->find(up.sa);
  if (!change.sa) return;
  if (up.replaces) {
    change.old_sa = endpoint_->find(*up.replaces);
    changes_.note_rekeyed(*up.replaces);
  }
  changes_.add(std::move(change));
}

void Gateway::Impl::note_change(const ike::IkeDown& down) {
  if (!changes_.is_on() || changes_.take_rekeyed(down.sa)) return;
  SaChange change;
  change.kind = down.was_established ? SaChange::Kind::ike_down : SaChange::Kind::ike_failed;
  change.connection = down.connection;
  change.reason = down.reason;
  if (down.last) change.sa = *down.last;
  changes_.add(std::move(change));
}

void Gateway::Impl::note_change(const ike::ChildUp& up) {
  if (!changes_.is_on()) return;
  SaChange change;
  change.kind = up.replaces ? SaChange::Kind::child_rekeyed : SaChange::Kind::child_up;
  change.connection = up.connection;
  change.child_name = up.child;
  change.sa = endpoint_->find(up.sa);
  if (change.sa) change.child = describe(*change.sa, up.child_sa);
  if (!change.child) return;
  if (up.replaces) {
    change.old_child = describe(*change.sa, *up.replaces);
    changes_.note_rekeyed(*up.replaces);
  }
  changes_.add(std::move(change));
}

void Gateway::Impl::note_change(const ike::ChildDown& down) {
  if (!changes_.is_on() || changes_.take_rekeyed(down.child_sa)) return;
  SaChange change;
  change.kind = down.last ? SaChange::Kind::child_down : SaChange::Kind::child_failed;
  change.connection = down.connection;
  change.child_name = down.child;
  change.reason = down.reason;
  if (down.last) {
    change.sa = *down.last;
    change.child = describe(*down.last, down.child_sa);
  } else {
    change.sa = endpoint_->find(down.sa);
  }
  changes_.add(std::move(change));
}

void Gateway::Impl::note_moved(const std::string& connection) {
  if (!changes_.is_on() || !endpoint_) return;
  for (const ike::IkeSaId id : endpoint_->established_of(connection)) {
    SaChange change;
    change.kind = SaChange::Kind::ike_moved;
    change.connection = connection;
    change.sa = endpoint_->find(id);
    changes_.add(std::move(change));
  }
}

}  // namespace caponier::gateway
