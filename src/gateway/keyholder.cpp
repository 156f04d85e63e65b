#include "gateway/keyholder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/auth_methods.h"

namespace caponier::gateway {

namespace {

std::vector<pki::SignatureHash> hashes_of(const std::vector<std::uint16_t>& numbers) {
  std::vector<pki::SignatureHash> hashes;
  for (const std::uint16_t number : numbers) {
    hashes.push_back(static_cast<pki::SignatureHash>(number));
  }
  return hashes;
}

const pki::Credential* find_credential(const config::Config& config, const std::string& name) {
  for (const config::PeerConfig& peer : config.peers) {
    if (peer.name == name) return peer.proof.credential.get();
    for (std::size_t i = 0; i < peer.local_rounds.size(); ++i) {
      if (config::held_name(peer, true, i) == name) return peer.local_rounds[i].credential.get();
    }
  }
  return nullptr;
}

}  // namespace

void Keyholder::handle(const ike::AuthRequest& request) { replies_.push_back(answer(request)); }

std::optional<ike::AuthReply> Keyholder::poll_reply() {
  if (replies_.empty()) return std::nullopt;
  ike::AuthReply reply = std::move(replies_.front());
  replies_.pop_front();
  return reply;
}

ike::AuthReply Keyholder::answer(const ike::AuthRequest& request) const {
  ike::AuthReply reply;
  reply.sa = request.sa;
  reply.request = request.request;
  if (!config_ || request.signed_octets.empty()) return reply;
  const auto& peers = config_->peers;
  const auto peer = std::find_if(peers.begin(), peers.end(), [&](const config::PeerConfig& entry) {
    return entry.name == request.connection;
  });
  if (peer == peers.end()) return reply;
  if (request.proof) {
    // The peer's signature is no secret: ProofDesk judges it.
    if (request.proof->method != wire::AuthMethod::shared_key_mic) return reply;
    const auto round = config::remote_round(*peer, request.round);
    if (!round || !round->psk) return reply;
    return ike::answer_by_shared_key(request, *crypto_, round->psk->reveal());
  }
  const auto round = config::local_round(*peer, request.round);
  if (!round) return reply;
  if (round->auth != config::Auth::psk) {
    sign(request, round->credential.get(), reply);
  } else if (round->psk) {
    return ike::answer_by_shared_key(request, *crypto_, round->psk->reveal());
  }
  return reply;
}

std::expected<base::ByteVec, pki::SignError> Keyholder::sign(const std::string& name,
                                                             base::Bytes spki,
                                                             pki::SignatureScheme scheme,
                                                             base::Bytes octets) const {
  const pki::Credential* const own = config_ ? find_credential(*config_, name) : nullptr;
  if (own == nullptr || !base::equal(own->signer->public_key().spki, spki)) {
    return std::unexpected{pki::SignError::key_unusable};
  }
  if (!own->signer->can(scheme)) return std::unexpected{pki::SignError::no_common_scheme};
  return own->signer->sign(scheme, octets);
}

void Keyholder::sign(const ike::AuthRequest& request, const pki::Credential* own,
                     ike::AuthReply& reply) const {
  if (own == nullptr) {
    reply.why = "there is no private key for this connection";
    return;
  }
  const pki::Credential& credential = *own;
  const auto hashes = hashes_of(request.hashes);
  const pki::SigningRequest wanted{.octets = request.signed_octets, .peer_hashes = hashes};
  auto auth = pki::sign_auth(*credential.signer, wanted);
  if (!auth) {
    reply.why = auth.error() == pki::SignError::no_common_scheme
                    ? pki::describe_mismatch(*credential.signer, wanted)
                    : fmt::format("the key of {}: {}", credential.name, pki::name_of(auth.error()));
    return;
  }
  reply.outcome = ike::AuthOutcome::made;
  reply.method = auth->method;
  reply.auth = std::move(auth->data);
  reply.certificates = credential.cert_payloads();
}

}  // namespace caponier::gateway
