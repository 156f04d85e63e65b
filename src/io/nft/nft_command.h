#pragma once
// The program nft(8), for what the kernel's packet filter shall hold: whole tables from text, in
// one transaction. (Its library is under the GPL, ours is not.)

#include <expected>
#include <string>

namespace caponier::io {

/// Runs `nft -f -` to its end with these commands. The error is the first line it says, or why it
/// could not be run.
[[nodiscard]] std::expected<void, std::string> run_nft(const std::string& commands);

}  // namespace caponier::io
