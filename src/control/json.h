#pragma once
// The documents of the protocol. For this module's .cpp files only: it brings in the JSON library.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "control/control.h"

namespace caponier::control {

/// Keys stay in the order in which they were added, for people who read them.
using Json = nlohmann::ordered_json;

/// One line without its newline. Never throws: text that is not UTF-8 is replaced.
[[nodiscard]] std::string dump(const Json& document);

[[nodiscard]] Json event_json(const StampedEvent& event);
[[nodiscard]] Json peer_json(const gateway::PeerStatus& peer, base::Instant now);
/// Only counters that are not zero.
[[nodiscard]] Json drops_json(const base::DropCounters& drops);
/// Every counter with its unit and meaning.
[[nodiscard]] Json drop_table_json(const base::DropCounters& drops);
/// The whole status; `name` empty, or one known peer.
[[nodiscard]] Json status_json(const gateway::Status& status, const Daemon& daemon,
                               std::string_view name);
/// Counters since the daemon began, and the daemon's clock they were read at.
[[nodiscard]] Json traffic_json(const gateway::Traffic& traffic, const Daemon& daemon,
                                base::Instant now);
[[nodiscard]] Json trace_json(const gateway::TraceRecord& record);
[[nodiscard]] Json diff_json(const config::ConfigDiff& diff);
[[nodiscard]] Json errors_json(const std::vector<config::ConfigError>& errors);

}  // namespace caponier::control
