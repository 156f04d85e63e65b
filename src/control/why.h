#pragma once
// What `caponier why` is told: docs/control-protocol.md.

#include <string>
#include <vector>

#include "control/control.h"
#include "control/json.h"
#include "explain/history.h"

namespace caponier::control {

[[nodiscard]] Json diagnosis_json(const explain::Diagnosis& diagnosis);
[[nodiscard]] Json failure_json(const explain::Failure& failure, base::Instant now);
/// What the counters of its Child SAs say, the worst first.
[[nodiscard]] std::vector<explain::Diagnosis> health_of(const gateway::Gateway& gateway,
                                                        const std::string& name, base::Instant now);
/// Of one configured peer: what its state is, why, what holds and what failed before.
[[nodiscard]] Json why_json(const gateway::Gateway& gateway, const std::string& name,
                            base::Instant now);
/// Of those that no tunnel is configured for.
[[nodiscard]] Json why_unknown_json(const gateway::Gateway& gateway, base::Instant now);

}  // namespace caponier::control
