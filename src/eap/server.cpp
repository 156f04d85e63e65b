#include "eap/server.h"

#include "eap/server_conversation.h"

namespace caponier::eap {

class EapServer::Impl {
 public:
  Impl(ServerSettings settings, ServerPorts ports)
      : settings_(std::move(settings)),
        ports_(ports),
        conversation_(settings_, ports_, settings_.methods, false) {}

  [[nodiscard]] Step start() {
    return settings_.ask_identity ? conversation_.ask_identity()
                                  : conversation_.begin(settings_.known_identity);
  }
  [[nodiscard]] Step handle(Bytes packet) { return conversation_.handle(packet); }

 private:
  ServerSettings settings_;
  ServerPorts ports_;
  ServerConversation conversation_;
};

EapServer::EapServer(ServerSettings settings, ServerPorts ports)
    : impl_(std::make_unique<Impl>(std::move(settings), ports)) {}
EapServer::~EapServer() = default;

Step EapServer::start(base::Instant /*now*/) { return impl_->start(); }
Step EapServer::handle(Bytes packet, base::Instant /*now*/) { return impl_->handle(packet); }

}  // namespace caponier::eap
