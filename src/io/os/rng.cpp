#include "io/os/rng.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace caponier::io {
namespace {

void fill_from_kernel(base::MutBytes out) {
  while (!out.empty()) {
    const ssize_t count = ::getrandom(out.data(), out.size(), 0);
    if (count < 0) {
      // Only EINTR is possible for a valid buffer; anything else means no entropy at all.
      CAPONIER_ASSERT(errno == EINTR);
      continue;
    }
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace

void OsRng::fill_public(base::MutBytes out) {
  while (!out.empty()) {
    if (used_ == buffer_.size()) {
      fill_from_kernel(buffer_);
      used_ = 0;
    }
    const std::size_t count = std::min(out.size(), buffer_.size() - used_);
    base::copy_into(out, base::Bytes{buffer_}.subspan(used_, count));
    used_ += count;
    out = out.subspan(count);
  }
}

void OsRng::fill_secret(base::MutBytes out) { fill_from_kernel(out); }

}  // namespace caponier::io
