#pragma once
// From configured RADIUS servers to those of a RadiusClient.

#include <string>
#include <vector>

#include "config/config.h"
#include "radius/client.h"
#include "radius/relay.h"

namespace caponier::gateway {

enum class RadiusUse : std::uint8_t { authentication, accounting };
[[nodiscard]] std::vector<radius::Server> radius_servers(const config::RadiusConfig& radius,
                                                         RadiusUse use);

/// How a session of users is called towards RADIUS, in every request about it.
[[nodiscard]] radius::NasAttributes nas_attributes(const config::PeerConfig& server,
                                                   std::uint64_t first_ike_sa,
                                                   const base::Path& path);
/// Of us alone: what requests of servers must be meant for.
[[nodiscard]] std::string nas_identifier(const config::PeerConfig& server);

}  // namespace caponier::gateway
