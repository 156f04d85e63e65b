// Several rounds of authentication in IKE_AUTH (RFC 4739), both roles, of which nearly everybody
// has one. The rounds of the two sides go on beside each other: whoever says ANOTHER_AUTH_FOLLOWS
// begins the next one of its own with its next message. ike_auth.cpp has the first message of each
// side and the last; nothing comes of the IKE SA before every round is through.

#include "ike/auth_rounds.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/auth_methods.h"
#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/witness.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using policy::Symptom;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

std::string times(std::size_t count) {
  return count == 1 ? "once" : count == 2 ? "twice" : fmt::format("{} times", count);
}

}  // namespace

std::optional<std::string> excess_in(const AuthRounds& rounds, const ConnectionConfig& connection,
                                     const std::string& who) {
  if (!rounds.is_peers_due || rounds.peers < connection.peer_rounds.size()) return std::nullopt;
  return fmt::format(
      "{} has authenticated {} and wants to once more, but the configuration has no further round "
      "for the peer (RFC 4739)",
      who, times(rounds.peers));
}

std::optional<std::string> missing_in(const AuthRounds& rounds, const ConnectionConfig& connection,
                                      const std::string& who, bool is_supported) {
  const auto& demanded = connection.peer_rounds;
  if (rounds.is_peers_due || rounds.peers >= demanded.size()) return std::nullopt;
  return fmt::format("{} has authenticated {}, but the configuration demands {} rounds; next: {}{}",
                     who, times(rounds.peers), demanded.size(),
                     describe(demanded[rounds.peers].kinds),
                     is_supported ? "" : ". The peer does not support that (RFC 4739)");
}

std::optional<std::string> unsupported_in(const ConnectionConfig& connection, bool is_supported) {
  if (connection.own_rounds.size() == 1 || is_supported) return std::nullopt;
  return fmt::format(
      "we are configured to authenticate {}, and the peer does not take that (RFC 4739)",
      times(connection.own_rounds.size()));
}

// ---- Both roles

const PeerRound& IkeSa::peer_round() const {
  const auto& rounds = connection_->peer_rounds;
  return rounds[std::min(handshake_->auth.peers, rounds.size() - 1)];
}

const OwnRound& IkeSa::own_round() const { return connection_->own_rounds[handshake_->auth.named]; }

/// Our identity and what proves it, in a round that is not EAP's.
void IkeSa::append_own_round(Payloads& payloads, const OwnProof& proof) {
  payloads.emplace_back(own_id().to_wire(is_initiator_));
  proof.append_to(payloads);
  ++handshake_->auth.own;
  append_another(payloads, handshake_->auth.own);
}

/// After our AUTH, of which so many rounds of ours are through.
void IkeSa::append_another(Payloads& payloads, std::size_t through) const {
  //= rfc4739#3.2-1
  if (through >= connection_->own_rounds.size()) return;
  payloads.emplace_back(make_notify(NotifyType::another_auth_follows));
}

void IkeSa::note_proof(const Payloads& payloads) {
  handshake_->proof = proof_of(payloads);
  handshake_->auth.is_another_told =
      wire::find_notify(payloads, NotifyType::another_auth_follows) != nullptr;
}

// ---- Initiator

/// As the initiator: the answer to our last message has a round of the peer's, as it announced.
void IkeSa::take_peer_round(const Payloads& payloads, Instant now) {
  const auto* const auth = wire::find<wire::AuthPayload>(payloads);
  if (auth == nullptr && !is_in_eap_round()) {
    auto evidence = Witness{*this}.saw_identities(Symptom::auth_method_unwanted);
    evidence.theirs.methods = words_of({AuthKind::eap});
    return distrust(
        fmt::format("the peer wants EAP; we are configured for {}", describe(own_round().kind)),
        std::move(evidence), now);
  }
  // RFC 7619 s2
  const auto kind = auth != nullptr ? kind_of(auth->method) : AuthKind::eap;
  if (!kind || (auth != nullptr && !accepts(peer_round(), *kind))) {
    auto evidence = Witness{*this}.saw_identities(Symptom::auth_method_unwanted);
    evidence.ours.methods = words_of(peer_round().kinds);
    evidence.theirs.methods.clear();
    if (kind) evidence.theirs.methods = words_of({*kind});
    return distrust(fmt::format("the peer authenticates by {}, we expect {}",
                                describe(auth->method), describe(peer_round().kinds)),
                    std::move(evidence), now);
  }
  const wire::IdPayload& id = *wire::find_id(payloads, false);
  note_peer(id, *kind);
  if (handshake_->is_resumed && id != handshake_->resumes->state.id_r) {
    return distrust("the peer resumes under another identity",
                    Witness{*this}.saw_identities(Symptom::auth_identity_other), now);
  }
  const auto& expected = peer_round().identity;
  if (expected && !expected->matches(*remote_id_)) {
    return distrust(fmt::format("the peer says it is {}, we expect {}", remote_id_->to_string(),
                                expected->to_string()),
                    Witness{*this}.saw_identities(Symptom::auth_identity_other), now);
  }
  if (is_in_eap_round() && wire::find<wire::EapPayload>(payloads) == nullptr) {
    return distrust("the peer does not begin EAP, which we are configured for",
                    Witness{*this}.saw_identities(Symptom::auth_method_unwanted), now);
  }
  move_to(IkeState::auth_pending);
  half_open_until_ = now + shared_.limits().half_open_timeout;
  if (auth != nullptr) {
    note_proof(payloads);
    return request_auth(AuthStep::peer, now);
  }
  if (!connection_->eap_only || handshake_->auth.peers > 0) {
    return distrust("the peer has not proved who it is before EAP",
                    Witness{*this}.saw_identities(Symptom::auth_method_unwanted), now);
  }
  handshake_->auth.is_peers_due = false;
  continue_auth_response(now);
}

