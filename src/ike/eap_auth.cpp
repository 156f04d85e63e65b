// EAP inside IKE_AUTH (RFC 7296 s2.16, RFC 5998), both roles: the packets are somebody else's, here
// they get their messages. The responder proves itself in its first answer, by certificate or
// shared key; both prove the key that EAP has made at the end.

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
/// A back end's or the peer's words may be in it.
constexpr std::size_t eap_reason_size_max = 256;
}  // namespace

void IkeSa::ask_eap(std::optional<base::ByteVec> packet, Instant now) {
  if (++handshake_->eap->rounds > shared_.limits().eap_rounds_max) {
    const std::string why =
        fmt::format("EAP took more than {} rounds", shared_.limits().eap_rounds_max);
    auto evidence = Witness{*this}.saw_identities(Symptom::auth_eap_failed);
    return is_initiator_ ? distrust(why, std::move(evidence), now)
                         : refuse_auth(why, std::move(evidence), now);
  }
  const bool is_first_answer = is_initiator_ && handshake_->eap->rounds == 1;
  if (is_first_answer) shared_.emit(IkeAnswered{id_, connection_->name, path_, true});
  handshake_->step = AuthStep::eap;
  handshake_->auth_request = shared_.new_request();
  EapRequest request;
  request.sa = id_;
  request.request = handshake_->auth_request;
  request.connection = connection_->name;
  request.is_server = !is_initiator_;
  request.round = is_initiator_ ? handshake_->auth.own : handshake_->auth.peers;
  request.peer = *remote_id_;
  request.path = path_;
  request.packet = std::move(packet);
  shared_.emit(std::move(request));
}

bool IkeSa::handle_reply(EapReply& reply, Instant now) {
  const bool is_awaited = state_ == IkeState::auth_pending && handshake_ &&
                          handshake_->step == AuthStep::eap &&
                          reply.request == handshake_->auth_request;
  if (!is_awaited) return false;
  handshake_->step = AuthStep::none;
  handshake_->auth_request = 0;
  switch (reply.outcome) {
    case EapReply::Outcome::proceed: send_eap(std::move(reply.packet), now); break;
    case EapReply::Outcome::success: conclude_eap(reply, now); break;
    case EapReply::Outcome::failure: {
      const std::string why =
          fmt::format("{}: EAP with {} failed: {}", who(), remote_id_->to_string(),
                      base::printable(reply.why, eap_reason_size_max));
      auto evidence = Witness{*this}.saw_identities(Symptom::auth_eap_failed);
      evidence.fault = reply.fault;
      evidence.text = why;
      Witness{*this}.note_early(std::move(evidence), now);
      if (is_initiator_) {
        if (!reply.packet.empty()) {
          handshake_->eap->failure = why;
          send_eap(std::move(reply.packet), now);
          break;
        }
        report(EventKind::ike_auth_failed, why);
        if (reply.is_peers_end) {
          die(EndReason::authentication, now, false);
          break;
        }
        begin_farewell({make_notify(NotifyType::authentication_failed)}, EndReason::authentication,
                       now);
        break;
      }
      report_early(EventKind::ike_auth_failed, why, now);
      //= rfc7296#2.16-8
      if (reply.packet.empty()) {
        respond(make_notify(NotifyType::authentication_failed));
      } else {
        respond(Payloads{wire::EapPayload{std::move(reply.packet)}});
      }
      die(EndReason::authentication, now, true);
    }
  }
  return true;
}

void IkeSa::conclude_eap(EapReply& reply, Instant now) {
  EapState& eap = *handshake_->eap;
  eap.has_succeeded = true;
  eap.msk = std::move(reply.msk);
  eap.is_mutual = reply.is_mutual;
  if (!is_initiator_) {
    user_ = std::move(reply.identity);
    handshake_->grant = std::move(reply.grant);
    if (!user_.empty()) belong_to(connection_, policy::Identity::parse(user_));
    return send_eap(std::move(reply.packet), now);
  }
  const bool is_proven = handshake_->auth.peers > 0;
  //= rfc5998#3-2
  if (!is_proven && !eap.is_mutual) {
    return distrust("the EAP method does not prove who the server is, and nothing else did",
                    Witness{*this}.saw_identities(Symptom::auth_eap_failed), now);
  }
  request_auth(AuthStep::own, now);
}

