#include "ike/endpoint.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/endpoint_impl.h"
#include "ike/messages.h"
#include "ike/resource_sas.h"
#include "ike/uniqueness.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;

template <class Reply>
bool IkeEndpoint::Impl::handle_reply(Reply reply, Instant now) {
  const IkeSaId id = reply.sa;
  IkeSa* const sa = find(id);
  const bool is_awaited = sa != nullptr && sa->handle_reply(reply, now);
  if (sa != nullptr) settle(id, now);
  return is_awaited;
}

// ---- Commands

void IkeEndpoint::Impl::handle_command(const Command& command, Instant now) {
  std::visit([&](const auto& c) { run(c, now); }, command);
}

void IkeEndpoint::Impl::run(const Initiate& command, Instant now) {
  const auto connection = std::ranges::find(shared.connections, command.connection,
                                            [](const auto& c) { return c->name; });
  if (connection == shared.connections.end() || shared.is_shutting_down) return;
  for (const IkeSaId id : ids_of(command.connection)) {
    const IkeSa* const sa = find(id);
    const bool is_ours =
        sa->is_initiator() && sa->state() != IkeState::deleting && sa->state() != IkeState::dead;
    if ((is_ours && !command.beside) || sa->state() == IkeState::established) return;
  }
  IkeSa& sa = adopt(std::make_unique<IkeSa>(shared, shared.new_sa_id(), true, command.path, now));
  const IkeSaId id = sa.id();
  sa.initiate(*connection, now, command.redirected_from, {command.child, command.trigger});
  settle(id, now);
}

void IkeEndpoint::Impl::run(const InitiateChild& command, Instant now) {
  IkeSa* const sa = find_established(command.connection);
  if (sa == nullptr && command.resource) return;
  if (sa == nullptr) {
    shared.report({EventKind::child_failed,
                   command.connection,
                   fmt::format("no Child SA {}: the IKE SA is not up", command.child),
                   {}});
    shared.emit(ChildDown{{}, {}, command.connection, command.child, EndReason::local_fault});
    return;
  }
  if (command.resource) {
    ResourceSas{*sa}.want(command.child, *command.resource, now);
  } else {
    sa->create_child(command.child, now, command.trigger);
  }
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const DeleteIke& command, Instant now) {
  for (const IkeSaId id : ids_of(command.connection)) {
    IkeSa* const sa = find(id);
    if (sa == nullptr || (!command.user.empty() && !sa->info().is_of(command.user))) continue;
    if (command.only && *command.only != id) continue;
    sa->close(EndReason::local_request, now);
    settle(id, now);
  }
}

void IkeEndpoint::Impl::run(const DeleteChild& command, Instant now) {
  IkeSa* const sa = owner_of(command.child_sa);
  if (sa == nullptr) return;
  sa->delete_child(command.child_sa, now);
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const RekeyChild& command, Instant now) {
  IkeSa* const sa = owner_of(command.child_sa);
  if (sa == nullptr) return;
  sa->rekey_child(command.child_sa, now);
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const RekeyIke& command, Instant now) {
  IkeSa* const sa = find_established(command.connection, command.only);
  if (sa == nullptr) return;
  sa->rekey(now);
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const Reauthenticate& command, Instant now) {
  const IkeSa* const sa = find_established(command.connection, command.only);
  if (sa == nullptr) return;
  const auto path = command.path ? command.path : sa->successor_path();
  if (path) reauthenticate(*sa, *path, now);
}

void IkeEndpoint::Impl::reauthenticate(const IkeSa& old, const base::Path& path, Instant now) {
  const auto connection = std::ranges::find(shared.connections, old.connection()->name,
                                            [](const auto& c) { return c->name; });
  const bool is_possible = connection != shared.connections.end() && !shared.is_shutting_down &&
                           old.state() == IkeState::established && !old.is_retired();
  if (!is_possible || old.is_being_reauthenticated()) return;
  IkeSa& sa = adopt(std::make_unique<IkeSa>(shared, shared.new_sa_id(), true, path, now));
  const IkeSaId id = sa.id();
  sa.reauthenticate(old, *connection, now);
  settle(id, now);
}

