#include "ike/uniqueness.h"

namespace caponier::ike {

bool is_same_peer(const IkeSa& a, const IkeSa& b) {
  if (!a.remote_id() || !b.remote_id()) return false;
  const bool is_anonymous = a.connection()->remote_auth == AuthKind::null;
  if (is_anonymous) return a.path().remote == b.path().remote;
  return policy::is_same(*a.remote_id(), *b.remote_id());
}

SiblingFate judge_sibling(const IkeSa& newest, const IkeSa& other, bool has_initial_contact) {
  const ConnectionConfig& connection = *newest.connection();
  const bool is_anonymous = connection.remote_auth == AuthKind::null;
  if (connection.unique == Unique::never) return SiblingFate::both_stay;
  //= rfc7296#2.4-1 rfc7296#2.4-5
  // INITIAL_CONTACT speaks of what was there before. What came up while this exchange ran is the
  // other half of a simultaneous initiation.
  if (has_initial_contact && !is_anonymous && *other.authenticated_at() < newest.created_at()) {
    return SiblingFate::older_forgotten;
  }
  // Who began when the other one was there already authenticates anew (s2.8.3) and deletes the
  // older one itself when its children have moved, or has forgotten it.
  if (*other.authenticated_at() < newest.created_at()) {
    const bool is_peers = !newest.is_initiator() && !other.is_initiator();
    const bool replaces = connection.unique == Unique::replace && !is_anonymous && is_peers;
    return replaces ? SiblingFate::older_retires : SiblingFate::both_stay;
  }
  if (other.is_initiator() == newest.is_initiator()) {
    const bool replaces = connection.unique == Unique::replace && !is_anonymous;
    return replaces ? SiblingFate::older_retires : SiblingFate::both_stay;
  }
  // Both sides initiated: the lower SPIi survives on both; who made the other one deletes it.
  return other.spi_i() < newest.spi_i() ? SiblingFate::newer_retires : SiblingFate::older_retires;
}

}  // namespace caponier::ike
