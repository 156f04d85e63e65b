#pragma once
// What a script is told of a Child SA: strongSwan's words (PLUTO_*), which scripts of many years
// know. Values only; the driver runs it.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "config/config.h"
#include "ike/endpoint.h"
#include "pki/provider.h"

namespace caponier::gateway {

/// A script is run for each pair of selectors; for more of one Child SA it is not.
inline constexpr std::size_t updown_pairs_max = 64;

/// Run this command with these variables and no others of ours; its output is for the log. The
/// driver adds PLUTO_VERSION and PLUTO_INTERFACE. Never answered.
struct RunUpdown {
  std::string connection;
  std::string child;
  std::string queue;  ///< what has the same one runs in order, one after the other
  std::string command;
  std::vector<std::pair<std::string, std::string>> environment;
};

/// What is known when a Child SA comes up.
struct UpdownScene {
  const config::PeerConfig& peer;
  const config::ChildConfig& config;
  const ike::IkeSaInfo& ike;
  const ike::ChildSaInfo& child;
  policy::Identity local_id;
  std::vector<base::IpAddress> dns{};       ///< that the peer has given us
  const pki::PkiProvider* names = nullptr;  ///< of distinguished ones; null: they are hexadecimal
  std::uint64_t reqid = 0;                  ///< the same for what follows upon it
};

/// The runs for its coming; those for its end are the same but for the verb, see as_down().
[[nodiscard]] std::vector<RunUpdown> make_updown(const UpdownScene& scene);
[[nodiscard]] RunUpdown as_down(RunUpdown run);

/// Without anything that could be more than a value to a careless script: what is not harmless is
/// an underscore.
[[nodiscard]] std::string environment_value(std::string_view text);

/// The smallest network that holds all of a selector's addresses.
[[nodiscard]] base::Prefix enclosing(const policy::TrafficSelector& selector);

}  // namespace caponier::gateway
