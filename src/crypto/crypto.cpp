#include "crypto/crypto.h"

#include <algorithm>
#include <array>
#include <vector>

namespace caponier::crypto {

std::string_view name_of(CryptoError error) {
  switch (error) {
    case CryptoError::unsupported: return "unsupported";
    case CryptoError::bad_key_size: return "bad_key_size";
    case CryptoError::bad_public_value: return "bad_public_value";
    case CryptoError::weak_result: return "weak_result";
    case CryptoError::backend_failure: return "backend_failure";
  }
  return "unknown";
}

std::expected<SecretBytes, CryptoError> prf_plus(const Prf& prf, Bytes key,
                                                 std::span<const Bytes> seed, std::size_t size) {
  constexpr std::size_t rounds_max = 255;  // the round number is one octet
  if (size > rounds_max * prf.size()) return std::unexpected{CryptoError::bad_key_size};
  SecretBytes out{size};
  SecretBytes block;  // T0 is empty
  std::array<std::byte, 1> round{};
  std::vector<Bytes> parts(seed.size() + 2);
  std::ranges::copy(seed, parts.begin() + 1);
  for (std::size_t at = 0; at < size; at += block.size()) {
    round[0] = static_cast<std::byte>(std::to_integer<unsigned>(round[0]) + 1);
    parts.front() = block.reveal();
    parts.back() = round;
    block = prf.compute(key, parts);
    if (block.size() != prf.size()) return std::unexpected{CryptoError::backend_failure};
    const std::size_t take = std::min(block.size(), size - at);
    base::copy_into(out.reveal_mutable().subspan(at), block.reveal().first(take));
  }
  return out;
}

}  // namespace caponier::crypto
