// CREATE_CHILD_SA for Child SAs (RFC 7296 s1.3.1, s1.3.3, s2.17, s2.25), both roles, and what every
// Child SA needs: installing and removing.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {
constexpr std::size_t nonce_size = 32;
constexpr unsigned group_retries_max = 3;
}  // namespace

EndReason reason_of(NotifyType error) {
  if (error == NotifyType::no_proposal_chosen) return EndReason::no_proposal;
  if (error == NotifyType::ts_unacceptable || error == NotifyType::single_pair_required) {
    return EndReason::selectors;
  }
  if (error == NotifyType::authentication_failed) return EndReason::authentication;
  return EndReason::peer_refused;
}

// ---- Installing and removing

bool IkeSa::install(const ChildAgreement& agreement, base::Spi spi_in, base::Bytes g_ir,
                    base::Bytes nonce_i, base::Bytes nonce_r, bool is_exchange_initiator,
                    Instant now) {
  auto keys = derive_child_keys(*session_->prf, agreement.suite, session_->keys.sk_d, g_ir, nonce_i,
                                nonce_r);
  if (!keys) return false;
  const ChildConfig& config = *agreement.child;
  Child child;
  ChildSaInfo& info = child.info;
  info.id = shared_.new_child_id();
  info.name = config.name;
  info.mode = agreement.mode;
  info.suite = agreement.suite;
  info.spi_in = spi_in;
  info.spi_out = agreement.spi_out;
  info.udp_encap = uses_udp_encap();
  info.local = agreement.local;
  info.remote = agreement.remote;
  info.established_at = now;

  policy::InstallSa action;
  action.id = info.id;
  action.connection = connection_->name;
  action.child = info.name;
  action.mode = info.mode;
  action.suite = info.suite;
  action.spi_in = info.spi_in;
  action.spi_out = info.spi_out;
  action.keys_in = std::move(is_exchange_initiator ? keys->responder_to_initiator
                                                   : keys->initiator_to_responder);
  action.keys_out = std::move(is_exchange_initiator ? keys->initiator_to_responder
                                                    : keys->responder_to_initiator);
  action.path = path_;
  action.udp_encap = info.udp_encap;
  action.peer_behind_nat = remote_behind_nat_;
  action.local = info.local;
  action.remote = info.remote;
  action.lifetime = config.lifetime;
  action.replay_window = config.replay_window;
  shared_.emit(std::move(action));
  announce_child(info);
  shared_.child_owner[info.id] = id_;
  children_.emplace(info.id, std::move(child));
  return true;
}

void IkeSa::announce_child(const ChildSaInfo& child) {
  report(EventKind::child_up,
         fmt::format("{}: Child SA {} ({}) is up: {} === {}, {}, {}", who(), child.name,
                     policy::name_of(child.mode), policy::to_string(child.local),
                     policy::to_string(child.remote), policy::to_string(child.suite),
                     child.udp_encap ? "ESP in UDP" : "ESP"));
  shared_.emit(ChildUp{id_, child.id, name(), child.name});
}

void IkeSa::remove_child(policy::ChildSaId child, EndReason reason) {
  const auto found = children_.find(child);
  if (found == children_.end()) return;
  const ChildSaInfo& info = found->second.info;
  shared_.emit(policy::RemoveSa{child});
  shared_.emit(ChildDown{id_, child, name(), info.name, reason});
  report(EventKind::child_down,
         fmt::format("{}: Child SA {} is down ({})", who(), info.name, ike::name_of(reason)));
  shared_.release(info.spi_in);
  shared_.child_owner.erase(child);
  children_.erase(found);
}

void IkeSa::fail_child(const std::string& child, EndReason reason, const std::string& why) {
  report(EventKind::child_failed, fmt::format("{}: no Child SA {}: {}", who(), child, why));
  shared_.emit(ChildDown{id_, {}, name(), child, reason});
}

// ---- Initiator

