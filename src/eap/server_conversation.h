#pragma once
// The server's conversation, bare or in a tunnel. Private to this module.

#include <memory>
#include <string>
#include <vector>

#include "eap/method.h"

namespace caponier::eap {

class ServerConversation {
 public:
  /// The settings and ports must outlive it. `methods`: in order of preference.
  ServerConversation(const ServerSettings& settings, const ServerPorts& ports,
                     const std::vector<Type>& methods, bool in_tunnel);

  /// Asks for the identity.
  [[nodiscard]] Step ask_identity();
  /// The first request of a method for somebody who has said who they are.
  [[nodiscard]] Step begin(std::string identity);
  [[nodiscard]] Step handle(Bytes packet);
  /// The Identifier that an answer must have.
  [[nodiscard]] std::uint8_t identifier() const { return identifier_; }

 private:
  enum class Stage : std::uint8_t { fresh, asking_identity, offering, running, over };

  [[nodiscard]] Step handle_identity(Bytes data);
  [[nodiscard]] Step handle_nak(Bytes data);
  /// The first of `offers_` that can be begun.
  [[nodiscard]] Step offer();
  [[nodiscard]] Step take(ServerStep step);
  [[nodiscard]] Step request(Type type, Bytes data);
  [[nodiscard]] Step succeed(Proof proof);
  [[nodiscard]] Step fail(FailureReason reason, std::string sentence);

  const ServerSettings& settings_;
  const ServerPorts& ports_;
  std::vector<Type> offers_;  ///< not yet tried; each is offered once, so Naks end
  Stage stage_ = Stage::fresh;
  std::string identity_;
  Type type_ = Type::none;
  std::unique_ptr<ServerMethod> method_;
  std::uint8_t identifier_;
  std::size_t rounds_ = 0;
};

}  // namespace caponier::eap
