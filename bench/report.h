#pragma once
// Figures as they are shown: the middle of several repetitions, with the lowest and the highest.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace caponier::bench {

struct Spread {
  double lowest = 0;
  double median = 0;
  double highest = 0;
};

/// At least one value.
[[nodiscard]] Spread spread_of(std::vector<double> values);

/// "12,345".
[[nodiscard]] std::string grouped(double value);

/// One line of the report. `goal` empty: none; `is_met` is then ignored.
void show(std::string_view what, const Spread& spread, std::string_view unit,
          std::string_view goal = {}, bool is_met = true);
void show(std::string_view what, double value, std::string_view unit, std::string_view goal = {},
          bool is_met = true);
void heading(std::string_view text);

/// CPU seconds of this thread.
[[nodiscard]] double cpu_seconds();
/// What one call of cpu_seconds() costs now, which lies within every stretch that two of them
/// measure.
[[nodiscard]] double clock_cost();
/// Bytes the allocator has given away and not got back.
[[nodiscard]] std::size_t bytes_in_use();

}  // namespace caponier::bench
