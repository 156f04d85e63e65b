#pragma once

#include "base/rng.h"
#include "base/secret.h"

namespace caponier::cli {

/// 100 bits, as letters and digits in groups of five that are not taken for each other.
[[nodiscard]] base::SecretBytes make_password(base::Rng& rng);

}  // namespace caponier::cli
