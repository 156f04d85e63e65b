#pragma once
// What an IKE SA wants to ask its peer, and what it has asked: waiting as a wish, then under way
// until the answer comes.

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "crypto/crypto.h"
#include "ike/child_negotiation.h"
#include "wire/ike.h"

namespace caponier::ike {

// Wishes.
struct WantChild {
  std::string name;
  crypto::KeGroup group = crypto::KeGroup::none;  ///< none: the first that is offered
  unsigned retries = 0;
};
struct WantDeleteChild {
  base::Spi spi_in;
  std::optional<policy::ChildSaId> child;
};
struct WantLiveness {};
/// The last request of an IKE SA.
struct WantFarewell {
  std::vector<wire::Payload> payloads;
  EndReason reason{};
};
using Wish = std::variant<WantChild, WantDeleteChild, WantLiveness, WantFarewell>;

// Under way.
struct SentInit {};
struct SentAuth {};
/// A CREATE_CHILD_SA of ours that waits for its answer.
struct ChildCreation {
  ChildOffer offer;
  base::ByteVec nonce;
  std::unique_ptr<crypto::KeyExchange> ke;
  unsigned retries = 0;
};
struct SentInformational {
  std::optional<WantDeleteChild> deletion;
  bool is_farewell = false;
};
using Sent = std::variant<SentInit, SentAuth, ChildCreation, SentInformational>;

/// True for what must wait until no other request is under way.
[[nodiscard]] bool wants_quiet(const Wish& wish);
/// True for what no other request may join while it is under way.
[[nodiscard]] bool wants_quiet(const Sent& sent);

}  // namespace caponier::ike
