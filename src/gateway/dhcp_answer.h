#pragma once
// What users of a server ask by DHCP inside their tunnels (RFC 2131 s3.4): Windows has no other way
// to learn which networks it may reach, and sends DHCPINFORM when its tunnel is up.

#include <optional>
#include <span>
#include <vector>

#include "gateway/groups.h"
#include "policy/traffic_selector.h"

namespace caponier::gateway {

/// What belongs to the Child SAs of such a user besides the networks: where it asks, and who
/// answers.
[[nodiscard]] policy::TrafficSelectors dhcp_services(const base::IpAddress& server);

/// The addresses that we answer from and go by in there, at most one of each family: those that are
/// configured, else the first of the host's within `networks`.
[[nodiscard]] std::vector<base::IpAddress> server_addresses(
    const std::vector<base::IpAddress>& configured, const std::vector<base::IpAddress>& hosts,
    const std::vector<base::Prefix>& networks);

/// `packet` is what a user has sent, who has the inner addresses `inner`. The answer is a whole IP
/// packet; null: it is nothing that we answer.
[[nodiscard]] std::optional<base::ByteVec> answer_dhcp(base::Bytes packet,
                                                       std::span<const base::IpAddress> inner,
                                                       const LeaseTerms& terms,
                                                       const base::IpAddress& server);

}  // namespace caponier::gateway
