#include "ike/cookie.h"

#include <algorithm>
#include <array>
#include <utility>

namespace caponier::ike {

using base::Bytes;
using base::ByteVec;
using base::SecretBytes;

CookieJar::CookieJar(const crypto::CryptoProvider& crypto, base::Rng& rng, base::Duration lifetime,
                     base::Instant now)
    : rng_(rng), lifetime_(lifetime), rotated_at_(now), current_(secret_size) {
  rng_.fill_secret(current_.reveal_mutable());
  for (const crypto::PrfInfo& info : crypto::all_prf()) {
    auto prf = crypto.make_prf(info.id);
    if (!prf) continue;
    prf_ = std::move(*prf);
    return;
  }
}

void CookieJar::rotate(base::Instant now) {
  const base::Duration age = now - rotated_at_;
  if (age < lifetime_) return;
  previous_ = age < 2 * lifetime_ ? std::move(current_) : SecretBytes{};
  current_ = SecretBytes{secret_size};
  rng_.fill_secret(current_.reveal_mutable());
  ++version_;
  rotated_at_ = now;
}

ByteVec CookieJar::compute(std::uint8_t version, const SecretBytes& secret, Bytes nonce_i,
                           const base::IpAddress& address, base::IkeSpi spi_i) const {
  if (!prf_ || secret.empty()) return {};
  std::array<std::byte, 8> spi{};
  base::store_be(spi.data(), spi_i.value);
  const std::array<Bytes, 3> parts = {nonce_i, address.bytes(), Bytes{spi}};
  const SecretBytes mac = prf_->compute(secret.reveal(), parts);
  if (mac.empty()) return {};
  ByteVec cookie{static_cast<std::byte>(version)};
  //= rfc7296#2.6-3
  // s2.6: at most 64 octets in all.
  base::append(cookie, mac.reveal().first(std::min<std::size_t>(mac.size(), 32)));
  return cookie;
}

ByteVec CookieJar::make(Bytes nonce_i, const base::IpAddress& address, base::IkeSpi spi_i,
                        base::Instant now) {
  rotate(now);
  return compute(version_, current_, nonce_i, address, spi_i);
}

bool CookieJar::is_valid(Bytes cookie, Bytes nonce_i, const base::IpAddress& address,
                         base::IkeSpi spi_i, base::Instant now) {
  rotate(now);
  if (cookie.empty()) return false;
  const auto version = std::to_integer<std::uint8_t>(cookie.front());
  const bool is_current = version == version_;
  if (!is_current && version != static_cast<std::uint8_t>(version_ - 1)) return false;
  const ByteVec right =
      compute(version, is_current ? current_ : previous_, nonce_i, address, spi_i);
  return !right.empty() && base::equal_constant_time(right, cookie);
}

}  // namespace caponier::ike
