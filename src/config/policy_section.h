#pragma once
// Reading one [[policy]]: what is done with some traffic before any tunnel is asked.

#include <map>
#include <span>

#include "config/section.h"

namespace caponier::config {

struct PolicyDraft {
  PolicyConfig policy;
  std::optional<Place> peer;
};

[[nodiscard]] PolicyDraft read_policy(const Node& table, Errors& errors);

/// The peers that policies name exist.
void check_policies(std::span<const PolicyDraft> policies,
                    const std::map<std::string, Place>& peers, Errors& errors);

/// site and host.pfp: "local_address", "remote_address", "protocol", "local_port", "remote_port".
[[nodiscard]] policy::PfpFlags read_pfp(Section& section);

}  // namespace caponier::config
