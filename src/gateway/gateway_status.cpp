#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/gateway_impl.h"

namespace caponier::gateway {

std::string_view name_of(PeerState state) {
  switch (state) {
    case PeerState::off: return "off";
    case PeerState::connecting: return "connecting";
    case PeerState::down: return "down";
    case PeerState::idle: return "idle";
    case PeerState::up: return "up";
  }
  return "unknown";
}

PeerStatus Gateway::Impl::describe(const Peer& peer, const std::vector<const ike::IkeSaInfo*>& sas,
                                   base::Instant now) const {
  PeerStatus status;
  status.name = peer.config().name;
  status.kind = peer.config().kind;
  status.remote = peer.config().remote;
  status.state = peer.state();
  status.since = peer.since();
  status.note = peer.note();
  const explain::Failure* const failure = history_.current(status.name);
  if (failure != nullptr && status.kind != config::PeerKind::server) {
    status.diagnosis = failure->diagnosis;
  }
  status.attempts = peer.attempts();
  if (const auto next = peer.next_attempt()) status.next_attempt = std::max(*next, now);
  for (const ike::IkeSaInfo* sa : sas) {
    // Of several, the newest established one is shown.
    if (!status.ike || sa->state == ike::IkeState::established) status.ike = *sa;
    if (peer.config().server && sa->state == ike::IkeState::established && !sa->is_replaced) {
      status.users.push_back(*sa);
      if (const Session* const session = sessions_.find(sa->id)) {
        status.sessions.emplace(sa->id, *session);
      }
    }
    for (const ike::ChildSaInfo& child : sa->children) {
      ChildStatus entry{child, {}, {}, {}};
      entry.path_mtu = path_mtus_.mtu_of(child.id, ipsec::path_mtu_default);
      entry.inner_mtu = workers_.inner_mtu(child.id, entry.path_mtu);
      if (const auto counters = workers_.counters(child.id)) entry.counters = *counters;
      const auto& heard = entry.counters.last_in;
      if (status.state == PeerState::idle && heard && now - *heard < traffic_memory) {
        status.state = PeerState::up;
      }
      status.children.push_back(std::move(entry));
    }
  }
  return status;
}

Status Gateway::Impl::status(base::Instant now) const {
  Status status;
  status.now = now;
  const std::vector<ike::IkeSaInfo> snapshot =
      endpoint_ ? endpoint_->snapshot() : std::vector<ike::IkeSaInfo>{};
  std::map<std::string_view, std::vector<const ike::IkeSaInfo*>> by_connection;
  for (const ike::IkeSaInfo& sa : snapshot) by_connection[sa.connection].push_back(&sa);
  for (const auto& [name, peer] : peers_) {
    status.peers.push_back(describe(peer, by_connection[name], now));
  }
  status.drops = all_drops();
  status.worker_drops = workers_.drops();
  if (endpoint_) status.half_open = endpoint_->half_open_count();
  status.ike_sas = snapshot.size();
  status.associations = workers_.association_count();
  return status;
}

Traffic Gateway::Impl::traffic() const {
  Traffic traffic;
  for (const auto& [name, peer] : peers_) {
    traffic.peers.push_back({name, totals_.of(name, workers_)});
  }
  traffic.drops = all_drops();
  return traffic;
}

base::DropCounters Gateway::Impl::all_drops() const {
  base::DropCounters drops = drops_;
  for (const base::DropCounters& own : workers_.drops()) drops.add(own);
  if (endpoint_) drops.add(endpoint_->drops());
  return drops;
}

std::size_t Gateway::Impl::tunnel_mtu() {
  if (tunnel_mtu_) return *tunnel_mtu_;
  std::size_t largest = 0;
  for (const auto& [id, connection] : children_) {
    const std::size_t path_mtu = path_mtus_.mtu_of(id, ipsec::path_mtu_default);
    largest = std::max(largest, workers_.inner_mtu(id, path_mtu));
  }
  // An interface with less has no IPv6 at all.
  constexpr std::size_t ipv6_mtu_min = 1280;
  const bool has_v6 = std::any_of(routes_.begin(), routes_.end(),
                                  [](const auto& route) { return !route.first.address.is_v4(); });
  if (has_v6) largest = std::max(largest, ipv6_mtu_min);
  tunnel_mtu_ = children_.empty() ? ipsec::path_mtu_default : largest;
  return *tunnel_mtu_;
}

std::optional<KeyTables> Gateway::Impl::key_tables() const {
  if (!keys_) return std::nullopt;
  return keys_->tables();
}

std::string Gateway::Impl::describe_up(const ike::ChildUp& up, const Peer& peer, bool is_first,
                                       base::Instant now) const {
  std::string text = is_first ? "tunnel up" : "keys renewed";
  if (peer.config().children.size() > 1) text = fmt::format("{}: {}", up.child, text);
  if (const auto started = peer.attempt_started(); started && is_first) {
    text += fmt::format(" in {:.2f} s", base::seconds_of(now - *started));
  }
  const auto sa = endpoint_->find(up.sa);
  if (!sa) return text;
  for (const ike::ChildSaInfo& child : sa->children) {
    if (child.id != up.child_sa) continue;
    text += fmt::format(", {}, {} <-> {}", crypto::to_string(child.suite.cipher),
                        policy::to_string(child.local), policy::to_string(child.remote));
    if (!child.udp_encap) continue;
    text += sa->path.transport == base::Transport::tcp ? ", ESP in TCP" : ", ESP in UDP";
    if (sa->local_behind_nat && sa->remote_behind_nat) {
      text += " (both behind NAT)";
    } else if (sa->local_behind_nat) {
      text += " (we are behind NAT)";
    } else if (sa->remote_behind_nat) {
      text += " (peer behind NAT)";
    }
  }
  return text;
}

}  // namespace caponier::gateway
