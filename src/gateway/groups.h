#pragma once
// Which users may reach and are given what: [group.NAME], else what [server] has.

#include <expected>
#include <string>
#include <vector>

#include "config/config.h"
#include "ike/actions.h"

namespace caponier::gateway {

/// What one user is to have.
struct LeaseTerms {
  std::string group;                 ///< empty: none
  std::vector<base::Prefix> pools;   ///< where an address is taken from
  std::vector<base::Prefix> framed;  ///< where one that RADIUS names may be: every pool
  std::vector<base::Prefix> networks;
  std::vector<base::IpAddress> dns;
  std::vector<base::IpAddress> wins;
  std::vector<std::string> domains;
  std::vector<wire::EncryptedDns> dns_encrypted;
  /// As which the server is known in there, one of a family; put in by who knows the host's.
  std::vector<base::IpAddress> own{};
};

/// The first group that names the user, or null.
[[nodiscard]] const config::GroupConfig* find_group(const std::vector<config::GroupConfig>& groups,
                                                    std::string_view user,
                                                    const policy::UserGrant& grant);

/// A sentence when the user is not to come in.
[[nodiscard]] std::expected<LeaseTerms, std::string> terms_of(const config::Config& config,
                                                              const config::PeerConfig& server,
                                                              std::string_view user,
                                                              const policy::UserGrant& grant);

}  // namespace caponier::gateway
