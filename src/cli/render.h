#pragma once
// Documents of the daemon as text for people.

#include <string>

#include "cli/json.h"

namespace caponier::cli {

struct Style {
  bool colour = false;
  std::size_t width = 0;  ///< columns of the terminal; 0: do not cut lines
};

/// One line per configured peer.
[[nodiscard]] std::string status_table(const Json& result, const Style& style);
/// Everything about every peer in the document.
[[nodiscard]] std::string status_blocks(const Json& result, const Style& style);
/// Local time, severity, peer and sentence.
[[nodiscard]] std::string event_line(const Json& event, const Style& style);

/// "0 B", "12.1 kB", "3.4 GB".
[[nodiscard]] std::string human_bytes(double bytes);
/// "7s", "4m", "2h", "3d".
[[nodiscard]] std::string human_age(double seconds);
/// One packet's way, of `debug trace`.
[[nodiscard]] std::string trace_line(const Json& trace, const Style& style);

}  // namespace caponier::cli
