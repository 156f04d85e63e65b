#pragma once
// Everything the IKE endpoint asks of the world, and what the world may answer or command. A closed
// variant: adding an action breaks every driver at compile time, on purpose.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/event.h"
#include "base/secret.h"
#include "base/strong.h"
#include "crypto/registry.h"
#include "ike/redirect.h"
#include "policy/child_sa.h"
#include "policy/evidence.h"
#include "policy/identity.h"
#include "policy/trigger.h"
#include "policy/user_grant.h"
#include "wire/ike.h"

namespace caponier::ike {

struct IkeSaInfo;

/// Names one IKE SA for the life of the process; never reused.
using IkeSaId = base::Strong<struct IkeSaIdTag, std::uint64_t>;

/// Send this as the payload of a UDP datagram, or as one message on the TCP stream that `path`
/// names (RFC 9329; the driver adds prefix and length). The non-ESP marker is already there when
/// the local port is the NAT-T port, and always on a stream.
///
/// A stream is its path: only one of our own listening ports as path.local.port means that the peer
/// opened it. Any other local port was chosen by us, and the first Transmit opens the stream from
/// that very port. ESP never opens one. Every stream's end, and every failure to open one, is told
/// with Gateway::handle_stream_closed().
struct Transmit {
  base::Path path;
  base::ByteVec datagram;
  bool dont_fragment = false;  ///< neither here nor on the way
};

/// No IKE SA needs this stream of ours any more: to be closed once what waits in it has been sent.
/// Not answered with handle_stream_closed().
struct CloseStream {
  base::Path path;
};

/// What the peer has sent to prove who it is.
struct PeerProof {
  policy::Identity identity;
  wire::AuthMethod method{};
  base::ByteVec auth;
  std::vector<wire::CertPayload> certificates{};
};

/// Ask the keyholder for our AUTH value (RFC 7296 s2.15), or whether the peer's is right.
/// Answered with AuthReply, at once or later; the SA waits.
struct AuthRequest {
  IkeSaId sa;
  std::uint64_t request = 0;  ///< repeated in the reply
  std::string connection;
  /// Of RFC 4739, from 0: of our own rounds, or of the peer's when there is a proof.
  std::size_t round = 0;
  crypto::PrfId prf{};
  base::ByteVec signed_octets;       ///< InitiatorSignedOctets or ResponderSignedOctets
  std::optional<PeerProof> proof{};  ///< to be judged; null: ours is to be made
  /// For a signature of ours: the hashes that the peer knows (RFC 7427 s4; none: it knows only what
  /// RFC 7296 has), and which certificates it has asked for (s3.7).
  std::vector<std::uint16_t> hashes{};
  std::vector<wire::CertReqPayload> wishes{};
  bool peer_looks_up = false;  ///< certificates by hash and URL (HTTP_CERT_LOOKUP_SUPPORTED, s3.6)
};

enum class AuthOutcome : std::uint8_t {
  unavailable,  ///< the keyholder has nothing to make or to judge it with
  made,
  right,
  wrong,
};

struct AuthReply {
  IkeSaId sa;
  std::uint64_t request = 0;
  AuthOutcome outcome = AuthOutcome::unavailable;
  wire::AuthMethod method{};  ///< of what was made
  base::ByteVec auth{};
  std::vector<wire::CertPayload> certificates{};  ///< that go with it, ours first
  std::string why{};                              ///< for people, when it is wrong or unavailable
  std::string fault{};                            ///< likewise, a word: policy::Evidence::fault
  policy::UserGrant grant{};  ///< when it is right; comes back with LeaseRequest
};

/// One step of EAP (RFC 7296 s2.16): the peer's packet; as the server none at first. Answered with
/// EapReply, at once or later; the SA waits. Whoever answers keeps the conversation until EapEnded.
struct EapRequest {
  IkeSaId sa;
  std::uint64_t request = 0;  ///< repeated in the reply
  std::string connection;
  bool is_server = false;
  std::size_t round = 0;  ///< of the user's rounds (RFC 4739), from 0
  policy::Identity peer;  ///< what it calls itself; proves nothing
  base::Path path;
  std::optional<base::ByteVec> packet{};
};

struct EapReply {
  enum class Outcome : std::uint8_t { proceed, success, failure };

