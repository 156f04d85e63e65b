#pragma once
// Other programs of the host, for what has no interface but theirs.

#include <expected>
#include <span>
#include <string>
#include <vector>

namespace caponier::io {

/// Runs the first of `places` that is there with these words and `input`, and waits for its end.
/// Not by $PATH: this runs with all our rights. The error is the first line it says, or what is
/// missing.
[[nodiscard]] std::expected<void, std::string> run_program(std::span<const char* const> places,
                                                           std::vector<std::string> words,
                                                           const std::string& input);
[[nodiscard]] bool has_program(std::span<const char* const> places);

}  // namespace caponier::io
