// CREATE_CHILD_SA that replaces a Child SA (RFC 7296 s1.3.3, s2.8, s2.8.1, s2.9.2, s2.25.1).
//
// Both sides may do so at once. Each exchange is answered as usual; once ours is answered as well,
// the four nonces tell which of the two new SAs goes, and its initiator deletes it. The initiator
// of the other one deletes the old SA. Two new SAs for one configured child, made at once, are put
// right in the same way.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/witness.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

bool is_rekey_of(const Wish& wish, policy::ChildSaId id) {
  const auto* const wanted = std::get_if<WantChild>(&wish);
  return wanted != nullptr && wanted->replaces == id;
}

}  // namespace

// ---- Initiator

void IkeSa::rekey_child(policy::ChildSaId id, Instant now) {
  const Child* const child = find_child(id);
  if (child == nullptr || child->is_closing || child->replaced_by) return;
  if (state_ != IkeState::established) return;
  if (!is_initiator_ && quirks().peer_rekeys_children) return;
  if (wishes_.has([&](const Wish& wish) { return is_rekey_of(wish, id); })) return;
  const bool is_under_way = std::ranges::any_of(own_.all(), [&](const auto& entry) {
    const auto* const creation = std::get_if<ChildCreation>(&entry.second.what);
    return creation != nullptr && creation->replaces == id;
  });
  if (is_under_way) return;
  // Both sides asked for the child at once, and one is enough. Both see the same order of SPIs.
  const auto order = [](const Child& one) {
    return std::minmax({one.info.spi_in, one.info.spi_out});
  };
  const bool has_twin = std::ranges::any_of(children_, [&](const auto& entry) {
    const Child& other = entry.second;
    return other.info.name == child->info.name && !child->info.resource && !other.info.resource &&
           !other.is_closing && !other.replaced_by && !other.lingers_until &&
           order(*child) < order(other) && policy::contains(other.info.local, child->info.local) &&
           policy::contains(other.info.remote, child->info.remote);
  });
  if (has_twin) return delete_child(id, now);
  want(WantChild{child->info.name, crypto::KeGroup::none, 0, id}, now);
}

bool IkeSa::conclude_child(const ChildCreation& creation, const ChildAgreement& agreement,
                           base::Bytes g_ir, base::Bytes nonce_r, Instant now) {
  const base::ByteVec lowest = std::min(creation.nonce, base::to_vec(nonce_r));
  const Child* const rival = creation.rival ? find_child(creation.rival->made) : nullptr;
  // A rival that the peer has deleted has lost already.
  //= rfc7296#2.8.1-3
  const bool has_lost = rival != nullptr && lowest < creation.rival->lowest_nonce;
  Child* const child = install(agreement, creation.offer.spi_in, g_ir, creation.nonce, nonce_r,
                               true, now, {creation.replaces, has_lost, creation.resource});
  if (child == nullptr) return false;
  if (creation.rival) {
    report(EventKind::ike_collision,
           fmt::format("{}: both sides {} Child SA {} at once; {} survives", who(),
                       creation.replaces ? "rekeyed" : "made", child->info.name,
                       has_lost ? "the peer's" : "ours"));
  }
  const policy::ChildSaId id = child->info.id;
  if (has_lost) {
    child->replaced_by = rival->info.id;
    delete_child(id, now);
    return true;
  }
  if (Child* const loser = creation.rival ? find_child(creation.rival->made) : nullptr) {
    switch_child(*loser, false);
    loser->replaced_by = id;
    loser->overdue_at = now + shared_.limits().replaced_wait;
  }
  if (Child* const old = find_child(creation.replaces)) {
    old->replaced_by = id;
    delete_child(old->info.id, now);
  }
  return true;
}

void IkeSa::fail_rekey(const ChildCreation& creation, const Payloads& answer, Instant now) {
  const wire::NotifyPayload& error = *find_error(answer);
  const std::string& name = creation.offer.child->name;
  Child* const old = find_child(creation.replaces);
  if (creation.rival && find_child(creation.rival->made) != nullptr) {
    return report(
        EventKind::ike_collision,
        fmt::format("{}: both sides rekeyed Child SA {} at once; ours is refused with {}, "
                    "the peer's stays",
                    who(), name, describe(error)));
  }
  if (old == nullptr || (old->is_closing && !old->replaced_by)) {
    // Deleted meanwhile: whoever wants the child back has been told, and may have been put off.
    const bool is_there = std::ranges::any_of(children_, [&](const auto& entry) {
      const Child& child = entry.second;
      return child.info.name == name && !child.lingers_until && !child.is_closing;
    });
    if (!is_there) shared_.emit(ChildDown{id_, {}, this->name(), name, EndReason::peer_deleted});
    return;
  }
  if (old->replaced_by) return;
  if (retry_child(creation, error)) return;
  if (error.type == NotifyType::temporary_failure) {
    return postpone(WantChild{name, creation.offer.ke_group, creation.retries, creation.replaces},
                    now);
  }
  Witness{*this}.note_child_refused(creation.offer, answer, true);
  report(EventKind::child_failed,
         fmt::format("{}: cannot rekey Child SA {}: the peer refuses with {}; we asked for {} === "
                     "{} with {}",
                     who(), name, describe(error), policy::to_string(creation.offer.local),
                     policy::to_string(creation.offer.remote), name_of(creation.offer.ke_group)));
  if (error.type == NotifyType::child_sa_not_found) {
    const bool is_first = !old->info.resource;
    remove_child(old->info.id, EndReason::peer_deleted, now);
    // Traffic asks again for those of resources.
    return is_first ? create_child(name, now) : void();
  }
  const bool is_over = error.type == NotifyType::no_additional_sas && !old->info.resource;
  if (is_over) shared_.reauthentications.push_back(id_);
  retry_rekey(old->info.id, now);
}

