#pragma once
// When an IKE SA is to be replaced (RFC 7296 s2.8, s2.8.3, RFC 4478), and when it has been too
// long.

#include <optional>

#include "base/time.h"

namespace caponier::ike {

struct Lifetimes {
  std::optional<base::Instant> rekey_at;    ///< soft lifetime
  std::optional<base::Instant> expires_at;  ///< hard lifetime
  unsigned failed_rekeys = 0;
  std::optional<base::Instant> authenticated_at;
  std::optional<base::Instant> reauth_at;        ///< when we authenticate anew
  std::optional<base::Instant> auth_expires_at;  ///< when the peer has to have (RFC 4478)
};

}  // namespace caponier::ike
