// CREATE_CHILD_SA for Child SAs (RFC 7296 s1.3.1, s2.17, s2.25), both roles. What is special about
// one that replaces another is in rekey_child_sa.cpp.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/reason.h"
#include "ike/resource_sas.h"
#include "ike/witness.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

/// The product would refuse a key exchange, and all our offers do without.
bool wants_no_pfs(const ChildConfig& child, const policy::Quirks& quirks) {
  return quirks.no_pfs && std::ranges::all_of(child.offers, [](const policy::Offer& offer) {
           return offer.ke.empty() ||
                  std::ranges::find(offer.ke, crypto::KeGroup::none) != offer.ke.end();
         });
}

/// What takes the place of an SA leads to the same worker, so that flows keep their order.
std::optional<policy::ResourceId> worker_for(const Shared& shared,
                                             std::optional<policy::ResourceId> resource,
                                             const Child* replaced) {
  if (replaced == nullptr) return resource;
  return policy::ResourceId{base::worker_of(replaced->info.spi_in, shared.config.workers)};
}
constexpr std::size_t nonce_size = 32;
constexpr unsigned group_retries_max = 3;

/// Of one child there may be an SA for each exact trigger, and one besides.
std::optional<policy::Trigger> exact_of(const std::optional<policy::Trigger>& trigger) {
  return trigger && trigger->is_exact ? trigger : std::nullopt;
}
}  // namespace

EndReason reason_of(NotifyType error) {
  if (error == NotifyType::no_proposal_chosen) return EndReason::no_proposal;
  if (error == NotifyType::ts_unacceptable || error == NotifyType::single_pair_required) {
    return EndReason::selectors;
  }
  if (error == NotifyType::authentication_failed) return EndReason::authentication;
  return EndReason::peer_refused;
}

void IkeSa::fail_child(const std::string& child, EndReason reason, const std::string& why) {
  report(EventKind::child_failed, fmt::format("{}: no Child SA {}: {}", who(), child, why));
  shared_.emit(ChildDown{id_, {}, name(), child, reason});
}

// ---- Initiator

void IkeSa::create_child(const std::string& child, Instant now,
                         std::optional<policy::Trigger> trigger) {
  const auto exact = exact_of(trigger);
  const auto is_same = [&](const Wish& wish) {
    const auto* const wanted = std::get_if<WantChild>(&wish);
    return wanted != nullptr && wanted->name == child && !wanted->resource &&
           exact_of(wanted->trigger) == exact;
  };
  if (wishes_.has(is_same)) return;
  const auto is_under_way = [&](const auto& entry) {
    const auto* const creation = std::get_if<ChildCreation>(&entry.second.what);
    return creation != nullptr && creation->offer.child->name == child && !creation->resource &&
           exact_of(creation->offer.trigger) == exact;
  };
  if (std::ranges::any_of(own_.all(), is_under_way)) return;
  WantChild wanted{child};
  wanted.trigger = std::move(trigger);
  want(std::move(wanted), now);
}

