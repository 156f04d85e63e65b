// Lifetimes of an IKE SA, and authenticating anew (RFC 7296 s2.8, s2.8.3; RFC 4478): a new IKE SA
// with children of its own comes up beside the old one, which then goes.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/ike_sa.h"
#include "ike/messages.h"
#include "ike/twins.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

constexpr std::uint64_t auth_lifetime_max = std::uint64_t{10} * 365 * 24 * 3600;
/// RFC 4478 s2: soon after the end of the lifetime the responder deletes.
constexpr base::Duration auth_grace = std::chrono::seconds{30};
/// However short a lifetime the peer names.
constexpr base::Duration reauth_pause = std::chrono::seconds{5};

void keep_earlier(std::optional<Instant>& earliest, Instant at) {
  if (!earliest || at < *earliest) earliest = at;
}

}  // namespace

// ---- Lifetimes

void IkeSa::start_lifetime(Instant now) {
  const base::Duration lifetime = connection_->ike_lifetime;
  if (lifetime <= base::Duration{}) return;
  if (is_initiator_ || !quirks().peer_rekeys_ike)
    lifetimes_.rekey_at = now + shared_.shortened(lifetime);
  lifetimes_.expires_at = now + lifetime + lifetime / 4;
}

void IkeSa::start_authentication_lifetime(Instant now) {
  lifetimes_.authenticated_at = now;
  if (connection_->reauth_interval) {
    keep_earlier(lifetimes_.reauth_at, now + shared_.shortened(*connection_->reauth_interval));
  }
  if (connection_->auth_lifetime && !is_initiator_) {
    lifetimes_.auth_expires_at = now + *connection_->auth_lifetime + auth_grace;
  }
}

void IkeSa::inherit_authentication(const IkeSa& old) {
  // RFC 4478 s2: a rekey authenticates nobody.
  lifetimes_.authenticated_at = old.lifetimes_.authenticated_at;
  lifetimes_.reauth_at = old.lifetimes_.reauth_at;
  lifetimes_.auth_expires_at = old.lifetimes_.auth_expires_at;
  reauthenticates_ = old.reauthenticates_;
}

void IkeSa::handle_lifetime(Instant now) {
  if (state_ != IkeState::established) return;
  const auto is_due = [now](const std::optional<Instant>& at) { return at && *at <= now; };
  if (is_due(lifetimes_.expires_at) || is_due(lifetimes_.auth_expires_at))
    return close(EndReason::expired, now);
  if (is_retired()) return;
  if (is_due(lifetimes_.reauth_at)) {
    // The peer has just authenticated anew itself, and is about to delete this one. Two that take
    // the place of one would both stay.
    const auto newer = Twins{*this}.newer_since();
    if (newer && now < *newer + unnoticed_twin_wait) {
      lifetimes_.reauth_at = *newer + unnoticed_twin_wait;
    } else {
      lifetimes_.reauth_at.reset();
      shared_.reauthentications.push_back(id_);
    }
  }
  if (!is_due(lifetimes_.rekey_at)) return;
  lifetimes_.rekey_at.reset();
  if (is_being_reauthenticated()) {
    lifetimes_.rekey_at = now + shared_.limits().rekey_retry_first;
  } else {
    rekey(now);
  }
}

std::optional<Instant> IkeSa::next_lifetime_end() const {
  std::optional<Instant> next;
  for (const auto& at : {lifetimes_.expires_at, lifetimes_.auth_expires_at}) {
    if (at) keep_earlier(next, *at);
  }
  if (is_retired()) return next;
  for (const auto& at : {lifetimes_.rekey_at, lifetimes_.reauth_at}) {
    if (at) keep_earlier(next, *at);
  }
  return next;
}

// ---- Repeated authentication

bool IkeSa::is_being_reauthenticated() const {
  return std::ranges::any_of(shared_.sas, [&](const auto& entry) {
    const IkeSa& other = *entry.second;
    return other.reauthenticates_ == id_ && other.state_ != IkeState::dead &&
           other.state_ != IkeState::deleting;
  });
}

