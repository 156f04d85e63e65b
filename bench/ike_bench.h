#pragma once
// What key exchange costs: handshakes, memory, cookies, and many SAs in one process.

#include <cstdint>

namespace caponier::bench {

/// Handshakes and their X25519 operations, measured in turns `repetitions` times.
void handshakes(unsigned repetitions);
void memory();
void cookies(unsigned repetitions);
/// `count` IKE SAs with a child each, and one wave of rekeys over all of them.
void many_sas(std::uint32_t count);

}  // namespace caponier::bench