void IkeEndpoint::Impl::run(const SetLocalAddresses& command, Instant now) {
  const auto before = std::exchange(shared.local_addresses, command.addresses);
  std::vector<IkeSaId> ids;
  for (const auto& [id, entry] : sas_) ids.push_back(id);
  for (const IkeSaId id : ids) {
    if (IkeSa* const sa = find(id)) sa->heed_local_addresses(before, now);
    settle(id, now);
  }
}

void IkeEndpoint::Impl::run(const StreamClosed& command, Instant now) {
  if (!shared.stream_users.contains(command.path)) return;
  std::vector<IkeSaId> users;
  for (const auto& [id, entry] : sas_) {
    if (entry.sa->path() == command.path) users.push_back(id);
  }
  for (const IkeSaId id : users) {
    if (IkeSa* const sa = find(id)) sa->handle_stream_closed(command.path, now);
    settle(id, now);
  }
}

void IkeEndpoint::Impl::run(const SyncMessageIds& command, Instant now) {
  for (const IkeSaId id : ids_of(command.connection)) {
    if (IkeSa* const sa = find(id)) sa->sync_message_ids(command.skip_inbound, now);
    settle(id, now);
  }
}

void IkeEndpoint::Impl::run(const PeerMoved& command, Instant now) {
  IkeSa* const sa = owner_of(command.child_sa);
  if (sa == nullptr) return;
  sa->peer_moved(command.child_sa, command.path, now);
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const PeerHeard& command, Instant now) {
  IkeSa* const sa = owner_of(command.child_sa);
  if (sa == nullptr) return;
  sa->peer_heard(command.child_sa, command.path, now);
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const EspSent& command, Instant now) {
  IkeSa* const sa = owner_of(command.child_sa);
  if (sa == nullptr) return;
  sa->esp_sent(command.child_sa, now);
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const CheckLiveness& command, Instant now) {
  IkeSa* const sa = find_established(command.connection);
  if (sa == nullptr) return;
  sa->check_liveness(now);
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const RedirectPeer& command, Instant now) {
  for (const IkeSaId id : ids_of(command.connection)) {
    if (IkeSa* const sa = find(id)) sa->send_away(command.to, now);
    settle(id, now);
  }
}

void IkeEndpoint::Impl::run(const ProbePath& command, Instant now) {
  IkeSa* const sa = owner_of(command.child_sa);
  if (sa == nullptr) return;
  sa->probe_path(command, now);
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const Shutdown&, Instant now) {
  shared.is_shutting_down = true;
  shared.half_open.clear();
  std::vector<IkeSaId> ids;
  for (const auto& [id, entry] : sas_) ids.push_back(id);
  for (const IkeSaId id : ids) {
    if (IkeSa* const sa = find(id)) sa->shut_down(now);
    settle(id, now);
  }
}

// ---- SAs

IkeSa* IkeEndpoint::Impl::find(IkeSaId id) {
  const auto found = sas_.find(id);
  return found == sas_.end() ? nullptr : found->second.sa.get();
}

IkeSa* IkeEndpoint::Impl::owner_of(policy::ChildSaId child) {
  const auto found = shared.child_owner.find(child);
  return found == shared.child_owner.end() ? nullptr : find(found->second);
}

IkeSa* IkeEndpoint::Impl::find_established(const std::string& connection,
                                           std::optional<IkeSaId> only) {
  IkeSa* best = nullptr;
  for (const IkeSaId id : ids_of(connection)) {
    IkeSa* const sa = find(id);
    if (sa->state() != IkeState::established || (only && *only != id)) continue;
    if (best == nullptr || best->is_retired() || !sa->is_retired()) best = sa;
  }
  return best;
}

std::vector<IkeSaId> IkeEndpoint::Impl::ids_of(const std::string& connection) const {
  std::vector<IkeSaId> ids = shared.index.of(connection);
  std::erase_if(ids, [&](IkeSaId id) {
    const auto found = sas_.find(id);
    return found == sas_.end() || found->second.sa->connection()->name != connection;
  });
  return ids;
}

IkeSa& IkeEndpoint::Impl::adopt(std::unique_ptr<IkeSa> sa) {
  const IkeSaId id = sa->id();
  return *sas_.emplace(id, Entry{std::move(sa)}).first->second.sa;
}

