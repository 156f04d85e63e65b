#pragma once
// The server of an EAP conversation with users of our own: Identity, then the first method that
// both sides know. One object per conversation.

#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "crypto/legacy.h"
#include "eap/conversation.h"
#include "eap/passwords.h"
#include "eap/tls.h"

namespace caponier::eap {

/// EAP packets of TLS methods are cut to this, so that they fit into one RADIUS packet and into few
/// IKE fragments.
inline constexpr std::size_t fragment_size_default = 1200;
inline constexpr std::size_t fragment_size_min = 64;

struct ServerSettings {
  /// Offered in this order; those that only a tunnel may have are left out.
  std::vector<Type> methods;
  /// Within TTLS and PEAP.
  std::vector<Type> inner_methods = {Type::mschapv2};
  /// TTLS without inner EAP: the password in the tunnel, or MSCHAPv2's attributes.
  bool ttls_pap = true;
  bool ttls_mschapv2 = true;
  /// Ask for the identity. Without, it is `known_identity` (IKE's IDi), which proves nothing.
  bool ask_identity = true;
  std::string known_identity;
  /// What MSCHAPv2 calls us.
  std::string name = "caponier";
  /// Users come as DOMAIN\user; only what follows is looked up (Windows).
  bool strip_domain = true;
  std::size_t fragment_size = fragment_size_default;
};

/// Everything must outlive the server. `passwords` and `tls` may be null: methods that need them
/// are then not offered.
struct ServerPorts {
  const crypto::LegacyCrypto& crypto;
  base::Rng& rng;
  const Passwords* passwords = nullptr;
  const TlsContext* tls = nullptr;  ///< of the server role
};

class EapServer final : public Authenticator {
 public:
  EapServer(ServerSettings settings, ServerPorts ports);
  ~EapServer() override;
  [[nodiscard]] Step start(base::Instant now) override;
  [[nodiscard]] Step handle(Bytes packet, base::Instant now) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::eap
