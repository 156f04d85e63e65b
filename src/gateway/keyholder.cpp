#include "gateway/keyholder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/auth_methods.h"

namespace caponier::gateway {

namespace {

pki::Purpose purpose_of(config::PeerKind kind) {
  switch (kind) {
    case config::PeerKind::client: return pki::Purpose::server;
    case config::PeerKind::server: return pki::Purpose::client;
    case config::PeerKind::site:
    case config::PeerKind::host: break;
  }
  // Between gateways the authority's word is enough: what they are for is seldom in there.
  return pki::Purpose::any;
}

std::vector<pki::SignatureHash> hashes_of(const std::vector<std::uint16_t>& numbers) {
  std::vector<pki::SignatureHash> hashes;
  for (const std::uint16_t number : numbers) {
    hashes.push_back(static_cast<pki::SignatureHash>(number));
  }
  return hashes;
}

}  // namespace

void Keyholder::handle(const ike::AuthRequest& request, pki::UnixTime now) {
  replies_.push_back(answer(request, now));
}

std::optional<ike::AuthReply> Keyholder::poll_reply() {
  if (replies_.empty()) return std::nullopt;
  ike::AuthReply reply = std::move(replies_.front());
  replies_.pop_front();
  return reply;
}

ike::AuthReply Keyholder::answer(const ike::AuthRequest& request, pki::UnixTime now) const {
  ike::AuthReply reply;
  reply.sa = request.sa;
  reply.request = request.request;
  if (!config_ || request.signed_octets.empty()) return reply;
  const auto& peers = config_->peers;
  const auto peer = std::find_if(peers.begin(), peers.end(), [&](const config::PeerConfig& entry) {
    return entry.name == request.connection;
  });
  if (peer == peers.end()) return reply;
  const bool is_shared = request.proof ? request.proof->method == wire::AuthMethod::shared_key_mic
                                       : peer->exchange.auth == config::Auth::psk;
  if (is_shared) {
    if (!peer->psk) return reply;
    return ike::answer_by_shared_key(request, *crypto_, peer->psk->reveal());
  }
  if (pki_ == nullptr) return reply;
  if (request.proof) {
    verify(request, *peer, now, reply);
  } else {
    sign(request, *peer, reply);
  }
  return reply;
}

void Keyholder::sign(const ike::AuthRequest& request, const config::PeerConfig& peer,
                     ike::AuthReply& reply) const {
  if (!peer.proof.credential) {
    reply.why = "there is no private key for this connection";
    return;
  }
  const pki::Credential& credential = *peer.proof.credential;
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

void Keyholder::verify(const ike::AuthRequest& request, const config::PeerConfig& peer,
                       pki::UnixTime now, ike::AuthReply& reply) const {
  reply.outcome = ike::AuthOutcome::wrong;
  std::optional<pki::PublicKey> key = peer.proof.peer_key;
  if (!key) {
    if (!config_->store || peer.proof.authorities.empty()) {
      reply.outcome = ike::AuthOutcome::unavailable;
      reply.why = "no authority is configured for the peer's certificate";
      return;
    }
    auto verdict = config_->store->verify({.identity = request.proof->identity,
                                           .certs = request.proof->certificates,
                                           .now = now,
                                           .revocation = peer.proof.revocation,
                                           .purpose = purpose_of(peer.kind),
                                           .anchors = peer.proof.authorities,
                                           .required_policies = {},
                                           .may_fetch = false});
    if (const auto* const refused = std::get_if<pki::Refused>(&verdict)) {
      reply.why = refused->text;
      return;
    }
    const auto* const trusted = std::get_if<pki::Trusted>(&verdict);
    if (trusted == nullptr) {
      reply.why = "whether its certificate is revoked cannot be found out";
      return;
    }
    key = trusted->leaf.key;
  }
  const wire::AuthPayload auth{request.proof->method, request.proof->auth};
  const auto scheme =
      pki_->verify({.octets = request.signed_octets, .auth = auth, .key = *key, .sha1 = false});
  if (scheme) {
    reply.outcome = ike::AuthOutcome::right;
  } else {
    reply.why = scheme.error().text;
  }
}

}  // namespace caponier::gateway