void IkeSa::retry_rekey(policy::ChildSaId id, Instant now) {
  Child* const old = find_child(id);
  if (old == nullptr || old->is_closing || old->replaced_by) return;
  const IkeLimits& limits = shared_.limits();
  base::Duration wait = limits.rekey_retry_first;
  for (unsigned i = 0; i < old->failed_rekeys && wait < limits.rekey_retry_max; ++i) wait *= 2;
  ++old->failed_rekeys;
  postpone(WantChild{old->info.name, crypto::KeGroup::none, 0, id},
           std::min(wait, limits.rekey_retry_max), now);
}

// ---- Responder

Child* IkeSa::find_rekeyed(const Payloads& payloads) {
  const wire::NotifyPayload* const rekey = wire::find_notify(payloads, NotifyType::rekey_sa);
  if (rekey == nullptr) return nullptr;
  return find_child(child_spi(rekey->spi), sa_protocol(rekey->protocol));
}

std::optional<ChildRefusal> IkeSa::rekey_obstacle(const wire::NotifyPayload& rekey) {
  const auto refuse = [](wire::NotifyPayload notify, EndReason reason, std::string why) {
    return ChildRefusal{std::move(notify), reason, std::move(why)};
  };
  const Child* const old = find_child(child_spi(rekey.spi), sa_protocol(rekey.protocol));
  if (old == nullptr) {
    wire::NotifyPayload notify = make_notify(NotifyType::child_sa_not_found);
    notify.protocol = rekey.protocol;
    notify.spi = rekey.spi;
    return refuse(std::move(notify), EndReason::protocol_error,
                  "it rekeys a Child SA that does not exist");
  }
  if (old->is_closing || old->replaced_by) {
    return refuse(make_notify(NotifyType::temporary_failure), EndReason::local_request,
                  "it rekeys a Child SA that we are deleting");  // s2.25.1
  }
  // The old ones stay until the peer deletes them: room for one replacement each.
  if (living_children() < 2 * shared_.limits().children_per_ike_max) return std::nullopt;
  return refuse(make_notify(NotifyType::no_additional_sas), EndReason::local_fault,
                fmt::format("the IKE SA has {} children already", living_children()));
}

void IkeSa::note_rekeyed_by_peer(Child& old, Child& child, base::ByteVec lowest_nonce,
                                 Instant now) {
  old.replaced_by = child.info.id;
  old.overdue_at = now + shared_.limits().replaced_wait;
  wishes_.drop([&](const Wish& wish) { return is_rekey_of(wish, old.info.id); });
  note_rival(child, old.info.id, std::move(lowest_nonce));
}

void IkeSa::note_made_by_peer(const Child& made, base::ByteVec lowest_nonce) {
  // What we were about to ask for is there.
  wishes_.drop([&](const Wish& wish) {
    const auto* const wanted = std::get_if<WantChild>(&wish);
    return wanted != nullptr && !wanted->replaces && wanted->name == made.info.name &&
           wanted->resource == made.info.resource;
  });
  note_rival(made, std::nullopt, std::move(lowest_nonce));
}

void IkeSa::note_rival(const Child& made, std::optional<policy::ChildSaId> replaces,
                       base::ByteVec lowest_nonce) {
  for (auto& [id, request] : own_.all()) {
    auto* const creation = std::get_if<ChildCreation>(&request.what);
    if (creation == nullptr || creation->replaces != replaces) continue;
    const ChildOffer& offer = creation->offer;
    const bool is_same = offer.child->name == made.info.name && !creation->resource &&
                         !made.info.resource && policy::contains(made.info.local, offer.local) &&
                         policy::contains(made.info.remote, offer.remote);
    // What replaces the same SA is a rival whatever it was narrowed to.
    if (!replaces && !is_same) continue;
    creation->rival = {made.info.id, std::move(lowest_nonce)};
    return;
  }
}

}  // namespace caponier::ike
