#pragma once
// What `apply --check` has found, and how it is shown. Pure.

#include <optional>
#include <string>
#include <vector>

#include "cli/json.h"
#include "config/config.h"
#include "fitness/judge.h"

namespace caponier::cli {

struct CheckResult {
  std::string path;
  std::size_t peers = 0;
  std::vector<config::ConfigError> errors;  ///< then nothing below was looked at
  std::vector<fitness::Finding> findings;
  /// Of `reload` with `check`; null: no daemon was asked, for the reason in `no_diff`.
  Json diff;
  std::string no_diff;
  std::vector<std::string> untouched;  ///< tunnels whose SAs stay as they are
};

[[nodiscard]] bool has_fault(const CheckResult& result);
[[nodiscard]] std::string check_text(const CheckResult& result);
[[nodiscard]] Json check_json(const CheckResult& result);

}  // namespace caponier::cli
