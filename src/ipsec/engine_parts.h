#pragma once
// An engine's rooms, each borrowing those before it.

#include "ipsec/audit.h"
#include "ipsec/early.h"
#include "ipsec/engine.h"
#include "ipsec/esp_inbound.h"
#include "ipsec/esp_outbound.h"
#include "ipsec/inbound_policy.h"
#include "ipsec/notices.h"
#include "ipsec/reassembly.h"
#include "ipsec/sad.h"
#include "ipsec/spd.h"
#include "ipsec/waiting.h"

namespace caponier::ipsec {

struct EngineParts {
  EngineParts(const EngineLimits& limits, base::Rng& rng, const crypto::CryptoProvider& crypto)
      : spd(limits.spd),
        notices(limits),
        audit(limits, notices),
        sad(limits, rng, crypto, notices),
        waiting(limits, drops),
        early(limits, audit, drops),
        reassembly(limits.reassembly, drops),
        policy(spd),
        outbound(limits, rng, spd, sad, notices, waiting, reassembly, audit, drops),
        inbound(limits, policy, sad, early, notices, audit, drops) {}
  EngineParts(const EngineParts&) = delete;
  EngineParts& operator=(const EngineParts&) = delete;

  /// An SA of the child has come: what waited for it may go.
  void release_waiting(const ChildName& child, base::Instant now);

  base::DropCounters drops;
  Spd spd;
  Notices notices;
  Audit audit;
  Sad sad;
  WaitingPackets waiting;
  EarlyPackets early;
  Reassembly reassembly;
  InboundPolicy policy;
  EspOutbound outbound;
  EspInbound inbound;
};

}  // namespace caponier::ipsec
