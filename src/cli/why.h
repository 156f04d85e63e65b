#pragma once
// The answer of `caponier why` as text: at most why_lines_max lines of why_columns_max columns.

#include <string>

#include "cli/json.h"
#include "cli/render.h"

namespace caponier::cli {

inline constexpr std::size_t why_lines_max = 12;
inline constexpr std::size_t why_columns_max = 100;

/// `result`: control/why.h.
[[nodiscard]] std::string why_text(const Json& result, const Style& style);
/// One diagnosis by itself.
[[nodiscard]] std::string diagnosis_text(const Json& diagnosis);
/// One line for each failure, the newest first.
[[nodiscard]] std::string failure_list(const Json& failures);
/// Of strangers: each failure whole.
[[nodiscard]] std::string why_unknown_text(const Json& result, const Style& style);

}  // namespace caponier::cli
