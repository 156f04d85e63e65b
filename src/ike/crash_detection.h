#pragma once
// Quick crash detection (RFC 6290). Each side gives the other a token that it can make again after
// a restart; whoever shows it in an unprotected message has really lost the IKE SA.

#include <memory>
#include <optional>
#include <vector>

#include "base/secret.h"
#include "base/strong.h"
#include "crypto/crypto.h"
#include "wire/ike.h"

namespace caponier::ike {

/// RFC 6290 s5.
inline constexpr std::size_t crash_token_size_min = 16;
inline constexpr std::size_t crash_token_size_max = 128;
/// Of one unprotected message, that are looked at (s4.5).
inline constexpr std::size_t crash_tokens_checked_max = 4;

/// The maker (s5.1): token = prf(secret, SPIi | SPIr), without any state.
class CrashTokens {
 public:
  using Secrets = std::vector<std::shared_ptr<const base::SecretBytes>>;

  /// `secrets` newest first; without any there are no tokens.
  CrashTokens(const crypto::CryptoProvider& crypto, Secrets secrets);

  /// For the peer of an IKE SA. Empty without a secret.
  [[nodiscard]] base::ByteVec make(base::IkeSpi spi_i, base::IkeSpi spi_r) const;
  /// The answer to a protected request of an IKE SA that is not there: one token a secret, as many
  /// as fit into the request's size. Empty when not one fits.
  [[nodiscard]] base::ByteVec answer(const wire::IkeHeader& request, std::size_t size_max) const;

 private:
  [[nodiscard]] base::ByteVec compute(const base::SecretBytes& secret, base::IkeSpi spi_i,
                                      base::IkeSpi spi_r) const;

  std::unique_ptr<crypto::Prf> prf_;
  Secrets secrets_;
};

[[nodiscard]] wire::NotifyPayload make_crash_token(base::ByteVec token);
/// The token in a protected message; null when there is none of a legal size.
[[nodiscard]] std::optional<base::ByteVec> find_crash_token(
    const std::vector<wire::Payload>& payloads);
/// One of the tokens of an unprotected message is `token`.
[[nodiscard]] bool has_crash_token(const std::vector<wire::Payload>& payloads, base::Bytes token);

}  // namespace caponier::ike