void IkeSa::begin_own_round(Instant now) {
  AuthRounds& rounds = handshake_->auth;
  rounds.named = rounds.own;
  //= rfc4739#2.1
  if (own_round().kind == AuthKind::eap) return send_auth(nullptr, now);
  request_auth(AuthStep::own, now);
}

bool IkeSa::is_in_eap_round() const {
  const AuthRounds& rounds = handshake_->auth;
  return rounds.own == rounds.named && own_round().kind == AuthKind::eap;
}

/// Not the first message of ours: another round, the AUTH at the end of EAP, or nothing, when it is
/// the peer who has another round.
void IkeSa::send_round(const OwnProof* proof, Instant now) {
  Payloads payloads;
  if (handshake_->eap) {
    proof->append_to(payloads);
    append_another(payloads, handshake_->auth.own + 1);
  } else if (proof != nullptr) {
    append_own_round(payloads, *proof);
  } else if (is_in_eap_round()) {
    payloads.emplace_back(own_id().to_wire(true));
  }
  half_open_until_.reset();
  move_to(IkeState::auth_sent);
  send_request(SentAuth{}, wire::ExchangeType::ike_auth, payloads, now);
}

/// The peer's round in it, if there was one, is through.
void IkeSa::continue_auth_response(Instant now) {
  const AuthRounds& rounds = handshake_->auth;
  if (is_in_eap_round()) return continue_eap_response(handshake_->peer_auth, now);
  move_to(IkeState::auth_pending);
  half_open_until_ = now + shared_.limits().half_open_timeout;
  if (rounds.own < connection_->own_rounds.size()) return begin_own_round(now);
  if (rounds.is_peers_due) return send_round(nullptr, now);
  if (const auto missing =
          missing_in(rounds, *connection_, remote_id_->to_string(), support_.multiple_auth))
    return distrust(*missing, Witness{*this}.saw_identities(Symptom::auth_unsupported), now);
  conclude_auth(now);
  conclude_reauthentication(now);
}

void IkeSa::settle_responder(Instant now) {
  AuthRounds& rounds = handshake_->auth;
  if (handshake_->eap && handshake_->eap->has_succeeded) {
    ++rounds.own;
    end_eap();
    // RFC 5998: EAP has proved the server, and nothing else did.
    if (rounds.peers == 0) ++rounds.peers;
    rounds.is_peers_due = rounds.is_peers_due || rounds.is_another_told;
  } else {
    ++rounds.peers;
    rounds.is_peers_due = rounds.is_another_told;
  }
  if (const auto excess = excess_in(rounds, *connection_, remote_id_->to_string()))
    return distrust(*excess, Witness{*this}.saw_identities(Symptom::auth_unsupported), now);
  continue_auth_response(now);
}

// ---- Responder

/// Whether the answer to what is being handled is the last one of IKE_AUTH.
bool IkeSa::is_last_answer() const {
  const AuthRounds& rounds = handshake_->auth;
  // EAP's AUTH and one of our own never go together: nobody could tell them apart.
  const std::size_t through = rounds.own + (handshake_->eap ? 0 : 1);
  return !rounds.is_peers_due && through >= connection_->own_rounds.size();
}

