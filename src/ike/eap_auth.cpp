// EAP inside IKE_AUTH (RFC 7296 s2.16, RFC 5998), both roles: the packets are somebody else's, here
// they get their rounds. The responder proves itself in its first answer, by certificate or shared
// key; both prove the key that EAP has made at the end.

#include <utility>

#include <fmt/format.h>

#include "ike/auth_methods.h"
#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
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
    return is_initiator_ ? distrust(why, now) : refuse_auth(why, now);
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
  const bool is_proven = wire::find<wire::AuthPayload>(handshake_->peer_auth) != nullptr;
  //= rfc5998#3-2
  if (!is_proven && !eap.is_mutual) {
    return distrust("the EAP method does not prove who the server is, and nothing else did", now);
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
  if (handshake_->eap->rounds == 1) payloads.emplace_back(own_id().to_wire(false));
  if (auto proof = std::exchange(handshake_->first_proof, nullptr)) proof->append_to(payloads);
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
                now);
    return false;
  }
  half_open_ = HalfOpenCounts::Slot{shared_.pending_counts, remote, true};
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
    handshake_->peer_auth.emplace_back(*auth);
    move_to(IkeState::auth_pending);
    return request_auth(AuthStep::peer, now);
  }
  if (eap == nullptr) return refuse_malformed("EAP is missing", now);
  move_to(IkeState::auth_pending);
  ask_eap(eap->data, now);
}

// ---- Initiator

void IkeSa::handle_first_eap_response(const Payloads& payloads, Instant now) {
  const auto* const eap = wire::find<wire::EapPayload>(payloads);
  const auto* const auth = wire::find<wire::AuthPayload>(payloads);
  if (eap == nullptr)
    return distrust("the peer does not begin EAP, which we are configured for", now);
  move_to(IkeState::auth_pending);
  half_open_until_ = now + shared_.limits().eap_timeout;
  handshake_->peer_auth = payloads;
  if (auth != nullptr) return request_auth(AuthStep::peer, now);
  if (!connection_->eap_only) return distrust("the peer has not proved who it is before EAP", now);
  handshake_->eap.emplace();
  ask_eap(eap->data, now);
}

void IkeSa::handle_eap_response(const Payloads& payloads, Instant now) {
  if (!handshake_->eap->failure.empty()) {
    // Whatever it says to our last word, it has ended the IKE SA.
    report(EventKind::ike_auth_failed, handshake_->eap->failure);
    return die(EndReason::authentication, now, false);
  }
  const auto fault = fault_in(Shape::auth_round_response, payloads);
  const auto* const eap = wire::find<wire::EapPayload>(payloads);
  const auto* const auth = wire::find<wire::AuthPayload>(payloads);
  if (handshake_->eap->has_succeeded) {
    if (fault || auth == nullptr) return distrust(fault.value_or("AUTH is missing after EAP"), now);
    return finish_eap_response(payloads, now);
  }
  if (fault || eap == nullptr) return distrust(fault.value_or("EAP is missing"), now);
  move_to(IkeState::auth_pending);
  half_open_until_ = now + shared_.limits().eap_timeout;
  ask_eap(eap->data, now);
}

void IkeSa::finish_eap_response(const Payloads& payloads, Instant now) {
  handshake_->peer_auth = payloads;
  move_to(IkeState::auth_pending);
  half_open_until_ = now + shared_.limits().half_open_timeout;
  request_auth(AuthStep::peer, now);
}

}  // namespace caponier::ike
