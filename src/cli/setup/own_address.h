#pragma once

#include <optional>

#include "base/address.h"

namespace caponier::cli {

/// The address we would send from; empty: there is no way there. No packet is sent. Without a peer:
/// towards the world.
[[nodiscard]] std::optional<base::IpAddress> source_towards(
    const std::optional<base::IpAddress>& peer);

}  // namespace caponier::cli
