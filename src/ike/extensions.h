#pragma once
// What the two sides tell each other that they can: the notifies of IKE_SA_INIT and IKE_AUTH that
// negotiate extensions. One place for all of them; the extensions themselves live in their files.

#include <cstdint>
#include <vector>

#include "ike/auth_methods.h"
#include "ike/config.h"
#include "wire/ike.h"

namespace caponier::ike {

/// What the peer has said. Whether we want it too is asked where it is used.
struct PeerSupport {
  // IKE_SA_INIT
  bool fragmentation = false;            ///< RFC 7383
  bool intermediate = false;             ///< RFC 9242
  bool childless = false;                ///< RFC 6023; only responders say so
  bool redirect = false;                 ///< RFC 5685; only initiators say so
  bool prefers_udp_encap = false;        ///< is Caponier, and may choose
  policy::Product product{};             ///< as it looks
  SignatureHashes signature_hashes = 0;  ///< RFC 7427
  bool certificate_lookup = false;       ///< HTTP_CERT_LOOKUP_SUPPORTED; also in IKE_AUTH
  bool multiple_auth = false;            ///< RFC 4739; initiators say so in IKE_AUTH
  // IKE_AUTH
  bool mobike = false;               ///< RFC 4555
  bool message_id_sync = false;      ///< RFC 6311
  bool replay_counter_sync = false;  ///< RFC 6311
  unsigned window_size = 1;          ///< RFC 7296 s2.3; also from INFORMATIONAL

  void note_init(const std::vector<wire::Payload>& payloads);
  void note_auth(const std::vector<wire::Payload>& payloads);
  void note_window_size(const std::vector<wire::Payload>& payloads);
};

/// Whether our IKE_SA_INIT response `message` has agreed to ESP in UDP.
[[nodiscard]] bool agrees_to_udp_encap(base::Bytes message);

void append_init_request_notifies(std::vector<wire::Payload>& payloads,
                                  const ConnectionConfig& connection);
/// `peer`: what its request has said.
void append_init_response_notifies(std::vector<wire::Payload>& payloads,
                                   const ConnectionConfig& connection, const PeerSupport& peer);
/// What helps an initiator but is not for every response: an answer to a stranger is never longer
/// than the request. Most useful first.
[[nodiscard]] std::vector<wire::Payload> optional_init_response_notifies(
    const ConnectionConfig& connection, const std::vector<wire::AuthMethod>& methods);
/// How many requests of the peer may be under way at once.
[[nodiscard]] unsigned peer_window_size(const ConnectionConfig& connection,
                                        const IkeLimits& limits);
void append_auth_request_notifies(std::vector<wire::Payload>& payloads,
                                  const ConnectionConfig& connection, const IkeLimits& limits);
void append_auth_response_notifies(std::vector<wire::Payload>& payloads,
                                   const ConnectionConfig& connection, const IkeLimits& limits,
                                   const PeerSupport& peer);

}  // namespace caponier::ike
