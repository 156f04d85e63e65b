#pragma once
// What CHAP, MS-CHAPv2 and RADIUS are made of, and nothing else may use: broken primitives whose
// protocols live on inside of TLS or beside an IKE SA.

#include <array>
#include <span>

#include "base/bytes.h"

namespace caponier::crypto {

/// Total functions: a back end that could fail would leave no way on but to invent a value.
class LegacyCrypto {
 public:
  using Md4 = std::array<std::byte, 16>;
  using Md5 = std::array<std::byte, 16>;
  using Sha1 = std::array<std::byte, 20>;
  using DesBlock = std::array<std::byte, 8>;

  virtual ~LegacyCrypto() = default;
  /// Over the parts, one behind the other.
  [[nodiscard]] virtual Md4 md4(std::span<const base::Bytes> parts) const = 0;
  [[nodiscard]] virtual Md5 md5(std::span<const base::Bytes> parts) const = 0;
  [[nodiscard]] virtual Sha1 sha1(std::span<const base::Bytes> parts) const = 0;
  /// One block in ECB mode. `key`: 56 bits, without parity (RFC 2759 s8.6).
  [[nodiscard]] virtual DesBlock des_encrypt(std::span<const std::byte, 7> key,
                                             const DesBlock& block) const = 0;
};

/// HMAC-MD5 (RFC 2104), for Message-Authenticator (RFC 3579 s3.2).
[[nodiscard]] LegacyCrypto::Md5 hmac_md5(const LegacyCrypto& crypto, base::Bytes key,
                                         std::span<const base::Bytes> parts);

}  // namespace caponier::crypto
