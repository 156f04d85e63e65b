// IKE_AUTH with a shared key (RFC 7296 s1.2, s2.15, s2.21.2), both roles, and the first Child SA.
// The keyholder computes every AUTH value; here they are only compared.

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

policy::Identity IkeSa::own_id() const {
  if (connection_->local_auth == AuthKind::null) return {wire::IdType::null, {}};
  return connection_->local_id;
}

void IkeSa::request_auth(AuthStep step, Instant now) {
  Handshake& handshake = *handshake_;
  handshake.step = step;
  handshake.auth_request = shared_.new_request();
  // "Own octets of the initiator" and "peer's octets at the responder" are the same octets.
  const bool is_initiators = (step == AuthStep::own) == is_initiator_;
  const wire::IdPayload id = step == AuthStep::own
                                 ? own_id().to_wire(is_initiator_)
                                 : *wire::find_id(handshake.peer_auth, !is_initiator_);
  base::ByteVec octets = is_initiators ? signed_octets(*session_->prf, handshake.init_request,
                                                       handshake.nonce_r, handshake.sk_pi, id)
                                       : signed_octets(*session_->prf, handshake.init_response,
                                                       handshake.nonce_i, handshake.sk_pr, id);
  if (octets.empty()) return fail_auth_locally("the PRF failed", now);
  base::append(octets, int_auth());
  if (handshake.is_resumed) return settle_auth(resumed_auth(is_initiators, octets), now);
  const AuthKind kind = step == AuthStep::own ? connection_->local_auth : connection_->remote_auth;
  if (kind == AuthKind::null) {
    // RFC 7619 s2.1: it binds the exchanges together and proves nothing else.
    const base::SecretBytes& key = is_initiators ? handshake.sk_pi : handshake.sk_pr;
    return settle_auth(shared_key_auth(*session_->prf, key.reveal(), octets), now);
  }
  AuthRequest request;
  request.sa = id_;
  request.request = handshake.auth_request;
  request.connection = connection_->name;
  request.prf = session_->suite.prf;
  request.signed_octets = std::move(octets);
  shared_.emit(std::move(request));
}

void IkeSa::handle_auth_reply(AuthReply reply, Instant now) {
  if (state_ != IkeState::auth_pending || !handshake_ ||
      reply.request != handshake_->auth_request) {
    return;
  }
  if (!reply.known || reply.auth.empty()) {
    return fail_auth_locally("the keyholder has no secret for this connection", now);
  }
  settle_auth(reply.auth, now);
}

void IkeSa::settle_auth(const base::SecretBytes& auth, Instant now) {
  if (auth.empty()) return fail_auth_locally("the PRF failed", now);
  const AuthStep step = std::exchange(handshake_->step, AuthStep::none);
  handshake_->auth_request = 0;
  switch (step) {
    case AuthStep::none: return;
    case AuthStep::own:
      if (is_initiator_) return send_auth(auth, now);
      return answer_auth(auth, now);
    case AuthStep::peer: break;
  }
  //= rfc7296#1.2-2
  if (has_right_auth(auth)) {
    if (is_initiator_) {
      conclude_auth(now);
      return conclude_reauthentication(now);
    }
    if (is_unwelcome()) {
      return refuse_auth(
          fmt::format("{} has an IKE SA already, and unique = keep", remote_id_->to_string()), now);
    }
    return request_auth(AuthStep::own, now);
  }
  const std::string why =
      fmt::format("the peer's AUTH as {} is wrong: the secrets differ", remote_id_->to_string());
  if (!is_initiator_) return refuse_auth(why, now);
  distrust(why, now);
}

bool IkeSa::has_right_auth(const base::SecretBytes& expected) const {
  const auto* const auth = wire::find<wire::AuthPayload>(handshake_->peer_auth);
  return auth != nullptr && base::equal_constant_time(expected.reveal(), auth->data);
}

bool IkeSa::is_unwelcome() {
  return connection_->unique == Unique::keep && !is_anonymous(*connection_) &&
         !wire::find_notify(handshake_->peer_auth, NotifyType::initial_contact) &&
         Twins{*this}.has_lasting();
}

