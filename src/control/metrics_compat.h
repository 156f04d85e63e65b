#pragma once
// The series that sergeymakinen's ipsec_exporter makes of strongSwan, for dashboards and alerts
// that exist: their names, labels and numbers of states. Private to this module.

#include "control/control.h"
#include "control/metrics_writer.h"
#include "gateway/gateway.h"

namespace caponier::control {

void write_compat_metrics(MetricsWriter& out, const gateway::Gateway& gateway, const Daemon& daemon,
                          base::Instant now);

}  // namespace caponier::control
