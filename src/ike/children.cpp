// The Child SAs of an IKE SA: installing, switching traffic from a replaced one to its successor
// (RFC 7296 s2.8), and removing.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/ike_sa.h"
#include "ike/twins.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;

namespace {

// An older SA to send by meanwhile, if there is one, is another IKE SA's, which the peer may have
// lost.
constexpr base::Duration first_child_wait = std::chrono::seconds{2};

policy::Lifetime shortened(policy::Lifetime lifetime, Shared& shared) {
  if (lifetime.soft_time) lifetime.soft_time = shared.shortened(*lifetime.soft_time);
  if (lifetime.soft_bytes) lifetime.soft_bytes = shared.shortened(*lifetime.soft_bytes);
  if (lifetime.soft_packets) lifetime.soft_packets = shared.shortened(*lifetime.soft_packets);
  return lifetime;
}

void keep_earlier(std::optional<Instant>& earliest, std::optional<Instant> at) {
  if (at && (!earliest || *at < *earliest)) earliest = at;
}

}  // namespace

const ChildConfig& FirstChild::find_in(const ConnectionConfig& connection) const {
  const auto& children = connection.children;
  const auto found = std::ranges::find(children, name, &ChildConfig::name);
  return found == children.end() ? children.front() : *found;
}

// ---- Finding

Child* IkeSa::find_child(std::optional<policy::ChildSaId> id) {
  const auto found = id ? children_.find(*id) : children_.end();
  return found == children_.end() || found->second.lingers_until ? nullptr : &found->second;
}

Child* IkeSa::find_child(std::optional<base::Spi> spi_out, policy::SaProtocol protocol) {
  const auto found = std::ranges::find_if(children_, [&](const auto& entry) {
    const Child& child = entry.second;
    return spi_out && child.info.spi_out == *spi_out && child.info.protocol == protocol &&
           !child.lingers_until;
  });
  return found == children_.end() ? nullptr : &found->second;
}

std::size_t IkeSa::living_children() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      children_, [](const auto& entry) { return !entry.second.lingers_until; }));
}

bool IkeSa::has_other(const Child& child) const {
  const bool is_being_rekeyed = std::ranges::any_of(own_.all(), [&](const auto& entry) {
    const auto* const creation = std::get_if<ChildCreation>(&entry.second.what);
    return creation != nullptr && creation->replaces == child.info.id;
  });
  return is_being_rekeyed || std::ranges::any_of(children_, [&](const auto& entry) {
           const Child& other = entry.second;
           return &other != &child && other.info.name == child.info.name && !other.is_closing &&
                  !other.lingers_until;
         });
}

// ---- Installing

Child* IkeSa::install(const ChildAgreement& agreement, base::Spi spi_in, base::Bytes g_ir,
                      base::Bytes nonce_i, base::Bytes nonce_r, bool is_exchange_initiator,
                      Instant now, const Replacement& replacement) {
  auto keys =
      derive_child_keys(*session_->prf, agreement.suite, session_->sk_d, g_ir, nonce_i, nonce_r);
  if (!keys) return nullptr;
  const ChildConfig& config = *agreement.child;
  Child child;
  child.path = path_;
  child.is_announced = !replacement.is_redundant;
  // The initiator has its half only once our answer has arrived.
  child.sends = is_exchange_initiator && !replacement.is_redundant;
  if (!is_exchange_initiator) {
    child.sends_at =
        now + (children_.empty() ? first_child_wait : shared_.limits().activation_wait);
    if (answering_) child.answered_in = answering_->header.message_id;
  }
  ChildSaInfo& info = child.info;
  info.id = shared_.new_child_id();
  info.name = config.name;
  info.mode = agreement.mode;
  info.protocol = agreement.protocol;
  info.suite = agreement.suite;
  info.spi_in = spi_in;
  info.spi_out = agreement.spi_out;
  info.udp_encap = uses_udp_encap();
  info.local = agreement.local;
  info.remote = agreement.remote;
  info.established_at = now;
  info.resource = replacement.resource;
  const Child* const replaced = find_child(replacement.replaces);
  child.is_grouped = replaced != nullptr ? replaced->is_grouped : agreement.is_grouped;

  policy::InstallSa action;
  action.id = info.id;
  action.connection = connection_->name;
  action.child = info.name;
  action.mode = info.mode;
  action.protocol = info.protocol;
  action.treatment = config.treatment;
  //= rfc4303#2.7-3
  if (!agreement.may_pad) action.treatment.tfc_pad = 0;
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
  action.lifetime = shortened(config.lifetime, shared_);
  if (action.lifetime.soft_time) info.rekey_at = now + *action.lifetime.soft_time;
  if (action.lifetime.hard_time) info.expires_at = now + *action.lifetime.hard_time;
  action.replay_window = config.replay_window;
  action.receives_only = !child.sends;
  action.resource = info.resource;
  if (config.is_remote_leased) action.services = services_;
  shared_.emit(std::move(action));
  shared_.settle(spi_in);
  if (child.is_announced) announce_child(info, replacement);
  shared_.child_owner[info.id] = id_;
  Child& made = children_.emplace(info.id, std::move(child)).first->second;
  if (made.sends) Twins{*this}.relieve(made.info.name);
  return &made;
}

