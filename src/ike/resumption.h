#pragma once
// Session resumption (RFC 5723), ticket by value: what a ticket holds, the responder's sealing of
// it, and the initiator's store.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/rng.h"
#include "base/secret.h"
#include "base/time.h"
#include "crypto/crypto.h"
#include "ike/config.h"
#include "policy/proposal.h"
#include "wire/ike.h"

namespace caponier::ike {

/// What both sides remember of an IKE SA, for the one that may follow it (s5).
struct Resumable {
  std::string connection;
  wire::IdPayload id_i, id_r;
  policy::IkeSuite suite;
  base::SecretBytes sk_d;
  base::ByteVec credential_tag;  ///< of the connection when the ticket was made
  base::Instant expires;

  [[nodiscard]] Resumable duplicate() const;
};

/// An opened ticket.
struct Ticket {
  std::uint64_t serial = 0;
  Resumable state;
};

/// Seals tickets with a key of its own, which changes; the one before it still opens. Tickets do
/// not outlive the process: then nobody would know which have been used.
class TicketMaker {
 public:
  /// `rng` must outlive the object.
  TicketMaker(const crypto::CryptoProvider& crypto, base::Rng& rng, const IkeLimits& limits,
              base::Instant now);

  /// Empty when it cannot be made.
  [[nodiscard]] base::ByteVec seal(const Resumable& state, base::Instant now);
  /// Null: not ours, expired, or used up.
  [[nodiscard]] std::optional<Ticket> open(base::Bytes ticket, base::Instant now);
  /// An IKE SA came up with it: never again. When too many are remembered, all other tickets end.
  void use_up(const Ticket& ticket, base::Instant now);

 private:
  struct Key {
    std::unique_ptr<crypto::PacketCipher> cipher;
    std::uint8_t id = 0;
    std::uint64_t next_iv = 0;
  };
  [[nodiscard]] Key make_key(std::uint8_t id) const;
  void rotate(base::Instant now);

  const crypto::CryptoProvider& crypto_;
  base::Rng& rng_;
  IkeLimits limits_;
  Key current_, previous_;
  base::Instant rotated_at_;
  std::uint64_t next_serial_ = 0;
  std::map<std::uint64_t, base::Instant> used_;  ///< serial, with when it would have expired
};

/// The tickets we were given, one a connection.
class TicketStore {
 public:
  struct Held {
    Resumable state;
    base::ByteVec ticket;
    std::uint64_t owner = 0;  ///< the IKE SA it came with
  };
  void keep(Held held);
  /// Gone from the store: a ticket is for one use (s4.3.1). Null when there is none that is still
  /// good for this connection.
  [[nodiscard]] std::optional<Held> take(const ConnectionConfig& connection, base::Instant now);
  void forget(const std::string& connection) { held_.erase(connection); }
  /// The one that came with this IKE SA.
  void forget(const std::string& connection, std::uint64_t owner);
  [[nodiscard]] bool has(const std::string& connection) const { return held_.contains(connection); }

 private:
  std::map<std::string, Held> held_;
};

/// TICKET_LT_OPAQUE (s7.1).
struct GivenTicket {
  base::Duration lifetime{};
  base::ByteVec ticket;
};
[[nodiscard]] wire::NotifyPayload make_given_ticket(const GivenTicket& given);
[[nodiscard]] std::optional<GivenTicket> read_given_ticket(const wire::NotifyPayload& notify);

}  // namespace caponier::ike
