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
#include "ike/witness.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using policy::Symptom;
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

/// RFC 7296 s2.21.2: the IKE SA is made nevertheless.
bool is_about_child(NotifyType type) {
  return type == NotifyType::no_proposal_chosen || type == NotifyType::ts_unacceptable ||
         type == NotifyType::single_pair_required || type == NotifyType::internal_address_failure ||
         type == NotifyType::failed_cp_required || type == NotifyType::temporary_failure;
}

/// `by_rounds`: only among those that have another round for the peer as it announces one, or not.
ConnectionPtr best_of(const std::vector<ConnectionPtr>& candidates, const Payloads& payloads,
                      bool by_rounds) {
  const auto* const auth = wire::find<wire::AuthPayload>(payloads);
  const auto kind = auth != nullptr ? kind_of(auth->method) : AuthKind::eap;
  const auto peer = policy::Identity::from_wire(*wire::find_id(payloads, true));
  const wire::IdPayload* const wanted = wire::find_id(payloads, false);
  const bool has_another = wire::find_notify(payloads, NotifyType::another_auth_follows) != nullptr;
  ConnectionPtr one_of_several;
  ConnectionPtr any_peer;
  for (const ConnectionPtr& candidate : candidates) {
    const PeerRound& round = candidate->peer_rounds.front();
    if (!kind || !accepts(round, *kind)) continue;
    if (by_rounds && has_another != (candidate->peer_rounds.size() > 1)) continue;
    const auto& remote = round.identity;
    //= rfc7296#1.2-3
    // Before EAP a peer calls itself as it likes; who it is comes out there.
    if (kind != AuthKind::eap && remote && !remote->matches(peer)) continue;
    const OwnRound& own = candidate->own_rounds.front();
    if (wanted != nullptr && own.kind != AuthKind::null &&
        !own.is_called(policy::Identity::from_wire(*wanted))) {
      continue;
    }
    if (remote && remote->only() != nullptr) return candidate;
    ConnectionPtr& less_exact = remote ? one_of_several : any_peer;
    if (!less_exact) less_exact = candidate;
  }
  return one_of_several ? one_of_several : any_peer;
}