void IkeSa::send_eap(base::ByteVec packet, Instant now) {
  Payloads payloads;
  if (is_initiator_) {
    payloads.emplace_back(wire::EapPayload{std::move(packet)});
    half_open_until_.reset();
    move_to(IkeState::auth_sent);
    return send_request(SentAuth{}, wire::ExchangeType::ike_auth, payloads, now);
  }
  if (const auto proof = std::exchange(handshake_->first_proof, nullptr)) {
    append_own_round(payloads, *proof);
  } else if (handshake_->auth.own == 0) {
    // EAP is to prove who we are.
    payloads.emplace_back(own_id().to_wire(false));
    ++handshake_->auth.own;
  }
  payloads.emplace_back(wire::EapPayload{std::move(packet)});
  move_to(IkeState::auth_answered);
  respond(payloads);
}

void IkeSa::end_eap() {
  if (!handshake_ || !handshake_->eap) return;
  handshake_->eap.reset();
  shared_.emit(EapEnded{id_});
}

// ---- Responder

bool IkeSa::admit_to_pending(Instant now) {
  const IkeLimits& limits = shared_.limits();
  const HalfOpenCounts& counts = shared_.pending_counts;
  const base::IpAddress& remote = path_.remote.address;
  if (counts.total() >= limits.auth_pending_max ||
      counts.proven(remote) >= limits.auth_pending_per_address_max) {
    shared_.drops.add(base::DropReason::ike_half_open_limit);
    refuse_auth(fmt::format("too many are being authenticated: {}, {} of them from there",
                            counts.total(), counts.proven(remote)),
                Witness{*this}.saw(Symptom::overloaded), now);
    return false;
  }
  half_open_ = HalfOpenCounts::Slot{shared_.pending_counts, remote, true};
  handshake_->is_admitted_to_pending = true;
  return true;
}

void IkeSa::begin_eap(const OwnProof* proof, Instant now) {
  if (proof != nullptr) handshake_->first_proof = std::make_unique<OwnProof>(*proof);
  handshake_->eap.emplace();
  ask_eap(std::nullopt, now);
}

void IkeSa::continue_eap_request(const Payloads& payloads, Instant now) {
  if (auto fault = fault_in(Shape::auth_round_request, payloads)) {
    return refuse_malformed(*fault, now);
  }
  const auto* const eap = wire::find<wire::EapPayload>(payloads);
  const auto* const auth = wire::find<wire::AuthPayload>(payloads);
  if (handshake_->eap->has_succeeded) {
    if (auth == nullptr) return refuse_malformed("AUTH is missing after EAP", now);
    note_proof(payloads);
    move_to(IkeState::auth_pending);
    return request_auth(AuthStep::peer, now);
  }
  if (eap == nullptr) return refuse_malformed("EAP is missing", now);
  move_to(IkeState::auth_pending);
  if (handshake_->auth.own == connection_->own_rounds.size()) return ask_eap(eap->data, now);
  handshake_->eap->packet = eap->data;
  handshake_->auth.named = handshake_->auth.own;
  request_auth(AuthStep::own, now);
}

// ---- Initiator

void IkeSa::continue_eap_response(const Payloads& payloads, Instant now) {
  const auto* const eap = wire::find<wire::EapPayload>(payloads);
  move_to(IkeState::auth_pending);
  if (handshake_->eap && handshake_->eap->has_succeeded) {
    if (wire::find<wire::AuthPayload>(payloads) == nullptr) {
      return distrust("AUTH is missing after EAP", Witness{*this}.saw(Symptom::protocol_error),
                      now);
    }
    note_proof(payloads);
    half_open_until_ = now + shared_.limits().half_open_timeout;
    return request_auth(AuthStep::peer, now);
  }
  if (eap == nullptr) {
    if (handshake_->eap) {
      return distrust("EAP is missing", Witness{*this}.saw(Symptom::protocol_error), now);
    }
    return distrust("the peer does not begin EAP, which we are configured for",
                    Witness{*this}.saw_identities(Symptom::auth_method_unwanted), now);
  }
  half_open_until_ = now + shared_.limits().eap_timeout;
  if (!handshake_->eap) handshake_->eap.emplace();
  ask_eap(eap->data, now);
}

}  // namespace caponier::ike
