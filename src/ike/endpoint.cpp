#include "ike/endpoint.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "ike/cookie.h"
#include "ike/half_open.h"
#include "ike/ike_sa.h"
#include "ike/ike_sa_init_responder.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::DropReason;
using base::EventKind;
using base::Instant;

namespace {

/// Ends with an Encrypted payload, whole or as a fragment.
bool is_protected(const wire::IkeMessage& message) {
  return !message.payloads.empty() &&
         (std::holds_alternative<wire::SkPayload>(message.payloads.back()) ||
          std::holds_alternative<wire::SkfPayload>(message.payloads.back()));
}

}  // namespace

class IkeEndpoint::Impl {
 public:
  Impl(const EndpointConfig& config, base::Rng& rng, const crypto::CryptoProvider& crypto,
       Instant now)
      : shared(config, rng, crypto, now),
        cookies_(crypto, rng, shared.limits().cookie_lifetime, now) {}

  void handle_datagram(const base::Path& path, base::Bytes message, Instant now);
  void handle_command(const Command& command, Instant now);
  void handle_auth_reply(AuthReply reply, Instant now);
  void handle_deadline(Instant now);
  [[nodiscard]] std::optional<base::Deadline> next_deadline() const;
  [[nodiscard]] std::vector<IkeSaInfo> snapshot() const;
  [[nodiscard]] std::optional<IkeSaInfo> info_of(IkeSaId id) const;
  [[nodiscard]] std::set<IkeSaId> established_of(const std::string& connection) const;

  Shared shared;

 private:
  void handle_init(const base::Path& path, const wire::IkeHeader& header, base::Bytes datagram,
                   Instant now);
  void continue_half_open(HalfOpen& half_open, const base::Path& path,
                          const wire::IkeHeader& header, base::Bytes datagram, Instant now);
  void expire_half_open(Instant now);
  void refuse_version(const base::Path& path, const wire::IkeHeader& header, Instant now);
  template <class MakeText>
  void report_stranger(const base::Path& path, EventKind kind, MakeText make_text, Instant now);

  void run(const Initiate& command, Instant now);
  void run(const InitiateChild& command, Instant now);
  void run(const DeleteIke& command, Instant now);
  void run(const DeleteChild& command, Instant now);
  void run(const RekeyChild& command, Instant now);
  void run(const RekeyIke& command, Instant now);
  void run(const Reauthenticate& command, Instant now);
  void run(const SetLocalAddresses& command, Instant now);
  void run(const PeerMoved& command, Instant now);
  void run(const PeerHeard& command, Instant now);
  void run(const EspSent& command, Instant now);
  void run(const StreamClosed& command, Instant now);
  void run(const SyncMessageIds& command, Instant now);
  void run(const CheckLiveness& command, Instant now);
  void run(const RedirectPeer& command, Instant now);
  void run(const Shutdown& command, Instant now);

  [[nodiscard]] IkeSa* find(IkeSaId id);
  [[nodiscard]] IkeSa* owner_of(policy::ChildSaId child);
  [[nodiscard]] IkeSa* find_established(const std::string& connection);
  [[nodiscard]] std::vector<IkeSaId> ids_of(const std::string& connection) const;
  IkeSa& adopt(std::unique_ptr<IkeSa> sa);
  /// After an SA had anything to do: newborns, twins, its timer, its end.
  void settle(IkeSaId id, Instant now);
  void settle_timer(IkeSaId id);
  template <class Condition>
  void end_siblings(IkeSaId winner, Condition condition, Instant now);
  void compare_with_siblings(const Established& newest, Instant now);

  CookieJar cookies_;
  std::map<IkeSaId, std::unique_ptr<IkeSa>> sas_;
  std::map<InitKey, IkeSaId> by_init_;
  std::map<IkeSaId, InitKey> init_keys_;
  std::map<IkeSaId, Instant> armed_;
  std::set<std::pair<Instant, IkeSaId>> timers_;
};

// ---- Datagrams

