#pragma once
// What `caponier top` shows, as text.

#include <string>
#include <string_view>

#include "cli/top_rates.h"

namespace caponier::cli {

/// Columns and lines; 0: as many as it takes.
struct Window {
  std::size_t width = 0;
  std::size_t height = 0;
};

/// Lines that fit the window, each with its newline. Tunnels that do not fit are counted.
[[nodiscard]] std::string top_text(const Rates& rates, const Window& window);
/// The text over the previous one, from the upper left corner of a terminal: each line erases what
/// is behind it, the last what is below, and none makes it scroll.
[[nodiscard]] std::string top_frame(std::string_view text);
[[nodiscard]] Json top_json(const Rates& rates);

/// "0", "0.5", "12.1k", "3.4M", "120G".
[[nodiscard]] std::string human_rate(double rate);

}  // namespace caponier::cli