void IkeSa::start_child(const WantChild& wanted, Instant now) {
  const auto& children = connection_->children;
  const auto config = std::ranges::find(children, wanted.name, &ChildConfig::name);
  if (config == children.end()) {
    return fail_child(wanted.name, EndReason::local_fault, "no child has this name");
  }
  if (children_.size() >= shared_.limits().children_per_ike_max) {
    return fail_child(wanted.name, EndReason::local_fault, "the IKE SA has too many children");
  }
  ChildCreation creation;
  creation.retries = wanted.retries;
  const auto groups = groups_of(config->offers);
  const auto group =
      wanted.group != crypto::KeGroup::none || groups.empty() ? wanted.group : groups.front();
  if (group != crypto::KeGroup::none) {
    auto ke = shared_.crypto.make_key_exchange(group, shared_.rng);
    if (!ke) {
      return fail_child(wanted.name, EndReason::local_fault,
                        fmt::format("{}: {}", name_of(group), crypto::name_of(ke.error())));
    }
    creation.ke = std::move(*ke);
  }
  creation.nonce = shared_.new_nonce(nonce_size);
  creation.offer = make_child_offer(ChildConfigPtr{connection_, &*config}, shared_.allocate_spi(),
                                    group, scene(false));
  Payloads payloads{creation.offer.payloads.front(), wire::NoncePayload{creation.nonce}};
  if (creation.ke) {
    payloads.emplace_back(wire::KePayload{static_cast<std::uint16_t>(group),
                                          base::to_vec(creation.ke->public_value())});
  }
  payloads.insert(payloads.end(), creation.offer.payloads.begin() + 1,
                  creation.offer.payloads.end());
  send_request(std::move(creation), wire::ExchangeType::create_child_sa, payloads, now);
}

bool IkeSa::retry_child(const ChildCreation& creation, const wire::NotifyPayload& error) {
  const auto group =
      error.type == NotifyType::invalid_ke_payload ? wanted_group(error) : std::nullopt;
  const auto ours = groups_of(creation.offer.child->offers);
  if (!group || *group == creation.offer.ke_group || creation.retries >= group_retries_max ||
      std::ranges::find(ours, *group) == ours.end()) {
    return false;
  }
  wishes_.push_front(WantChild{creation.offer.child->name, *group, creation.retries + 1});
  return true;
}

void IkeSa::handle_child_response(ChildCreation creation, const Payloads& payloads, Instant now) {
  const ChildOffer& offer = creation.offer;
  const std::string& child = offer.child->name;
  const auto settle = [&](EndReason reason, const std::string& why) {
    shared_.release(offer.spi_in);
    fail_child(child, reason, why);
  };
  if (const wire::NotifyPayload* const error = find_error(payloads)) {
    if (retry_child(creation, *error)) return shared_.release(offer.spi_in);
    return settle(reason_of(error->type),
                  fmt::format("the peer refuses with {}; we asked for {} === {} with {}",
                              describe(*error), policy::to_string(offer.local),
                              policy::to_string(offer.remote), name_of(offer.ke_group)));
  }
  if (state_ == IkeState::deleting) {
    return settle(EndReason::local_request, "the IKE SA is being deleted");
  }
  // From here on the peer has installed its half.
  const auto undo = [&](EndReason reason, const std::string& why) {
    settle(reason, why);
    wishes_.push_front(WantDeleteChild{offer.spi_in, std::nullopt});
  };
  if (const auto fault = fault_in(Shape::child_response, payloads)) {
    return undo(EndReason::protocol_error, "the answer is malformed: " + *fault);
  }
  const auto verdict = accept_child_sa(ChildPayloads::of(payloads), offer, scene(false));
  if (!verdict) return undo(verdict.error().reason, verdict.error().sentence);
  base::SecretBytes g_ir;
  if (verdict->suite.ke != crypto::KeGroup::none) {
    const auto* const ke = wire::find<wire::KePayload>(payloads);
    if (ke == nullptr || ke->group != static_cast<std::uint16_t>(verdict->suite.ke)) {
      return undo(EndReason::protocol_error, "the answer has no KE payload of the chosen group");
    }
    auto secret = creation.ke->derive(ke->data);
    if (!secret) {
      return undo(EndReason::protocol_error,
                  fmt::format("key exchange: {}", crypto::name_of(secret.error())));
    }
    g_ir = std::move(*secret);
  }
  const auto& nonce = wire::find<wire::NoncePayload>(payloads)->data;
  if (!install(*verdict, offer.spi_in, g_ir.reveal(), creation.nonce, nonce, true, now)) {
    undo(EndReason::local_fault, "the keys cannot be made");
  }
}

// ---- Responder

