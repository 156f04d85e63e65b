#pragma once
// What this machine is.

#include <optional>
#include <string>

namespace caponier::measure {

/// As the processor names itself; "unknown" where it cannot.
[[nodiscard]] std::string processor();
/// Of the time-stamp counter, measured in some milliseconds; empty where there is none whose pace
/// is constant.
[[nodiscard]] std::optional<double> cycles_per_second();

}  // namespace caponier::measure
