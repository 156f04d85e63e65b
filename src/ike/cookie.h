#pragma once
// Stateless cookies (RFC 7296 s2.6): proof that the initiator receives at the address it claims,
// before we keep or compute anything for it.

#include <memory>

#include "base/address.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/strong.h"
#include "base/time.h"
#include "crypto/crypto.h"

namespace caponier::ike {

/// Cookie = version byte | prf(secret of that version, Ni | address | SPIi). A secret serves for
/// one lifetime and is accepted for one more.
class CookieJar {
 public:
  static constexpr std::size_t secret_size = 32;

  /// `rng` must outlive the jar. Without any PRF in `crypto` no cookie is ever right.
  CookieJar(const crypto::CryptoProvider& crypto, base::Rng& rng, base::Duration lifetime,
            base::Instant now);

  [[nodiscard]] base::ByteVec make(base::Bytes nonce_i, const base::IpAddress& address,
                                   base::IkeSpi spi_i, base::Instant now);
  [[nodiscard]] bool is_valid(base::Bytes cookie, base::Bytes nonce_i,
                              const base::IpAddress& address, base::IkeSpi spi_i,
                              base::Instant now);

 private:
  void rotate(base::Instant now);
  [[nodiscard]] base::ByteVec compute(std::uint8_t version, const base::SecretBytes& secret,
                                      base::Bytes nonce_i, const base::IpAddress& address,
                                      base::IkeSpi spi_i) const;

  std::unique_ptr<crypto::Prf> prf_;
  base::Rng& rng_;
  base::Duration lifetime_;
  base::Instant rotated_at_;
  std::uint8_t version_ = 0;
  base::SecretBytes current_;
  base::SecretBytes previous_;
};

}  // namespace caponier::ike