  IkeSaId sa;
  std::uint64_t request = 0;
  Outcome outcome = Outcome::failure;
  base::ByteVec packet{};     ///< for the peer; with failure its last word; may be empty
  base::SecretBytes msk{};    ///< with success, if the method makes one
  bool is_mutual = false;     ///< with success: the method has proved the server too (RFC 5998)
  std::string identity{};     ///< with success, of the server: who the peer is
  policy::UserGrant grant{};  ///< likewise; comes back with LeaseRequest
  std::string why{};          ///< with failure, for people
  std::string fault{};        ///< likewise, a word: policy::Evidence::fault
  bool is_peers_end = false;  ///< with failure, of a client: the server has ended it
};

/// No more EAP for this IKE SA, however it ended.
struct EapEnded {
  IkeSaId sa;
};

/// An authenticated peer asks for configuration (RFC 7296 s3.15). Answered with LeaseReply, at once
/// or later. What is given belongs to the IKE SA, and to the one that replaces it (IkeUp), until
/// LeaseEnded.
struct LeaseRequest {
  IkeSaId sa;
  std::uint64_t request = 0;  ///< repeated in the reply
  std::string connection;
  std::string identity;  ///< of the user: by EAP, else of the IKE SA
  std::vector<wire::ConfigAttribute> asked;
  policy::UserGrant grant{};
};

struct LeaseReply {
  IkeSaId sa;
  std::uint64_t request = 0;
  std::vector<base::IpAddress> addresses{};         ///< the peer's inner ones; none: none to be had
  std::vector<wire::ConfigAttribute> attributes{};  ///< the whole answer, addresses included
  std::string why{};                                ///< for people, when there are none
  /// The networks of ours that the user may reach: Child SAs are narrowed to them. None: all that
  /// the connection has.
  policy::TrafficSelectors networks{};
  /// Besides the networks: where the user asks us ourselves (policy::InstallSa).
  policy::TrafficSelectors services{};
  bool is_refused = false;  ///< the user is not to come in at all
};

/// The IKE SA is gone, and nothing has replaced it.
struct LeaseEnded {
  IkeSaId sa;
};

/// What the responder gave us: before the ChildUp of the first child.
struct Configured {
  IkeSaId sa;
  std::string connection;
  std::vector<base::IpAddress> addresses;
  std::vector<wire::ConfigAttribute> attributes;
};

enum class EndReason : std::uint8_t {
  timeout,         ///< no answer to a request
  peer_refused,    ///< an error notify ended the negotiation
  authentication,  ///< the peer's AUTH is wrong, or it said ours is
  no_proposal,     ///< no common algorithms
  selectors,       ///< no common traffic
  local_request,   ///< a command of ours
  peer_deleted,    ///< a DELETE payload of the peer
  expired,         ///< a hard lifetime
  replaced,        ///< a newer SA took its place
  protocol_error,  ///< the peer broke RFC 7296
  redirected,      ///< the peer sends us to another gateway
  peer_restarted,  ///< the peer proved that it has lost the SA
  local_fault,     ///< our own keyholder or crypto failed
  address_lost,    ///< our address is gone, and the SA cannot follow us to another
};
[[nodiscard]] std::string_view name_of(EndReason reason);

/// State changes for the reconciliation loop above.
/// The peer answered our IKE_SA_INIT; `path` is the one it was sent along. Or our first IKE_AUTH,
/// with EAP: `is_open`, for the way carries that too, and what follows may take a person's time.
struct IkeAnswered {
  IkeSaId sa;
  std::string connection;
  base::Path path;
  bool is_open = false;
};
struct IkeUp {
  IkeSaId sa;
  std::string connection;
  std::optional<IkeSaId> replaces{};  ///< a rekey: its children belong to `sa` from now on
};
struct IkeDown {
  IkeSaId sa;
  std::string connection;
  EndReason reason{};
  bool was_established = false;
  std::shared_ptr<const IkeSaInfo> last{};  ///< as it was
};
/// The peer `from` sends us to another gateway (RFC 5685). The caller initiates there; the IKE SA
/// with the old one, if there is one, ends by itself.
struct Redirected {
  IkeSaId sa;
  std::string connection;
  base::IpAddress from;
  GatewayName to;
};
struct ChildUp {
  IkeSaId sa;
  policy::ChildSaId child_sa;
  std::string connection;
  std::string child;
  std::optional<policy::ChildSaId> replaces{};   ///< a rekey: that one receives until it is deleted
  std::optional<policy::ResourceId> resource{};  ///< one more SA, for this one alone (RFC 9611)
};
/// A child that could not be negotiated has no child_sa (value 0). The IKE SA lives on.
struct ChildDown {
  IkeSaId sa;
  policy::ChildSaId child_sa;
  std::string connection;
  std::string child;
  EndReason reason{};
  std::shared_ptr<const IkeSaInfo> last{};  ///< the IKE SA with the child as it was; null: none was
};

/// What became of a ProbePath.
struct PathProbed {
  std::uint64_t probe = 0;  ///< as in the command
  /// The IP packet that was sent, which may be a little smaller than was wished; 0: this peer
  /// cannot be probed.
  std::size_t size = 0;
  bool carried = false;
};

/// Keys for Wireshark's ikev2_decryption_table; only when EndpointConfig::export_keys.
struct KeysExported {
  IkeSaId sa;
  base::IkeSpi spi_i;
  base::IkeSpi spi_r;
  policy::IkeSuite suite;
  base::SecretBytes sk_ei, sk_er, sk_ai, sk_ar;
};

using Action = std::variant<Transmit, CloseStream, policy::ExpectSa, policy::InstallSa,
                            policy::SwitchSa, policy::RemoveSa, policy::MoveSa, policy::SkipSa,
                            AuthRequest, EapRequest, EapEnded, LeaseRequest, LeaseEnded, Configured,
                            IkeAnswered, IkeUp, IkeDown, Redirected, ChildUp, ChildDown, PathProbed,
                            KeysExported, policy::Evidence, base::Event>;

/// Negotiate an IKE SA and its first child with this peer. Ignored while one for the same
/// connection is being negotiated or is up.
struct Initiate {
  std::string connection;
  base::Path path;  ///< ports: ours and the peer's IKE port (500), or both NAT-T ports; or a stream
  /// Also while another one is being negotiated: the first to be answered ends those that are not
  /// (IkeDown with EndReason::replaced).
  bool beside = false;
  /// The gateway that redirected us here (RFC 5685 s3).
  std::optional<base::IpAddress> redirected_from{};
  std::optional<policy::Trigger> trigger{};  ///< of the first child
  std::string
      child{};  ///< which is the one that comes with the IKE SA; empty: the first configured
};
/// CREATE_CHILD_SA for a configured child on the established IKE SA.
struct InitiateChild {
  std::string connection;
  std::string child;
  std::optional<policy::Trigger> trigger{};
  /// One more SA of a child that is up, for this resource alone (RFC 9611). Ignored when there is
  /// one, or the peer wants none; what fails is no ChildDown.
  std::optional<policy::ResourceId> resource{};
};
struct DeleteIke {
  std::string connection;         ///< all its IKE SAs
  std::string user{};             ///< only those of this one (IkeSaInfo::is_of()); empty: of all
  std::optional<IkeSaId> only{};  ///< this one alone
};
struct DeleteChild {
  policy::ChildSaId child_sa;
};
/// ESP authenticated by this Child SA arrived from a new address (RFC 7296 s2.23).
struct PeerMoved {
  policy::ChildSaId child_sa;
  base::Path path;
};
/// Any authenticated ESP of this Child SA since the last call: the peer lives (s2.4), and has this
/// SA installed (s2.8).
struct PeerHeard {
  policy::ChildSaId child_sa;
  std::optional<base::Path> path{};  ///< of the packet; one from elsewhere proves less (RFC 4555)
};
/// ESP of this Child SA left since the last call: NAT mappings on its path are fresh.
struct EspSent {
  policy::ChildSaId child_sa;
};
/// This TCP stream has ended or could not be opened.
struct StreamClosed {
  base::Path path;
};
/// Replace a Child SA by a new one with the same selectors (s1.3.3, s2.8).
struct RekeyChild {
  policy::ChildSaId child_sa;
};
/// Replace the established IKE SA of the connection; its children move (s1.3.2, s2.18).
struct RekeyIke {
  std::string connection;
  std::optional<IkeSaId> only{};  ///< this one, of several
};
/// Authenticate anew: a new IKE SA with children of its own, then the old one goes (s2.8.3).
struct Reauthenticate {
  std::string connection;
  std::optional<base::Path> path{};  ///< of the new IKE SA; empty: that of the old one
  std::optional<IkeSaId> only{};     ///< this one, of several
};
/// The addresses of this host that IKE may use, all of them, best first (RFC 4555 s3.4-3.6).
struct SetLocalAddresses {
  std::vector<base::IpAddress> addresses;
};
/// Send the peers of this connection's IKE SAs, as far as they initiated and said that they follow,
/// to another gateway (RFC 5685 s5).
struct RedirectPeer {
  std::string connection;
  GatewayName to;
};
/// A cluster member has taken the IKE SAs of this connection over from a state that may be stale:
/// agree with the peer on the Message IDs, and have it skip what it sent us in between (RFC 6311).
struct SyncMessageIds {
  std::string connection;
  std::uint64_t skip_inbound = 0;  ///< ESP packets we may have missed; 0: say nothing about ESP
};
/// Send an empty INFORMATIONAL now; the round-trip time appears in the snapshot.
struct CheckLiveness {
  std::string connection;
};
/// Find out whether the path of this Child SA's IKE SA carries IP packets of `size` octets: one
/// INFORMATIONAL that long, in one piece. Should it be lost, it is repeated without what made it
/// long, so that the IKE SA lives. Answered with PathProbed, unless the IKE SA ends.
struct ProbePath {
  policy::ChildSaId child_sa;
  std::size_t size = 0;
  std::uint64_t probe = 0;
};
/// Delete everything at the peers and accept nothing new; done when poll_deadline() is empty.
struct Shutdown {};

using Command =
    std::variant<Initiate, InitiateChild, DeleteIke, DeleteChild, RekeyChild, RekeyIke,
                 Reauthenticate, SetLocalAddresses, PeerMoved, PeerHeard, EspSent, StreamClosed,
                 SyncMessageIds, CheckLiveness, RedirectPeer, ProbePath, Shutdown>;

}  // namespace caponier::ike
