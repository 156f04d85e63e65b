// IKE_AUTH (RFC 7296 s1.2, s2.21.2), both roles, and the first Child SA. auth_proof.cpp has the
// AUTH values, eap_auth.cpp the rounds in between where the initiator authenticates by EAP.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/auth_methods.h"
#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/twins.h"
#include "ike/uniqueness.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

/// The Child SA's payloads come together, or not at all (RFC 6023 s5).
std::optional<std::string> fault_in_child(const Payloads& payloads, bool may_be_childless) {
  const ChildPayloads child = ChildPayloads::of(payloads);
  if (child.is_complete()) return std::nullopt;
  if (may_be_childless && !child.sa && !child.ts_i && !child.ts_r) return std::nullopt;
  return fmt::format("{} is missing", !child.sa ? "SA" : !child.ts_i ? "TSi" : "TSr");
}

}  // namespace

// ---- Both roles

bool IkeSa::is_unwelcome() {
  return connection_->unique == Unique::keep && !is_anonymous(*connection_) &&
         !wire::find_notify(handshake_->peer_auth, NotifyType::initial_contact) &&
         Twins{*this}.has_lasting();
}

void IkeSa::note_auth_methods(const Payloads& payloads, Instant now) {
  handshake_->peer_methods = find_auth_methods(payloads);
  const auto& methods = handshake_->peer_methods;
  if (connection_->local_auth == AuthKind::eap) return;
  const wire::AuthMethod ours = method_of(connection_->local_auth);
  if (methods.empty() || std::ranges::find(methods, ours) != methods.end()) return;
  report_early(EventKind::ike_notify_hint,
               fmt::format("{}: the peer announces that it accepts {}; we are configured to "
                           "authenticate by {}",
                           who(), describe(methods), describe(ours)),
               now);
}

/// What the peer would have accepted, for an explanation.
std::string IkeSa::announced() const {
  if (!handshake_ || handshake_->peer_methods.empty()) return {};
  return "; it announces that it accepts " + describe(handshake_->peer_methods);
}

void IkeSa::fail_auth_locally(const std::string& why, Instant now) {
  report(EventKind::local_fault, fmt::format("{}: cannot authenticate: {}", who(), why));
  if (!is_initiator_) {
    respond(make_notify(NotifyType::authentication_failed));
    return die(EndReason::local_fault, now, true);
  }
  if (handshake_->step == AuthStep::own && !handshake_->eap) {
    return die(EndReason::local_fault, now, false);
  }
  begin_farewell({make_notify(NotifyType::authentication_failed)}, EndReason::local_fault, now);
}

void IkeSa::establish(bool initial_contact, Instant now) {
  move_to(IkeState::established);
  established_at_ = now;
  half_open_until_.reset();
  half_open_.release();
  start_lifetime(now);
  start_authentication_lifetime(now);
  peers_.set_size(peer_window_size(*connection_, shared_.limits()));
  ++shared_.up_count[connection_->name];
  shared_.established.push_back({id_, initial_contact});
  if (is_resumed_) {
    report(EventKind::ike_resumed, fmt::format("{}: an IKE SA that ended is resumed", who()));
  }
  //= rfc5723#4.3.1-3
  shared_.tickets.forget(name());
  report(EventKind::ike_established,
         fmt::format("{}: IKE SA {} is up with {}, {}{}", who(), id_.value, remote_id_->to_string(),
                     policy::to_string(session_->suite),
                     remote_kind_ == AuthKind::null
                         ? "; NOBODY HAS PROVED who the peer is (NULL authentication)"
                         : ""));
  if (path_.transport == base::Transport::tcp) {
    report(EventKind::ike_transport, fmt::format("{}: IKE and ESP travel in a TCP stream", who()));
  } else if (local_behind_nat_ || remote_behind_nat_ || has_forced_encap_) {
    report(EventKind::ike_nat_detected,
           fmt::format("{}: {}; ESP travels in UDP", who(),
                       local_behind_nat_    ? "we are behind a NAT"
                       : remote_behind_nat_ ? "the peer is behind a NAT"
                                            : "a NAT is pretended"));
  }
  shared_.emit(IkeUp{id_, connection_->name});
}

// ---- Initiator