void IkeSa::reauthenticate(const IkeSa& old, ConnectionPtr connection, Instant now) {
  reauthenticates_ = old.id_;
  report(EventKind::ike_reauthenticating,
         fmt::format("{}: authenticating anew, IKE SA {} shall replace {}", who(), id_.value,
                     old.id_.value));
  FirstChild first;
  for (const auto& [id, child] : old.children_) {
    const auto& children = connection->children;
    const bool is_known =
        std::ranges::find(children, child.info.name, &ChildConfig::name) != children.end();
    if (!is_known || child.lingers_until) continue;
    first.name = child.info.name;
    break;
  }
  initiate(std::move(connection), now, std::nullopt, std::move(first));
}

IkeSa* IkeSa::reauthenticated() const {
  IkeSa* old = reauthenticates_ ? shared_.find(*reauthenticates_) : nullptr;
  while (old != nullptr && old->heir_) old = shared_.find(*old->heir_);
  return old == nullptr || old == this || old->state_ != IkeState::established ? nullptr : old;
}

void IkeSa::begin_reauthenticated_children(const std::string& first, Instant now) {
  const IkeSa* const old = reauthenticated();
  if (old == nullptr) return;
  std::vector<std::string> missing;
  for (const auto& [id, child] : old->children_) {
    const std::string& name = child.info.name;
    if (name != first && !child.lingers_until) missing.push_back(name);
  }
  for (const std::string& name : missing) create_child(name, now);
}

void IkeSa::conclude_reauthentication(Instant now) {
  if (!reauthenticates_ || state_ != IkeState::established) return;
  const auto is_child = [](const Wish& wish) { return std::holds_alternative<WantChild>(wish); };
  if (own_.sent<ChildCreation>() != nullptr || wishes_.has(is_child)) return;
  IkeSa* const old = reauthenticated();
  if (old == nullptr) {
    reauthenticates_.reset();
    return;
  }
  if (living_children() == 0) {
    // The old one has what the new one could not get.
    report(EventKind::ike_rekey_failed, fmt::format("{}: IKE SA {} brought no Child SA; {} stays",
                                                    who(), id_.value, old->id_.value));
    old->put_off_reauthentication(now);
    reauthenticates_.reset();
    return close(EndReason::selectors, now);
  }
  reauthenticates_.reset();
  old->retire(now);
  old->touch();
}

void IkeSa::abandon_reauthentication(Instant now) {
  IkeSa* const old = reauthenticated();
  // From a stream, UDP was only tried.
  const bool is_due = old != nullptr && old->path_.transport == path_.transport;
  if (is_due && !established_at_) old->put_off_reauthentication(now);
  reauthenticates_.reset();
}

void IkeSa::put_off_reauthentication(Instant now) {
  const IkeLimits& limits = shared_.limits();
  base::Duration wait = limits.rekey_retry_first;
  for (unsigned i = 0; i < lifetimes_.failed_rekeys && wait < limits.rekey_retry_max; ++i)
    wait *= 2;
  ++lifetimes_.failed_rekeys;
  lifetimes_.reauth_at = now + shared_.jittered(std::min(wait, limits.rekey_retry_max));
  touch();
}

// ---- AUTH_LIFETIME

void IkeSa::append_auth_lifetime(Payloads& payloads) const {
  if (!connection_->auth_lifetime) return;
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(*connection_->auth_lifetime).count();
  base::Writer out;
  out.u32(static_cast<std::uint32_t>(seconds));
  payloads.emplace_back(make_notify(NotifyType::auth_lifetime, out.finish().value()));
}

void IkeSa::heed_auth_lifetime(const Payloads& payloads, Instant now) {
  const wire::NotifyPayload* const notify = wire::find_notify(payloads, NotifyType::auth_lifetime);
  if (notify == nullptr || notify->data.size() != 4 || !established_at_) return;
  const std::uint64_t seconds =
      std::min<std::uint64_t>(base::load_be<std::uint32_t>(notify->data.data()), auth_lifetime_max);
  report(EventKind::ike_auth_lifetime,
         fmt::format("{}: the peer wants to be convinced again within {} s", who(), seconds));
  const base::Duration lifetime = std::chrono::seconds{seconds};
  // A tenth earlier, and up to another tenth by chance.
  lifetimes_.reauth_at =
      std::max(now + shared_.shortened(lifetime - lifetime / 10), *established_at_ + reauth_pause);
}

}  // namespace caponier::ike
