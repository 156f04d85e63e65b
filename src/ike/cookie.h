#pragma once
// Stateless cookies (RFC 7296 s2.6): proof that the initiator receives at the address it claims,
// before we keep or compute anything for it.

#include <cstdint>
#include <memory>
#include <optional>

#include "base/address.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/strong.h"
#include "base/time.h"
#include "crypto/crypto.h"

namespace caponier::ike {

/// What a cookie tells about the puzzle it came with (RFC 8019 s7.1.1.3).
struct CookieInfo {
  std::uint8_t puzzle_bits = 0;  ///< 0: there was none
  std::uint32_t second = 0;      ///< of its making, so that no two puzzles are the same for long
};

/// Cookie = version byte | info | prf(secret of that version, Ni | address | SPIi | info). A secret
/// serves for one lifetime and is accepted for one more.
class CookieJar {
 public:
  static constexpr std::size_t secret_size = 32;

  /// `rng` must outlive the jar. Without any PRF in `crypto` no cookie is ever right.
  CookieJar(const crypto::CryptoProvider& crypto, base::Rng& rng, base::Duration lifetime,
            base::Instant now);

  [[nodiscard]] base::ByteVec make(base::Bytes nonce_i, const base::IpAddress& address,
                                   base::IkeSpi spi_i, base::Instant now,
                                   std::uint8_t puzzle_bits = 0);
  /// Null when it is not ours, not for these, or too old.
  [[nodiscard]] std::optional<CookieInfo> read(base::Bytes cookie, base::Bytes nonce_i,
                                               const base::IpAddress& address, base::IkeSpi spi_i,
                                               base::Instant now);
  [[nodiscard]] bool is_valid(base::Bytes cookie, base::Bytes nonce_i,
                              const base::IpAddress& address, base::IkeSpi spi_i,
                              base::Instant now);

 private:
  void rotate(base::Instant now);
  [[nodiscard]] base::ByteVec compute(std::uint8_t version, const base::SecretBytes& secret,
                                      base::Bytes nonce_i, const base::IpAddress& address,
                                      base::IkeSpi spi_i, const CookieInfo& info) const;

  std::unique_ptr<crypto::Prf> prf_;
  base::Rng& rng_;
  base::Duration lifetime_;
  base::Instant rotated_at_;
  std::uint8_t version_ = 0;
  base::SecretBytes current_;
  base::SecretBytes previous_;
};

}  // namespace caponier::ike