bool IkeSa::wants_childless() const {
  const bool is_preferred = connection_->childless == Childless::prefer && support_.childless;
  return connection_->children.empty() || is_preferred;
}

void IkeSa::send_auth(const OwnProof* proof, Instant now) {
  const ConnectionConfig& connection = *connection_;
  if (handshake_->eap) {
    Payloads last;
    proof->append_to(last);
    half_open_until_.reset();
    move_to(IkeState::auth_sent);
    return send_request(SentAuth{}, wire::ExchangeType::ike_auth, last, now);
  }
  // RFC 6023 s3
  if (wants_childless() && !support_.childless) {
    report(EventKind::ike_failed,
           fmt::format("{}: the connection has no child, and the peer does not support an IKE SA "
                       "without one (RFC 6023)",
                       who()));
    return die(EndReason::peer_refused, now, false);
  }
  if (!wants_childless()) {
    const ChildConfig& first = handshake_->first_child.find_in(connection);
    if (const auto obstacle = find_obstacle(first, scene(true))) {
      fail_child(first.name, EndReason::no_proposal, *obstacle);
      return die(EndReason::no_proposal, now, false);
    }
  }
  Payloads payloads;
  payloads.emplace_back(own_id().to_wire(true));
  // RFC 7619 s2.3: whoever is nobody cannot have been here before.
  const bool is_somebody =
      connection.local_auth != AuthKind::null && connection.unique != Unique::never;
  if (is_somebody && !shared_.up_count.contains(connection.name)) {
    //= rfc7296#2.4-3
    payloads.emplace_back(make_notify(NotifyType::initial_contact));
  }
  const policy::Identity* const expected =
      connection.remote_id ? connection.remote_id->only() : nullptr;
  if (expected != nullptr) payloads.emplace_back(expected->to_wire(false));
  append_certificate_request(payloads);
  if (proof != nullptr) {
    proof->append_to(payloads);
  } else if (connection.eap_only) {
    payloads.emplace_back(make_notify(NotifyType::eap_only_authentication));
  }
  append_configuration_request(payloads);
  append_gifts(payloads, nullptr, now);
  if (!wants_childless()) {
    const ChildConfigPtr child{connection_, &handshake_->first_child.find_in(connection)};
    handshake_->offer =
        make_child_offer(child, shared_.allocate_expected_spi(), crypto::KeGroup::none, scene(true),
                         nullptr, handshake_->first_child.trigger);
    for (const wire::Payload& payload : handshake_->offer->payloads) payloads.push_back(payload);
  }
  if (!handshake_->peer_methods.empty()) {
    payloads.emplace_back(make_auth_methods(accepted_methods(connection)));
  }
  append_auth_request_notifies(payloads, connection, shared_.limits());
  append_mobility(payloads);
  half_open_until_.reset();
  move_to(IkeState::auth_sent);
  send_request(SentAuth{}, wire::ExchangeType::ike_auth, payloads, now);
}

/// s2.21.2: an initiator that does not believe the responder says so in its own exchange.
void IkeSa::distrust(const std::string& why, Instant now) {
  report(EventKind::ike_auth_failed, fmt::format("{}: {}", who(), why));
  begin_farewell({make_notify(NotifyType::authentication_failed)}, EndReason::authentication, now);
}

