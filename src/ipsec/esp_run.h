#pragma once

#include <cstddef>

namespace caponier::ipsec {

/// Consecutive packets of one SA that reach the cipher in one call, at most; what is queued for it
/// is allocated once.
inline constexpr std::size_t run_packets_max = 256;

}  // namespace caponier::ipsec
