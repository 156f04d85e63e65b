#pragma once
// The best cryptographic back end of this machine, tested.

#include <expected>
#include <memory>
#include <string>

#include "crypto/crypto.h"

namespace caponier::crypto {

/// Both live as long as the process.
struct Choice {
  std::unique_ptr<CryptoProvider> base;
  std::unique_ptr<CryptoProvider> fast;  ///< null where there is none
  [[nodiscard]] const CryptoProvider& provider() const { return fast ? *fast : *base; }
};

/// Known answers are computed before anything is trusted to it; the error names what is wrong.
[[nodiscard]] std::expected<Choice, std::string> choose_crypto();

/// The library that protects packets of `suite` for choose_crypto()'s provider, with its version
/// and the instructions it uses: "ipsec-mb 1.3.0, AVX-512 and VAES", "OpenSSL 3.0.17".
[[nodiscard]] std::string back_end_of(const CipherSuite& suite);
/// The same for key exchange, PRF and hashes.
[[nodiscard]] std::string back_end_of_key_exchange();

}  // namespace caponier::crypto
