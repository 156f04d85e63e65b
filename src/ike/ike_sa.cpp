#include "ike/ike_sa.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/messages.h"
#include "ike/transitions.h"
#include "ike/twins.h"
#include "ike/uniqueness.h"
#include "ike/witness.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;

namespace {

ChildState state_of(const Child& child, const OwnWindow& own) {
  if (child.is_closing) return ChildState::deleting;
  if (child.replaced_by) return ChildState::replaced;
  const bool is_being_rekeyed = std::ranges::any_of(own.all(), [&](const auto& entry) {
    const auto* const creation = std::get_if<ChildCreation>(&entry.second.what);
    return creation != nullptr && creation->replaces == child.info.id;
  });
  return is_being_rekeyed ? ChildState::rekeying : ChildState::installed;
}

}  // namespace

IkeSa::IkeSa(Shared& shared, IkeSaId id, bool is_initiator, base::Path path, Instant now)
    : shared_(shared),
      id_(id),
      is_initiator_(is_initiator),
      state_(is_initiator ? IkeState::init_sent : IkeState::init_answered),
      path_(path),
      created_at_(now),
      index_entry_(shared.index, id),
      opens_streams_(is_initiator),
      fragments_(shared.limits(), shared.fragments),
      last_heard_(now),
      last_sent_(now) {
  shared_.sas.emplace(id_, this);
}

IkeSa::~IkeSa() {
  shared_.sas.erase(id_);
  shared_.by_spi.erase(our_spi());
  if (linger_until_) --shared_.lingering;
}

const std::string& IkeSa::name() const {
  static const std::string unnamed;
  if (connection_) return connection_->name;
  return handshake_ && handshake_->candidates.size() == 1 ? handshake_->candidates.front()->name
                                                          : unnamed;
}

// Whoever shows an event puts the connection's name in front.
std::string IkeSa::who() const { return path_.remote.to_string(); }

base::Event IkeSa::make_event(EventKind kind, std::string text) const {
  base::Event event{kind, name(), std::move(text), {}};
  event.fields.emplace_back("sa", std::to_string(id_.value));
  event.fields.emplace_back("remote", path_.remote.to_string());
  return event;
}

void IkeSa::report(EventKind kind, std::string text) const {
  shared_.report(make_event(kind, std::move(text)));
}

void IkeSa::report_early(EventKind kind, std::string text, Instant now) const {
  if (is_initiator_ && state_ != IkeState::init_sent) return report(kind, std::move(text));
  shared_.report_stranger(now, [&] { return make_event(kind, std::move(text)); });
}

bool IkeSa::uses_udp_encap() const {
  return path_.transport == base::Transport::tcp || local_behind_nat_ || remote_behind_nat_ ||
         has_forced_encap_ || support_.prefers_udp_encap;
}

ChildScene IkeSa::scene(bool in_ike_auth) const {
  return {path_,  local_behind_nat_, remote_behind_nat_, in_ike_auth, uses_udp_encap(),
          inner_, networks_,         services_};
}

void IkeSa::belong_to(ConnectionPtr connection, std::optional<policy::Identity> peer) {
  connection_ = std::move(connection);
  remote_id_ = std::move(peer);
  be_found();
}

void IkeSa::be_found() {
  if (!connection_) return;
  const std::string& name = connection_->name;
  if (!remote_id_) return index_entry_.set(name);
  if (is_anonymous(*connection_)) return index_entry_.set(name, path_.remote);
  index_entry_.set(name, *remote_id_);
}

void IkeSa::move_to(IkeState to) {
  if (state_ == to) return;
  if (!is_legal(state_, to)) {
    report(EventKind::local_fault,
           fmt::format("{}: IKE SA {} moved from {} to {}, a mistake of ours", who(), id_.value,
                       name_of(state_), name_of(to)));
    to = IkeState::dead;
  }
  state_ = to;
}

void IkeSa::announce_down(EndReason reason) {
  if (std::exchange(is_down_announced_, true)) return;
  if (!connection_ || predecessor_ || (!is_initiator_ && !established_at_)) return;
  shared_.emit(IkeDown{id_, connection_->name, reason, established_at_.has_value(),
                       std::make_shared<const IkeSaInfo>(info())});
}

void IkeSa::drop_all_wishes(EndReason reason) {
  const auto tell = [&](const Wish& wish) {
    const auto* const child = std::get_if<WantChild>(&wish);
    if (child == nullptr || child->replaces || child->resource) return;
    shared_.emit(ChildDown{id_, {}, name(), child->name, reason});
  };
  for (const Wish& wish : std::exchange(wishes_.due, {})) tell(wish);
  for (const auto& [at, wish] : std::exchange(wishes_.postponed, {})) tell(wish);
}

