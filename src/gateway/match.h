#pragma once
// Would these two ends agree? Both configurations go through the code that decides when they meet,
// and what it refuses is explained as then.

#include <string>
#include <vector>

#include "config/config.h"
#include "explain/diagnosis.h"

namespace caponier::gateway {

/// One tunnel of ours beside the one of theirs that is meant for it.
struct Match {
  std::string ours;
  std::string theirs;                           ///< empty: none of theirs is
  std::vector<explain::Diagnosis> differences;  ///< none: they agree
};

/// Each tunnel of `ours` but [server]. By addresses; where those do not tell, whatever fits best.
[[nodiscard]] std::vector<Match> match(const config::Config& ours, const config::Config& theirs);

}  // namespace caponier::gateway
