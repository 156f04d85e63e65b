#include "gateway/sessions.h"

#include <algorithm>

namespace caponier::gateway {

using base::Instant;
using radius::TerminateCause;

namespace {

TerminateCause cause_of(ike::EndReason reason) {
  switch (reason) {
    case ike::EndReason::timeout:
    case ike::EndReason::peer_restarted:
    case ike::EndReason::address_lost: return TerminateCause::lost_carrier;
    case ike::EndReason::peer_deleted:
    case ike::EndReason::replaced: return TerminateCause::user_request;
    case ike::EndReason::local_request: return TerminateCause::admin_reset;
    case ike::EndReason::expired: return TerminateCause::session_timeout;
    case ike::EndReason::redirected: return TerminateCause::nas_request;
    case ike::EndReason::peer_refused:
    case ike::EndReason::authentication:
    case ike::EndReason::no_proposal:
    case ike::EndReason::selectors:
    case ike::EndReason::protocol_error:
    case ike::EndReason::local_fault: return TerminateCause::nas_error;
  }
  return TerminateCause::nas_error;
}

radius::Usage usage_of(const ipsec::SaCounters& counters) {
  return {counters.bytes_in, counters.bytes_out, counters.packets_in, counters.packets_out};
}

}  // namespace

void Sessions::expect(ike::IkeSaId sa, Session session) {
  session.id = SessionId{sa.value};
  by_sa_[sa] = session.id;
  Entry& entry = entries_[session.id];
  entry.session = std::move(session);
  entry.sa = sa;
}

std::optional<Session> Sessions::handle_up(ike::IkeSaId sa, const base::Path& path, Instant now) {
  Entry* const entry = entry_of(sa);
  if (entry == nullptr || entry->is_up) return std::nullopt;
  entry->is_up = true;
  Session& session = entry->session;
  session.path = path;
  session.since = now;
  if (session.grant.session_timeout) session.until = now + *session.grant.session_timeout;
  session.idle_timeout = session.grant.idle_timeout;
  arm_from(*entry, now);
  return session;
}

void Sessions::move(ike::IkeSaId from, ike::IkeSaId to) {
  auto node = by_sa_.extract(from);
  if (node.empty()) return;
  entries_.at(node.mapped()).sa = to;
  node.key() = to;
  by_sa_.insert(std::move(node));
}

void Sessions::handle_down(ike::IkeSaId sa, ike::EndReason reason) {
  Entry* const entry = entry_of(sa);
  if (entry == nullptr || entry->cause) return;
  entry->cause = is_shutting_down_ ? TerminateCause::admin_reboot : cause_of(reason);
}

std::optional<SessionDown> Sessions::end(ike::IkeSaId sa) {
  Entry* const entry = entry_of(sa);
  if (entry == nullptr) return std::nullopt;
  arm(*entry, std::nullopt);
  for (const policy::ChildSaId child : entry->children) by_child_.erase(child);
  std::optional<SessionDown> down;
  if (entry->is_up) {
    down = SessionDown{entry->session.id, entry->cause.value_or(TerminateCause::nas_error),
                       usage_of(entry->retired)};
  }
  entries_.erase(entry->session.id);
  by_sa_.erase(sa);
  return down;
}

void Sessions::handle_child_up(ike::IkeSaId sa, policy::ChildSaId child) {
  Entry* const entry = entry_of(sa);
  if (entry == nullptr) return;
  entry->children.insert(child);
  by_child_[child] = entry->session.id;
}

void Sessions::handle_child_removed(policy::ChildSaId child, const Workers& workers) {
  const auto found = by_child_.find(child);
  if (found == by_child_.end()) return;
  Entry& entry = entries_.at(found->second);
  if (const auto last = workers.counters(child)) add(entry.retired, *last);
  entry.children.erase(child);
  by_child_.erase(found);
}

std::optional<radius::Usage> Sessions::usage(SessionId id, const Workers& workers) const {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return std::nullopt;
  return usage_of(counters_of(found->second, workers));
}

const Session* Sessions::find(SessionId id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() || !found->second.is_up ? nullptr : &found->second.session;
}

const Session* Sessions::find(ike::IkeSaId sa) const {
  const auto found = by_sa_.find(sa);
  return found == by_sa_.end() ? nullptr : find(found->second);
}

std::optional<SessionExpired> Sessions::order_end(SessionId id, TerminateCause cause) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || !found->second.is_up) return std::nullopt;
  Entry& entry = found->second;
  entry.cause = cause;
  arm(entry, std::nullopt);
  return SessionExpired{entry.sa, entry.session.connection};
}

void Sessions::change(SessionId id, const SessionChange& change, std::string group, Instant now) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  Session& session = entry.session;
  if (change.session_timeout) session.until = session.since + *change.session_timeout;
  if (change.idle_timeout) session.idle_timeout = change.idle_timeout;
  if (!change.filters.empty()) {
    session.grant.filters = change.filters;
    session.group = std::move(group);
  }
  arm_from(entry, now);
}

std::vector<SessionExpired> Sessions::handle_deadline(Instant now, const Workers& workers) {
  std::vector<SessionExpired> expired;
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Entry& entry = entries_.at(timers_.begin()->second);
    const Session& session = entry.session;
    if (session.until && *session.until <= now) {
      expired.push_back(*order_end(session.id, TerminateCause::session_timeout));
      continue;
    }
    const ipsec::SaCounters counters = counters_of(entry, workers);
    const Instant active = std::max({session.since, counters.last_in.value_or(session.since),
                                     counters.last_out.value_or(session.since)});
    if (session.idle_timeout && active + *session.idle_timeout <= now) {
      expired.push_back(*order_end(session.id, TerminateCause::idle_timeout));
      continue;
    }
    arm_from(entry, active);
  }
  return expired;
}

std::optional<base::Deadline> Sessions::poll_deadline() const {
  if (timers_.empty()) return std::nullopt;
  return base::Deadline{timers_.begin()->first, "a user's session may be over"};
}

Sessions::Entry* Sessions::entry_of(ike::IkeSaId sa) {
  const auto found = by_sa_.find(sa);
  return found == by_sa_.end() ? nullptr : &entries_.at(found->second);
}

ipsec::SaCounters Sessions::counters_of(const Entry& entry, const Workers& workers) {
  ipsec::SaCounters sum = entry.retired;
  for (const policy::ChildSaId child : entry.children) {
    if (const auto counters = workers.counters(child)) add(sum, *counters);
  }
  return sum;
}

void Sessions::arm(Entry& entry, std::optional<Instant> at) {
  if (entry.timer) timers_.erase({*entry.timer, entry.session.id});
  entry.timer = at;
  if (at) timers_.emplace(*at, entry.session.id);
}

void Sessions::arm_from(Entry& entry, Instant active) {
  std::optional<Instant> at = entry.session.until;
  if (entry.session.idle_timeout) {
    const Instant idle = active + *entry.session.idle_timeout;
    at = at ? std::min(*at, idle) : idle;
  }
  arm(entry, at);
}

}  // namespace caponier::gateway
