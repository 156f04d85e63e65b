// MS-MPPE-Send-Key and MS-MPPE-Recv-Key (RFC 2548 s2.4.2).

#include <array>

#include "radius/packet.h"

namespace caponier::radius {
namespace {

using crypto::LegacyCrypto;

constexpr std::size_t salt_size = 2;
constexpr std::size_t block_size = 16;

/// XORs `text` with MD5(secret | R | salt), MD5(secret | c(1)), ...; `cipher` is what c(i) is taken
/// from: the same memory when opening, and when sealing, once each block is done.
void cover(const LegacyCrypto& crypto, Bytes secret, const Authenticator& of_request, Bytes salt,
           base::MutBytes text, Bytes cipher) {
  for (std::size_t at = 0; at < text.size(); at += block_size) {
    const Bytes previous =
        at == 0 ? Bytes{of_request} : cipher.subspan(at - block_size, block_size);
    const std::array<Bytes, 3> parts = {secret, previous, at == 0 ? salt : Bytes{}};
    LegacyCrypto::Md5 pad = crypto.md5(parts);
    for (std::size_t i = 0; i < block_size; ++i) text[at + i] ^= pad[i];
    base::wipe(pad);
  }
}

}  // namespace

base::SecretBytes open_mppe_key(const LegacyCrypto& crypto, Bytes secret,
                                const Authenticator& of_request, Bytes value) {
  if (value.size() < salt_size + block_size || (value.size() - salt_size) % block_size != 0) {
    return {};
  }
  const Bytes cipher = value.subspan(salt_size);
  base::SecretBytes plain{cipher};
  cover(crypto, secret, of_request, value.first(salt_size), plain.reveal_mutable(), cipher);
  const auto size = std::to_integer<std::size_t>(plain.reveal()[0]);
  if (size == 0 || size > plain.size() - 1) return {};
  return base::SecretBytes{plain.reveal().subspan(1, size)};
}

base::SecretBytes seal_mppe_key(const LegacyCrypto& crypto, Bytes secret,
                                const Authenticator& of_request, std::uint16_t salt, Bytes key) {
  const std::size_t padded = (key.size() / block_size + 1) * block_size;
  base::SecretBytes value{salt_size + padded};
  const base::MutBytes octets = value.reveal_mutable();
  base::store_be(octets.data(), static_cast<std::uint16_t>(salt | 0x8000U));
  octets[salt_size] = static_cast<std::byte>(key.size());
  base::copy_into(octets.subspan(salt_size + 1), key);
  const base::MutBytes text = octets.subspan(salt_size);
  cover(crypto, secret, of_request, octets.first(salt_size), text, text);
  return value;
}

}  // namespace caponier::radius
