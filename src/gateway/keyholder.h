#pragma once
// Holds pre-shared and private keys, and answers AuthRequest with them, nothing else. In the daemon
// it may live in a process of its own; the simulation holds it in memory.

#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "config/config.h"
#include "crypto/crypto.h"
#include "ike/actions.h"

namespace caponier::gateway {

class Keyholder {
 public:
  /// `crypto` must outlive the object.
  explicit Keyholder(const crypto::CryptoProvider& crypto) : crypto_(&crypto) {}
  void apply(std::shared_ptr<const config::Config> config) { config_ = std::move(config); }
  /// Our AUTH value, or whether the peer's is right when it was made with a pre-shared key;
  /// signatures of peers are ProofDesk's. Answered by poll_reply(), now or when what it needs is
  /// there.
  void handle(const ike::AuthRequest& request);
  [[nodiscard]] std::optional<ike::AuthReply> poll_reply();
  /// For TLS: with the key that HeldKeys calls so, as long as it is the one of `spki`.
  [[nodiscard]] std::expected<base::ByteVec, pki::SignError> sign(const std::string& name,
                                                                  base::Bytes spki,
                                                                  pki::SignatureScheme scheme,
                                                                  base::Bytes octets) const;

 private:
  [[nodiscard]] ike::AuthReply answer(const ike::AuthRequest& request) const;
  void sign(const ike::AuthRequest& request, const pki::Credential* own,
            ike::AuthReply& reply) const;

  const crypto::CryptoProvider* crypto_;
  std::shared_ptr<const config::Config> config_;
  std::deque<ike::AuthReply> replies_;
};

}  // namespace caponier::gateway
