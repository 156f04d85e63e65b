#pragma once
// From strongSwan's connections to a configuration of ours that means the same, or to what stands
// in the way.

#include <optional>
#include <string>
#include <vector>

#include "swan/credentials.h"
#include "swan/document.h"

namespace caponier::swan {

/// Of strongswan.conf, what belongs to users.
struct RadiusSettings {
  std::vector<std::string> servers;  ///< "10.1.0.5:1812"
  SharedSecret secret;
  bool accounting = false;
  config::Place where;
};

struct DaemonSettings {
  /// For every tunnel, unless strongSwan has its default.
  std::optional<base::Duration> keepalive;
  std::optional<std::uint64_t> fragment_size;
  Document daemon;  ///< [daemon], or nothing
  std::optional<RadiusSettings> radius;
  std::vector<std::string> dns;  ///< of the plugin `attr`
};
/// strongswan.conf: what is mapped, and a word about everything else that operators rely on.
[[nodiscard]] DaemonSettings read_daemon_settings(const Section& root, Report& report);

/// Connections with errors are not in it; the report says why.
[[nodiscard]] Document translate(const Everything& all, const Credentials& credentials,
                                 const DaemonSettings& daemon, Report& report);

/// The prefixes that make up a range, in order.
[[nodiscard]] std::vector<base::Prefix> prefixes_of(const base::IpAddress& first,
                                                    const base::IpAddress& last);

}  // namespace caponier::swan