void IkeSa::fail_wishes(EndReason reason) {
  drop_all_wishes(reason);
  for (auto& [id, request] : own_.take_all()) give_back(std::move(request), reason);
  for (InFlight& request : std::exchange(parked_, {})) give_back(std::move(request), reason);
}

void IkeSa::die(EndReason reason, Instant now, bool lingers) {
  if (state_ == IkeState::dead) return;
  settle_rival(reason, now);
  abandon_reauthentication(now);
  if (heir_) reason = EndReason::replaced;
  move_to(IkeState::dead);
  if (IkeSa* const heir = heir_ ? shared_.find(*heir_) : nullptr) {
    heir->become_known(now);
    heir->touch();
  }
  if (reason == EndReason::peer_deleted && !predecessor_) Twins{*this}.keep_another(now);
  if (established_at_) {
    const auto up = shared_.up_count.find(name());
    if (up != shared_.up_count.end() && --up->second == 0) shared_.up_count.erase(up);
  }
  //= rfc5723#6.2-1
  const bool may_be_resumed = reason == EndReason::timeout || reason == EndReason::peer_restarted;
  if (connection_ && !may_be_resumed) shared_.tickets.forget(name(), id_.value);
  while (!children_.empty()) {
    announce_child_down(children_.begin()->second, reason);
    erase_child(children_.begin()->first);
  }
  fail_wishes(reason);
  if (handshake_ && handshake_->offer) shared_.release(handshake_->offer->spi_in);
  announce_down(reason);
  end_lease();
  end_eap();
  handshake_.reset();
  answering_.reset();
  fragments_.clear();
  stream_.release();
  half_open_until_.reset();
  retire_at_.reset();
  if (lingers && peers_.has_answers() && !shared_.is_shutting_down &&
      shared_.lingering < shared_.limits().lingering_max) {
    // Our answer may be lost: the request comes again, and so must the answer (s2.1).
    ++shared_.lingering;
    linger_until_ = now + shared_.limits().linger_time;
    return;
  }
  half_open_.release();
  session_.reset();
}

void IkeSa::begin_farewell(std::vector<wire::Payload> payloads, EndReason reason, Instant now) {
  if (state_ == IkeState::dead || state_ == IkeState::deleting) return;
  if (!session_) return die(reason, now, false);
  drop_all_wishes(reason);
  move_to(IkeState::deleting);
  farewell_reason_ = reason;
  half_open_until_.reset();
  retire_at_.reset();
  if (!established_at_) {
    is_farewell_short_ = true;
    announce_down(reason);
    if (handshake_ && handshake_->offer) shared_.release(handshake_->offer->spi_in);
    end_eap();
    handshake_.reset();
  }
  want(WantFarewell{std::move(payloads), reason}, now);
}

void IkeSa::close(EndReason reason, Instant now) {
  if (state_ != IkeState::established) {
    if (state_ != IkeState::deleting) die(reason, now, false);
    return;
  }
  wire::DeletePayload deletion;
  deletion.protocol = wire::ProtocolId::ike;
  report(EventKind::ike_deleted,
         fmt::format("{}: deleting IKE SA {} ({})", who(), id_.value, ike::name_of(reason)));
  begin_farewell({deletion}, reason, now);
}

void IkeSa::forget(EndReason reason, Instant now) {
  if (state_ == IkeState::dead) return;
  report(EventKind::ike_deleted,
         fmt::format("{}: IKE SA {} is gone ({})", who(), id_.value, ike::name_of(reason)));
  die(reason, now, false);
}

void IkeSa::shut_down(Instant now) {
  if (linger_until_) {
    linger_until_.reset();
    --shared_.lingering;
  }
  close(EndReason::local_request, now);
  shorten_in_flight(now);
}

void IkeSa::retire(Instant now, base::Duration wait) {
  if (state_ != IkeState::established || retire_at_) return;
  retire_at_ = now + wait;
  Twins{*this}.yield();
}

void IkeSa::check_liveness(Instant now) {
  const auto is_liveness = [](const Wish& wish) {
    return std::holds_alternative<WantLiveness>(wish);
  };
  // Any request of ours that is on its way already asks whether the peer lives (s2.4).
  if (state_ != IkeState::established || !own_.is_empty()) return;
  if (std::ranges::any_of(wishes_.due, is_liveness)) return;
  want(WantLiveness{}, now);
}