void IkeEndpoint::Impl::settle(IkeSaId id, Instant now) {
  for (auto& newborn : std::exchange(shared.newborns, {})) {
    settle_timer(adopt(std::move(newborn)).id());
  }
  for (const IkeSaId answered : std::exchange(shared.answered, {})) {
    end_siblings(
        answered, [](const IkeSa& other) { return other.state() == IkeState::init_sent; }, now);
  }
  for (const Established& newest : std::exchange(shared.established, {})) {
    compare_with_siblings(newest, now);
  }
  for (const IkeSaId touched : std::exchange(shared.touched, {})) settle_timer(touched);
  settle_timer(id);
  for (const IkeSaId due : std::exchange(shared.reauthentications, {})) {
    const IkeSa* const old = find(due);
    if (old == nullptr) continue;
    if (const auto path = old->successor_path()) reauthenticate(*old, *path, now);
  }
}

void IkeEndpoint::Impl::settle_timer(IkeSaId id) {
  const auto found = sas_.find(id);
  if (found == sas_.end()) return;
  Entry& entry = found->second;
  const bool is_gone = entry.sa->is_gone();
  const auto deadline = is_gone ? std::nullopt : entry.sa->next_deadline();
  const auto due = deadline ? std::optional{deadline->at} : std::nullopt;
  if (due != entry.armed_at) {
    if (entry.armed_at) timers_.erase({*entry.armed_at, id});
    if (due) timers_.emplace(*due, id);
    entry.armed_at = due;
  }
  if (!is_gone) return entry.sa->rest();
  if (entry.init) by_init_.erase(*entry.init);
  sas_.erase(found);
}

/// Of several initiations beside each other one goes on.
template <class Condition>
void IkeEndpoint::Impl::end_siblings(IkeSaId winner, Condition condition, Instant now) {
  const IkeSa* const sa = find(winner);
  if (sa == nullptr || !sa->is_initiator() || !sa->connection()) return;
  for (const IkeSaId id : ids_of(sa->connection()->name)) {
    IkeSa* const other = find(id);
    if (id == winner || other == nullptr || !other->is_initiator() || !condition(*other)) continue;
    other->close(EndReason::replaced, now);
    settle_timer(id);
  }
}

/// An SA came up: are there others between the same two?
void IkeEndpoint::Impl::compare_with_siblings(const Established& newest, Instant now) {
  IkeSa* const sa = find(newest.sa);
  if (sa == nullptr || sa->state() != IkeState::established) return;
  end_siblings(
      newest.sa, [](const IkeSa& other) { return !other.established_at().has_value(); }, now);
  std::vector<IkeSa*> same_side;
  for (IkeSa* const other : siblings_of(*sa, shared)) {
    if (!other->authenticated_at()) continue;
    const SiblingFate fate = judge_sibling(*sa, *other, newest.initial_contact);
    // A peer that has lost its memory has lost those, too, that were about to go.
    const bool goes = other->state() != IkeState::established || other->is_retired();
    if (goes && fate != SiblingFate::older_forgotten) continue;
    switch (fate) {
      case SiblingFate::older_forgotten: other->forget(EndReason::replaced, now); break;
      case SiblingFate::older_retires: other->retire_as_twin(now); break;
      case SiblingFate::newer_retires: sa->retire_as_twin(now); break;
      case SiblingFate::both_stay:
        // Its maker's own business, up to a limit.
        same_side.push_back(other);
        if (is_anonymous(*sa->connection())) other->check_liveness(now);
    }
    settle_timer(other->id());
  }
  settle_timer(newest.sa);
  if (same_side.size() >= shared.limits().ike_sas_per_peer_max) {
    const IkeSaId oldest = same_side.front()->id();
    same_side.front()->close(EndReason::replaced, now);
    settle_timer(oldest);
  }
}

void IkeEndpoint::Impl::handle_deadline(Instant now) {
  expire_half_open(now);
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const IkeSaId id = timers_.begin()->second;
    IkeSa* const sa = find(id);
    if (sa != nullptr) sa->handle_deadline(now);
    settle(id, now);
    // A deadline that stays due would spin here; it is due again on the next call.
    if (!timers_.empty() && timers_.begin()->second == id && timers_.begin()->first <= now) return;
  }
}

