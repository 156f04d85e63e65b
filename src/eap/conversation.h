#pragma once
// The shape of every EAP conversation, whoever speaks: packets in, steps out. The lower layer is
// reliable and in order (IKEv2), so that there are no timers here, and what RFC 3748 s4 discards
// silently, in the hope of a better copy, ends the conversation: no other copy will come.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "base/time.h"
#include "eap/packet.h"
#include "eap/tls.h"

namespace caponier::eap {

/// The MSK that leaves a conversation (RFC 3748 s7.10), whatever the method filled of it.
inline constexpr std::size_t msk_size = 64;
/// Requests of one conversation; more is a loop.
inline constexpr std::size_t rounds_max = 100;
inline constexpr std::size_t identity_size_max = 253;  ///< RFC 7542 s2.2

enum class FailureReason : std::uint8_t {
  malformed,          ///< a packet that does not decode
  out_of_place,       ///< a packet that this state does not expect, or a wrong Identifier
  too_long,           ///< a message, an identity or a conversation above its limit
  no_common_method,   ///< a Nak left nothing
  bad_credentials,    ///< unknown user or wrong password: which of them is not told apart
  server_not_proven,  ///< client: the server does not know the password
  tls,                ///< the TLS handshake failed, certificates included
  identity_mismatch,  ///< the certificate is not that of the claimed identity
  refused_by_peer,    ///< the other side said that it failed
  backend_rejected,   ///< RADIUS said Access-Reject
  backend_silent,     ///< no RADIUS server answered, or none may be asked
  backend_invalid,    ///< RADIUS answered what makes no sense
  no_key,             ///< success without the MSK that was demanded
};
[[nodiscard]] std::string_view name_of(FailureReason reason);

/// A name from the wire, fit for a log line.
[[nodiscard]] std::string printable(std::string_view text);

/// What a back end allows the user, as it said; nothing of it is checked here.
struct Authorization {
  std::vector<std::string> filter_ids;  ///< RFC 2865 s5.11, groups by custom
  std::vector<ByteVec> classes;         ///< s5.25, to be returned in accounting; groups by custom
  std::optional<base::IpAddress> framed_ipv4;             ///< s5.8
  std::optional<base::IpAddress> framed_ipv4_netmask;     ///< s5.9
  std::optional<base::IpAddress> framed_ipv6;             ///< RFC 6911 s3.1
  std::vector<base::Prefix> framed_ipv6_prefixes;         ///< RFC 3162 s2.3
  std::vector<base::Prefix> delegated_ipv6_prefixes;      ///< RFC 4818
  std::vector<std::string> framed_routes;                 ///< s5.22, as text
  std::vector<base::IpAddress> dns;                       ///< RFC 6911 s3.2, [MS-RNAS] and RFC 2548
  std::optional<std::uint32_t> session_timeout_seconds;   ///< s5.27
  std::optional<std::uint32_t> idle_timeout_seconds;      ///< s5.28
  std::optional<std::uint32_t> interim_interval_seconds;  ///< RFC 2869 s5.16
  std::string reply_message;                              ///< s5.18; meant for the user
};

/// Of a conversation that succeeded.
struct Outcome {
  Type method = Type::none;
  Type inner_method = Type::none;  ///< of a tunnel; `none` also for PAP and what RADIUS hides
  bool is_mutual = false;          ///< as the method that was run, not as configured
  /// Who was authenticated: the inner identity of a tunnel, or what the certificate proves.
  std::string identity;
  /// What the EAP Identity response said, which proves nothing.
  std::string outer_identity;
  /// msk_size bytes, or empty when the method makes none.
  base::SecretBytes msk;
  CertifiedPeer peer;  ///< by TLS; empty without a certificate
  Authorization authorization;
};

/// The packet goes to the peer; its answer is to be handled next.
struct Send {
  ByteVec packet;
};
/// A back end owes an answer; nothing to send until then.
struct Wait {};
struct Success {
  ByteVec packet;  ///< empty on the client: EAP-Success has come
  Outcome outcome;
};
struct Failure {
  ByteVec packet;  ///< EAP-Failure; a client's last word (a TLS alert), or empty
  FailureReason reason{};
  std::string sentence;  ///< for our own log: may name the user, never a secret
};
/// After Success or Failure the conversation is over, and every further packet is a Failure.
using Step = std::variant<Send, Wait, Success, Failure>;

/// The side that asks: a server of our own (eap/server.h) or RADIUS's (radius/relay.h).
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  /// Once, before all else.
  [[nodiscard]] virtual Step start(base::Instant now) = 0;
  /// The peer's EAP response.
  [[nodiscard]] virtual Step handle(Bytes packet, base::Instant now) = 0;
};

}  // namespace caponier::eap
