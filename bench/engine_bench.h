#pragma once
// The engine without I/O: packets per second beside the cipher alone, and what finding an SA costs.

namespace caponier::bench {

/// Each cipher, packet size and direction, one SA.
void engine_rates(unsigned repetitions);
/// Packets of thousands of SAs at random.
void engine_many_sas(unsigned repetitions);
/// Finding, installing and removing an SA among up to a million, and what one takes.
void sad_lookups(unsigned repetitions);

}  // namespace caponier::bench
