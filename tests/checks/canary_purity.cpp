// Reads the clock: the purity check must refuse this archive.
#include <chrono>

namespace caponier::canary {
long now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
}  // namespace caponier::canary
