#pragma once
// A Child SA as its IKE SA sees it.

#include <optional>

#include "base/address.h"
#include "base/strong.h"
#include "base/time.h"
#include "ike/actions.h"
#include "ike/endpoint.h"
#include "policy/child_sa.h"

namespace caponier::ike {

struct Child {
  ChildSaInfo info;
  bool is_announced = true;                      ///< ChildUp was said, and ChildDown was not
  bool is_closing = false;                       ///< our DELETE waits or is out
  bool sends = true;                             ///< else the peer may not have its half yet
  std::optional<base::Instant> sends_at;         ///< then it is believed to have it
  std::optional<base::MessageId> answered_in;    ///< the peer's request that made it
  std::optional<policy::ChildSaId> replaced_by;  ///< the peer or we delete it for that one
  std::optional<base::Instant> overdue_at;       ///< the peer should have deleted it by then
  std::optional<base::Instant> lingers_until;    ///< deleted, but still receives
  unsigned failed_rekeys = 0;
  bool is_grouped = false;        ///< both ends have said that there may be more (RFC 9611)
  bool is_group_full = false;     ///< but the peer wants no more
  base::Path path;                ///< of its ESP
  bool is_proven_by_esp = false;  ///< the peer's end of it, by ESP that arrived
};

/// The Child SA that comes with the IKE SA.
struct FirstChild {
  std::string name{};  ///< empty: the first configured
  std::optional<policy::Trigger> trigger{};
  /// `connection` has children.
  [[nodiscard]] const ChildConfig& find_in(const ConnectionConfig& connection) const;
};

/// How a new Child SA relates to others.
struct Replacement {
  std::optional<policy::ChildSaId> replaces{};
  bool is_redundant = false;  ///< it lost a collision: never used, deleted at once
  std::optional<policy::ResourceId> resource{};
};

}  // namespace caponier::ike