/// The peer says who it is, and proves it, or wants to by EAP.
void IkeSa::begin_peer_round(const Payloads& payloads, AuthKind kind, bool is_eap_only,
                             Instant now) {
  note_peer(*wire::find_id(payloads, true), kind);
  note_proof(payloads);
  move_to(IkeState::auth_pending);
  const bool may_take_long = kind == AuthKind::eap || kind == AuthKind::signature;
  if (may_take_long && !handshake_->is_admitted_to_pending && !admit_to_pending(now)) return;
  if (kind != AuthKind::eap) return request_auth(AuthStep::peer, now);
  half_open_until_ = now + shared_.limits().eap_timeout;
  const bool has_round = handshake_->auth.own < connection_->own_rounds.size();
  if (is_eap_only || !has_round) return begin_eap(nullptr, now);
  prove(now);
}

void IkeSa::continue_auth_request(const Payloads& payloads, Instant now) {
  if (handshake_->eap) return continue_eap_request(payloads, now);
  auto fault = fault_in(Shape::auth_again_request, payloads);
  const wire::IdPayload* const id = wire::find_id(payloads, true);
  const auto* const auth = wire::find<wire::AuthPayload>(payloads);
  const bool is_due = handshake_->auth.is_peers_due;
  if (!fault && is_due && id == nullptr) fault = "IDi is missing";
  if (!fault && !is_due && (id != nullptr || auth != nullptr)) {
    fault = "it begins a round of authentication that was not announced";
  }
  if (fault) return refuse_malformed(*fault, now);
  if (!is_due) {
    move_to(IkeState::auth_pending);
    return answer_or_admit(now);
  }
  const auto kind = auth != nullptr ? kind_of(auth->method) : AuthKind::eap;
  if (!kind || !accepts(peer_round(), *kind)) {
    auto evidence = Witness{*this}.saw_identities(Symptom::auth_method_unwanted);
    evidence.ours.methods = words_of(peer_round().kinds);
    if (kind) evidence.theirs.methods = words_of({*kind});
    return refuse_auth(fmt::format("{} authenticates by {} in round {}, we expect {}",
                                   describe(*id), auth != nullptr ? describe(auth->method) : "EAP",
                                   handshake_->auth.peers + 1, describe(peer_round().kinds)),
                       std::move(evidence), now);
  }
  const auto& expected = peer_round().identity;
  if (*kind != AuthKind::eap && expected && !expected->matches(policy::Identity::from_wire(*id))) {
    auto evidence = Witness{*this}.saw_identities(Symptom::auth_identity_other);
    evidence.theirs.identity = policy::Identity::from_wire(*id);
    return refuse_auth(
        fmt::format("the peer says in round {} that it is {}, we expect {}",
                    handshake_->auth.peers + 1, describe(*id), expected->to_string()),
        std::move(evidence), now);
  }
  begin_peer_round(payloads, *kind, false, now);
}

void IkeSa::settle_initiator(Instant now) {
  AuthRounds& rounds = handshake_->auth;
  ++rounds.peers;
  rounds.is_peers_due = rounds.is_another_told;
  if (const auto excess = excess_in(rounds, *connection_, remote_id_->to_string()))
    return refuse_auth(*excess, Witness{*this}.saw_identities(Symptom::auth_unsupported), now);
  if (const auto missing =
          missing_in(rounds, *connection_, remote_id_->to_string(), support_.multiple_auth))
    return refuse_auth(*missing, Witness{*this}.saw_identities(Symptom::auth_unsupported), now);
  answer_or_admit(now);
}

void IkeSa::answer_or_admit(Instant now) { is_last_answer() ? admit(now) : prove(now); }

/// Our part of the answer: EAP's AUTH, a round of our own, or none.
void IkeSa::prove(Instant now) {
  AuthRounds& rounds = handshake_->auth;
  const bool has_round = rounds.own < connection_->own_rounds.size();
  if (!handshake_->eap && has_round) rounds.named = rounds.own;
  if (handshake_->eap || has_round) return request_auth(AuthStep::own, now);
  is_last_answer() ? answer_auth(nullptr, now) : answer_round(nullptr, now);
}

/// More is to come.
void IkeSa::answer_round(const OwnProof* proof, Instant now) {
  Payloads answer;
  if (proof != nullptr) append_proof(answer, *proof);
  end_eap();
  half_open_until_ = now + shared_.limits().half_open_timeout;
  move_to(IkeState::auth_answered);
  respond(answer);
}

void IkeSa::append_proof(Payloads& payloads, const OwnProof& proof) {
  if (!handshake_->eap) return append_own_round(payloads, proof);
  proof.append_to(payloads);
  append_another(payloads, handshake_->auth.own);
}

}  // namespace caponier::ike
