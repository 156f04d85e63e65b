#pragma once
// What has come from a client and is not yet read. It may hold secrets, and leaves none behind.

#include <algorithm>
#include <string_view>

#include "base/secret.h"

namespace caponier::vici {

class Input {
 public:
  [[nodiscard]] std::string_view text() const { return base::as_text(octets_.reveal()); }
  [[nodiscard]] std::size_t size() const { return octets_.size(); }
  [[nodiscard]] bool empty() const { return octets_.empty(); }
  void append(std::string_view more) {
    base::SecretBytes all{size() + more.size()};
    std::ranges::copy(octets_.reveal(), all.reveal_mutable().begin());
    std::ranges::copy(base::as_bytes(more), all.reveal_mutable().subspan(size()).begin());
    octets_ = std::move(all);
  }
  /// The first ones have been read.
  void drop(std::size_t count) {
    if (count > 0) octets_ = base::SecretBytes{octets_.reveal().subspan(count)};
  }

 private:
  base::SecretBytes octets_;
};

}  // namespace caponier::vici
