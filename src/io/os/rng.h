#pragma once
// The kernel's entropy.

#include <array>
#include <cstddef>

#include "base/rng.h"

namespace caponier::io {

/// Public bytes come from a buffer, secret ones straight from the kernel, so that they never share
/// memory. One thread at a time; not to be used on both sides of a fork.
class OsRng final : public base::Rng {
 public:
  void fill_public(base::MutBytes out) override;
  void fill_secret(base::MutBytes out) override;

 private:
  std::array<std::byte, 4096> buffer_{};
  std::size_t used_ = buffer_.size();
};

}  // namespace caponier::io
