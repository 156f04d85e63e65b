// AUTH values (RFC 7296 s2.15, s2.16): ours to be made, the peer's to be judged. The keyholder does
// both, but for those whose keys the IKE SA has itself.

#include <utility>

#include <fmt/format.h>

#include "ike/auth_methods.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/witness.h"

namespace caponier::ike {

using base::Instant;
using Payloads = std::vector<wire::Payload>;

namespace {
std::vector<std::uint16_t> list(SignatureHashes hashes) {
  std::vector<std::uint16_t> numbers;
  for (std::uint16_t number = 0; number < 16; ++number) {
    if ((hashes >> number & 1) != 0) numbers.push_back(number);
  }
  return numbers;
}
}  // namespace

void OwnProof::append_to(Payloads& payloads) const {
  for (const wire::CertPayload& certificate : certificates) payloads.emplace_back(certificate);
  payloads.emplace_back(wire::AuthPayload{method, auth});
}

policy::Identity IkeSa::own_id() const {
  if (own_round().kind == AuthKind::null) return {wire::IdType::null, {}};
  return own_round().identity;
}

base::ByteVec IkeSa::octets_to_sign(AuthStep step) const {
  const Handshake& handshake = *handshake_;
  // "Own octets of the initiator" and "peer's octets at the responder" are the same octets.
  const bool is_initiators = (step == AuthStep::own) == is_initiator_;
  //= rfc4739#2.1
  const wire::IdPayload id =
      step == AuthStep::own ? own_id().to_wire(is_initiator_) : *handshake.peer_id;
  base::ByteVec octets = is_initiators ? signed_octets(*session_->prf, handshake.init_request,
                                                       handshake.nonce_r, handshake.sk_pi, id)
                                       : signed_octets(*session_->prf, handshake.init_response,
                                                       handshake.nonce_i, handshake.sk_pr, id);
  if (!octets.empty()) base::append(octets, int_auth());
  return octets;
}

std::optional<base::Bytes> IkeSa::key_at_hand(AuthStep step) const {
  const bool is_initiators = (step == AuthStep::own) == is_initiator_;
  const base::Bytes sk_p = (is_initiators ? handshake_->sk_pi : handshake_->sk_pr).reveal();
  // s2.16: after EAP both sides prove that they have its key, or, without one, SK_p.
  if (handshake_->eap && handshake_->eap->has_succeeded) {
    return handshake_->eap->msk.empty() ? sk_p : handshake_->eap->msk.reveal();
  }
  const AuthKind kind = step == AuthStep::own ? own_round().kind : remote_kind_;
  // RFC 7619 s2.1: it binds the exchanges together and proves nothing else.
  if (kind == AuthKind::null) return sk_p;
  return std::nullopt;
}

PeerProof IkeSa::proof_of(const Payloads& payloads) const {
  PeerProof proof;
  proof.identity = policy::Identity::from_wire(*handshake_->peer_id);
  const auto* const auth = wire::find<wire::AuthPayload>(payloads);
  if (auth != nullptr) {
    proof.method = auth->method;
    proof.auth = auth->data;
  }
  for (const wire::Payload& payload : payloads) {
    const auto* const certificate = std::get_if<wire::CertPayload>(&payload);
    if (certificate == nullptr) continue;
    if (proof.certificates.size() == shared_.limits().certificates_max) break;
    proof.certificates.push_back(*certificate);
  }
  return proof;
}

void IkeSa::request_auth(AuthStep step, Instant now) {
  Handshake& handshake = *handshake_;
  handshake.step = step;
  handshake.auth_request = shared_.new_request();
  base::ByteVec octets = octets_to_sign(step);
  if (octets.empty()) return fail_auth_locally({.sa = id_, .why = "the PRF failed"}, now);
  const bool is_own = step == AuthStep::own;
  const bool is_initiators = is_own == is_initiator_;
  base::SecretBytes made;
  const auto key = key_at_hand(step);
  if (handshake.is_resumed) {
    made = resumed_auth(is_initiators, octets);
  } else if (key) {
    made = shared_key_auth(*session_->prf, *key, octets);
  } else {
    AuthRequest request;
    request.sa = id_;
    request.request = handshake.auth_request;
    request.connection = connection_->name;
    request.round = is_own ? handshake.auth.named : handshake.auth.peers;
    request.prf = session_->suite.prf;
    request.signed_octets = std::move(octets);
    if (is_own) {
      request.hashes = list(support_.signature_hashes);
      request.wishes = handshake.certificate_wishes;
      request.peer_looks_up = support_.certificate_lookup;
    } else {
      request.proof = std::move(handshake.proof);
    }
    shared_.emit(std::move(request));
    return;
  }
  if (made.empty()) return fail_auth_locally({.sa = id_, .why = "the PRF failed"}, now);
  if (is_own) {
    const AuthKind kind = handshake.eap ? AuthKind::eap : own_round().kind;
    return settle_own({method_of(kind), base::to_vec(made.reveal())}, now);
  }
  const bool is_right = base::equal_constant_time(made.reveal(), handshake.proof.auth);
  settle_peer({.sa = id_,
               .outcome = is_right ? AuthOutcome::right : AuthOutcome::wrong,
               .why = "it does not prove the keys of this exchange"},
              now);
}

bool IkeSa::handle_reply(AuthReply& reply, Instant now) {
  const bool is_awaited = state_ == IkeState::auth_pending && handshake_ &&
                          reply.request == handshake_->auth_request &&
                          (handshake_->step == AuthStep::own || handshake_->step == AuthStep::peer);
  if (!is_awaited) return false;
  const bool is_own = handshake_->step == AuthStep::own;
  switch (reply.outcome) {
    case AuthOutcome::unavailable: break;
    case AuthOutcome::made:
      if (!is_own) break;
      settle_own({reply.method, std::move(reply.auth), std::move(reply.certificates)}, now);
      return true;
    case AuthOutcome::right:
    case AuthOutcome::wrong:
      if (is_own) break;
      handshake_->grant = std::move(reply.grant);
      settle_peer(reply, now);
      return true;
  }
  fail_auth_locally(reply, now);
  return true;
}

void IkeSa::settle_own(OwnProof proof, Instant now) {
  handshake_->step = AuthStep::none;
  handshake_->auth_request = 0;
  if (is_initiator_) return send_auth(&proof, now);
  if (handshake_->eap && !handshake_->eap->has_succeeded) {
    handshake_->first_proof = std::make_unique<OwnProof>(std::move(proof));
    return ask_eap(std::exchange(handshake_->eap->packet, {}), now);
  }
  const bool is_eap_to_come =
      remote_kind_ == AuthKind::eap && handshake_->auth.is_peers_due && !handshake_->eap;
  if (is_eap_to_come) return begin_eap(&proof, now);
  is_last_answer() ? answer_auth(&proof, now) : answer_round(&proof, now);
}

void IkeSa::settle_peer(const AuthReply& verdict, Instant now) {
  handshake_->step = AuthStep::none;
  handshake_->auth_request = 0;
  //= rfc7296#1.2-2
  if (verdict.outcome != AuthOutcome::right) {
    const std::string sentence =
        fmt::format("the peer's AUTH as {} is wrong: {}", remote_id_->to_string(), verdict.why);
    auto evidence = Witness{*this}.saw_identities(policy::Symptom::auth_proof_wrong);
    evidence.theirs.methods = words_of({remote_kind_});
    evidence.fault = verdict.fault;
    return is_initiator_ ? distrust(sentence, std::move(evidence), now)
                         : refuse_auth(sentence, std::move(evidence), now);
  }
  is_initiator_ ? settle_responder(now) : settle_initiator(now);
}

void IkeSa::append_certificate_request(Payloads& payloads) const {
  if (connection_->authorities.empty() || !accepts(*connection_, AuthKind::signature)) return;
  payloads.emplace_back(make_certificate_request(*connection_));
  if (connection_->asks_ocsp) payloads.emplace_back(make_ocsp_request());
  //= rfc7296#3.7-4
  if (connection_->looks_up) {
    payloads.emplace_back(make_notify(wire::NotifyType::http_cert_lookup_supported));
  }
}

}  // namespace caponier::ike