std::optional<base::Deadline> IkeSa::next_deadline() const {
  std::optional<base::Deadline> next;
  const auto consider = [&next](Instant at, std::string_view reason) {
    if (!next || at < next->at) next = base::Deadline{at, reason};
  };
  if (const InFlight* const due = own_.next_due()) consider(due->resend_at, "retransmit");
  if (half_open_until_) consider(*half_open_until_, "half-open timeout");
  if (handshake_ && handshake_->solver) consider(handshake_->solve_at, "puzzle");
  if (handshake_ && handshake_->refusal) consider(handshake_->refused_until, "refusal");
  if (retire_at_) consider(*retire_at_, "replaced SA");
  if (const auto at = next_child_deadline()) consider(*at, "replaced Child SA");
  if (linger_until_) consider(*linger_until_, "linger");
  if (const auto at = fragments_.next_expiry()) consider(*at, "incomplete fragments");
  if (state_ == IkeState::established) {
    if (!wishes_.postponed.empty()) consider(wishes_.postponed.begin()->first, "postponed request");
    if (const auto at = next_lifetime_end()) consider(*at, "IKE SA lifetime");
    const base::Duration dpd = connection_->dpd_interval;
    if (own_.is_empty() && dpd > base::Duration{}) consider(last_heard_ + dpd, "liveness");
    if (needs_keepalives()) {
      consider(last_sent_ + connection_->keepalive_interval, "NAT keepalive");
    }
  }
  return next;
}

void IkeSa::handle_deadline(Instant now) {
  if (linger_until_ && now >= *linger_until_) {
    linger_until_.reset();
    --shared_.lingering;
  }
  if (state_ == IkeState::dead) return;
  if (half_open_until_ && now >= *half_open_until_) {
    if (!is_initiator_) {
      Witness{*this}.note_early(Witness{*this}.saw(policy::Symptom::auth_missing), now);
    }
    report_early(EventKind::ike_timeout,
                 fmt::format("{}: IKE_AUTH was not completed in time; state {}", who(),
                             ike::name_of(state_)),
                 now);
    return die(is_initiator_ ? EndReason::local_fault : EndReason::timeout, now, false);
  }
  if (handshake_ && handshake_->solver && now >= handshake_->solve_at) return solve_puzzle(now);
  if (handshake_ && handshake_->refusal && now >= handshake_->refused_until) {
    return accept_refusal(now);
  }
  if (retire_at_ && now >= *retire_at_) {
    retire_at_.reset();
    // The peer may never have learnt of an SA whose rekey was not concluded.
    if (predecessor_) return forget(EndReason::replaced, now);
    if (!heir_ && !Twins{*this}.has_lasting()) {
      Twins{*this}.keep();
    } else if (const auto at = Twins{*this}.ready_at(); at && *at > now) {
      retire_at_ = at;
    } else {
      close(EndReason::replaced, now);
    }
  }
  expire_fragments(now);
  delete_children_due(now);
  handle_lifetime(now);
  want_postponed(now);
  repeat_due(now);
  handle_silence(now);
}

void IkeSa::handle_silence(Instant now) {
  if (state_ != IkeState::established) return;
  const base::Duration dpd = connection_->dpd_interval;
  if (dpd > base::Duration{} && now >= last_heard_ + dpd) check_liveness(now);
  if (needs_keepalives() && now >= last_sent_ + connection_->keepalive_interval) {
    last_sent_ = now;
    shared_.transmit_keepalive(path_);
  }
}

policy::Product IkeSa::product() const {
  return connection_ && connection_->product ? *connection_->product : support_.product;
}

policy::Quirks IkeSa::quirks() const { return policy::quirks_of(product()); }

IkeSaInfo IkeSa::info() const {
  IkeSaInfo info;
  info.id = id_;
  info.connection = name();
  info.state = state_;
  info.initiator = is_initiator_;
  info.spi_i = spi_i_;
  info.spi_r = spi_r_;
  info.path = path_;
  info.local_behind_nat = local_behind_nat_;
  info.remote_behind_nat = remote_behind_nat_;
  info.fakes_nat = has_forced_encap_;
  if (session_) info.suite = session_->suite;
  if (connection_) info.local_id = connection_->own_rounds.back().identity;
  info.remote_id = remote_id_;
  info.earlier_ids = earlier_ids_;
  info.product = product();
  info.is_product_configured = connection_ && connection_->product;
  info.user = user_;
  info.inner = inner_;
  info.established_at = established_at_;
  info.rekey_at = lifetimes_.rekey_at;
  info.reauth_at = lifetimes_.reauth_at;
  for (const auto& [id, request] : own_.all()) info.active.push_back(task_of(request.what));
  for (const Wish& wish : wishes_.due) info.queued.push_back(task_of(wish));
  info.last_round_trip = last_round_trip_;
  info.round_trips = round_trips_;
  info.waiting = wishes_.size();
  info.is_replaced = is_retired();
  info.is_redirectable =
      state_ == IkeState::established && !follows_redirects_ && support_.redirect;
  for (const auto& [id, child] : children_) {
    if (child.lingers_until) continue;
    info.children.push_back(child.info);
    info.children.back().state = state_of(child, own_);
  }
  return info;
}

}  // namespace caponier::ike
