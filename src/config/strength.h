#pragma once
// How hard a secret is to guess.

#include "base/bytes.h"

namespace caponier::config {

/// An estimate of the entropy of `secret` in bits: the alphabet its characters come from times the
/// characters that are not explained by what stands before them. Repetitions, sequences, keyboard
/// rows and notorious words count once; words with separators between them count as words. It
/// cannot see where a secret was published.
[[nodiscard]] unsigned estimate_entropy_bits(base::Bytes secret);

inline constexpr unsigned psk_bits_min = 128;
inline constexpr std::size_t psk_size_max = 4096;

}  // namespace caponier::config
