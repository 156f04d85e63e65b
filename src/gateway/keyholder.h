#pragma once
// Holds pre-shared and private keys and whom we trust, and answers AuthRequest, nothing else. In
// the daemon it may live in a process of its own; the simulation holds it in memory.

#include <deque>
#include <memory>
#include <optional>

#include "config/config.h"
#include "crypto/crypto.h"
#include "ike/actions.h"
#include "pki/provider.h"

namespace caponier::gateway {

class Keyholder {
 public:
  /// Both must outlive the object; without `pki` there are no signatures.
  explicit Keyholder(const crypto::CryptoProvider& crypto, const pki::PkiProvider* pki = nullptr)
      : crypto_(&crypto), pki_(pki) {}
  void apply(std::shared_ptr<const config::Config> config) { config_ = std::move(config); }
  /// Answered by poll_reply(), now or when what it needs is there. `now`: for the validity of
  /// certificates.
  void handle(const ike::AuthRequest& request, pki::UnixTime now);
  [[nodiscard]] std::optional<ike::AuthReply> poll_reply();

 private:
  [[nodiscard]] ike::AuthReply answer(const ike::AuthRequest& request, pki::UnixTime now) const;
  void sign(const ike::AuthRequest& request, const config::PeerConfig& peer,
            ike::AuthReply& reply) const;
  void verify(const ike::AuthRequest& request, const config::PeerConfig& peer, pki::UnixTime now,
              ike::AuthReply& reply) const;

  const crypto::CryptoProvider* crypto_;
  const pki::PkiProvider* pki_;
  std::shared_ptr<const config::Config> config_;
  std::deque<ike::AuthReply> replies_;
};

}  // namespace caponier::gateway
