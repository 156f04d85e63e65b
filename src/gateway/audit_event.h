#pragma once
// The audit log (RFC 4301 s9): an entry is an event, with what the RFCs want told as fields.

#include <cstdint>

#include "base/event.h"
#include "ipsec/engine.h"

namespace caponier::gateway {

/// `count`: of packets dropped for the same reason so far. It tells how many had no entry.
[[nodiscard]] base::Event make_audit_event(const ipsec::Audited& audited, std::uint64_t count);

}  // namespace caponier::gateway
