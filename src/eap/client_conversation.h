#pragma once
// The client's conversation, bare or in a tunnel. Private to this module.

#include <memory>
#include <vector>

#include "eap/method.h"

namespace caponier::eap {

/// A server that goes on offering what we have refused.
inline constexpr std::size_t naks_max = 8;

class ClientConversation {
 public:
  /// The settings and ports must outlive it. `methods`: in order of preference.
  ClientConversation(const ClientSettings& settings, const ClientPorts& ports,
                     const std::vector<Type>& methods, bool in_tunnel);
  [[nodiscard]] Step handle(Bytes packet);
  /// What the method has proven, as if EAP-Success had come: tunnels have signs of their own.
  [[nodiscard]] std::optional<Proof> take_proof();
  [[nodiscard]] Type type() const { return type_; }
  [[nodiscard]] std::optional<Failed> foretold() const;

 private:
  [[nodiscard]] Step handle_request(const Packet& packet);
  [[nodiscard]] Step handle_method(const Packet& packet);
  [[nodiscard]] Step handle_success();
  [[nodiscard]] Step handle_failure();
  [[nodiscard]] Step refuse_method(const Packet& packet);
  [[nodiscard]] Step respond(std::uint8_t identifier, Type type, Bytes data);
  [[nodiscard]] Step fail(FailureReason reason, std::string sentence, ByteVec last_word);

  const ClientSettings& settings_;
  const ClientPorts& ports_;
  std::vector<Type> methods_;
  bool in_tunnel_;
  bool is_over_ = false;
  Type type_ = Type::none;
  std::unique_ptr<ClientMethod> method_;
  std::size_t naks_ = 0;
  std::size_t rounds_ = 0;
};

}  // namespace caponier::eap
