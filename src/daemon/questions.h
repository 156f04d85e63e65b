#pragma once
// Ways that are to be found: each is asked for once in a while, and not too many: a peer that scans
// a network shall not keep the control side busy. Nothing here allocates.

#include <array>
#include <cstddef>
#include <optional>

#include "base/time.h"
#include "io/afpacket/next_hops.h"

namespace caponier::daemon {

class Questions {
 public:
  static constexpr base::Duration interval{std::chrono::seconds{1}};
  static constexpr std::size_t per_interval_max = 256;
  static constexpr std::size_t open_max = 64;

  void add(const io::WayQuestion& question, base::Instant now);
  [[nodiscard]] std::optional<io::WayQuestion> poll();
  /// What was asked for may be asked again.
  void reset() { asked_ = {}; }

 private:
  std::array<std::optional<io::WayQuestion>, 256> asked_;  ///< a place for each hash
  base::Instant interval_began_{};
  std::size_t asked_count_ = 0;  ///< in this interval
  std::array<io::WayQuestion, open_max> open_;
  std::size_t open_count_ = 0;
};

}  // namespace caponier::daemon
