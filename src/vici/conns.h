#pragma once
// Configured connections as list-conns tells of them, and the policies that stand without an SA.

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "pki/provider.h"

namespace caponier::vici {

/// A Child SA as configured.
struct ConfiguredChild {
  std::string name;
  policy::SaMode mode{};
  std::vector<std::string> local, remote;  ///< selectors; "dynamic" where addresses decide
};
[[nodiscard]] std::vector<ConfiguredChild> children_of(const config::PeerConfig& peer);

/// The connection that has this child, or that is called so; either may be empty, not both.
[[nodiscard]] const config::PeerConfig* find_conn(const config::Config& config,
                                                  const std::string& name,
                                                  const std::string& child);

/// list-conn, encoded.
[[nodiscard]] std::string conn_message(const config::PeerConfig& peer, const pki::PkiProvider* pki);

/// A policy that stands while there is no SA for it.
struct StandingPolicy {
  enum class Kind : std::uint8_t { trap, pass, drop };
  Kind kind{};
  std::string connection;  ///< may be empty
  ConfiguredChild child;
};
/// Whether there are any now is for the caller to know.
[[nodiscard]] std::vector<StandingPolicy> traps_of(const config::PeerConfig& peer);
[[nodiscard]] std::optional<StandingPolicy> shunt_of(const config::PolicyConfig& policy);
/// list-policy, encoded.
[[nodiscard]] std::string policy_message(const StandingPolicy& policy);

}  // namespace caponier::vici
