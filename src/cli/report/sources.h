#pragma once
// Where a report's texts come from: this host, its programs, our files.

#include <string>
#include <vector>

#include "cli/report/redaction.h"

namespace caponier::cli {

/// What is longer is cut, and says so.
inline constexpr std::size_t report_part_size_max = 1 << 20;

/// What the shell's command says, with what it says is wrong; it has ten seconds.
[[nodiscard]] std::string output_of(const std::string& command);

/// Every secret that lies beside the configuration, to be taken out wherever it turns up; and how
/// many files could not be read.
struct KnownSecrets {
  Redaction redaction;
  unsigned count = 0;
  std::vector<std::string> unread;
};
[[nodiscard]] KnownSecrets known_secrets(const std::string& config_path);

}  // namespace caponier::cli
