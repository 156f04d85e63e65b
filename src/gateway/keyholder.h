#pragma once
// Holds the pre-shared keys and answers AuthRequest, nothing else. In the daemon it may live in a
// process of its own; the simulation holds it in memory.

#include <memory>

#include "config/config.h"
#include "crypto/crypto.h"
#include "ike/actions.h"

namespace caponier::gateway {

class Keyholder {
 public:
  /// `crypto` must outlive the object.
  explicit Keyholder(const crypto::CryptoProvider& crypto) : crypto_(&crypto) {}
  void apply(std::shared_ptr<const config::Config> config) { config_ = std::move(config); }
  [[nodiscard]] ike::AuthReply answer(const ike::AuthRequest& request) const;

 private:
  const crypto::CryptoProvider* crypto_;
  std::shared_ptr<const config::Config> config_;
};

}  // namespace caponier::gateway
