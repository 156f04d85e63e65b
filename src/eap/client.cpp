#include "eap/client.h"

#include "eap/client_conversation.h"

namespace caponier::eap {

class EapClient::Impl {
 public:
  Impl(ClientSettings settings, ClientPorts ports)
      : settings_(std::move(settings)),
        ports_(ports),
        conversation_(settings_, ports_, settings_.methods, false) {}

  [[nodiscard]] Step handle(Bytes packet) { return conversation_.handle(packet); }

 private:
  ClientSettings settings_;
  ClientPorts ports_;
  ClientConversation conversation_;
};

EapClient::EapClient(ClientSettings settings, ClientPorts ports)
    : impl_(std::make_unique<Impl>(std::move(settings), ports)) {}
EapClient::~EapClient() = default;

Step EapClient::handle(Bytes packet, base::Instant /*now*/) { return impl_->handle(packet); }

}  // namespace caponier::eap
