#pragma once
// The responder's half of IKE_SA_INIT: whom to answer, whom to refuse, and whom to ask for a cookie
// first (RFC 7296 s2.6). What is kept of an answered one is HalfOpen; no key is computed here.

#include <variant>
#include <vector>

#include "ike/cookie.h"
#include "ike/half_open.h"
#include "ike/puzzle.h"
#include "ike/shared.h"
#include "wire/ike.h"

namespace caponier::ike {

struct Ignored {};
/// One unprotected datagram back, never longer than the request.
struct Rejected {
  base::ByteVec answer;
};
struct AcceptedInit {
  base::Path path;
  base::ByteVec request;
  std::vector<wire::Payload> payloads;
  base::IkeSpi spi_i;
  ConnectionPtr connection;  ///< the most specific one with a common suite
  policy::IkeSuite suite;
  wire::Proposal answer;
  bool is_proven = false;  ///< a cookie came back
  std::optional<Puzzle> solved;
};
using InitVerdict = std::variant<Ignored, Rejected, AcceptedInit>;

[[nodiscard]] InitVerdict judge_init(Shared& shared, CookieJar& cookies, const base::Path& path,
                                     const wire::IkeHeader& header, base::Bytes datagram,
                                     base::Instant now);

/// So many are half open, all in all or in the net of this address, that a cookie is demanded.
[[nodiscard]] bool wants_cookie(const Shared& shared, const base::IpAddress& remote);
/// Not one more, not even with a cookie.
[[nodiscard]] bool is_full(const Shared& shared, const base::IpAddress& remote);

/// The response and what must be remembered of it. Null when we cannot answer.
[[nodiscard]] std::optional<HalfOpen> answer_init(Shared& shared, AcceptedInit init,
                                                  base::Instant now);

/// The connections whose addresses fit, most specific first.
[[nodiscard]] std::vector<ConnectionPtr> find_connections(const Connections& connections,
                                                          const base::Path& path);
/// The same, those that offer the suite first.
[[nodiscard]] std::vector<ConnectionPtr> find_connections(const Connections& connections,
                                                          const base::Path& path,
                                                          const policy::IkeSuite& suite);

}  // namespace caponier::ike
