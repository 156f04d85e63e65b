#pragma once
// The responder's stateless half of IKE_SA_INIT: whom to answer, whom to refuse, and whom to ask
// for a cookie first (RFC 7296 s2.6). Nothing is kept and no key computed here.

#include <variant>

#include "ike/cookie.h"
#include "ike/ike_sa.h"

namespace caponier::ike {

struct Ignored {};
/// One unprotected datagram back, never longer than the request.
struct Rejected {
  base::ByteVec answer;
};
using InitVerdict = std::variant<Ignored, Rejected, AcceptedInit>;

[[nodiscard]] InitVerdict judge_init(Shared& shared, CookieJar& cookies, const base::Path& path,
                                     const wire::IkeHeader& header, base::Bytes datagram,
                                     base::Instant now);

/// The connections whose addresses fit, most specific first.
[[nodiscard]] std::vector<ConnectionPtr> find_connections(const Connections& connections,
                                                          const base::Path& path);

}  // namespace caponier::ike