void IkeSa::note_auth_methods(const Payloads& payloads, Instant now) {
  handshake_->peer_methods = find_auth_methods(payloads);
  const auto& methods = handshake_->peer_methods;
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
  if (handshake_->step == AuthStep::own) return die(EndReason::local_fault, now, false);
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
                     connection_->remote_auth == AuthKind::null
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

void IkeSa::send_auth(const base::SecretBytes& auth, Instant now) {
  const ConnectionConfig& connection = *connection_;
  // RFC 6023 s3
  if (wants_childless() && !support_.childless) {
    report(EventKind::ike_failed,
           fmt::format("{}: the connection has no child, and the peer does not support an IKE SA "
                       "without one (RFC 6023)",
                       who()));
    return die(EndReason::peer_refused, now, false);
  }
  if (!wants_childless()) {
    if (const auto obstacle = find_obstacle(connection.children.front(), scene(true))) {
      fail_child(connection.children.front().name, EndReason::no_proposal, *obstacle);
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
  payloads.emplace_back(
      wire::AuthPayload{method_of(connection.local_auth), base::to_vec(auth.reveal())});
  append_gifts(payloads, nullptr, now);
  if (!wants_childless()) {
    const ChildConfigPtr child{connection_, &connection.children.front()};
    handshake_->offer = make_child_offer(child, shared_.allocate_spi(), crypto::KeGroup::none,
                                         scene(true), nullptr, handshake_->trigger);
    for (const wire::Payload& payload : handshake_->offer->payloads) payloads.push_back(payload);
  }
  if (!handshake_->peer_methods.empty()) {
    payloads.emplace_back(make_auth_methods({method_of(connection.remote_auth)}));
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
  if (error != nullptr && auth == nullptr) {
    const bool is_auth = error->type == NotifyType::authentication_failed;
    report(
        is_auth ? EventKind::ike_auth_failed : EventKind::ike_failed,
        fmt::format("{}: the peer refuses IKE_AUTH with {}{}; we are {}{}", who(), describe(*error),
                    is_auth ? ": the pre-shared keys or the identities differ" : "",
                    connection_->local_id.to_string(),
                    connection_->remote_id
                        ? fmt::format(" and want {}", connection_->remote_id->to_string())
                        : "") +
            announced());
    return die(is_auth ? EndReason::authentication : EndReason::peer_refused, now, false);
  }
  auto fault = fault_in(Shape::auth_response, payloads);
  if (!fault && id == nullptr) fault = "IDr is missing";
  // RFC 5685 s6: who sends us elsewhere makes no Child SA.
  const bool is_redirect = wire::find_notify(payloads, NotifyType::redirect) != nullptr;
  if (!fault && error == nullptr && !is_redirect && handshake_->offer) {
    fault = fault_in_child(payloads, false);
  }
  if (fault) {
    report(EventKind::ike_malformed,
           fmt::format("{}: the IKE_AUTH response is malformed: {}", who(), *fault));
    return begin_farewell({make_notify(NotifyType::invalid_syntax)}, EndReason::protocol_error,
                          now);
  }
  if (auth == nullptr) return distrust("the peer wants EAP; a pre-shared key is configured", now);
  // RFC 7619 s2
  if (auth->method != method_of(connection_->remote_auth)) {
    return distrust(fmt::format("the peer authenticates by method {}, we expect {}",
                                static_cast<unsigned>(auth->method),
                                describe(method_of(connection_->remote_auth))),
                    now);
  }
  note_peer(*id);
  if (handshake_->is_resumed && *id != handshake_->resumes->state.id_r) {
    return distrust("the peer resumes under another identity", now);
  }
  if (connection_->remote_id && !connection_->remote_id->matches(*remote_id_)) {
    return distrust(fmt::format("the peer says it is {}, we expect {}", remote_id_->to_string(),
                                connection_->remote_id->to_string()),
                    now);
  }
  handshake_->peer_auth = payloads;
  move_to(IkeState::auth_pending);
  half_open_until_ = now + shared_.limits().half_open_timeout;
  request_auth(AuthStep::peer, now);
}

void IkeSa::conclude_auth(Instant now) {
  const std::unique_ptr<Handshake> done = std::exchange(handshake_, nullptr);
  Handshake& handshake = *done;
  is_resumed_ = handshake.is_resumed;
  establish(false, now);
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
  if (!handshake.offer) return begin_children(std::move(handshake.trigger), now);
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
void IkeSa::begin_children(std::optional<policy::Trigger> trigger, Instant now) {
  if (connection_->children.empty()) return send_next(now);
  create_child(connection_->children.front().name, now, std::move(trigger));
}

void IkeSa::note_peer(const wire::IdPayload& id) {
  // RFC 7619 s2.2: what an unauthenticated peer calls itself means nothing.
  belong_to(connection_, connection_->remote_auth == AuthKind::null
                             ? policy::Identity{wire::IdType::null, {}}
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
  if (auth == nullptr) {
    return refuse_auth(fmt::format("{} wants EAP; a pre-shared key is configured", describe(id)),
                       now);
  }
  if (!is_method_wanted(auth->method)) {
    return refuse_auth(
        fmt::format("{} authenticates by method {}, we expect {}", describe(id),
                    static_cast<unsigned>(auth->method),
                    describe(method_of(handshake_->candidates.front()->remote_auth))),
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
  note_peer(id);
  note_auth_methods(payloads, now);
  handshake_->peer_auth = std::move(payloads);
  move_to(IkeState::auth_pending);
  request_auth(AuthStep::peer, now);
}

bool IkeSa::is_method_wanted(wire::AuthMethod method) const {
  const auto& candidates = handshake_->candidates;
  return candidates.empty() ||
         std::ranges::any_of(candidates, [method](const ConnectionPtr& candidate) {
           return method_of(candidate->remote_auth) == method;
         });
}

ConnectionPtr IkeSa::choose_connection(const Payloads& payloads) const {
  const wire::AuthMethod method = wire::find<wire::AuthPayload>(payloads)->method;
  const auto peer = policy::Identity::from_wire(*wire::find_id(payloads, true));
  const wire::IdPayload* const wanted = wire::find_id(payloads, false);
  if (handshake_->is_resumed) return resumed_connection(payloads);
  ConnectionPtr one_of_several;
  ConnectionPtr any_peer;
  for (const ConnectionPtr& candidate : handshake_->candidates) {
    // It may have been removed or changed since IKE_SA_INIT.
    if (std::ranges::find(shared_.connections, candidate) == shared_.connections.end()) continue;
    if (method_of(candidate->remote_auth) != method) continue;
    const auto& remote = candidate->remote_id;
    //= rfc7296#1.2-3
    if (remote && !remote->matches(peer)) continue;
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

void IkeSa::answer_auth(const base::SecretBytes& auth, Instant now) {
  const std::unique_ptr<Handshake> done = std::exchange(handshake_, nullptr);
  Handshake& handshake = *done;
  is_resumed_ = handshake.is_resumed;
  const Payloads& request = handshake.peer_auth;
  Payloads answer;
  answer.emplace_back(own_id().to_wire(false));
  answer.emplace_back(
      wire::AuthPayload{method_of(connection_->local_auth), base::to_vec(auth.reveal())});
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
