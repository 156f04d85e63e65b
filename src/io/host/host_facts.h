#pragma once
// What the checks of fitness/judge.h want to know of this host. Only reads.

#include "fitness/judge.h"

namespace caponier::io {

/// Settings of the kernel that matter while the daemon runs.
[[nodiscard]] fitness::HostFacts read_host_settings();

/// Everything but the packet filter and certificates. Ports are only tried where our daemon does
/// not have them.
[[nodiscard]] fitness::HostFacts look_at_host(const config::Config& config, bool has_daemon);

/// The address we would send from; empty: there is no way there. No packet is sent. Without a peer:
/// towards the world.
[[nodiscard]] std::optional<base::IpAddress> source_towards(
    const std::optional<base::IpAddress>& peer);

}  // namespace caponier::io
