#pragma once
// What a policy lookup costs, at one policy and at ten thousand.

namespace caponier::bench {

/// Each figure is the middle of `repetitions`.
void policies(unsigned repetitions);

}  // namespace caponier::bench