template <class MakeText>
void IkeEndpoint::Impl::report_stranger(const base::Path& path, EventKind kind, MakeText make_text,
                                        Instant now) {
  shared.report_stranger(now, [&] {
    base::Event event{kind, {}, make_text(), {}};
    event.fields.emplace_back("remote", path.remote.to_string());
    return event;
  });
}

void IkeEndpoint::Impl::handle_datagram(const base::Path& path, base::Bytes message, Instant now) {
  base::Reader in{message};
  const auto header = wire::IkeHeader::decode(in);
  if (!header || message.size() > shared.limits().message_size_max) {
    report_stranger(
        path, EventKind::ike_malformed,
        [&] {
          return fmt::format("{}: {} bytes that are not an IKE message", path.remote.to_string(),
                             message.size());
        },
        now);
    return shared.drops.add(DropReason::ike_malformed);
  }
  if (header->major_version != 2) return refuse_version(path, *header, now);
  if (header->length != message.size() || header->spi_i.value == 0) {
    report_stranger(
        path, EventKind::ike_malformed,
        [&] {
          return fmt::format("{}: an IKE message of {} bytes that claims {}",
                             path.remote.to_string(), message.size(), header->length);
        },
        now);
    return shared.drops.add(DropReason::ike_malformed);
  }
  const bool is_init = header->exchange == wire::ExchangeType::ike_sa_init &&
                       !header->is_response() && header->from_initiator();
  //= rfc7296#3.1-3
  if (is_init && header->spi_r.value == 0 && header->message_id.value == 0) {
    return handle_init(path, *header, message, now);
  }
  const auto found = shared.by_spi.find(header->from_initiator() ? header->spi_r : header->spi_i);
  // s2.21.4 would allow INVALID_IKE_SPI here; it would answer strangers, so we only count.
  if (found == shared.by_spi.end()) {
    HalfOpen* const half_open =
        header->from_initiator() ? shared.half_open.find(header->spi_r) : nullptr;
    if (half_open != nullptr) return continue_half_open(*half_open, path, *header, message, now);
    return shared.drops.add(DropReason::ike_unknown_spi);
  }
  const IkeSaId id = found->second;
  IkeSa* const sa = find(id);
  if (sa == nullptr) return shared.drops.add(DropReason::ike_unknown_spi);
  sa->handle_message(path, *header, message, now);
  settle(id, now);
}

void IkeEndpoint::Impl::refuse_version(const base::Path& path, const wire::IkeHeader& header,
                                       Instant now) {
  shared.drops.add(DropReason::ike_bad_version);
  report_stranger(
      path, EventKind::ike_malformed,
      [&] {
        return fmt::format("{} speaks IKE version {}.{}; we speak 2.0", path.remote.to_string(),
                           header.major_version, header.minor_version);
      },
      now);
  //= rfc7296#2.5-2
  if (header.major_version < 2 || header.is_response() || !shared.answers.take(now)) return;
  shared.transmit(path,
                  unprotected_answer(header, make_notify(wire::NotifyType::invalid_major_version)));
}

void IkeEndpoint::Impl::handle_init(const base::Path& path, const wire::IkeHeader& header,
                                    base::Bytes datagram, Instant now) {
  const InitKey key{header.spi_i, path.remote};
  if (const HalfOpen* const half_open = shared.half_open.find(key);
      half_open != nullptr && base::equal(half_open->request(), datagram)) {
    shared.drops.add(DropReason::ike_duplicate);
    return shared.transmit(path, half_open->response());
  }
  const auto known = by_init_.find(key);
  if (known != by_init_.end()) {
    if (IkeSa* const sa = find(known->second); sa && sa->handle_init_again(path, datagram)) return;
  }
  InitVerdict verdict = judge_init(shared, cookies_, path, header, datagram, now);
  if (auto* const rejected = std::get_if<Rejected>(&verdict)) {
    // Whoever is behind this address has not shown that it asked: nothing is amplified.
    if (rejected->answer.size() > datagram.size()) {
      return shared.drops.add(DropReason::ike_rate_limited);
    }
    return shared.transmit(path, rejected->answer);
  }
  auto* const accepted = std::get_if<AcceptedInit>(&verdict);
  if (accepted == nullptr) return;
  if (known != by_init_.end()) {
    init_keys_.erase(known->second);
    by_init_.erase(known);
  }
  auto entry = answer_init(shared, std::move(*accepted), now);
  if (!entry) {
    return shared.report({EventKind::local_fault,
                          {},
                          fmt::format("{}: cannot answer IKE_SA_INIT", path.remote.to_string()),
                          {}});
  }
  shared.transmit(path, shared.half_open.add(std::move(*entry)).response());
}

