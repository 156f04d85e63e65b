#include "gateway/keyholder.h"

#include <algorithm>

#include "ike/keys.h"

namespace caponier::gateway {

ike::AuthReply Keyholder::answer(const ike::AuthRequest& request) const {
  ike::AuthReply reply;
  reply.sa = request.sa;
  reply.request = request.request;
  if (!config_ || request.signed_octets.empty()) return reply;
  const auto& peers = config_->peers;
  const auto peer = std::find_if(peers.begin(), peers.end(), [&](const config::PeerConfig& entry) {
    return entry.name == request.connection;
  });
  if (peer == peers.end() || !peer->psk) return reply;
  const auto prf = crypto_->make_prf(request.prf);
  if (!prf) return reply;
  reply.auth = ike::shared_key_auth(**prf, peer->psk->reveal(), request.signed_octets);
  reply.known = true;
  return reply;
}

}  // namespace caponier::gateway
