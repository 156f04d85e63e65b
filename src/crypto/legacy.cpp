#include "crypto/legacy.h"

#include <vector>

#include "base/secret.h"

namespace caponier::crypto {

LegacyCrypto::Md5 hmac_md5(const LegacyCrypto& crypto, base::Bytes key,
                           std::span<const base::Bytes> parts) {
  constexpr std::size_t block_size = 64;
  std::array<std::byte, block_size> inner_pad{};
  if (key.size() > block_size) {
    base::copy_into(inner_pad, crypto.md5({&key, 1}));
  } else {
    base::copy_into(inner_pad, key);
  }
  std::array<std::byte, block_size> outer_pad = inner_pad;
  for (std::byte& octet : inner_pad) octet ^= std::byte{0x36};
  for (std::byte& octet : outer_pad) octet ^= std::byte{0x5c};

  std::vector<base::Bytes> inner{inner_pad};
  inner.insert(inner.end(), parts.begin(), parts.end());
  const LegacyCrypto::Md5 hash = crypto.md5(inner);
  const std::array<base::Bytes, 2> outer = {outer_pad, hash};
  const LegacyCrypto::Md5 mac = crypto.md5(outer);
  base::wipe(inner_pad);
  base::wipe(outer_pad);
  return mac;
}

}  // namespace caponier::crypto