void IkeSa::start_child(const WantChild& wanted, Instant now) {
  const auto& children = connection_->children;
  const auto config = std::ranges::find(children, wanted.name, &ChildConfig::name);
  if (config == children.end()) {
    return fail_child(wanted.name, EndReason::local_fault, "no child has this name");
  }
  const Child* const old = find_child(wanted.replaces);
  if (wanted.replaces && (old == nullptr || old->is_closing || old->replaced_by)) return;
  std::optional<Model> model;
  if (old != nullptr) {
    model = Model{old->info.name, old->info.local, old->info.remote};
  } else if (wanted.resource) {
    model = ResourceSas{*this}.model(wanted.name);
    if (!model || living_children() >= shared_.limits().children_per_ike_max) return;
  }
  if (!old && living_children() >= shared_.limits().children_per_ike_max) {
    return fail_child(wanted.name, EndReason::local_fault, "the IKE SA has too many children");
  }
  if (const auto obstacle = find_obstacle(*config, scene(false))) {
    return fail_child(wanted.name, EndReason::no_proposal, *obstacle);
  }
  ChildCreation creation;
  creation.retries = wanted.retries;
  creation.replaces = wanted.replaces;
  creation.resource = old != nullptr ? old->info.resource : wanted.resource;
  const auto groups = groups_of(config->offers);
  crypto::KeGroup group = wanted.group;
  if (group == crypto::KeGroup::none && old != nullptr) group = old->info.suite.ke;
  if (std::ranges::find(groups, group) == groups.end()) {
    group =
        groups.empty() || wants_no_pfs(*config, quirks()) ? crypto::KeGroup::none : groups.front();
  }
  if (group != crypto::KeGroup::none) {
    auto ke = shared_.crypto.make_key_exchange(group, shared_.rng);
    if (!ke) {
      return fail_child(wanted.name, EndReason::local_fault,
                        fmt::format("{}: {}", name_of(group), crypto::name_of(ke.error())));
    }
    //= rfc7296#1.3-4..5 rfc7296#3.4-2
    creation.ke = std::move(*ke);
  }
  creation.nonce = shared_.new_nonce(nonce_size);
  const base::Spi spi_in =
      shared_.allocate_expected_spi(worker_for(shared_, creation.resource, old));
  creation.offer = make_child_offer(ChildConfigPtr{connection_, &*config}, spi_in, group,
                                    scene(false), model ? &*model : nullptr, wanted.trigger);
  Payloads payloads;
  if (old != nullptr) {
    payloads.emplace_back(
        make_child_notify(NotifyType::rekey_sa, old->info.protocol, old->info.spi_in));
  }
  payloads.push_back(creation.offer.payloads.front());
  payloads.emplace_back(wire::NoncePayload{creation.nonce});
  if (creation.ke) {
    payloads.emplace_back(wire::KePayload{static_cast<std::uint16_t>(group),
                                          base::to_vec(creation.ke->public_value())});
  }
  payloads.insert(payloads.end(), creation.offer.payloads.begin() + 1,
                  creation.offer.payloads.end());
  send_request(std::move(creation), wire::ExchangeType::create_child_sa, payloads, now);
}

bool IkeSa::retry_child(const ChildCreation& creation, const wire::NotifyPayload& error) {
  auto group = error.type == NotifyType::invalid_ke_payload ? wanted_group(error) : std::nullopt;
  const auto ours = groups_of(creation.offer.child->offers);
  // Left out for what the peer is, and this one wants it: configured so, as our own profiles do.
  const bool is_missed = error.type == NotifyType::no_proposal_chosen && quirks().no_pfs &&
                         creation.offer.ke_group == crypto::KeGroup::none;
  if (is_missed && !ours.empty()) group = ours.front();
  if (!group || *group == creation.offer.ke_group || creation.retries >= group_retries_max ||
      std::ranges::find(ours, *group) == ours.end()) {
    return false;
  }
  wishes_.due.push_front(WantChild{creation.offer.child->name, *group, creation.retries + 1,
                                   creation.replaces, creation.offer.trigger, creation.resource});
  return true;
}

void IkeSa::handle_child_refusal(const ChildCreation& creation, const Payloads& answer,
                                 Instant now) {
  const wire::NotifyPayload& error = *find_error(answer);
  const ChildOffer& offer = creation.offer;
  shared_.release(offer.spi_in);
  if (state_ != IkeState::established) return;
  if (creation.replaces) return fail_rekey(creation, answer, now);
  if (retry_child(creation, error)) return;
  if (creation.is_additional()) return ResourceSas{*this}.handle_refusal(creation, error, now);
  if (error.type == NotifyType::temporary_failure) {
    return postpone(
        WantChild{offer.child->name, offer.ke_group, creation.retries, {}, offer.trigger}, now);
  }
  Witness{*this}.note_child_refused(offer, answer, false);
  fail_child(offer.child->name, reason_of(error.type),
             fmt::format("the peer refuses with {}; we asked for {} === {} with {}",
                         describe(error), policy::to_string(offer.local),
                         policy::to_string(offer.remote), name_of(offer.ke_group)));
}

