#pragma once
// Log lines in the form that strongSwan's have: a group, a level, the IKE SA that is meant.

#include <optional>
#include <string>
#include <vector>

#include "base/event.h"
#include "gateway/changes.h"
#include "pki/provider.h"
#include "vici/message.h"

namespace caponier::vici {

struct LogLine {
  std::string_view group;  ///< "IKE", "CFG"; static
  int level = 1;           ///< 0 tells the most important, 4 the least
  std::string connection;  ///< empty: of none
  std::string unique_id;   ///< of the IKE SA; may be empty
  std::string text;
};

/// What strongSwan says of the same, where people look for those very words; may be nothing.
[[nodiscard]] std::vector<LogLine> known_lines(const base::Event& event);
/// Empty: a change that comes with it says the same.
[[nodiscard]] std::optional<LogLine> log_line(const base::Event& event);
/// What administrators look for in the logs of strongSwan.
[[nodiscard]] std::vector<LogLine> log_lines(const gateway::SaChange& change,
                                             const pki::PkiProvider* pki);
/// The content of log, or of control-log, which names no thread.
[[nodiscard]] std::string log_message(const LogLine& line, bool with_thread);
/// As charon writes it into a file: "Nov 22 22:08:12 01[IKE] <gw|1> ...", and a newline.
[[nodiscard]] std::string file_line(std::string_view time, const LogLine& line);

}  // namespace caponier::vici
