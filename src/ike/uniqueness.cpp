#include "ike/uniqueness.h"

#include "ike/auth_methods.h"
#include "ike/shared.h"

namespace caponier::ike {
namespace {

/// Of one connection.
bool is_same_peer(const IkeSa& a, const IkeSa& b) {
  if (is_anonymous(*a.connection())) return a.path().remote == b.path().remote;
  return b.remote_id() && policy::is_same(*a.remote_id(), *b.remote_id());
}

}  // namespace

bool is_anonymous(const ConnectionConfig& connection) {
  return accepts(connection.peer_rounds.back(), AuthKind::null);
}

std::vector<IkeSa*> siblings_of(const IkeSa& sa, const Shared& shared) {
  std::vector<IkeSa*> found;
  if (!sa.connection() || !sa.remote_id()) return found;
  const std::string& name = sa.connection()->name;
  const auto ids = is_anonymous(*sa.connection()) ? shared.index.of(name, sa.path().remote)
                                                  : shared.index.of(name, *sa.remote_id());
  for (const IkeSaId id : ids) {
    IkeSa* const other = shared.find(id);
    const bool is_sibling = other != nullptr && other != &sa && other->connection() &&
                            other->connection()->name == name && is_same_peer(sa, *other);
    if (is_sibling) found.push_back(other);
  }
  return found;
}

SiblingFate judge_sibling(const IkeSa& newest, const IkeSa& other, bool has_initial_contact) {
  const ConnectionConfig& connection = *newest.connection();
  const bool anonymous = is_anonymous(connection);
  if (connection.unique == Unique::never) return SiblingFate::both_stay;
  //= rfc7296#2.4-1 rfc7296#2.4-5
  // INITIAL_CONTACT speaks of what was there before. What came up while this exchange ran is the
  // other half of a simultaneous initiation.
  if (has_initial_contact && !anonymous && *other.authenticated_at() < newest.created_at()) {
    return SiblingFate::older_forgotten;
  }
  // Who began when the other one was there already authenticates anew (s2.8.3) and deletes the
  // older one itself when its children have moved, or has forgotten it.
  if (*other.authenticated_at() < newest.created_at()) {
    const bool is_peers = !newest.is_initiator() && !other.is_initiator();
    const bool replaces = connection.unique == Unique::replace && !anonymous && is_peers;
    return replaces ? SiblingFate::older_retires : SiblingFate::both_stay;
  }
  if (other.is_initiator() == newest.is_initiator()) {
    const bool replaces = connection.unique == Unique::replace && !anonymous;
    return replaces ? SiblingFate::older_retires : SiblingFate::both_stay;
  }
  // Both sides initiated: the lower SPIi survives on both; who made the other one deletes it.
  return other.spi_i() < newest.spi_i() ? SiblingFate::newer_retires : SiblingFate::older_retires;
}

}  // namespace caponier::ike
