#pragma once
// Our side of RADIUS: requests in, datagrams out, answers back. Several servers, the first that
// lives; retransmission (RFC 5080 s2.2.1), fail-over, and 256 requests under way for each server
// and source port. One object for the whole gateway.

#include <compare>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/rng.h"
#include "base/strong.h"
#include "base/time.h"
#include "radius/packet.h"

namespace caponier::radius {

using base::Instant;

struct Server {
  std::string name;
  base::Endpoint authentication;             ///< UDP, 1812 by custom
  std::optional<base::Endpoint> accounting;  ///< 1813 by custom
  base::SecretBytes secret;
};

struct ClientSettings {
  base::Duration first_wait = std::chrono::seconds{2};  ///< then doubled, and jittered
  unsigned transmissions_per_server = 3;
  /// So long a server that was silent is not asked while another one is there.
  base::Duration dead_time = std::chrono::seconds{60};
  std::uint16_t ports_max = 16;  ///< source ports, and so 256 requests each for a server
};

/// One of our source ports, by number from 0; the driver opens a socket when it sees a new one, on
/// a port that the kernel chooses.
using PortHandle = base::Strong<struct PortHandleTag, std::uint16_t>;
using RequestId = base::Strong<struct RequestIdTag, std::uint64_t>;
/// By position in the list given at construction.
using ServerIndex = base::Strong<struct ServerIndexTag, std::size_t>;

/// The attributes of a request, in order; the client adds Message-Authenticator.
struct RequestAttribute {
  AttributeType type{};
  ByteVec value;
};
struct Request {
  Code code = Code::access_request;  ///< or accounting_request
  std::vector<RequestAttribute> attributes;
  ByteVec eap_message;
  /// The server that began the conversation: only it knows the State. Empty: any.
  std::optional<ServerIndex> server;
};

/// An authentic answer.
struct Answer {
  RequestId request;
  ServerIndex server;
  ByteVec packet;                   ///< decodes
  base::SecretBytes mppe_recv_key;  ///< empty when there is none
  base::SecretBytes mppe_send_key;
};
/// No server answered, or the one that had to.
struct NoAnswer {
  RequestId request;
};
struct Transmit {
  PortHandle port;
  base::Endpoint to;
  ByteVec datagram;
};
/// A server went silent or speaks again; for events.
struct ServerChanged {
  ServerIndex server;
  bool is_alive = false;
};
using Action = std::variant<Transmit, Answer, NoAnswer, ServerChanged>;

enum class SubmitError : std::uint8_t {
  no_server,  ///< none is configured for this kind of request
  too_large,  ///< it does not fit into a packet
  busy,       ///< every identifier of every port is under way
};
[[nodiscard]] std::string_view name_of(SubmitError error);

/// Since the beginning, for each server.
struct ServerCounters {
  std::uint64_t requests = 0;
  std::uint64_t retransmissions = 0;
  std::uint64_t answers = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t malformed = 0;
  std::uint64_t wrong_authenticator = 0;  ///< either of the two
  std::uint64_t no_message_authenticator = 0;
  std::uint64_t unexpected = 0;  ///< late or repeated answers, foreign codes
};

class RadiusClient {
 public:
  /// `crypto` and `rng` must outlive the client.
  RadiusClient(ClientSettings settings, std::vector<Server> servers,
               const crypto::LegacyCrypto& crypto, base::Rng& rng);
  ~RadiusClient();
  RadiusClient(const RadiusClient&) = delete;
  RadiusClient& operator=(const RadiusClient&) = delete;

  [[nodiscard]] std::expected<RequestId, SubmitError> submit(Request request, Instant now);
  /// Nobody wants the answer any more; unknown ids are harmless.
  void cancel(RequestId request);
  void handle_datagram(PortHandle port, const base::Endpoint& from, Bytes datagram, Instant now);
  void handle_deadline(Instant now);
  [[nodiscard]] std::optional<Action> poll_action();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;

  [[nodiscard]] const Server& server(ServerIndex index) const;
  [[nodiscard]] std::size_t servers() const;
  [[nodiscard]] bool is_alive(ServerIndex index, Instant now) const;
  [[nodiscard]] const ServerCounters& counters(ServerIndex index) const;
  /// Datagrams from nobody we asked.
  [[nodiscard]] std::uint64_t strangers() const;
  [[nodiscard]] std::size_t under_way() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::radius
