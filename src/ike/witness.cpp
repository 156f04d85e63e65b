#include "ike/witness.h"

#include <algorithm>
#include <utility>

#include "ike/auth_methods.h"
#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/reason.h"

namespace caponier::ike {

using policy::Evidence;
using policy::Symptom;

namespace {

std::string_view word_of(AuthKind kind) {
  switch (kind) {
    case AuthKind::shared_key: return "psk";
    case AuthKind::null: return "null";
    case AuthKind::signature: return "pubkey";
    case AuthKind::eap: return "eap";
  }
  return {};
}

/// The IP packet that carries it.
std::size_t packet_size(const base::ByteVec& datagram, std::size_t overhead) {
  return datagram.size() + overhead;
}

}  // namespace

std::vector<std::string_view> words_of(const std::vector<AuthKind>& kinds) {
  std::vector<std::string_view> words;
  for (const AuthKind kind : kinds) words.push_back(word_of(kind));
  return words;
}

std::uint32_t peer_status_in(const std::vector<wire::Payload>& payloads) {
  constexpr std::uint16_t microsoft = 12345;
  const wire::NotifyPayload* notify = nullptr;
  for (const wire::Payload& payload : payloads) {
    const auto* const one = std::get_if<wire::NotifyPayload>(&payload);
    if (one != nullptr && static_cast<std::uint16_t>(one->type) == microsoft) notify = one;
  }
  if (notify == nullptr || notify->data.size() < 4) return 0;
  base::Reader in{notify->data};
  return in.u32("Microsoft's status").value_or(0);
}

Evidence Witness::saw(Symptom symptom) const {
  Evidence evidence;
  evidence.symptom = symptom;
  evidence.we_asked = sa_.is_initiator_;
  evidence.is_authenticated = sa_.established_at_.has_value();
  evidence.connection = sa_.name();
  evidence.path = sa_.path_;
  evidence.spi_i = sa_.spi_i_;
  evidence.spi_r = sa_.spi_r_;
  evidence.product = sa_.product();
  evidence.local_behind_nat = sa_.local_behind_nat_;
  evidence.remote_behind_nat = sa_.remote_behind_nat_;
  return evidence;
}

Evidence Witness::saw_offers(Symptom symptom, const wire::SaPayload* theirs) const {
  Evidence evidence = saw(symptom);
  if (sa_.connection_) evidence.our_offers = sa_.connection_->offers;
  if (theirs != nullptr) evidence.their_offers = policy::kept_part(*theirs);
  return evidence;
}

Evidence Witness::saw_offer(Symptom symptom, const ChildOffer& offer) const {
  Evidence evidence = saw(symptom);
  evidence.we_asked = true;
  evidence.child = offer.child->name;
  evidence.our_offers = offer.offers;
  evidence.ours.local = offer.local;
  evidence.ours.remote = offer.remote;
  evidence.ours.mode = offer.child->mode;
  if (offer.ke_group != crypto::KeGroup::none) evidence.ours.group = offer.ke_group;
  return evidence;
}

Evidence Witness::saw_identities(Symptom symptom) const {
  Evidence evidence = saw(symptom);
  if (sa_.connection_) {
    // Once it is up, what counts is the last round's.
    const bool is_under_way = sa_.handshake_ != nullptr;
    const OwnRound& own = is_under_way ? sa_.own_round() : sa_.connection_->own_rounds.back();
    const PeerRound& wanted = is_under_way ? sa_.peer_round() : sa_.connection_->peer_rounds.back();
    evidence.ours.identity = own.identity;
    evidence.ours.methods = words_of({own.kind});
    if (wanted.identity) evidence.ours.expects = wanted.identity->to_string();
    evidence.theirs.identity = sa_.remote_id_;
  }
  if (!sa_.handshake_) return evidence;
  for (const wire::AuthMethod method : sa_.handshake_->peer_methods) {
    const auto kind = kind_of(method);
    if (kind && std::ranges::find(evidence.theirs.methods, word_of(*kind)) ==
                    evidence.theirs.methods.end()) {
      evidence.theirs.methods.push_back(word_of(*kind));
    }
  }
  const wire::IdPayload* const wanted = wire::find_id(sa_.handshake_->peer_auth, false);
  if (!sa_.is_initiator_ && wanted != nullptr) {
    evidence.theirs.expects = policy::Identity::from_wire(*wanted).to_string();
  }
  return evidence;
}

void Witness::note(Evidence evidence) const { sa_.shared_.note(std::move(evidence)); }

void Witness::note_early(Evidence evidence, base::Instant now) const {
  const bool is_known = sa_.is_initiator_ && sa_.state_ != IkeState::init_sent;
  if (is_known) return note(std::move(evidence));
  sa_.shared_.note_stranger(now, [&] { return std::move(evidence); });
}

void Witness::note_unanswered(const InFlight& request) const {
  const bool is_init = request.exchange == wire::ExchangeType::ike_sa_init ||
                       request.exchange == wire::ExchangeType::ike_session_resume;
  if (sa_.state_ == IkeState::deleting) return;
  Evidence evidence = saw(sa_.established_at_ ? Symptom::peer_silent
                          : is_init           ? Symptom::init_unanswered
                                              : Symptom::auth_unanswered);
  evidence.we_asked = true;
  evidence.sent = request.repeats + 1;
  const std::size_t overhead = sa_.overhead_of(sa_.path_);
  for (const base::ByteVec& datagram : request.message.datagrams) {
    evidence.size = std::max(evidence.size, packet_size(datagram, overhead));
  }
  evidence.in_fragments = request.message.datagrams.size() > 1;
  if (sa_.handshake_ && sa_.handshake_->refusal) {
    evidence.notify = sa_.handshake_->refusal->type;
  }
  note(std::move(evidence));
}

void Witness::note_refusal(const ChildRefusal& refusal, const ChildOffer* offer) const {
  if (refusal.notify.type == wire::NotifyType::temporary_failure) return;
  Evidence evidence = saw(Symptom::child_other);
  if (refusal.seen) {
    const Evidence& seen = *refusal.seen;
    evidence.symptom = seen.symptom;
    evidence.child = seen.child;
    evidence.has_key_exchange = seen.has_key_exchange;
    evidence.our_offers = seen.our_offers;
    evidence.their_offers = seen.their_offers;
    evidence.ours = seen.ours;
    evidence.theirs = seen.theirs;
  }
  evidence.we_asked = offer != nullptr;
  if (offer != nullptr) {
    evidence.child = offer->child->name;
    // A mode refused by silence is a refusal like any other.
    const bool is_mode = evidence.symptom == Symptom::child_mode;
    if (!is_mode && evidence.symptom != Symptom::child_other) {
      evidence.symptom = Symptom::child_answer_foreign;
    }
  }
  evidence.is_authenticated = true;
  evidence.notify = refusal.notify.type;
  evidence.text = refusal.sentence;
  note(std::move(evidence));
}

void Witness::note_child_refused(const ChildOffer& offer, const std::vector<wire::Payload>& answer,
                                 bool is_rekey) const {
  Evidence evidence = saw_offer(Symptom::child_refused, offer);
  evidence.is_authenticated = true;
  evidence.is_rekey = is_rekey;
  evidence.has_key_exchange = offer.ke_group != crypto::KeGroup::none;
  if (const wire::NotifyPayload* const error = find_error(answer)) {
    evidence.notify = error->type;
    if (error->type == wire::NotifyType::invalid_ke_payload) {
      evidence.theirs.group = wanted_group(*error);
    }
  }
  if (auto reason = read_reason(answer)) {
    evidence.symptom = reason->symptom;
    evidence.theirs = std::move(reason->theirs);
    evidence.their_offers = std::move(reason->their_offers);
  }
  note(std::move(evidence));
}

}  // namespace caponier::ike
