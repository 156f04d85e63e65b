#pragma once
// The best cryptographic back end of this machine, tested.

#include <expected>
#include <memory>
#include <string>

#include "crypto/crypto.h"

namespace caponier::daemon {

/// Both live as long as the process.
struct CryptoChoice {
  std::unique_ptr<crypto::CryptoProvider> base;
  std::unique_ptr<crypto::CryptoProvider> fast;  ///< null where there is none
  [[nodiscard]] const crypto::CryptoProvider& provider() const { return fast ? *fast : *base; }
};

/// Known answers are computed before anything is trusted to it; the error names what is wrong.
[[nodiscard]] std::expected<CryptoChoice, std::string> choose_crypto();

}  // namespace caponier::daemon
