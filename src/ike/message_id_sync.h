#pragma once
// IKEV2_MESSAGE_ID_SYNC (RFC 6311 s6.3): what a cluster member and its peer tell each other about
// Message IDs after a failover.

#include <cstdint>
#include <optional>
#include <vector>

#include "wire/ike.h"

namespace caponier::ike {

struct MessageIdSync {
  std::uint32_t nonce = 0;
  std::uint32_t send = 0;     ///< of the sender's next request
  std::uint32_t receive = 0;  ///< of the next request the sender expects

  [[nodiscard]] static std::optional<MessageIdSync> find(
      const std::vector<wire::Payload>& payloads);
  [[nodiscard]] wire::NotifyPayload to_notify() const;
};

/// s6.4: 4 octets, or 8 with ESN.
[[nodiscard]] wire::NotifyPayload make_counter_sync(std::uint64_t delta, bool esn);
[[nodiscard]] std::optional<std::uint64_t> find_counter_sync(
    const std::vector<wire::Payload>& payloads);

}  // namespace caponier::ike
