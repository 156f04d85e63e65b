#include "ike/cookie.h"

#include <algorithm>
#include <array>
#include <utility>

namespace caponier::ike {

using base::Bytes;
using base::ByteVec;
using base::SecretBytes;

namespace {
constexpr std::size_t info_size = 5;  // a level and a time
}  // namespace

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
                           const base::IpAddress& address, base::IkeSpi spi_i,
                           const CookieInfo& info) const {
  if (!prf_ || secret.empty()) return {};
  std::array<std::byte, 8> spi{};
  base::store_be(spi.data(), spi_i.value);
  std::array<std::byte, info_size> told{std::byte{info.puzzle_bits}};
  base::store_be(told.data() + 1, info.second);
  //= rfc8019#7.1.1.3-2..3
  const std::array<Bytes, 4> parts = {nonce_i, address.bytes(), Bytes{spi}, Bytes{told}};
  const SecretBytes mac = prf_->compute(secret.reveal(), parts);
  if (mac.empty()) return {};
  ByteVec cookie{static_cast<std::byte>(version)};
  base::append(cookie, told);
  //= rfc7296#2.6-3
  // s2.6: at most 64 octets in all.
  base::append(cookie, mac.reveal().first(std::min<std::size_t>(mac.size(), 32)));
  return cookie;
}

ByteVec CookieJar::make(Bytes nonce_i, const base::IpAddress& address, base::IkeSpi spi_i,
                        base::Instant now, std::uint8_t puzzle_bits) {
  rotate(now);
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(now.since_origin).count();
  return compute(version_, current_, nonce_i, address, spi_i,
                 {puzzle_bits, static_cast<std::uint32_t>(second)});
}

std::optional<CookieInfo> CookieJar::read(Bytes cookie, Bytes nonce_i,
                                          const base::IpAddress& address, base::IkeSpi spi_i,
                                          base::Instant now) {
  rotate(now);
  if (cookie.size() <= 1 + info_size) return std::nullopt;
  const auto version = std::to_integer<std::uint8_t>(cookie.front());
  const bool is_current = version == version_;
  if (!is_current && version != static_cast<std::uint8_t>(version_ - 1)) return std::nullopt;
  const CookieInfo info{std::to_integer<std::uint8_t>(cookie[1]),
                        base::load_be<std::uint32_t>(cookie.data() + 2)};
  const ByteVec right =
      compute(version, is_current ? current_ : previous_, nonce_i, address, spi_i, info);
  if (right.empty() || !base::equal_constant_time(right, cookie)) return std::nullopt;
  return info;
}

bool CookieJar::is_valid(Bytes cookie, Bytes nonce_i, const base::IpAddress& address,
                         base::IkeSpi spi_i, base::Instant now) {
  return read(cookie, nonce_i, address, spi_i, now).has_value();
}

}  // namespace caponier::ike
