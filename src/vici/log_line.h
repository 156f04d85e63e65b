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

/// Empty: a change that comes with it says the same.
[[nodiscard]] std::optional<LogLine> log_line(const base::Event& event);
/// What administrators look for in the logs of strongSwan.
[[nodiscard]] std::vector<LogLine> log_lines(const gateway::SaChange& change,
                                             const pki::PkiProvider* pki);
/// The content of log, or of control-log, which names no thread.
[[nodiscard]] std::string log_message(const LogLine& line, bool with_thread);

}  // namespace caponier::vici
