#pragma once
// BEET mode (draft-nikander-esp-beet-mode-09): between two fixed addresses inside, which the SA
// knows, so that no packet carries its IP header. IPv4 options travel in a pseudo-header.

#include <cstddef>
#include <cstdint>
#include <expected>

#include "base/drops.h"
#include "ipsec/packet.h"
#include "ipsec/transport.h"
#include "policy/child_sa.h"

namespace caponier::ipsec {

inline constexpr std::uint8_t beet_pseudo_header = 94;

/// Each end of the selectors is one address, both of one family.
[[nodiscard]] bool is_beet_possible(const policy::InstallSa& params);
/// Of such an SA.
[[nodiscard]] TransportAddresses beet_addresses(const policy::InstallSa& params);

/// What is taken off a packet from the clear side, and what then says what follows.
struct BeetPayload {
  std::uint8_t next_header = 0;
  std::size_t stripped = 0;
  std::size_t options = 0;  ///< IPv4: octets, behind a pseudo-header that has yet to be written
};
/// Refuses fragments, which need their header. `ip_packet` begins with a valid IP header.
[[nodiscard]] std::expected<BeetPayload, base::DropReason> beet_payload(base::Bytes ip_packet);
/// Puts the pseudo-header where it belongs once the IP header is not needed any more.
void write_pseudo_header(base::MutBytes ip_packet, const BeetPayload& payload);

/// The inner packet around what ESP carried; false when that makes no sense.
[[nodiscard]] bool unwrap_beet(PacketBuffer& packet, const policy::InstallSa& params,
                               std::uint8_t next_header, std::uint8_t tos);

}  // namespace caponier::ipsec
