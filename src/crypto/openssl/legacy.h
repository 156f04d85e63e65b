#pragma once
// crypto/legacy.h on OpenSSL 3. Stateless: one object serves all threads.

#include "crypto/legacy.h"

namespace caponier::crypto {

class OpensslLegacy final : public LegacyCrypto {
 public:
  [[nodiscard]] Md4 md4(std::span<const base::Bytes> parts) const override;
  [[nodiscard]] Md5 md5(std::span<const base::Bytes> parts) const override;
  [[nodiscard]] Sha1 sha1(std::span<const base::Bytes> parts) const override;
  [[nodiscard]] DesBlock des_encrypt(std::span<const std::byte, 7> key,
                                     const DesBlock& block) const override;
};

}  // namespace caponier::crypto
