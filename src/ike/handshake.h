#pragma once
// What an IKE SA keeps until the peer is authenticated, and the keys it has from then on.

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "ike/auth_rounds.h"
#include "ike/child.h"
#include "ike/child_negotiation.h"
#include "ike/ike_session_resume.h"
#include "ike/keys.h"
#include "ike/protection.h"
#include "ike/puzzle.h"
#include "ike/resumption.h"
#include "ike/shared.h"

namespace caponier::ike {

/// Our half of authentication: the AUTH payload and the certificates that go with it.
struct OwnProof {
  wire::AuthMethod method{};
  base::ByteVec auth;
  std::vector<wire::CertPayload> certificates{};

  void append_to(std::vector<wire::Payload>& payloads) const;
};

/// What is asked of the world, while the SA waits: AUTH values, a step of EAP, a lease.
enum class AuthStep : std::uint8_t { none, own, peer, eap, lease };

/// EAP (s2.16), as far as it has come.
struct EapState {
  std::size_t rounds = 0;
  bool has_succeeded = false;
  base::SecretBytes msk;  ///< then; empty when the method makes none
  bool is_mutual = false;
  base::ByteVec packet;  ///< the peer's, until our own round beside it is proved
  std::string failure;   ///< ours as the client, while the server hears of it
};

/// The IKE_INTERMEDIATE message being handled.
struct Received {
  wire::IkeHeader header;
  Unsealed message;
};

/// Lives until the peer is authenticated.
struct Handshake {
  base::ByteVec nonce_i, nonce_r;
  base::ByteVec init_request, init_response;
  base::SecretBytes sk_pi, sk_pr;
  std::unique_ptr<crypto::KeyExchange> ke;
  base::ByteVec cookie;
  unsigned retries = 0;
  std::optional<wire::NotifyPayload> refusal;  ///< unprotected: a hint until `refused_until`
  base::Instant refused_until;
  std::vector<ConnectionPtr> candidates;
  /// The peer's first message of IKE_AUTH; for the initiator its last one.
  std::vector<wire::Payload> peer_auth;
  PeerProof proof;  ///< the peer's, of the round under way
  AuthRounds auth;
  bool is_admitted_to_pending = false;
  std::optional<wire::IdPayload> peer_id;
  std::vector<wire::CertReqPayload> certificate_wishes;  ///< the peer's
  std::optional<EapState> eap;
  std::unique_ptr<OwnProof> first_proof;  ///< the responder's, to go with the next EAP packet
  std::optional<LeaseReply> lease;
  policy::UserGrant grant;  ///< of the peer
  std::optional<ChildOffer> offer;
  FirstChild first_child;
  AuthStep step = AuthStep::none;
  std::uint64_t auth_request = 0;
  std::optional<TicketStore::Held> resumes;  ///< our ticket, until the peer has answered
  std::optional<Ticket> ticket;              ///< the peer's
  bool is_resumed = false;
  std::unique_ptr<PuzzleSolver> solver;  ///< at work, in turns
  base::Instant solve_at;
  base::ByteVec solution;
  std::vector<wire::AuthMethod> peer_methods;  ///< announced (RFC 9593); not authentic
  // IKE_INTERMEDIATE
  std::deque<std::vector<wire::Payload>> rounds_planned;
  std::size_t rounds = 0;
  base::ByteVec int_auth_i, int_auth_r;
  std::optional<Received> received;
};

struct Session {
  policy::IkeSuite suite;
  std::unique_ptr<crypto::Prf> prf;
  base::SecretBytes sk_d;
  MessageProtection protection;
};

}  // namespace caponier::ike
