#pragma once
// What Prometheus scrapes: its text format (version 0.0.4), for all tunnels that are configured, so
// that one that is down does not vanish. Names and labels: caponier-metrics(7).

#include <string>

#include "base/time.h"
#include "control/control.h"
#include "gateway/gateway.h"

namespace caponier::control {

/// Of the answer to whoever scrapes.
inline constexpr std::string_view metrics_type = "text/plain; version=0.0.4; charset=utf-8";

/// `compat`: also the ipsec_* series that exporters for strongSwan have made common.
[[nodiscard]] std::string to_metrics(const gateway::Gateway& gateway, const Daemon& daemon,
                                     base::Instant now, bool compat);

}  // namespace caponier::control
