#pragma once
// What an IKE SA keeps until the peer is authenticated, and the keys it has from then on.

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "ike/child_negotiation.h"
#include "ike/ike_session_resume.h"
#include "ike/keys.h"
#include "ike/protection.h"
#include "ike/puzzle.h"
#include "ike/resumption.h"
#include "ike/shared.h"

namespace caponier::ike {

enum class AuthStep : std::uint8_t { none, own, peer };

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
  std::vector<wire::Payload> peer_auth;  ///< the IKE_AUTH message whose AUTH is being checked
  std::optional<ChildOffer> offer;
  std::optional<policy::Trigger> trigger;  ///< of the first child
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
