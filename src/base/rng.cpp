#include "base/rng.h"

#include <array>

namespace caponier::base {

std::uint32_t Rng::public_u32() {
  std::array<std::byte, 4> raw{};
  fill_public(raw);
  return load_be<std::uint32_t>(raw.data());
}

std::uint64_t Rng::public_u64() {
  std::array<std::byte, 8> raw{};
  fill_public(raw);
  return load_be<std::uint64_t>(raw.data());
}

std::uint64_t Rng::public_below(std::uint64_t bound) {
  // Rejects the incomplete last interval, so that no remainder is favoured.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    const std::uint64_t value = public_u64();
    if (value < limit) return value % bound;
  }
}

void SeededRng::fill(MutBytes out, std::uint64_t& state) {
  // splitmix64 (Steele, Lea, Flood 2014): a full-period mixer whose state is one word.
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (i % 8 == 0) {
      state += 0x9e3779b97f4a7c15U;
      word = state;
      word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9U;
      word = (word ^ (word >> 27)) * 0x94d049bb133111ebU;
      word ^= word >> 31;
    }
    out[i] = static_cast<std::byte>(word >> (8 * (i % 8)));
  }
}

}  // namespace caponier::base
