#pragma once
// What a method is to the conversation around it. Private to this module.

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "eap/client.h"
#include "eap/conversation.h"
#include "eap/server.h"

namespace caponier::eap {

/// The part of an Outcome that the method decides.
struct Proof {
  std::string identity;
  base::SecretBytes msk;
  Type inner_method = Type::none;
  bool is_mutual = false;
  CertifiedPeer peer;
};

/// The next request or response, without the EAP header and the Type.
struct Say {
  ByteVec data;
};
/// The method is over for the server; the client hears EAP-Success.
struct Proven {
  Proof proof;
};
struct Failed {
  FailureReason reason{};
  std::string sentence;
  std::optional<ByteVec> last_word = {};  ///< client: one more response, whatever comes then
};

using ServerStep = std::variant<Say, Proven, Failed>;

class ServerMethod {
 public:
  virtual ~ServerMethod() = default;
  /// `identifier`: that of the EAP request it goes into.
  [[nodiscard]] virtual ServerStep begin(std::uint8_t identifier) = 0;
  /// The answer to the last request, whose Identifier the next one exceeds by one.
  [[nodiscard]] virtual ServerStep handle(Bytes data, std::uint8_t next_identifier) = 0;
};

using ClientStep = std::variant<Say, Failed>;

class ClientMethod {
 public:
  virtual ~ClientMethod() = default;
  [[nodiscard]] virtual ClientStep handle(Bytes data, std::uint8_t identifier) = 0;
  /// Empty while EAP-Success would come too early. To be called once.
  [[nodiscard]] virtual std::optional<Proof> take_proof() = 0;
  /// Why EAP-Failure is no surprise: what the server said before; empty when it said nothing.
  [[nodiscard]] virtual std::optional<Failed> foretold() const { return std::nullopt; }
};

/// Who answers, and where it stands; what every server method gets.
struct ServerContext {
  const ServerSettings& settings;
  const ServerPorts& ports;
  std::string claimed_identity;
};
struct ClientContext {
  const ClientSettings& settings;
  const ClientPorts& ports;
};

/// Null: the ports lack what it needs. `in_tunnel` allows methods that are for tunnels alone and
/// forbids tunnels.
[[nodiscard]] bool is_available(const ServerPorts& ports, Type type, bool in_tunnel);
[[nodiscard]] bool is_available(const ClientPorts& ports, Type type, bool in_tunnel);
/// Only of available methods; null when the TLS back end refuses.
[[nodiscard]] std::unique_ptr<ServerMethod> make_server_method(Type type,
                                                               const ServerContext& context);
[[nodiscard]] std::unique_ptr<ClientMethod> make_client_method(Type type,
                                                               const ClientContext& context);

[[nodiscard]] std::unique_ptr<ServerMethod> make_md5_server(const ServerContext& context);
[[nodiscard]] std::unique_ptr<ClientMethod> make_md5_client(const ClientContext& context);
[[nodiscard]] std::unique_ptr<ServerMethod> make_gtc_server(const ServerContext& context);
[[nodiscard]] std::unique_ptr<ClientMethod> make_gtc_client(const ClientContext& context);
[[nodiscard]] std::unique_ptr<ServerMethod> make_mschapv2_server(const ServerContext& context);
[[nodiscard]] std::unique_ptr<ClientMethod> make_mschapv2_client(const ClientContext& context);
[[nodiscard]] std::unique_ptr<ServerMethod> make_tls_server(const ServerContext& context);
[[nodiscard]] std::unique_ptr<ClientMethod> make_tls_client(const ClientContext& context);
[[nodiscard]] std::unique_ptr<ServerMethod> make_ttls_server(const ServerContext& context);
[[nodiscard]] std::unique_ptr<ClientMethod> make_ttls_client(const ClientContext& context);
[[nodiscard]] std::unique_ptr<ServerMethod> make_peap_server(const ServerContext& context);
[[nodiscard]] std::unique_ptr<ClientMethod> make_peap_client(const ClientContext& context);

}  // namespace caponier::eap
