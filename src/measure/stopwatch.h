#pragma once
// Times of many short stretches of work. Their median is what counts, so that what else the machine
// does is left out.

#include <chrono>
#include <cstddef>
#include <vector>

namespace caponier::measure {

/// Of a clock that never goes back.
[[nodiscard]] double seconds_now();
/// At least one value.
[[nodiscard]] double median_of(std::vector<double> values);

class Stretches {
 public:
  /// Prepares, which is not measured, and measures.
  template <class Prepare, class Work>
  void run(Prepare prepare, Work work) {
    prepare();
    const double before = seconds_now();
    work();
    values_.push_back(seconds_now() - before);
  }
  /// A stretch that somebody else measured, with a look at the clock at each end.
  void add(double seconds) { values_.push_back(seconds); }
  /// The same again and again, once at least, for about so long all in all.
  template <class Prepare, class Work>
  void run_for(double seconds, Prepare prepare, Work work) {
    const double end = seconds_now() + seconds;
    do {
      run(prepare, work);
    } while (seconds_now() < end && values_.size() < stretches_max);
  }
  /// Of one stretch, without the two looks at the clock.
  [[nodiscard]] double median_seconds() const;

 private:
  static constexpr std::size_t stretches_max = 1'000'000;
  std::vector<double> values_;
};

}  // namespace caponier::measure
