#pragma once
// From what was seen to a Diagnosis. Never claims what the messages do not prove: what another
// cause could have shown as well is "strong" or "possible", with that cause beside it.

#include <span>

#include "config/config.h"
#include "explain/diagnosis.h"
#include "policy/evidence.h"

namespace caponier::explain {

/// What is known besides the failure itself.
struct Context {
  const config::PeerConfig* peer = nullptr;  ///< null: none is configured for it
  const config::Config* config = nullptr;
  /// Of the same peer, the newest first; the failure itself is not among them.
  std::span<const policy::Evidence* const> before{};
};

[[nodiscard]] Diagnosis diagnose(const policy::Evidence& seen, const Context& context);

}  // namespace caponier::explain
