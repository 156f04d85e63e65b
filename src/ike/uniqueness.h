#pragma once
// Several IKE SAs with one peer: which of them lives on (RFC 7296 s2.4, s2.8.2, RFC 7619 s2.3, and
// the policy of the connection).

#include <cstdint>
#include <vector>

#include "ike/ike_sa.h"

namespace caponier::ike {

class Shared;

/// Of an unauthenticated peer only where it is counts, with the port: behind a NAT there may be
/// many at one address.
[[nodiscard]] bool is_anonymous(const ConnectionConfig& connection);

/// The other ones of its connection with the same peer, in order of their ids.
[[nodiscard]] std::vector<IkeSa*> siblings_of(const IkeSa& sa, const Shared& shared);

enum class SiblingFate : std::uint8_t {
  both_stay,
  older_forgotten,  ///< without a word: the peer does not have it any more
  older_retires,    ///< make before break
  newer_retires,
};

/// `newest` has just come up, `other` was there; both with the same peer.
[[nodiscard]] SiblingFate judge_sibling(const IkeSa& newest, const IkeSa& other,
                                        bool has_initial_contact);

}  // namespace caponier::ike
