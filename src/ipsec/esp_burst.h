#pragma once

#include <cstddef>

namespace caponier::ipsec {

/// Packets, of any SAs, that go through the stages together, at most; what is queued for the
/// ciphers is allocated once.
inline constexpr std::size_t burst_packets_max = 256;
/// A key is fetched into the cache this many packets before its turn.
inline constexpr std::size_t key_distance = 3;

}  // namespace caponier::ipsec