void IkeSa::handle_auth_response(const Payloads& payloads, Instant now) {
  if (state_ != IkeState::auth_sent) return;
  const auto* const auth = wire::find<wire::AuthPayload>(payloads);
  const wire::IdPayload* const id = wire::find_id(payloads, false);
  const wire::NotifyPayload* const error = find_error(payloads);
  const bool has_given_up = handshake_->eap && !handshake_->eap->failure.empty();
  if (error != nullptr && auth == nullptr && !has_given_up) {
    const bool is_auth = error->type == NotifyType::authentication_failed;
    report(
        is_auth ? EventKind::ike_auth_failed : EventKind::ike_failed,
        fmt::format("{}: the peer refuses IKE_AUTH with {}{}; we are {}{}", who(), describe(*error),
                    !is_auth ? ""
                    : connection_->local_auth == AuthKind::shared_key
                        ? ": the pre-shared keys or the identities differ"
                        : ": it does not accept our proof or our identity",
                    connection_->local_id.to_string(),
                    connection_->remote_id
                        ? fmt::format(" and want {}", connection_->remote_id->to_string())
                        : "") +
            announced());
    return die(is_auth ? EndReason::authentication : EndReason::peer_refused, now, false);
  }
  if (handshake_->eap && !handshake_->eap->has_succeeded) return handle_eap_response(payloads, now);
  const bool is_eap_to_come = connection_->local_auth == AuthKind::eap && !handshake_->eap;
  auto fault =
      fault_in(handshake_->eap ? Shape::auth_round_response : Shape::auth_response, payloads);
  if (!fault && id == nullptr && !handshake_->eap) fault = "IDr is missing";
  // RFC 5685 s6: who sends us elsewhere makes no Child SA.
  const bool is_redirect = wire::find_notify(payloads, NotifyType::redirect) != nullptr;
  if (!fault && error == nullptr && !is_redirect && handshake_->offer && !is_eap_to_come) {
    fault = fault_in_child(payloads, false);
  }
  if (fault) {
    report(EventKind::ike_malformed,
           fmt::format("{}: the IKE_AUTH response is malformed: {}", who(), *fault));
    return begin_farewell({make_notify(NotifyType::invalid_syntax)}, EndReason::protocol_error,
                          now);
  }
  if (handshake_->eap) return handle_eap_response(payloads, now);
  if (auth == nullptr && !is_eap_to_come) {
    return distrust(fmt::format("the peer wants EAP; we are configured for {}",
                                describe(connection_->local_auth)),
                    now);
  }
  // RFC 7619 s2
  const auto kind = auth != nullptr ? kind_of(auth->method) : AuthKind::eap;
  if (!kind || (auth != nullptr && !accepts(*connection_, *kind))) {
    return distrust(fmt::format("the peer authenticates by {}, we expect {}",
                                describe(auth->method), describe(connection_->remote_auths)),
                    now);
  }
  note_peer(*id, *kind);
  if (handshake_->is_resumed && *id != handshake_->resumes->state.id_r) {
    return distrust("the peer resumes under another identity", now);
  }
  if (connection_->remote_id && !connection_->remote_id->matches(*remote_id_)) {
    return distrust(fmt::format("the peer says it is {}, we expect {}", remote_id_->to_string(),
                                connection_->remote_id->to_string()),
                    now);
  }
  if (is_eap_to_come) return handle_first_eap_response(payloads, now);
  handshake_->peer_auth = payloads;
  move_to(IkeState::auth_pending);
  half_open_until_ = now + shared_.limits().half_open_timeout;
  request_auth(AuthStep::peer, now);
}

void IkeSa::conclude_auth(Instant now) {
  end_eap();
  const std::unique_ptr<Handshake> done = std::exchange(handshake_, nullptr);
  Handshake& handshake = *done;
  is_resumed_ = handshake.is_resumed;
  establish(false, now);
  heed_configuration(handshake.peer_auth);
  support_.note_auth(handshake.peer_auth);
  note_window_size();
  note_mobility(handshake.peer_auth);
  heed_gifts(handshake.peer_auth, now);
  heed_auth_lifetime(handshake.peer_auth, now);
  if (follow_redirect(handshake.peer_auth, now)) {
    if (handshake.offer) shared_.release(handshake.offer->spi_in);
    return;
  }
  begin_reauthenticated_children(now);
  if (!handshake.offer) return begin_children(handshake.first_child, now);
  const ChildOffer& offer = *handshake.offer;
  const auto settle = [&](EndReason reason, const std::string& why) {
    shared_.release(offer.spi_in);
    fail_child(offer.child->name, reason, why);
  };
  //= rfc7296#2.21.2-4
  if (const wire::NotifyPayload* const error = find_error(handshake.peer_auth)) {
    settle(reason_of(error->type),
           fmt::format("the peer refuses with {}; we asked for {} === {}", describe(*error),
                       policy::to_string(offer.local), policy::to_string(offer.remote)));
    return send_next(now);
  }
  const ChildPayloads child = ChildPayloads::of(handshake.peer_auth);
  if (!child.is_complete()) {
    // Sent away, and not gone.
    settle(EndReason::peer_refused, "the peer gives us none");
    return send_next(now);
  }
  const auto verdict = accept_child_sa(child, offer, scene(true));
  if (!verdict) {
    settle(verdict.error().reason, verdict.error().sentence);
    return want(WantDeleteChild{offer.spi_in, std::nullopt, chosen_protocol(handshake.peer_auth)},
                now);  // the peer has installed it
  }
  if (!install(*verdict, offer.spi_in, {}, handshake.nonce_i, handshake.nonce_r, true, now)) {
    settle(EndReason::local_fault, "the keys cannot be made");
    return want(WantDeleteChild{offer.spi_in, std::nullopt, chosen_protocol(handshake.peer_auth)},
                now);
  }
  send_next(now);
}

