#pragma once
// A secret of this host that outlives the process: made once, read ever after.

#include <string>

#include "base/rng.h"
#include "base/secret.h"
#include "io/os/io_error.h"

namespace caponier::io {

/// Reads `path`, which only its owner may read; makes it with `size` bytes when there is none.
[[nodiscard]] Io<base::SecretBytes> open_lasting_secret(const std::string& path, std::size_t size,
                                                        base::Rng& rng);

}  // namespace caponier::io
