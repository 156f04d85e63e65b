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
  entry.sas = {sa};
}

std::optional<Session> Sessions::handle_up(ike::IkeSaId sa, const base::Path& path, Instant now) {
  Entry* const entry = entry_of(sa);
  if (entry == nullptr || entry->is_up) return std::nullopt;
  if (Entry* const same = find_same(entry->session)) {
    join(*same, *entry, sa, now);
    return std::nullopt;
  }
  entry->is_up = true;
  Session& session = entry->session;
  session.path = path;
  session.since = now;
  if (!session.addresses.empty()) by_address_[session.addresses.front()] = session.id;
  set_timeouts(session, now);
  arm_from(*entry, now);
  return session;
}

void Sessions::join(Entry& same, Entry& newer, ike::IkeSaId sa, Instant now) {
  Session& session = same.session;
  session.grant = std::move(newer.session.grant);
  session.group = std::move(newer.session.group);
  session.session_timeout = newer.session.session_timeout;
  session.server = newer.session.server;
  for (const policy::ChildSaId child : newer.children) by_child_[child] = session.id;
  same.children.merge(newer.children);
  same.sas.insert(sa);
  by_sa_[sa] = session.id;
  entries_.erase(newer.session.id);
  set_timeouts(session, now);
  arm_from(same, now);
}

/// What RADIUS says counts from the authentication on that it has answered; what we say ourselves
/// from the first one, or nobody would ever have to leave.
void Sessions::set_timeouts(Session& session, Instant now) {
  session.until.reset();
  if (session.grant.session_timeout) {
    session.until = now + *session.grant.session_timeout;
  } else if (session.session_timeout) {
    session.until = session.since + *session.session_timeout;
  }
  session.idle_timeout = session.grant.idle_timeout;
}

void Sessions::move(ike::IkeSaId from, ike::IkeSaId to) {
  auto node = by_sa_.extract(from);
  if (node.empty()) return;
  auto& sas = entries_.at(node.mapped()).sas;
  sas.erase(from);
  sas.insert(to);
  node.key() = to;
  by_sa_.insert(std::move(node));
}

void Sessions::handle_down(ike::IkeSaId sa, ike::EndReason reason) {
  Entry* const entry = entry_of(sa);
  if (entry == nullptr || entry->cause || entry->sas.size() > 1) return;
  entry->cause = is_shutting_down_ ? TerminateCause::admin_reboot : cause_of(reason);
}

std::optional<SessionDown> Sessions::end(ike::IkeSaId sa) {
  Entry* const entry = entry_of(sa);
  if (entry == nullptr) return std::nullopt;
  by_sa_.erase(sa);
  entry->sas.erase(sa);
  if (!entry->sas.empty()) return std::nullopt;
  arm(*entry, std::nullopt);
  for (const policy::ChildSaId child : entry->children) by_child_.erase(child);
  std::optional<SessionDown> down;
  if (entry->is_up) {
    down = SessionDown{entry->session.id, entry->cause.value_or(TerminateCause::nas_error),
                       usage_of(entry->retired)};
  }
  if (!entry->session.addresses.empty()) {
    const auto at = by_address_.find(entry->session.addresses.front());
    if (at != by_address_.end() && at->second == entry->session.id) by_address_.erase(at);
  }
  entries_.erase(entry->session.id);
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

const Session* Sessions::find(policy::ChildSaId child) const {
  const auto found = by_child_.find(child);
  return found == by_child_.end() ? nullptr : find(found->second);
}

SessionsExpired Sessions::order_end(SessionId id, TerminateCause cause) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || !found->second.is_up) return {};
  Entry& entry = found->second;
  entry.cause = cause;
  arm(entry, std::nullopt);
  SessionsExpired expired;
  for (const ike::IkeSaId sa : entry.sas) expired.push_back({sa, entry.session.connection});
  return expired;
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

SessionsExpired Sessions::handle_deadline(Instant now, const Workers& workers) {
  SessionsExpired expired;
  const auto end = [&](const Session& session, TerminateCause cause) {
    for (SessionExpired& one : order_end(session.id, cause)) expired.push_back(std::move(one));
  };
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Entry& entry = entries_.at(timers_.begin()->second);
    const Session& session = entry.session;
    if (session.until && *session.until <= now) {
      end(session, TerminateCause::session_timeout);
      continue;
    }
    const ipsec::SaCounters counters = counters_of(entry, workers);
    const Instant active = std::max({session.since, counters.last_in.value_or(session.since),
                                     counters.last_out.value_or(session.since)});
    if (session.idle_timeout && active + *session.idle_timeout <= now) {
      end(session, TerminateCause::idle_timeout);
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

Sessions::Entry* Sessions::find_same(const Session& session) {
  if (session.addresses.empty()) return nullptr;
  const auto found = by_address_.find(session.addresses.front());
  if (found == by_address_.end()) return nullptr;
  Entry& entry = entries_.at(found->second);
  const Session& known = entry.session;
  const bool is_same = !entry.cause && known.connection == session.connection &&
                       known.user == session.user && known.addresses == session.addresses;
  return is_same ? &entry : nullptr;
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
