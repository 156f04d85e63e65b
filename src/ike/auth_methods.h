#pragma once
// SUPPORTED_AUTH_METHODS (RFC 9593): how a side lets its peer authenticate, said before the peer
// chooses. What comes in IKE_SA_INIT is not authentic: it explains, it decides nothing.

#include <string>
#include <vector>

#include "ike/config.h"
#include "wire/ike.h"

namespace caponier::ike {

/// More announcements in one notify are not looked at.
inline constexpr std::size_t auth_announcements_max = 32;

[[nodiscard]] wire::AuthMethod method_of(AuthKind kind);

[[nodiscard]] wire::NotifyPayload make_auth_methods(const std::vector<wire::AuthMethod>& methods);
/// Each method once, in the peer's order; empty without a notify or when it makes no sense.
[[nodiscard]] std::vector<wire::AuthMethod> find_auth_methods(
    const std::vector<wire::Payload>& payloads);

/// "a pre-shared key", "a signature (14)", "method 99".
[[nodiscard]] std::string describe(wire::AuthMethod method);
/// "a pre-shared key or a signature (14)".
[[nodiscard]] std::string describe(const std::vector<wire::AuthMethod>& methods);

}  // namespace caponier::ike
