#pragma once
// The client of an EAP conversation: answers what the server asks and believes EAP-Success only
// when its method has succeeded, and the server has proven itself where the method can.

#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "crypto/legacy.h"
#include "eap/conversation.h"
#include "eap/passwords.h"
#include "eap/tls.h"

namespace caponier::eap {

struct ClientSettings {
  /// Taken when the server offers them, else named in a Nak in this order.
  std::vector<Type> methods;
  /// Within TTLS and PEAP; TTLS begins with the first.
  std::vector<Type> inner_methods = {Type::mschapv2};
  /// How TTLS speaks inside.
  enum class TtlsInner : std::uint8_t { eap, pap, mschapv2 };
  TtlsInner ttls_inner = TtlsInner::mschapv2;
  std::string identity;
  /// Told outside of tunnels; empty: `identity`.
  std::string anonymous_identity;
  /// Succeed only with an MSK: IKE needs one unless it must talk to very old servers.
  bool demand_key = true;
  std::size_t fragment_size = 1200;
};

/// Everything must outlive the client. `password` and `tls` may be null: methods that need them are
/// then refused.
struct ClientPorts {
  const crypto::LegacyCrypto& crypto;
  base::Rng& rng;
  const Password* password = nullptr;
  const TlsContext* tls = nullptr;  ///< of the client role
};

class EapClient {
 public:
  EapClient(ClientSettings settings, ClientPorts ports);
  ~EapClient();
  EapClient(const EapClient&) = delete;
  EapClient& operator=(const EapClient&) = delete;
  /// The server's packet. `Wait` after a notification-like packet never happens: every request is
  /// answered.
  [[nodiscard]] Step handle(Bytes packet, base::Instant now);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::eap
