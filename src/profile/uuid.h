#pragma once

#include <string>

#include "base/rng.h"

namespace caponier::profile {

/// Version 4 (RFC 9562 s5.4), in upper case.
[[nodiscard]] std::string make_uuid(base::Rng& rng);

}  // namespace caponier::profile
