#pragma once
// The lines that mend a difference, as we and as the peer's product write them.

#include <string>
#include <string_view>
#include <vector>

#include "explain/diagnose.h"

namespace caponier::explain {

/// "site.branch"; with several children that of one of them for what they may say anew.
[[nodiscard]] std::string table_of(const config::PeerConfig& peer);
[[nodiscard]] std::string child_table_of(const config::PeerConfig& peer, std::string_view child);

/// On our side. Without a configured peer only the sentence.
[[nodiscard]] Fix fix_ours(const Context& context, std::string sentence,
                           std::vector<Setting> settings = {});
/// The same of a child.
[[nodiscard]] Fix fix_our_child(const Context& context, std::string_view child,
                                std::string sentence, std::vector<Setting> settings = {});
/// On the peer's: settings in our words, and in those of its product where we know them.
[[nodiscard]] Fix fix_theirs(const policy::Evidence& seen, std::string sentence,
                             std::vector<Setting> settings = {});
[[nodiscard]] Fix fix_between(std::string sentence);

/// TOML values.
[[nodiscard]] std::string toml(std::string_view text);
[[nodiscard]] std::string toml_list(const std::vector<std::string>& items);
/// The networks of a side: as prefixes where that says it all. Empty: it does not.
[[nodiscard]] std::vector<std::string> networks_of(const policy::TrafficSelectors& selectors);

}  // namespace caponier::explain
