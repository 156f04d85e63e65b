// What a peer's children are wanted for, and what is done about each.

#include <algorithm>
#include <utility>

#include "gateway/peer.h"

namespace caponier::gateway {

Peer::Wanted* Peer::find_child(std::string_view name) {
  const auto found = std::ranges::find(children_, name, &Wanted::name);
  return found == children_.end() ? nullptr : &*found;
}

Peer::Wanted* Peer::find_child(policy::ChildSaId id) {
  const auto found =
      std::ranges::find_if(children_, [&](const Wanted& child) { return child.sas.contains(id); });
  return found == children_.end() ? nullptr : &*found;
}

bool Peer::has_sa(std::string_view name) const {
  const auto found = std::ranges::find(children_, name, &Wanted::name);
  return found != children_.end() && !found->sas.empty();
}

bool Peer::has_children() const {
  return std::ranges::any_of(children_, [](const Wanted& child) { return !child.sas.empty(); });
}

unsigned Peer::child_failures() const {
  unsigned failures = 0;
  for (const Wanted& child : children_) failures += child.failures;
  return failures;
}

void Peer::forget_demands() {
  for (Wanted& child : children_) child.demanded = false;
}

bool Peer::start(std::optional<std::string_view> name, base::Instant now) {
  if (name && find_child(*name) == nullptr) return false;
  for (Wanted& child : children_) {
    if (name && child.name != *name) continue;
    child.start = config::Start::at_once;
    child.failures = 0;
    child.retry_at.reset();
  }
  attempts_ = 0;
  next_attempt_ = now;
  if (std::exchange(is_off_, false)) {
    rebuild();
    requests_.emplace_back(Refresh{});
  }
  reconcile(now);
  return true;
}

bool Peer::stop(std::optional<std::string_view> name, base::Instant now) {
  if (name && find_child(*name) == nullptr) return false;
  for (Wanted& child : children_) {
    if (name && child.name != *name) continue;
    child.calm_down();
    child.demanded = false;
    child.trigger.reset();
    child.retry_at.reset();
    child.pending_until.reset();
    if (!name) continue;
    for (const policy::ChildSaId id : child.sas) {
      requests_.emplace_back(ike::Command{ike::DeleteChild{id}});
    }
  }
  if (!name) requests_.emplace_back(ike::Command{ike::DeleteIke{config_.name}});
  note_state(now);
  return true;
}

void Peer::follow_end(Wanted& child, std::optional<config::Start> next) {
  if (!next) return;
  child.start = *next;
  child.is_trapped = child.is_trapped || *next == config::Start::trap;
  child.demanded = false;
}

/// The IKE SA has ended, and its children with it.
void Peer::note_end(ike::EndReason reason) {
  for (Wanted& child : children_) {
    if (!child.had_sa) continue;
    const config::ChildConfig& config = *config_.find_child(child.name);
    if (reason == ike::EndReason::peer_deleted) follow_end(child, config.after_close);
    if (reason == ike::EndReason::timeout) follow_end(child, config.after_loss);
  }
}

void Peer::note_installed(const policy::InstallSa& sa) {
  if (Wanted* const child = find_child(sa.child)) child->reached[sa.id] = {sa.local, sa.remote};
}

Peer::Useless Peer::note_refused(Wanted& child, base::Instant now) {
  const base::IpAddress destination = child.asked->trigger.remote.front().first;
  child.asked.reset();
  const base::Duration pause = back_off(child.refused.note_refusal(destination));
  child.refused.pause(destination, now + pause);
  return {destination, pause};
}

std::optional<Peer::Useless> Peer::judge_answer(Wanted& child, policy::ChildSaId sa,
                                                base::Instant now) {
  const auto reach = child.reached.find(sa);
  if (!child.asked || reach == child.reached.end()) return std::nullopt;
  const policy::Trigger& wanted = child.asked->trigger;
  const bool is_for_it = policy::contains(reach->second.local, {wanted.local.front()}) &&
                         policy::contains(reach->second.remote, {wanted.remote.front()});
  if (is_for_it) {
    child.refused.forget(wanted.remote.front().first);
    child.asked.reset();
    return std::nullopt;
  }
  // Whichever side has asked for it: one more of the same is of no use.
  const bool is_double = std::ranges::any_of(child.reached, [&](const auto& other) {
    return other.first != sa && other.second == reach->second;
  });
  if (is_double) requests_.emplace_back(ike::Command{ike::DeleteChild{sa}});
  return note_refused(child, now);
}

std::optional<Peer::Useless> Peer::handle(const ike::ChildUp& up, base::Instant now) {
  Wanted* const child = find_child(up.child);
  if (is_off_ || child == nullptr) return std::nullopt;
  child->sas.insert(up.child_sa);
  child->had_sa = true;
  if (up.resource) {
    child->resource_sas.insert(up.child_sa);
    reconcile(now);
    return std::nullopt;
  }
  const std::optional<Useless> useless =
      up.replaces ? std::nullopt : judge_answer(*child, up.child_sa, now);
  child->trigger.reset();
  child->pending_until.reset();
  child->retry_at.reset();
  child->failures = 0;
  note_.clear();
  failure_text_.clear();
  reconcile(now);
  return useless;
}

void Peer::handle(const ike::ChildDown& down, base::Instant now) {
  Wanted* const child = find_child(down.child);
  if (child == nullptr) return;
  const bool was_ours = child->sas.erase(down.child_sa) > 0;
  child->reached.erase(down.child_sa);
  if (child->resource_sas.erase(down.child_sa) > 0) return reconcile(now);
  if (was_ours) {
    if (!child->has_first() && down.reason == ike::EndReason::peer_deleted) {
      follow_end(*child, config_.find_child(child->name)->after_close);
    }
    const bool is_wish = down.reason == ike::EndReason::local_request && child->has_first();
    if (!is_wish) child->retry_at = now + back_off(1);
  } else if (down.child_sa.value == 0 && child->asked) {
    (void)note_refused(*child, now);
  } else if (down.child_sa.value == 0) {
    child->pending_until.reset();
    child->retry_at = now + back_off(++child->failures);
    note_ = explain(down.reason);
    //= rfc7296#4-8
    // Some peers make one child with the IKE SA and never another: then both are made anew.
    const bool refuses_all = down.reason == ike::EndReason::peer_refused && child->had_sa &&
                             child->failures >= refusals_max;
    if (refuses_all && !has_children()) {
      child->had_sa = false;
      requests_.emplace_back(ike::Command{ike::DeleteIke{config_.name}});
    }
  }
  reconcile(now);
}

void Peer::handle_expired(policy::ChildSaId id, bool hard, base::Instant now) {
  Wanted* const child = find_child(id);
  if (child == nullptr) return;
  if (!hard) {
    requests_.emplace_back(ike::Command{ike::RekeyChild{id}});
    return;
  }
  requests_.emplace_back(ike::Command{ike::DeleteChild{id}});
  child->sas.erase(id);
  if (child->resource_sas.erase(id) > 0) return;
  child->retry_at.reset();
  reconcile(now);
}

void Peer::handle_idle(std::string_view name) {
  Wanted* const child = find_child(name);
  if (child == nullptr) return;
  if (child->start == config::Start::at_once) child->start = config::Start::trap;
  child->demanded = false;
}

void Peer::handle_acquire(ipsec::Acquire acquire, base::Instant now) {
  Wanted* const child = find_child(acquire.child);
  if (is_off_ || child == nullptr) return;
  if (acquire.resource) {
    requests_.emplace_back(
        ike::Command{ike::InitiateChild{config_.name, child->name, {}, acquire.resource}});
    return;
  }
  policy::Trigger trigger = std::move(acquire.trigger);
  if (child->start == config::Start::on_command && !child->is_trapped && ikes_.empty()) return;
  if (!ikes_.empty() && !child->sas.empty()) {
    return ask_for_more(*child, std::move(trigger), now);
  }
  // A tunnel that is wanted anyway is for more than this packet.
  const bool is_first = child->start != config::Start::at_once || trigger.is_exact;
  if (is_first && !child->trigger) child->trigger = std::move(trigger);
  child->demanded = true;
  if (next_attempt_ && attempts_ > 0) {
    next_attempt_ = std::min(*next_attempt_, std::max(now, last_failure_ + acquire_patience));
  }
  reconcile(now);
}

void Peer::ask_for_more(Wanted& child, policy::Trigger trigger, base::Instant now) {
  if (child.retry_at && *child.retry_at > now) return;
  // One at a time: whoever else has to wait asks again with its next packet.
  if (child.asked && child.asked->until > now) return;
  child.asked.reset();
  if (!trigger.local.empty() && !trigger.remote.empty()) {
    if (!child.refused.may_ask(trigger.remote.front().first, now)) return;
    child.asked = Wanted::Asked{trigger, now + negotiation_timeout};
  }
  requests_.emplace_back(
      ike::Command{ike::InitiateChild{config_.name, child.name, std::move(trigger)}});
}

std::optional<base::Instant> Peer::Wanted::due() const {
  if (!is_wanted() || has_first()) return std::nullopt;
  if (pending_until) return pending_until;
  return retry_at.value_or(base::Instant{});
}

std::optional<base::Instant> Peer::child_due() const {
  std::optional<base::Instant> earliest;
  if (is_off_) return earliest;
  for (const Wanted& child : children_) {
    const auto due = child.due();
    if (due && (!earliest || *due < *earliest)) earliest = due;
  }
  return earliest;
}

void Peer::reconcile_child(Wanted& child, base::Instant now) {
  const auto due = child.due();
  if (!due || *due > now) return;
  if (child.pending_until) {
    child.pending_until.reset();
    child.retry_at = now + back_off(++child.failures);
    return;
  }
  child.pending_until = now + negotiation_timeout;
  requests_.emplace_back(ike::Command{ike::InitiateChild{config_.name, child.name, child.trigger}});
}

const Peer::Wanted* Peer::first_child() const {
  const auto found = std::ranges::find_if(children_, &Wanted::is_wanted);
  return found == children_.end() ? nullptr : &*found;
}

void Peer::rest(std::optional<std::string_view> name, base::Instant now) {
  if (is_off_) return;
  for (Wanted& child : children_) {
    if (name && child.name != *name) continue;
    if (child.start == config::Start::at_once) child.calm_down();
    child.demanded = false;
    child.retry_at.reset();
  }
  attempts_ = 0;
  next_attempt_.reset();
  reconcile(now);
}

bool Peer::set_trap(std::string_view name, bool is_trapped, base::Instant now) {
  Wanted* const child = find_child(name);
  if (child == nullptr) return false;
  child->is_trapped = is_trapped;
  if (child->start != config::Start::at_once || is_off_) child->calm_down();
  if (!is_trapped || !is_off_) return true;
  is_off_ = false;
  rebuild();
  requests_.emplace_back(Refresh{});
  reconcile(now);
  return true;
}

std::vector<std::string> Peer::trapped() const {
  std::vector<std::string> names;
  for (const Wanted& child : children_) {
    if (child.is_trapped && !is_off_) names.push_back(child.name);
  }
  return names;
}

}  // namespace caponier::gateway