void IkeSa::handle_child_response(ChildCreation creation, const Payloads& payloads, Instant now) {
  //= rfc7296#3.10.1-1
  if (find_error(payloads) != nullptr) return handle_child_refusal(creation, payloads, now);
  const ChildOffer& offer = creation.offer;
  const auto settle = [&](EndReason reason, const std::string& why) {
    shared_.release(offer.spi_in);
    report(EventKind::child_failed,
           fmt::format("{}: no Child SA {}: {}", who(), offer.child->name, why));
    if (creation.is_additional()) return ResourceSas{*this}.note_full(offer.child->name);
    if (find_child(creation.replaces) != nullptr) return;
    shared_.emit(ChildDown{id_, {}, name(), offer.child->name, reason});
  };
  if (state_ == IkeState::deleting) {
    return settle(EndReason::local_request, "the IKE SA is being deleted");
  }
  //= rfc7296#1.3.1-3
  // From here on the peer has installed its half.
  const auto undo = [&](EndReason reason, const std::string& why) {
    settle(reason, why);
    wishes_.due.push_front(WantDeleteChild{offer.spi_in, std::nullopt, chosen_protocol(payloads)});
    if (creation.replaces) retry_rekey(*creation.replaces, now);
  };
  if (const auto fault = fault_in(Shape::child_response, payloads)) {
    return undo(EndReason::protocol_error, "the answer is malformed: " + *fault);
  }
  const auto verdict = accept_child_sa(ChildPayloads::of(payloads), offer, scene(false));
  if (!verdict) {
    Witness{*this}.note_refusal(verdict.error(), &offer);
    return undo(verdict.error().reason, verdict.error().sentence);
  }
  if (std::ranges::find(creation.deleted, verdict->spi_out) != creation.deleted.end()) {
    settle(EndReason::peer_deleted, "the peer has deleted it again before its answer came");
    if (creation.replaces) retry_rekey(*creation.replaces, now);
    return;
  }
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
  troubles_.since.reset();
  troubles_.in_a_row = 0;
  const auto& nonce = wire::find<wire::NoncePayload>(payloads)->data;
  if (!conclude_child(creation, *verdict, g_ir.reveal(), nonce, now)) {
    undo(EndReason::local_fault, "the keys cannot be made");
  }
}

// ---- Responder

