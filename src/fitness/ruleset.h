#pragma once
// What `nft list ruleset` shows at a glance: whether an input chain lets something through. Only
// plain rules are understood; a chain that jumps or has rules with other conditions first may do
// otherwise, so that every answer is a guess.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace caponier::fitness {

/// "inet filter input" of the first base chain at the input hook that drops this; empty: none.
[[nodiscard]] std::optional<std::string> who_drops_udp(std::string_view ruleset,
                                                       std::uint16_t port);
[[nodiscard]] std::optional<std::string> who_drops_esp(std::string_view ruleset);

}  // namespace caponier::fitness
