#include "measure/stopwatch.h"

#include <algorithm>

namespace caponier::measure {
namespace {

/// What two looks at the clock cost.
double clock_seconds() {
  std::vector<double> values(1001);
  for (double& value : values) value = -seconds_now() + seconds_now();
  return median_of(std::move(values));
}

}  // namespace

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double Stretches::median_seconds() const {
  static const double clock = clock_seconds();
  // What is shorter than the clock can tell has taken something all the same.
  return std::max(median_of(values_) - clock, 1e-9);
}

}  // namespace caponier::measure
