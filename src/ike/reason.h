#pragma once
// Between two Caponiers that know who the other is: why a Child SA was refused, so that both
// explain it alike. A private status notify beside the RFC's error, which any other peer ignores
// (RFC 7296 s3.10.1):
//
//   version (1), symptom, mode and 1 or 0, key-exchange group (2)
//   and three parts with their lengths (2) in front: SA payload, local and remote TS payload
//
// All of it the refusing side's own values, as it sees them. No text.

#include <optional>

#include "ike/child_negotiation.h"
#include "policy/evidence.h"

namespace caponier::ike {

/// Of the numbers for private use.
inline constexpr wire::NotifyType caponier_reason{40990};
inline constexpr std::size_t reason_size_max = 4096;

/// Empty: nothing is to be said, or it would be too long.
[[nodiscard]] std::optional<wire::NotifyPayload> make_reason(const ChildRefusal& refusal);

/// What the refusing peer has, in its notify of an answer to us: `theirs` and `their_offers`, as
/// seen from here. Empty without one, or when it makes no sense.
[[nodiscard]] std::optional<policy::Evidence> read_reason(
    const std::vector<wire::Payload>& payloads);

}  // namespace caponier::ike
