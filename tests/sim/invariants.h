#pragma once
// What the state of every gateway must satisfy whenever it changes, and what two of them must agree
// on when they have come to rest.

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "gateway/gateway.h"
#include "sim/checkers.h"
#include "sim/network.h"

namespace caponier::sim {

/// One gateway process: a host may have several, one after the other.
struct Process {
  HostId host = 0;
  unsigned incarnation = 0;
  friend auto operator<=>(const Process&, const Process&) = default;
};

/// Borrowed for the length of a call.
struct Seen {
  Process process;
  const std::string& name;
  const gateway::Status& status;
  const gateway::GatewayOptions& options;
  const std::vector<config::PeerConfig>& peers;
};

/// The keyholder's twin: who asked for which AUTH value. An AUTH is right when both ends have
/// computed it, one to send and one to compare.
class AuthTwin {
 public:
  explicit AuthTwin(Violations& violations) : violations_(&violations) {}
  /// `auth` is empty when the keyholder has no key.
  void on_request(const Process& process, ike::IkeSaId sa, base::Bytes octets, base::Bytes auth);
  /// A conversation of EAP has succeeded. Its key is right when both ends have it.
  void on_eap_key(const Process& process, ike::IkeSaId sa, base::Bytes msk);
  /// An established IKE SA was authenticated, or replaces one that was.
  void check(const Seen& seen);

 private:
  struct Asked {
    std::string octets;
    std::string auth;
  };
  void check(const Seen& seen, const std::string& peer, const ike::IkeSaInfo& sa);
  [[nodiscard]] bool is_proven(const Process& process, const ike::IkeSaInfo& sa) const;
  [[nodiscard]] bool is_proven_by_eap(const Process& process, const ike::IkeSaInfo& sa) const;

  Violations* violations_;
  std::map<std::pair<Process, ike::IkeSaId>, std::vector<Asked>> asked_;
  std::map<std::string, std::map<HostId, std::string>> by_octets_;
  std::map<std::pair<Process, ike::IkeSaId>, std::string> eap_keys_;
  std::map<std::string, std::set<HostId>> by_eap_key_;
  std::set<std::pair<Process, ike::IkeSaId>> proven_;
  std::set<std::pair<Process, std::string>> proven_connections_;
};

/// SPIs, selectors and limits.
class StateChecker {
 public:
  explicit StateChecker(Violations& violations) : violations_(&violations) {}
  void check(const Seen& seen);

 private:
  void check_spis(const Seen& seen, const gateway::PeerStatus& peer);
  void check_selectors(const Seen& seen, const gateway::PeerStatus& peer,
                       const config::PeerConfig& config);
  void check_limits(const Seen& seen, const gateway::PeerStatus& peer);
  void add(Broken rule, const Seen& seen, const std::string& text);

  Violations* violations_;
  std::map<std::pair<HostId, base::Spi>, std::pair<Process, policy::ChildSaId>> child_spis_;
  std::map<std::pair<HostId, base::IkeSpi>, std::pair<Process, ike::IkeSaId>> ike_spis_;
};

/// Empty when both have one IKE SA between them, the same, and the same Child SAs, whose SPIs
/// cross: one that is for everybody, and what there is for workers.
[[nodiscard]] std::string difference(const gateway::PeerStatus& a, const gateway::PeerStatus& b);

/// The time in which a tunnel must be up again unaided after the last fault: a dead SA is found out
/// (`dpd`, then every retransmission), the next attempt waits for its turn, and succeeds.
[[nodiscard]] base::Duration recovery_max(const gateway::GatewayOptions& options,
                                          base::Duration dpd, base::Duration round_trip);
/// From the first transmission of a request to giving up.
[[nodiscard]] base::Duration retransmission_time(const ike::IkeLimits& limits);

}  // namespace caponier::sim
