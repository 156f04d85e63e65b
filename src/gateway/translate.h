#pragma once
// From what a person configured to what the IKE endpoint, the engine and the routes need.

#include <memory>
#include <optional>
#include <vector>

#include "base/address.h"
#include "config/config.h"
#include "gateway/gateway.h"
#include "ike/config.h"
#include "ipsec/engine.h"

namespace caponier::gateway {

/// The outer addresses of a peer's tunnel as far as they are known.
struct OuterAddresses {
  std::optional<base::IpAddress> local;
  std::vector<base::IpAddress> remote;
  std::vector<base::IpAddress> inner{};  ///< given to us by a server
  friend bool operator==(const OuterAddresses&, const OuterAddresses&) = default;
};

/// Null while an address is missing that the
/// connection cannot do without.
[[nodiscard]] std::shared_ptr<const ike::ConnectionConfig> make_connection(
    const config::PeerConfig& peer, const OuterAddresses& outer, base::Bytes credential_tag = {});

[[nodiscard]] ike::GatewayName gateway_name(const config::RedirectTarget& target);
/// Null: nobody is sent away before it has shown who it is.
[[nodiscard]] std::optional<ike::RedirectPolicy> make_redirect_policy(
    const config::DaemonConfig& daemon);

/// Equal in everything that outer addresses decide, for two connections of one peer.
[[nodiscard]] bool is_same(const ike::ConnectionConfig& a, const ike::ConnectionConfig& b);

[[nodiscard]] policy::TrafficSelectors selectors_of(const std::vector<base::Prefix>& nets);

/// Empty while a host's addresses are unknown.
[[nodiscard]] std::vector<ipsec::Policy> make_policies(const config::PeerConfig& peer,
                                                       const OuterAddresses& outer);

/// One [[policy]].
[[nodiscard]] ipsec::Policy make_policy(const config::PolicyConfig& policy);

/// A tunnel to everywhere leads all traffic here. What it does not protect, as it is not from its
/// local networks, goes where it would have gone without Caponier: these stand behind all others.
[[nodiscard]] std::vector<ipsec::Policy> make_rest(const config::PeerConfig& peer);

/// What must go into the tunnel device and nowhere else while the tunnel is wished for.
[[nodiscard]] std::vector<AddRoute> make_routes(const config::PeerConfig& peer,
                                                const OuterAddresses& outer);

}  // namespace caponier::gateway