void IkeSa::announce_child(const ChildSaInfo& child, const Replacement& replacement) {
  const bool is_rekey = replacement.replaces.has_value();
  if (is_rekey) shared_.counters.count_child_rekey(name());
  report(is_rekey ? EventKind::child_rekeyed : EventKind::child_up,
         fmt::format("{}: Child SA {} ({}) is {}: {} === {}, {}, {}", who(), child.name,
                     policy::name_of(child.mode), is_rekey ? "rekeyed" : "up",
                     policy::to_string(child.local), policy::to_string(child.remote),
                     policy::to_string(child.suite), carriage(child.protocol)));
  shared_.emit(
      ChildUp{id_, child.id, name(), child.name, replacement.replaces, replacement.resource});
}

void IkeSa::switch_child(Child& child, bool sends) {
  const bool is_over = child.replaced_by || child.is_closing || child.lingers_until || retire_at_ ||
                       state_ == IkeState::deleting;
  if (sends && is_over) return;
  child.sends_at.reset();
  if (child.sends == sends) return;
  child.sends = sends;
  shared_.emit(policy::SwitchSa{child.info.id, sends});
  if (sends) Twins{*this}.relieve(child.info.name);
}

void IkeSa::child_heard(policy::ChildSaId id) {
  if (Child* const child = find_child(id)) switch_child(*child, true);
}

void IkeSa::wait_for_peer_again(base::MessageId request, Instant now) {
  for (auto& [id, child] : children_) {
    if (child.sends_at && child.answered_in == request) {
      child.sends_at =
          now + (children_.size() == 1 ? first_child_wait : shared_.limits().activation_wait);
    }
  }
}

// ---- Removing

void IkeSa::delete_child(policy::ChildSaId id, Instant now) {
  Child* const child = find_child(id);
  if (child == nullptr || child->is_closing || state_ != IkeState::established) return;
  // s2.8: an SA that ends because nothing could replace it takes the IKE SA along.
  const bool is_irreplaceable = child->failed_rekeys > 0 && !child->info.resource;
  if (is_irreplaceable && !child->replaced_by) return close(EndReason::expired, now);
  child->is_closing = true;
  child->overdue_at.reset();
  wishes_.drop([&](const Wish& wish) {
    const auto* const wanted = std::get_if<WantChild>(&wish);
    return wanted != nullptr && wanted->replaces == id;
  });
  if (has_other(*child)) switch_child(*child, false);
  want(WantDeleteChild{child->info.spi_in, id, child->info.protocol}, now);
}

void IkeSa::remove_child(policy::ChildSaId id, EndReason reason, Instant now) {
  Child* const child = find_child(id);
  if (child == nullptr) return;
  announce_child_down(*child, child->replaced_by ? EndReason::replaced : reason);
  wishes_.drop([&](const Wish& wish) {
    const auto* const wanted = std::get_if<WantChild>(&wish);
    return wanted != nullptr && wanted->replaces == id;
  });
  for (auto& [other_id, other] : children_) {
    if (other.replaced_by != id) continue;
    other.replaced_by = child->replaced_by;  // it may be needed again
    if (!other.replaced_by) other.overdue_at.reset();
  }
  const std::size_t lingering = children_.size() - living_children();
  if (!has_other(*child) || lingering >= shared_.limits().replaced_lingering_max) {
    return erase_child(id);
  }
  switch_child(*child, false);
  child->overdue_at.reset();
  child->lingers_until = now + shared_.limits().replaced_linger;
}

void IkeSa::announce_child_down(Child& child, EndReason reason) {
  if (!std::exchange(child.is_announced, false)) return;
  shared_.emit(ChildDown{id_, child.info.id, name(), child.info.name, reason,
                         std::make_shared<const IkeSaInfo>(info())});
  report(EventKind::child_down,
         fmt::format("{}: Child SA {} is down ({})", who(), child.info.name, ike::name_of(reason)));
}

void IkeSa::erase_child(policy::ChildSaId id) {
  shared_.emit(policy::RemoveSa{id});
  shared_.release(children_.at(id).info.spi_in);
  shared_.child_owner.erase(id);
  children_.erase(id);
}

// ---- Time

std::optional<Instant> IkeSa::next_child_deadline() const {
  std::optional<Instant> earliest;
  for (const auto& [id, child] : children_) {
    keep_earlier(earliest, child.sends_at);
    keep_earlier(earliest, child.overdue_at);
    keep_earlier(earliest, child.lingers_until);
  }
  return earliest;
}

void IkeSa::delete_children_due(Instant now) {
  std::vector<policy::ChildSaId> over;
  std::vector<policy::ChildSaId> overdue;
  for (auto& [id, child] : children_) {
    if (child.sends_at && *child.sends_at <= now) switch_child(child, true);
    if (child.sends_at && *child.sends_at <= now) child.sends_at.reset();
    if (child.lingers_until && *child.lingers_until <= now) over.push_back(id);
    if (child.overdue_at && *child.overdue_at <= now) overdue.push_back(id);
  }
  for (const policy::ChildSaId id : over) erase_child(id);
  for (const policy::ChildSaId id : overdue) {
    if (Child* const child = find_child(id)) child->overdue_at.reset();
    delete_child(id, now);
  }
}

}  // namespace caponier::ike