std::optional<base::Deadline> IkeEndpoint::Impl::next_deadline() const {
  std::optional<base::Deadline> next;
  if (!timers_.empty()) next = sas_.at(timers_.begin()->second).sa->next_deadline();
  if (const auto oldest = shared.half_open.oldest()) {
    const Instant at = *oldest + shared.limits().half_open_timeout;
    if (!next || at < next->at) next = base::Deadline{at, "half-open timeout"};
  }
  return next;
}

std::vector<IkeSaInfo> IkeEndpoint::Impl::snapshot() const {
  std::vector<IkeSaInfo> infos;
  for (const auto& [id, entry] : sas_) {
    if (entry.sa->state() != IkeState::dead) infos.push_back(entry.sa->info());
  }
  return infos;
}

std::vector<IkeSaId> IkeEndpoint::Impl::ids() const {
  std::vector<IkeSaId> ids;
  ids.reserve(sas_.size());
  for (const auto& [id, entry] : sas_) {
    if (entry.sa->state() != IkeState::dead) ids.push_back(id);
  }
  return ids;
}

std::optional<IkeSaInfo> IkeEndpoint::Impl::info_of(IkeSaId id) const {
  const auto found = sas_.find(id);
  if (found == sas_.end() || found->second.sa->state() == IkeState::dead) return std::nullopt;
  return found->second.sa->info();
}

std::set<IkeSaId> IkeEndpoint::Impl::established_of(const std::string& connection) const {
  std::set<IkeSaId> established;
  for (const IkeSaId id : ids_of(connection)) {
    const IkeSa& sa = *sas_.at(id).sa;
    if (sa.state() == IkeState::established && !sa.is_retired()) established.insert(id);
  }
  return established;
}

// ---- The door

IkeEndpoint::IkeEndpoint(const EndpointConfig& config, base::Rng& rng,
                         const crypto::CryptoProvider& crypto, Instant now)
    : impl_(std::make_unique<Impl>(config, rng, crypto, now)) {}
IkeEndpoint::~IkeEndpoint() = default;

void IkeEndpoint::set_connections(Connections connections) {
  impl_->shared.connections = std::move(connections);
}
void IkeEndpoint::set_export_keys(bool on) { impl_->shared.exports_keys = on; }
void IkeEndpoint::set_redirect(std::optional<RedirectPolicy> policy) {
  impl_->shared.redirect = std::move(policy);
}
void IkeEndpoint::handle_datagram(const base::Path& path, base::Bytes message, Instant now) {
  impl_->handle_datagram(path, message, now);
}
void IkeEndpoint::handle_command(const Command& command, Instant now) {
  impl_->handle_command(command, now);
}
void IkeEndpoint::handle_auth_reply(AuthReply reply, Instant now) {
  (void)impl_->handle_reply(std::move(reply), now);
}
void IkeEndpoint::handle_eap_reply(EapReply reply, Instant now) {
  (void)impl_->handle_reply(std::move(reply), now);
}
void IkeEndpoint::handle_lease_reply(LeaseReply reply, Instant now) {
  const IkeSaId id = reply.sa;
  const bool has_lease = !reply.addresses.empty();
  const bool is_awaited = impl_->handle_reply(std::move(reply), now);
  if (!is_awaited && has_lease) impl_->shared.emit(LeaseEnded{id});
}
void IkeEndpoint::handle_deadline(Instant now) { impl_->handle_deadline(now); }
std::optional<Action> IkeEndpoint::poll_action() { return impl_->shared.next_action(); }
std::optional<base::Deadline> IkeEndpoint::poll_deadline() const { return impl_->next_deadline(); }
std::vector<IkeSaInfo> IkeEndpoint::snapshot() const { return impl_->snapshot(); }
CounterBook& IkeEndpoint::counters() { return impl_->shared.counters; }
std::vector<IkeSaId> IkeEndpoint::ids() const { return impl_->ids(); }
std::optional<IkeSaInfo> IkeEndpoint::find(IkeSaId id) const { return impl_->info_of(id); }
std::set<IkeSaId> IkeEndpoint::established_of(const std::string& connection) const {
  return impl_->established_of(connection);
}
std::size_t IkeEndpoint::half_open_count() const { return impl_->shared.half_open_counts.total(); }
const base::DropCounters& IkeEndpoint::drops() const { return impl_->shared.drops; }

}  // namespace caponier::ike
