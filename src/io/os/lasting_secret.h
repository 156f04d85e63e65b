#pragma once
// A secret of this host that outlives the process: made once, read ever after.

#include <cstddef>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/secret.h"
#include "io/os/io_error.h"

namespace caponier::io {

/// Reads `path`, which only its owner may read; makes it with `size` bytes when there is none.
[[nodiscard]] Io<base::SecretBytes> open_lasting_secret(const std::string& path, std::size_t size,
                                                        base::Rng& rng);

/// The same and the ones before it, newest first: `path`, `path`.1, `path`.2 ..., at most so many.
/// To change a secret, move its file to `path`.1: what was made of it is still known. Older ones
/// that cannot be read are left out.
[[nodiscard]] Io<std::vector<base::SecretBytes>> open_lasting_secrets(const std::string& path,
                                                                      std::size_t size,
                                                                      std::size_t count_max,
                                                                      base::Rng& rng);

}  // namespace caponier::io