std::optional<ChildRefusal> IkeSa::obstacle(const Payloads& payloads) const {
  const auto refuse = [](wire::NotifyPayload notify, EndReason reason, std::string why) {
    return ChildRefusal{std::move(notify), reason, std::move(why)};
  };
  if (state_ == IkeState::deleting || is_rekeyed_) {
    return refuse(make_notify(NotifyType::temporary_failure), EndReason::local_request,
                  "the IKE SA is being replaced or deleted");  // s2.25.2
  }
  const std::size_t limit = shared_.limits().children_per_ike_max;
  const wire::NotifyPayload* const rekey = wire::find_notify(payloads, NotifyType::rekey_sa);
  if (rekey == nullptr) {
    if (children_.size() < limit) return std::nullopt;
    return refuse(make_notify(NotifyType::no_additional_sas), EndReason::local_fault,
                  fmt::format("the IKE SA has {} children already", children_.size()));
  }
  const auto spi = child_spi(rekey->spi);
  const auto old = std::ranges::find_if(
      children_, [&](const auto& entry) { return spi && entry.second.info.spi_out == *spi; });
  if (old == children_.end()) {
    wire::NotifyPayload notify = make_notify(NotifyType::child_sa_not_found);
    notify.protocol = rekey->protocol;
    notify.spi = rekey->spi;
    return refuse(std::move(notify), EndReason::protocol_error,
                  "it rekeys a Child SA that does not exist");
  }
  if (old->second.is_closing) {
    return refuse(make_notify(NotifyType::temporary_failure), EndReason::local_request,
                  "it rekeys a Child SA that we are deleting");  // s2.25.1
  }
  // The old ones stay until the peer deletes them: room for one replacement each.
  if (children_.size() >= 2 * limit) {
    return refuse(make_notify(NotifyType::no_additional_sas), EndReason::local_fault,
                  fmt::format("the IKE SA has {} children already", children_.size()));
  }
  return std::nullopt;
}

void IkeSa::handle_child_request(const Payloads& payloads, Instant now) {
  const auto* const sa = wire::find<wire::SaPayload>(payloads);
  if (sa != nullptr && !sa->proposals.empty() &&
      sa->proposals.front().protocol == wire::ProtocolId::ike) {
    return handle_ike_rekey(payloads, now);
  }
  if (const auto fault = fault_in(Shape::child_request, payloads)) {
    return refuse_malformed(*fault, now);
  }
  if (const auto refusal = obstacle(payloads)) return refuse_child(*refusal);
  const auto* const ke = wire::find<wire::KePayload>(payloads);
  const crypto::KeGroup group{ke == nullptr ? std::uint16_t{0} : ke->group};
  auto verdict =
      choose_child_sa(ChildPayloads::of(payloads), group, *connection_, connection_, scene(false));
  if (!verdict) return refuse_child(verdict.error());
  if (verdict->suite.ke != crypto::KeGroup::none && verdict->suite.ke != group) {
    return refuse_child({make_invalid_ke(verdict->suite.ke), EndReason::no_proposal,
                         fmt::format("the peer came with {}, we want {}", name_of(group),
                                     name_of(verdict->suite.ke))});
  }
  answer_child(*verdict, payloads, now);
}

void IkeSa::refuse_child(const ChildRefusal& refusal) {
  report(EventKind::child_failed, fmt::format("{}: refused a Child SA with {}: {}", who(),
                                              describe(refusal.notify), refusal.sentence));
  respond(refusal.notify);
}

void IkeSa::answer_child(const ChildAgreement& agreement, const Payloads& payloads, Instant now) {
  base::SecretBytes g_ir;
  std::optional<wire::KePayload> our_ke;
  if (agreement.suite.ke != crypto::KeGroup::none) {
    auto ke = shared_.crypto.make_key_exchange(agreement.suite.ke, shared_.rng);
    if (!ke) {
      return refuse_child({make_notify(NotifyType::temporary_failure), EndReason::local_fault,
                           "we cannot make a key pair"});
    }
    auto secret = (*ke)->derive(wire::find<wire::KePayload>(payloads)->data);
    if (!secret) {
      return refuse_malformed(fmt::format("key exchange: {}", crypto::name_of(secret.error())),
                              now);
    }
    g_ir = std::move(*secret);
    our_ke = wire::KePayload{static_cast<std::uint16_t>(agreement.suite.ke),
                             base::to_vec((*ke)->public_value())};
  }
  const base::Spi spi_in = shared_.allocate_spi();
  const base::ByteVec nonce = shared_.new_nonce(nonce_size);
  const auto& peer_nonce = wire::find<wire::NoncePayload>(payloads)->data;
  if (!install(agreement, spi_in, g_ir.reveal(), peer_nonce, nonce, false, now)) {
    shared_.release(spi_in);
    return refuse_child({make_notify(NotifyType::temporary_failure), EndReason::local_fault,
                         "the keys cannot be made"});
  }
  const Payloads child = make_child_answer(agreement, spi_in);
  Payloads answer{child.front(), wire::NoncePayload{nonce}};
  if (our_ke) answer.emplace_back(std::move(*our_ke));
  answer.insert(answer.end(), child.begin() + 1, child.end());
  respond(answer);
}

}  // namespace caponier::ike
