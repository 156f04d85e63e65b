#pragma once
// What a RADIUS server asks of us at any time (RFC 5176): Disconnect and Change-of-Authorization.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "radius/accounting.h"
#include "radius/packet.h"

namespace caponier::radius {

struct DynamicClient {
  base::IpAddress address;  ///< of the server that may ask
  base::SecretBytes secret;
};

struct DynamicSettings {
  std::vector<DynamicClient> clients;
  /// Event-Timestamp may be off by so much (RFC 5176 s6.3).
  std::uint32_t clock_skew_seconds_max = 300;
  /// Refuse requests without Event-Timestamp, whose replay nothing else would stop.
  bool demand_timestamp = true;
};
/// Requests remembered for each client, so that a repeated one gets the same answer and a replayed
/// one does nothing.
inline constexpr std::size_t remembered_max = 1024;

using DynamicId = base::Strong<struct DynamicIdTag, std::uint64_t>;

/// Whom it is about: every field that is there must match the session. All empty: the request is
/// refused before it gets here.
struct SessionSelector {
  std::string user_name;
  std::string acct_session_id;
  std::string calling_station_id;
  std::string nas_port_id;
  std::optional<std::uint32_t> nas_port;
  std::vector<base::IpAddress> framed_addresses;
  std::vector<ByteVec> classes;
};

/// To be answered by answer().
struct DynamicRequest {
  DynamicId id;
  bool is_disconnect = false;  ///< else CoA
  SessionSelector session;
  eap::Authorization changes;  ///< CoA only
};

enum class ErrorCause : std::uint16_t {  // RFC 5176 s3.5
  none = 0,
  residual_session_removed = 201,
  unsupported_attribute = 401,
  missing_attribute = 402,
  nas_identification_mismatch = 403,
  invalid_request = 404,
  unsupported_service = 405,
  administratively_prohibited = 501,
  session_context_not_found = 503,
  resources_unavailable = 506,
  multiple_session_selection_unsupported = 508,
};

struct DynamicTransmit {
  base::Endpoint to;
  ByteVec datagram;
};
using DynamicAction = std::variant<DynamicRequest, DynamicTransmit>;

struct DynamicCounters {
  std::uint64_t requests = 0;
  std::uint64_t repeated = 0;
  std::uint64_t strangers = 0;
  std::uint64_t malformed = 0;
  std::uint64_t wrong_authenticator = 0;
  std::uint64_t stale = 0;     ///< Event-Timestamp missing or off
  std::uint64_t overload = 0;  ///< ignored: remembered_max others are current
  std::uint64_t refused = 0;   ///< answered with a NAK of our own
};

class DynamicAuthorization {
 public:
  /// `nas` is what requests must be meant for, where they say. `crypto` must outlive the object.
  DynamicAuthorization(DynamicSettings settings, NasAttributes nas,
                       const crypto::LegacyCrypto& crypto);
  void handle_datagram(const base::Endpoint& from, Bytes datagram, UnixSeconds now);
  /// `cause` none: ACK. Unknown ids are harmless.
  void answer(DynamicId id, ErrorCause cause);
  [[nodiscard]] std::optional<DynamicAction> poll_action();
  [[nodiscard]] const DynamicCounters& counters() const { return counters_; }

 private:
  /// A request and, once given, its answer.
  struct Known {
    DynamicId id;
    base::Endpoint from;
    Code code{};
    std::uint8_t identifier = 0;
    Authenticator authenticator{};
    UnixSeconds at;  ///< Event-Timestamp, or when it came
    ByteVec answer;
  };

  [[nodiscard]] bool is_current(UnixSeconds at, UnixSeconds now) const;
  [[nodiscard]] bool is_fresh(const PacketView& packet, UnixSeconds now) const;
  /// A request that has come before gets the same answer; whether it has.
  [[nodiscard]] bool answer_again(std::size_t client, const base::Endpoint& from,
                                  const PacketView& packet);
  /// False when what is remembered could still be replayed and there is no room for more.
  [[nodiscard]] bool remember(std::size_t client, const base::Endpoint& from,
                              const PacketView& packet, UnixSeconds now);
  void judge(DynamicId id, const PacketView& packet);
  void refuse(DynamicId id, ErrorCause cause);

  DynamicSettings settings_;
  NasAttributes nas_;
  const crypto::LegacyCrypto& crypto_;
  DynamicCounters counters_;
  std::uint64_t next_id_ = 1;
  std::vector<std::deque<Known>> known_;  ///< for each client, oldest first
  std::deque<DynamicAction> actions_;
};

}  // namespace caponier::radius