/// The first protected request: only now the keys are computed, and only once.
void IkeEndpoint::Impl::continue_half_open(HalfOpen& half_open, const base::Path& path,
                                           const wire::IkeHeader& header, base::Bytes datagram,
                                           Instant now) {
  if (header.exchange == wire::ExchangeType::ike_sa_init) {
    return shared.drops.add(DropReason::ike_duplicate);
  }
  if (header.spi_i != half_open.spi_i) return shared.drops.add(DropReason::ike_unknown_spi);
  const auto message = wire::IkeMessage::decode(datagram);
  if (!message) return shared.drops.add(DropReason::ike_malformed);
  const bool is_expected = !header.is_response() && header.message_id.value == 1 &&
                           (header.exchange == wire::ExchangeType::ike_auth ||
                            header.exchange == wire::ExchangeType::ike_intermediate);
  if (!is_expected || !is_protected(*message)) {
    return shared.drops.add(DropReason::ike_unexpected);
  }
  const base::IkeSpi spi_r = half_open.spi_r;
  const IkeSaId id = half_open.id;
  IkeSa& sa = adopt(std::make_unique<IkeSa>(shared, id, false, half_open.path, now));
  if (!sa.continue_init(half_open, now)) {
    sas_.erase(id);
    (void)shared.half_open.take(spi_r);
    return;
  }
  sa.handle_message(path, header, datagram, now);
  if (!sa.is_heard()) {
    sa.hand_back(half_open);
    sas_.erase(id);
    return;
  }
  const HalfOpen done = shared.half_open.take(spi_r);
  by_init_.emplace(done.init_key(), id);
  init_keys_.emplace(id, done.init_key());
  settle(id, now);
}

void IkeEndpoint::Impl::expire_half_open(Instant now) {
  while (const HalfOpen* const old =
             shared.half_open.find_older_than(now - shared.limits().half_open_timeout)) {
    report_stranger(
        old->path, EventKind::ike_timeout,
        [&] {
          return fmt::format("{}: IKE_AUTH did not come within {} s", old->path.remote.to_string(),
                             base::seconds_of(shared.limits().half_open_timeout));
        },
        now);
    (void)shared.half_open.take(old->spi_r);
  }
  shared.answer_keys.forget_old(shared.limits().ke_reuse_time, now);
}

void IkeEndpoint::Impl::handle_auth_reply(AuthReply reply, Instant now) {
  const IkeSaId id = reply.sa;
  IkeSa* const sa = find(id);
  if (sa == nullptr) return;
  sa->handle_auth_reply(std::move(reply), now);
  settle(id, now);
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
  sa.initiate(*connection, now);
  settle(id, now);
}

