#pragma once
// What an IKE SA wants to ask its peer, and what it has asked: waiting as a wish, then under way
// until the answer comes.

#include <algorithm>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "crypto/crypto.h"
#include "ike/actions.h"
#include "ike/child_negotiation.h"
#include "ike/endpoint.h"
#include "ike/message_id_sync.h"
#include "ike/mobility.h"
#include "wire/ike.h"

namespace caponier::ike {

// Wishes.
struct WantChild {
  std::string name;
  crypto::KeGroup group = crypto::KeGroup::none;  ///< none: the first that is offered
  unsigned retries = 0;
  std::optional<policy::ChildSaId> replaces{};  ///< a rekey (s1.3.3)
  std::optional<policy::Trigger> trigger{};
  std::optional<policy::ResourceId> resource{};  ///< besides the first (RFC 9611)
};
struct WantIkeRekey {
  crypto::KeGroup group = crypto::KeGroup::none;
  unsigned retries = 0;
};
struct WantDeleteChild {
  base::Spi spi_in;
  std::optional<policy::ChildSaId> child;
  policy::SaProtocol protocol{};
};
struct WantLiveness {};
/// What Mobility has to ask or say when its turn comes.
struct WantAddresses {};
/// Something to tell that asks for nothing.
struct WantNotice {
  std::vector<wire::Payload> payloads;
};
struct WantProbe {
  ProbePath probe;
};
/// The last request of an IKE SA.
struct WantFarewell {
  std::vector<wire::Payload> payloads;
  EndReason reason{};
};
using Wish = std::variant<WantChild, WantIkeRekey, WantDeleteChild, WantLiveness, WantAddresses,
                          WantNotice, WantProbe, WantFarewell>;

/// What waits: for room in the window, in this order, and for its time.
struct Wishes {
  std::list<Wish> due;  ///< hardly ever any, and an empty deque is not small
  std::multimap<base::Instant, Wish> postponed;

  [[nodiscard]] std::size_t size() const { return due.size() + postponed.size(); }
  template <class Predicate>
  [[nodiscard]] bool has(Predicate is_same) const {
    return std::ranges::any_of(due, is_same) ||
           std::ranges::any_of(postponed, [&](const auto& entry) { return is_same(entry.second); });
  }
  template <class Predicate>
  void drop(Predicate is_moot) {
    std::erase_if(due, is_moot);
    std::erase_if(postponed, [&](const auto& entry) { return is_moot(entry.second); });
  }
};

/// What the peer could not do just now (RFC 7296 s2.25).
struct Troubles {
  unsigned in_a_row = 0;
  std::optional<base::Instant> since;
  base::Instant until;  ///< what comes later begins a new row
};

// Under way.
struct SentInit {};
struct SentAuth {};
struct SentIntermediate {};
/// Outside the window, with Message ID 0 (RFC 6311).
struct SentSync {
  MessageIdSync values;
  std::uint64_t skip_inbound = 0;
};
/// What the peer's exchange has made while ours about the same SA is under way (s2.8.1, s2.8.2).
template <class Id>
struct Rival {
  Id made;
  base::ByteVec lowest_nonce;
};
/// A CREATE_CHILD_SA of ours that waits for its answer.
struct ChildCreation {
  ChildOffer offer;
  base::ByteVec nonce;
  std::unique_ptr<crypto::KeyExchange> ke;
  unsigned retries = 0;
  std::optional<policy::ChildSaId> replaces;
  std::optional<Rival<policy::ChildSaId>> rival;
  /// SPIs we do not know that the peer has deleted meanwhile: of an SA whose making is late.
  std::vector<base::Spi> deleted{};
  std::optional<policy::ResourceId> resource{};  ///< of what it makes
  /// One more SA of a child, not a rekey of one.
  [[nodiscard]] bool is_additional() const { return resource && !replaces; }
};
/// The same for a new IKE SA.
struct IkeCreation {
  IkeSaId id;
  base::IkeSpi spi;  ///< ours
  base::ByteVec nonce;
  std::unique_ptr<crypto::KeyExchange> ke;
  crypto::KeGroup group{};
  unsigned retries = 0;
  std::optional<Rival<IkeSaId>> rival;
};
struct SentInformational {
  std::optional<WantDeleteChild> deletion{};
  bool is_farewell = false;
  std::optional<AddressRequest> addresses{};
  std::optional<PathProbed> probe{};  ///< what is to be told, once it is known
};
using Sent = std::variant<SentInit, SentAuth, SentIntermediate, SentSync, ChildCreation,
                          IkeCreation, SentInformational>;

/// The peer's request that is being answered.
struct Answering {
  wire::IkeHeader header;
  base::Path path;
};

[[nodiscard]] Task task_of(const Wish& wish);
[[nodiscard]] Task task_of(const Sent& sent);
/// True for what must wait until no other request is under way.
[[nodiscard]] bool wants_quiet(const Wish& wish);
/// True for what no other request may join while it is under way.
[[nodiscard]] bool wants_quiet(const Sent& sent);

}  // namespace caponier::ike
