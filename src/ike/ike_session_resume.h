#pragma once
// IKE_SESSION_RESUME (RFC 5723 s4.3), the responder's half: the initiator's is in IkeSa.

#include <variant>

#include "ike/ike_sa_init_responder.h"
#include "ike/keys.h"

namespace caponier::ike {

using ResumeVerdict = std::variant<Ignored, Rejected, HalfOpen>;

/// Cookies and limits are those of IKE_SA_INIT; a ticket that is not accepted gets TICKET_NACK.
[[nodiscard]] ResumeVerdict judge_resume(Shared& shared, CookieJar& cookies, const base::Path& path,
                                         const wire::IkeHeader& header, base::Bytes datagram,
                                         base::Instant now);

/// Null when a back end refuses.
[[nodiscard]] std::optional<base::SecretBytes> derive_resumed_keys(
    const crypto::CryptoProvider& crypto, const Resumable& state, const InitValues& init);

/// The connection a ticket was made for, if it still is what it was then.
[[nodiscard]] ConnectionPtr find_resumed(const Shared& shared, const Resumable& state);

}  // namespace caponier::ike