void IkeEndpoint::Impl::run(const InitiateChild& command, Instant now) {
  IkeSa* const sa = find_established(command.connection);
  if (sa == nullptr) {
    shared.report({EventKind::child_failed,
                   command.connection,
                   fmt::format("no Child SA {}: the IKE SA is not up", command.child),
                   {}});
    shared.emit(ChildDown{{}, {}, command.connection, command.child, EndReason::local_fault});
    return;
  }
  sa->create_child(command.child, now);
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const DeleteIke& command, Instant now) {
  for (const IkeSaId id : ids_of(command.connection)) {
    if (IkeSa* const sa = find(id)) sa->close(EndReason::local_request, now);
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
  IkeSa* const sa = find_established(command.connection);
  if (sa == nullptr) return;
  sa->rekey(now);
  settle(sa->id(), now);
}

void IkeEndpoint::Impl::run(const Reauthenticate&, Instant) {}

void IkeEndpoint::Impl::run(const SetLocalAddresses& command, Instant now) {
  const auto before = std::exchange(shared.local_addresses, command.addresses);
  std::vector<IkeSaId> ids;
  for (const auto& [id, sa] : sas_) ids.push_back(id);
  for (const IkeSaId id : ids) {
    if (IkeSa* const sa = find(id)) sa->heed_local_addresses(before, now);
    settle(id, now);
  }
}

void IkeEndpoint::Impl::run(const StreamClosed& command, Instant now) {
  if (!shared.stream_users.contains(command.path)) return;
  std::vector<IkeSaId> users;
  for (const auto& [id, sa] : sas_) {
    if (sa->path() == command.path) users.push_back(id);
  }
  for (const IkeSaId id : users) {
    if (IkeSa* const sa = find(id)) sa->handle_stream_closed(command.path, now);
    settle(id, now);
  }
}

void IkeEndpoint::Impl::run(const SyncMessageIds&, Instant) {}

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

void IkeEndpoint::Impl::run(const RedirectPeer&, Instant) {}

void IkeEndpoint::Impl::run(const Shutdown&, Instant now) {
  shared.is_shutting_down = true;
  shared.half_open.clear();
  std::vector<IkeSaId> ids;
  for (const auto& [id, sa] : sas_) ids.push_back(id);
  for (const IkeSaId id : ids) {
    if (IkeSa* const sa = find(id)) sa->shut_down(now);
    settle(id, now);
  }
}

// ---- SAs

IkeSa* IkeEndpoint::Impl::find(IkeSaId id) {
  const auto found = sas_.find(id);
  return found == sas_.end() ? nullptr : found->second.get();
}

IkeSa* IkeEndpoint::Impl::owner_of(policy::ChildSaId child) {
  const auto found = shared.child_owner.find(child);
  return found == shared.child_owner.end() ? nullptr : find(found->second);
}

IkeSa* IkeEndpoint::Impl::find_established(const std::string& connection) {
  IkeSa* best = nullptr;
  for (const IkeSaId id : ids_of(connection)) {
    IkeSa* const sa = find(id);
    if (sa->state() != IkeState::established) continue;
    if (best == nullptr || best->is_retired() || !sa->is_retired()) best = sa;
  }
  return best;
}

std::vector<IkeSaId> IkeEndpoint::Impl::ids_of(const std::string& connection) const {
  std::vector<IkeSaId> ids = shared.index.of(connection);
  std::erase_if(ids, [&](IkeSaId id) {
    const auto found = sas_.find(id);
    return found == sas_.end() || found->second->connection()->name != connection;
  });
  return ids;
}

IkeSa& IkeEndpoint::Impl::adopt(std::unique_ptr<IkeSa> sa) {
  const IkeSaId id = sa->id();
  return *sas_.emplace(id, std::move(sa)).first->second;
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
}

void IkeEndpoint::Impl::settle_timer(IkeSaId id) {
  if (const auto armed = armed_.find(id); armed != armed_.end()) {
    timers_.erase({armed->second, id});
    armed_.erase(armed);
  }
  const IkeSa* const sa = find(id);
  if (sa == nullptr) return;
  if (sa->is_gone()) {
    if (const auto key = init_keys_.find(id); key != init_keys_.end()) {
      by_init_.erase(key->second);
      init_keys_.erase(key);
    }
    sas_.erase(id);
    return;
  }
  if (const auto deadline = sa->next_deadline()) {
    armed_.emplace(id, deadline->at);
    timers_.emplace(deadline->at, id);
  }
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

/// An SA came up: are there others between the same two identities?
void IkeEndpoint::Impl::compare_with_siblings(const Established& newest, Instant now) {
  const IkeSa* const sa = find(newest.sa);
  if (sa == nullptr || sa->state() != IkeState::established) return;
  end_siblings(
      newest.sa, [](const IkeSa& other) { return !other.established_at().has_value(); }, now);
  std::vector<IkeSa*> same_side;
  for (const IkeSaId id : shared.index.of(sa->connection()->name, *sa->remote_id())) {
    IkeSa* const other = find(id);
    if (id == newest.sa || other == nullptr || other->state() != IkeState::established ||
        other->is_retired() || other->connection()->name != sa->connection()->name ||
        !policy::is_same(*other->remote_id(), *sa->remote_id())) {
      continue;
    }
    //= rfc7296#2.4-1 rfc7296#2.4-5
    // s2.4: INITIAL_CONTACT speaks of what was there before. What came up while this exchange ran
    // is the other half of a simultaneous initiation.
    if (newest.initial_contact && *other->established_at() < sa->created_at()) {
      other->forget(EndReason::replaced, now);
      settle_timer(id);
      continue;
    }
    // Both sides initiated: the lower SPIi survives on both; who made the other one deletes it.
    // Two of the same side are its own business, up to a limit.
    if (other->is_initiator() == sa->is_initiator()) {
      same_side.push_back(other);
      continue;
    }
    IkeSa* const loser = other->spi_i() < sa->spi_i() ? find(newest.sa) : other;
    if (loser->is_initiator()) loser->retire(now);
    settle_timer(loser->id());
  }
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
  if (!timers_.empty()) next = sas_.at(timers_.begin()->second)->next_deadline();
  if (const auto oldest = shared.half_open.oldest()) {
    const Instant at = *oldest + shared.limits().half_open_timeout;
    if (!next || at < next->at) next = base::Deadline{at, "half-open timeout"};
  }
  return next;
}

std::vector<IkeSaInfo> IkeEndpoint::Impl::snapshot() const {
  std::vector<IkeSaInfo> infos;
  for (const auto& [id, sa] : sas_) {
    if (sa->state() != IkeState::dead) infos.push_back(sa->info());
  }
  return infos;
}

std::optional<IkeSaInfo> IkeEndpoint::Impl::info_of(IkeSaId id) const {
  const auto found = sas_.find(id);
  if (found == sas_.end() || found->second->state() == IkeState::dead) return std::nullopt;
  return found->second->info();
}

std::set<IkeSaId> IkeEndpoint::Impl::established_of(const std::string& connection) const {
  std::set<IkeSaId> established;
  for (const IkeSaId id : ids_of(connection)) {
    const IkeSa& sa = *sas_.at(id);
    if (sa.state() == IkeState::established && !sa.is_retired()) established.insert(id);
  }
  return established;
}

// ---- The door

IkeEndpoint::IkeEndpoint(EndpointConfig config, base::Rng& rng,
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
  impl_->handle_auth_reply(std::move(reply), now);
}
void IkeEndpoint::handle_deadline(Instant now) { impl_->handle_deadline(now); }
std::optional<Action> IkeEndpoint::poll_action() { return impl_->shared.next_action(); }
std::optional<base::Deadline> IkeEndpoint::poll_deadline() const { return impl_->next_deadline(); }
std::vector<IkeSaInfo> IkeEndpoint::snapshot() const { return impl_->snapshot(); }
std::optional<IkeSaInfo> IkeEndpoint::find(IkeSaId id) const { return impl_->info_of(id); }
std::set<IkeSaId> IkeEndpoint::established_of(const std::string& connection) const {
  return impl_->established_of(connection);
}
std::size_t IkeEndpoint::half_open_count() const { return impl_->shared.half_open_counts.total(); }
const base::DropCounters& IkeEndpoint::drops() const { return impl_->shared.drops; }

}  // namespace caponier::ike