/// Nobody here is for it: who would have been taken, and who we are.
void add_known(policy::Evidence& evidence, const std::vector<ConnectionPtr>& candidates,
               const policy::Identity& peer) {
  for (const ConnectionPtr& candidate : candidates) {
    if (evidence.known.size() == policy::evidence_names_max) break;
    const auto& wanted = candidate->peer_rounds.front().identity;
    evidence.known.push_back(wanted ? wanted->to_string() : "");
    // Its name would do, but not the one it has for us.
    if (!wanted || wanted->matches(peer)) evidence.fault = "wanted";
  }
  if (!candidates.empty()) {
    evidence.ours.identity = candidates.front()->own_rounds.front().identity;
  }
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
  if (own_round().kind == AuthKind::eap) return;
  const wire::AuthMethod ours = method_of(own_round().kind);
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

void IkeSa::fail_auth_locally(const AuthReply& reply, Instant now) {
  const std::string why =
      reply.why.empty() ? "the keyholder has no secret for this connection" : reply.why;
  auto evidence = Witness{*this}.saw_identities(Symptom::auth_proof_lacking);
  evidence.fault = reply.fault;
  evidence.text = why;
  Witness{*this}.note_early(std::move(evidence), now);
  report(EventKind::local_fault, fmt::format("{}: cannot authenticate: {}", who(), why));
  if (!is_initiator_) {
    respond(make_notify(NotifyType::authentication_failed));
    return die(EndReason::local_fault, now, true);
  }
  if (handshake_->step == AuthStep::own && !handshake_->eap && handshake_->auth.own == 0) {
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
  std::string peer = remote_id_->to_string();
  for (const policy::Identity& id : earlier_ids_) peer += " after " + id.to_string();
  report(EventKind::ike_established,
         fmt::format("{}: IKE SA {} is up with {}, {}{}", who(), id_.value, peer,
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
  if (handshake_->eap || handshake_->auth.own > 0) return send_round(proof, now);
  if (const auto obstacle = unsupported_in(*connection_, support_.multiple_auth)) {
    auto evidence = Witness{*this}.saw_identities(Symptom::auth_unsupported);
    evidence.text = *obstacle;
    Witness{*this}.note(std::move(evidence));
    report(EventKind::ike_failed, fmt::format("{}: {}", who(), *obstacle));
    return die(EndReason::peer_refused, now, false);
  }
  // RFC 6023 s3
  if (wants_childless() && !support_.childless) {
    auto evidence = Witness{*this}.saw(Symptom::auth_unsupported);
    evidence.text = "the connection has no child, and the peer knows no IKE SA without one";
    Witness{*this}.note(std::move(evidence));
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
  const bool is_somebody = own_round().kind != AuthKind::null && connection.unique != Unique::never;
  if (is_somebody && !shared_.up_count.contains(connection.name)) {
    //= rfc7296#2.4-3
    payloads.emplace_back(make_notify(NotifyType::initial_contact));
  }
  const auto& pattern = peer_round().identity;
  const policy::Identity* const expected = pattern ? pattern->only() : nullptr;
  if (expected != nullptr) payloads.emplace_back(expected->to_wire(false));
  append_certificate_request(payloads);
  if (support_.multiple_auth) {
    payloads.emplace_back(make_notify(NotifyType::multiple_auth_supported));
  }
  if (proof != nullptr) {
    proof->append_to(payloads);
    append_another(payloads, ++handshake_->auth.own);
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
void IkeSa::distrust(const std::string& why, policy::Evidence evidence, Instant now) {
  evidence.text = why;
  Witness{*this}.note(std::move(evidence));
  report(EventKind::ike_auth_failed, fmt::format("{}: {}", who(), why));
  begin_farewell({make_notify(NotifyType::authentication_failed)}, EndReason::authentication, now);
}

bool IkeSa::heed_auth_refusal(const Payloads& payloads, Instant now) {
  const wire::NotifyPayload* const error = find_error(payloads);
  if (error == nullptr || wire::find<wire::AuthPayload>(payloads) != nullptr) return false;
  // Where no AUTH is due any more, the last answer may have none, and be of the Child SA (RFC 4739
  // s2.4).
  const bool is_auth_due = handshake_->auth.is_peers_due || is_in_eap_round();
  if (!is_auth_due && is_about_child(error->type)) return false;
  const bool is_auth = error->type == NotifyType::authentication_failed;
  const auto& expected = peer_round().identity;
  auto evidence = Witness{*this}.saw_identities(Symptom::auth_refused);
  evidence.notify = error->type;
  evidence.peer_status = peer_status_in(payloads);
  Witness{*this}.note(std::move(evidence));
  base::Event event = make_event(
      is_auth ? EventKind::ike_auth_failed : EventKind::ike_failed,
      fmt::format("{}: the peer refuses IKE_AUTH with {}{}; we are {}{}", who(), describe(*error),
                  !is_auth ? ""
                  : own_round().kind == AuthKind::shared_key
                      ? ": the pre-shared keys or the identities differ"
                      : ": it does not accept our proof or our identity",
                  own_round().identity.to_string(),
                  expected ? fmt::format(" and want {}", expected->to_string()) : "") +
          announced());
  event.fields.emplace_back("notify", wire::name_of(error->type));
  shared_.report(std::move(event));
  die(is_auth ? EndReason::authentication : EndReason::peer_refused, now, false);
  return true;
}

std::optional<std::string> IkeSa::fault_in_auth_response(const Payloads& payloads) const {
  const AuthRounds& rounds = handshake_->auth;
  const bool is_first = !handshake_->peer_id;
  const bool is_eaps_end = handshake_->eap && handshake_->eap->has_succeeded;
  if (auto fault = fault_in(is_first ? Shape::auth_response : Shape::auth_round_response, payloads))
    return fault;
  if (rounds.is_peers_due && !is_eaps_end && wire::find_id(payloads, false) == nullptr) {
    return "IDr is missing";
  }
  // RFC 5685 s6: who sends us elsewhere makes no Child SA.
  const bool has_excuse = find_error(payloads) != nullptr ||
                          wire::find_notify(payloads, NotifyType::redirect) != nullptr;
  if (has_excuse || !handshake_->offer) return std::nullopt;
  const std::size_t through = rounds.own + (is_eaps_end ? 1 : 0);
  const bool is_last = through >= connection_->own_rounds.size() &&
                       !(rounds.is_peers_due && is_eaps_end) &&
                       !wire::find_notify(payloads, NotifyType::another_auth_follows);
  return is_last ? fault_in_child(payloads, false) : std::nullopt;
}

void IkeSa::handle_auth_response(const Payloads& payloads, Instant now) {
  if (state_ != IkeState::auth_sent) return;
  if (handshake_->eap && !handshake_->eap->failure.empty()) {
    // Whatever it says to our last word, it has ended the IKE SA.
    report(EventKind::ike_auth_failed, handshake_->eap->failure);
    return die(EndReason::authentication, now, false);
  }
  if (heed_auth_refusal(payloads, now)) return;
  const bool is_eaps_end = handshake_->eap && handshake_->eap->has_succeeded;
  if (const auto fault = fault_in_auth_response(payloads)) {
    auto evidence = Witness{*this}.saw(Symptom::protocol_error);
    if (handshake_->eap && !is_eaps_end) return distrust(*fault, std::move(evidence), now);
    evidence.text = *fault;
    Witness{*this}.note(std::move(evidence));
    report(EventKind::ike_malformed,
           fmt::format("{}: the IKE_AUTH response is malformed: {}", who(), *fault));
    return begin_farewell({make_notify(NotifyType::invalid_syntax)}, EndReason::protocol_error,
                          now);
  }
  handshake_->peer_auth = payloads;
  if (handshake_->auth.is_peers_due && !is_eaps_end) return take_peer_round(payloads, now);
  continue_auth_response(now);
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
  const FirstChild& first = handshake.first_child;
  if (reauthenticates_) begin_reauthenticated_children(first.find_in(*connection_).name, now);
  if (!handshake.offer) return begin_children(handshake.first_child, now);
  const ChildOffer& offer = *handshake.offer;
  const auto settle = [&](EndReason reason, const std::string& why) {
    shared_.release(offer.spi_in);
    fail_child(offer.child->name, reason, why);
  };
  //= rfc7296#2.21.2-4
  if (const wire::NotifyPayload* const error = find_error(handshake.peer_auth)) {
    Witness{*this}.note_child_refused(offer, handshake.peer_auth, false);
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
    Witness{*this}.note_refusal(verdict.error(), &offer);
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
  // Whose SA it is, and what that one may have, is the last round's word alone.
  if (handshake_->auth.peers > 0) earlier_ids_.push_back(*remote_id_);
  user_.clear();
  handshake_->grant = {};
  handshake_->peer_id = id;
  remote_kind_ = kind;
  // RFC 7619 s2.2: what an unauthenticated peer calls itself means nothing.
  belong_to(connection_, kind == AuthKind::null ? policy::Identity{wire::IdType::null, {}}
                                                : policy::Identity::from_wire(id));
}

// ---- Responder

void IkeSa::refuse_auth(const std::string& why, policy::Evidence evidence, Instant now) {
  evidence.text = why;
  evidence.we_asked = false;
  Witness{*this}.note_early(std::move(evidence), now);
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
    const ConnectionConfig& wanted = *handshake_->candidates.front();
    auto evidence = Witness{*this}.saw_identities(Symptom::auth_method_unwanted);
    evidence.ours.methods = words_of(wanted.peer_rounds.front().kinds);
    evidence.theirs.identity = policy::Identity::from_wire(id);
    if (kind) evidence.theirs.methods = words_of({*kind});
    return refuse_auth(fmt::format("{} authenticates by {}, we expect {}", describe(id),
                                   auth != nullptr ? describe(auth->method) : "EAP",
                                   describe(wanted.peer_rounds.front().kinds)),
                       std::move(evidence), now);
  }
  ConnectionPtr chosen = choose_connection(payloads);
  if (!chosen) {
    const wire::IdPayload* const wanted = wire::find_id(payloads, false);
    report_early(EventKind::ike_peer_unknown,
                 fmt::format("{}: no connection is for {} as the peer{}", who(), describe(id),
                             wanted == nullptr ? "" : " and " + describe(*wanted) + " as us"),
                 now);
    auto evidence = Witness{*this}.saw(Symptom::auth_identity_unknown);
    evidence.theirs.identity = policy::Identity::from_wire(id);
    if (kind) evidence.theirs.methods = words_of({*kind});
    if (wanted != nullptr) {
      evidence.theirs.expects = policy::Identity::from_wire(*wanted).to_string();
    }
    add_known(evidence, handshake_->candidates, policy::Identity::from_wire(id));
    return refuse_auth(fmt::format("unknown identity {}", describe(id)), std::move(evidence), now);
  }
  // RFC 6023 s3
  if (chosen->childless == Childless::never && !ChildPayloads::of(payloads).is_complete()) {
    return refuse_malformed("SA is missing (childless = never)", now);
  }
  connection_ = std::move(chosen);
  support_.multiple_auth = wire::find_notify(payloads, NotifyType::multiple_auth_supported);
  if (const auto obstacle = unsupported_in(*connection_, support_.multiple_auth)) {
    return refuse_auth(*obstacle, Witness{*this}.saw_identities(Symptom::auth_unsupported), now);
  }
  note_auth_methods(payloads, now);
  handshake_->certificate_wishes = find_certificate_wishes(payloads);
  const bool is_eap_only =
      connection_->eap_only && connection_->own_rounds.size() == 1 &&
      wire::find_notify(payloads, NotifyType::eap_only_authentication) != nullptr;
  handshake_->peer_auth = std::move(payloads);
  begin_peer_round(handshake_->peer_auth, kind.value_or(AuthKind::shared_key), is_eap_only, now);
}

/// The peer is who it says, in every round.
void IkeSa::admit(Instant now) {
  if (is_unwelcome()) {
    return refuse_auth(
        fmt::format("{} has an IKE SA already, and unique = keep", remote_id_->to_string()),
        Witness{*this}.saw_identities(Symptom::auth_unwelcome), now);
  }
  if (wants_lease()) return ask_lease();
  prove(now);
}

bool IkeSa::is_kind_wanted(std::optional<AuthKind> kind) const {
  const auto& candidates = handshake_->candidates;
  return candidates.empty() ||
         (kind && std::ranges::any_of(candidates, [kind](const ConnectionPtr& candidate) {
            return accepts(candidate->peer_rounds.front(), *kind);
          }));
}

/// By the first round: nobody changes the connection later on.
ConnectionPtr IkeSa::choose_connection(const Payloads& payloads) const {
  if (handshake_->is_resumed) return resumed_connection(payloads);
  std::vector<ConnectionPtr> candidates;
  for (const ConnectionPtr& candidate : handshake_->candidates) {
    // It may have been removed or changed since IKE_SA_INIT.
    if (std::ranges::find(shared_.connections, candidate) == shared_.connections.end()) continue;
    if (is_offered(session_->suite, candidate->offers)) candidates.push_back(candidate);
  }
  const bool tells_rounds = wire::find<wire::AuthPayload>(payloads) != nullptr;
  ConnectionPtr chosen = tells_rounds ? best_of(candidates, payloads, true) : nullptr;
  return chosen ? chosen : best_of(candidates, payloads, false);
}

/// The last answer. `proof`: null when every round of ours is through already.
void IkeSa::answer_auth(const OwnProof* proof, Instant now) {
  Payloads answer;
  if (proof != nullptr) append_proof(answer, *proof);
  end_eap();
  const std::unique_ptr<Handshake> done = std::exchange(handshake_, nullptr);
  Handshake& handshake = *done;
  is_resumed_ = handshake.is_resumed;
  const Payloads& request = handshake.peer_auth;
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
    Witness{*this}.note_refusal(verdict.error(), nullptr);
    report(EventKind::child_failed,
           fmt::format("{}: refused a Child SA with {}: {}", who(),
                       describe(verdict.error().notify), verdict.error().sentence));
    answer.emplace_back(verdict.error().notify);
    append_reason(answer, verdict.error());
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
