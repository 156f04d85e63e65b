#pragma once
// Keeps a flood of equal events out of the log: at most so many of one kind and peer per window;
// the rest are counted and told when the window ends.

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/event.h"
#include "base/time.h"

namespace caponier::daemon {

class EventLimiter {
 public:
  static constexpr unsigned burst_max = 20;
  static constexpr base::Duration window = std::chrono::seconds{10};
  /// Peers come from the configuration; beyond this many pairs nothing is limited any more.
  static constexpr std::size_t pairs_max = 65536;

  /// How many events of this kind and peer were withheld before this one; empty: withhold it.
  [[nodiscard]] std::optional<std::uint64_t> admit(const base::Event& event, base::Instant now);

 private:
  struct Window {
    base::Instant ends;
    unsigned admitted = 0;
    std::uint64_t withheld = 0;
  };
  std::map<std::pair<base::EventKind, std::string>, Window> windows_;
};

}  // namespace caponier::daemon