/// Childless: what the IKE SA is for comes next.
void IkeSa::begin_children(const FirstChild& first_child, Instant now) {
  if (connection_->children.empty()) return send_next(now);
  create_child(first_child.find_in(*connection_).name, now, first_child.trigger);
}

void IkeSa::note_peer(const wire::IdPayload& id, AuthKind kind) {
  handshake_->peer_id = id;
  remote_kind_ = kind;
  // RFC 7619 s2.2: what an unauthenticated peer calls itself means nothing.
  belong_to(connection_, kind == AuthKind::null ? policy::Identity{wire::IdType::null, {}}
                                                : policy::Identity::from_wire(id));
}

// ---- Responder

void IkeSa::refuse_auth(const std::string& why, Instant now) {
  report_early(EventKind::ike_auth_failed, fmt::format("{}: {}", who(), why), now);
  respond(make_notify(NotifyType::authentication_failed));
  die(EndReason::authentication, now, true);
}

void IkeSa::handle_auth_request(Payloads payloads, Instant now) {
  auto fault = fault_in(Shape::auth_request, payloads);
  if (!fault) fault = fault_in_child(payloads, true);
  if (fault) return refuse_malformed(*fault, now);
  const auto* const auth = wire::find<wire::AuthPayload>(payloads);
  const wire::IdPayload& id = *wire::find_id(payloads, true);
  const auto kind = auth != nullptr ? kind_of(auth->method) : AuthKind::eap;
  if (!is_kind_wanted(kind)) {
    return refuse_auth(fmt::format("{} authenticates by {}, we expect {}", describe(id),
                                   auth != nullptr ? describe(auth->method) : "EAP",
                                   describe(handshake_->candidates.front()->remote_auths)),
                       now);
  }
  ConnectionPtr chosen = choose_connection(payloads);
  if (!chosen) {
    const wire::IdPayload* const wanted = wire::find_id(payloads, false);
    report_early(EventKind::ike_peer_unknown,
                 fmt::format("{}: no connection is for {} as the peer{}", who(), describe(id),
                             wanted == nullptr ? "" : " and " + describe(*wanted) + " as us"),
                 now);
    return refuse_auth(fmt::format("unknown identity {}", describe(id)), now);
  }
  // RFC 6023 s3
  if (chosen->childless == Childless::never && !ChildPayloads::of(payloads).is_complete()) {
    return refuse_malformed("SA is missing (childless = never)", now);
  }
  connection_ = std::move(chosen);
  note_peer(id, kind.value_or(AuthKind::shared_key));
  note_auth_methods(payloads, now);
  handshake_->certificate_wishes = find_certificate_wishes(payloads);
  const bool is_eap_only =
      connection_->eap_only && wire::find_notify(payloads, NotifyType::eap_only_authentication);
  handshake_->peer_auth = std::move(payloads);
  move_to(IkeState::auth_pending);
  const bool may_take_long = kind == AuthKind::eap || kind == AuthKind::signature;
  if (may_take_long && !admit_to_pending(now)) return;
  if (kind != AuthKind::eap) return request_auth(AuthStep::peer, now);
  half_open_until_ = now + shared_.limits().eap_timeout;
  if (is_eap_only) return begin_eap(nullptr, now);
  request_auth(AuthStep::own, now);
}

/// The peer is who it says.
void IkeSa::admit(Instant now) {
  if (is_unwelcome()) {
    return refuse_auth(
        fmt::format("{} has an IKE SA already, and unique = keep", remote_id_->to_string()), now);
  }
  if (wants_lease()) return ask_lease();
  request_auth(AuthStep::own, now);
}