std::optional<ChildRefusal> IkeSa::obstacle(const Payloads& payloads) {
  const bool is_rekeying = own_.sent<IkeCreation>() != nullptr;
  if (state_ == IkeState::deleting || is_retired() || is_rekeying) {
    return ChildRefusal{make_notify(NotifyType::temporary_failure), EndReason::local_request,
                        "the IKE SA is being replaced or deleted"};  // s2.25.2
  }
  const wire::NotifyPayload* const rekey = wire::find_notify(payloads, NotifyType::rekey_sa);
  if (rekey != nullptr) return rekey_obstacle(*rekey);
  if (living_children() < shared_.limits().children_per_ike_max) return std::nullopt;
  const bool is_of_group = wire::find_notify(payloads, NotifyType::sa_resource_info) != nullptr;
  const auto notify = is_of_group ? NotifyType::ts_max_queue : NotifyType::no_additional_sas;
  return ChildRefusal{make_notify(notify), EndReason::local_fault,
                      fmt::format("the IKE SA has {} children already", living_children())};
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
  const Child* const old = find_rekeyed(payloads);
  std::optional<Model> replaced;
  if (old != nullptr) replaced = Model{old->info.name, old->info.local, old->info.remote};
  auto verdict = choose_child_sa(ChildPayloads::of(payloads), group, *connection_, connection_,
                                 scene(false), replaced ? &*replaced : nullptr);
  if (!verdict) return refuse_child(verdict.error());
  //= rfc7296#1.3-6 rfc7296#3.4-4
  if (verdict->suite.ke != crypto::KeGroup::none && verdict->suite.ke != group) {
    policy::Evidence seen;
    seen.symptom = policy::Symptom::child_group;
    seen.child = verdict->child->name;
    seen.our_offers = verdict->child->offers;
    seen.their_offers = policy::kept_part(*sa);
    seen.ours.group = verdict->suite.ke;
    if (ke != nullptr) seen.theirs.group = group;
    return refuse_child({make_invalid_ke(verdict->suite.ke), EndReason::no_proposal,
                         fmt::format("the peer came with {}, we want {}", name_of(group),
                                     name_of(verdict->suite.ke)),
                         std::make_shared<const policy::Evidence>(std::move(seen))});
  }
  Replacement replacement;
  if (old != nullptr) {
    replacement = {old->info.id, false, old->info.resource};
  } else {
    const auto place = ResourceSas{*this}.place(*verdict, payloads);
    if (!place) return refuse_child(place.error());
    replacement.resource = *place;
  }
  answer_child(*verdict, payloads, replacement, now);
}

void IkeSa::refuse_child(const ChildRefusal& refusal) {
  const bool is_put_off = refusal.notify.type == NotifyType::temporary_failure;
  const bool is_one_more = refusal.notify.type == NotifyType::ts_max_queue;
  if (!is_one_more) Witness{*this}.note_refusal(refusal, nullptr);
  report(is_put_off    ? EventKind::ike_collision
         : is_one_more ? EventKind::child_resource
                       : EventKind::child_failed,
         fmt::format("{}: refused {} with {}: {}", who(),
                     is_put_off ? "a request for now" : "a Child SA", describe(refusal.notify),
                     refusal.sentence));
  Payloads answer{refusal.notify};
  append_reason(answer, refusal);
  respond(answer);
}

/// To one of our own kind, that has proved who it is.
void IkeSa::append_reason(Payloads& answer, const ChildRefusal& refusal) const {
  if (product() != policy::Product::caponier || !established_at_) return;
  if (auto reason = make_reason(refusal)) answer.emplace_back(std::move(*reason));
}

void IkeSa::answer_child(const ChildAgreement& agreement, const Payloads& payloads,
                         const Replacement& replacement, Instant now) {
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
  const base::Spi spi_in = shared_.allocate_spi(
      worker_for(shared_, replacement.resource, find_child(replacement.replaces)));
  const base::ByteVec nonce = shared_.new_nonce(nonce_size);
  const auto& peer_nonce = wire::find<wire::NoncePayload>(payloads)->data;
  Child* const child =
      install(agreement, spi_in, g_ir.reveal(), peer_nonce, nonce, false, now, replacement);
  if (child == nullptr) {
    shared_.release(spi_in);
    return refuse_child({make_notify(NotifyType::temporary_failure), EndReason::local_fault,
                         "the keys cannot be made"});
  }
  base::ByteVec lowest_nonce = std::min(base::to_vec(peer_nonce), nonce);
  if (Child* const replaced = find_child(replacement.replaces)) {
    note_rekeyed_by_peer(*replaced, *child, std::move(lowest_nonce), now);
  } else {
    note_made_by_peer(*child, std::move(lowest_nonce));
  }
  const Payloads parts = make_child_answer(agreement, spi_in);
  Payloads answer{parts.front(), wire::NoncePayload{nonce}};
  if (our_ke) answer.emplace_back(std::move(*our_ke));
  answer.insert(answer.end(), parts.begin() + 1, parts.end());
  respond(answer);
}

}  // namespace caponier::ike
