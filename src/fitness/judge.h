#pragma once
// Local faults, before any packet is sent: what a configuration needs of its host, and what the
// host has. Pure: the facts are values.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "fitness/faults.h"

namespace caponier::fitness {

struct TakenPort {
  std::string_view protocol;  ///< "UDP", "TCP"
  std::uint16_t port = 0;
};

/// What is empty is not known, or not to be judged.
struct HostFacts {
  std::optional<bool> forwards_v4, forwards_v6;
  std::optional<bool> strict_reverse_path;
  std::vector<TakenPort> taken;                   ///< by others than our own daemon
  std::vector<std::string> missing_capabilities;  ///< "CAP_NET_ADMIN"
  std::optional<bool> has_tun;                    ///< /dev/net/tun
  std::vector<base::IpAddress> addresses;         ///< of this host
  std::vector<base::IpAddress> without_route;     ///< of peers
  std::string ruleset;                            ///< as `nft list ruleset` says it
  std::optional<pki::UnixTime> now;
  /// Extended key usages of the peers' certificates of ours, dotted, by the peer's name; those
  /// without the extension are not in it.
  std::optional<std::map<std::string, std::vector<std::string>>> usages;
};

struct Finding {
  Fault fault{};
  std::string peer;     ///< empty: of the host
  std::string message;  ///< a sentence without its full stop
  std::string fix;
  /// "message; fix", as the daemon says it.
  [[nodiscard]] std::string to_string() const;
};

/// In the order of the faults, then of the peers.
[[nodiscard]] std::vector<Finding> judge(const config::Config& config, const HostFacts& facts);

}  // namespace caponier::fitness