bool IkeSa::is_kind_wanted(std::optional<AuthKind> kind) const {
  const auto& candidates = handshake_->candidates;
  return candidates.empty() ||
         (kind && std::ranges::any_of(candidates, [kind](const ConnectionPtr& candidate) {
            return accepts(*candidate, *kind);
          }));
}

ConnectionPtr IkeSa::choose_connection(const Payloads& payloads) const {
  const auto* const auth = wire::find<wire::AuthPayload>(payloads);
  const auto kind = auth != nullptr ? kind_of(auth->method) : AuthKind::eap;
  const auto peer = policy::Identity::from_wire(*wire::find_id(payloads, true));
  const wire::IdPayload* const wanted = wire::find_id(payloads, false);
  if (handshake_->is_resumed) return resumed_connection(payloads);
  ConnectionPtr one_of_several;
  ConnectionPtr any_peer;
  for (const ConnectionPtr& candidate : handshake_->candidates) {
    // It may have been removed or changed since IKE_SA_INIT.
    if (std::ranges::find(shared_.connections, candidate) == shared_.connections.end()) continue;
    if (!kind || !accepts(*candidate, *kind)) continue;
    const auto& remote = candidate->remote_id;
    //= rfc7296#1.2-3
    // Before EAP a peer calls itself as it likes; who it is comes out there.
    if (kind != AuthKind::eap && remote && !remote->matches(peer)) continue;
    if (wanted != nullptr && candidate->local_auth != AuthKind::null &&
        !policy::is_same(candidate->local_id, policy::Identity::from_wire(*wanted))) {
      continue;
    }
    if (!is_offered(session_->suite, candidate->offers)) continue;
    if (remote && remote->only() != nullptr) return candidate;
    ConnectionPtr& less_exact = remote ? one_of_several : any_peer;
    if (!less_exact) less_exact = candidate;
  }
  return one_of_several ? one_of_several : any_peer;
}

void IkeSa::answer_auth(const OwnProof& proof, Instant now) {
  const bool is_after_eap = handshake_->eap.has_value();
  end_eap();
  const std::unique_ptr<Handshake> done = std::exchange(handshake_, nullptr);
  Handshake& handshake = *done;
  is_resumed_ = handshake.is_resumed;
  const Payloads& request = handshake.peer_auth;
  Payloads answer;
  if (!is_after_eap) answer.emplace_back(own_id().to_wire(false));
  proof.append_to(answer);
  support_.note_auth(request);
  append_gifts(answer, &request, now);
  note_window_size();
  append_auth_response_notifies(answer, *connection_, shared_.limits(), support_);
  append_auth_lifetime(answer);
  if (!agree_on_mobility(request, answer, now)) return;
  //= rfc7296#2.4-1
  // RFC 5723 s4.3.4: what was resumed replaces what it was resumed from.
  establish(
      handshake.is_resumed || wire::find_notify(request, NotifyType::initial_contact) != nullptr,
      now);
  heed_gifts(request, now);
  if (handshake.ticket) shared_.ticket_maker.use_up(*handshake.ticket, now);
  if (redirect_in_auth(answer, now)) return respond(answer);

  if (const auto obstacle = append_configuration(answer, handshake)) {
    answer.emplace_back(*obstacle);
    return respond(answer);
  }
  // RFC 6023 s3
  if (!ChildPayloads::of(request).is_complete()) return respond(answer);
  const auto verdict = choose_child_sa(ChildPayloads::of(request), crypto::KeGroup::none,
                                       *connection_, connection_, scene(true));
  if (!verdict) {
    report(EventKind::child_failed,
           fmt::format("{}: refused a Child SA with {}: {}", who(),
                       describe(verdict.error().notify), verdict.error().sentence));
    answer.emplace_back(verdict.error().notify);
    return respond(answer);
  }
  const base::Spi spi_in = shared_.allocate_spi();
  if (install(*verdict, spi_in, {}, handshake.nonce_i, handshake.nonce_r, false, now)) {
    for (wire::Payload& payload : make_child_answer(*verdict, spi_in)) {
      answer.push_back(std::move(payload));
    }
  } else {
    shared_.release(spi_in);
    report(EventKind::child_failed, fmt::format("{}: the Child SA's keys cannot be made", who()));
    answer.emplace_back(make_notify(NotifyType::temporary_failure));
  }
  respond(answer);
}

}  // namespace caponier::ike
