#pragma once
// For which destinations the peer has given no SA although traffic asked for one, and when it may
// be asked again: else each packet to a network that the peer does not let us reach costs both ends
// a negotiation.

#include <cstddef>
#include <map>
#include <optional>

#include "base/address.h"
#include "base/time.h"

namespace caponier::gateway {

class RefusedTraffic {
 public:
  /// More are not remembered; the one that may ask soonest is forgotten.
  static constexpr std::size_t destinations_max = 64;

  [[nodiscard]] bool may_ask(const base::IpAddress& destination, base::Instant now) const;
  /// How often it has been refused in a row, this time included.
  [[nodiscard]] unsigned note_refusal(const base::IpAddress& destination);
  void pause(const base::IpAddress& destination, base::Instant until);
  void forget(const base::IpAddress& destination) { refused_.erase(destination); }
  void clear() { refused_.clear(); }

 private:
  struct Refusal {
    unsigned times = 0;
    base::Instant until;
  };
  std::map<base::IpAddress, Refusal> refused_;
};

}  // namespace caponier::gateway
