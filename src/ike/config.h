#pragma once
// What the IKE machines need to know of the configuration: values, validated above.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/secret.h"
#include "base/time.h"
#include "ike/redirect.h"
#include "policy/child_sa.h"
#include "policy/identity_pattern.h"
#include "policy/product.h"
#include "policy/proposal.h"
#include "policy/traffic_selector.h"
#include "wire/ike.h"

namespace caponier::ike {

/// One wished Child SA.
struct ChildConfig {
  std::string name;
  policy::SaMode mode = policy::SaMode::tunnel;
  policy::Offers offers;           ///< ESP or AH
  policy::TrafficSelectors local;  ///< what we protect on our side
  policy::TrafficSelectors remote;
  /// These are the inner addresses that the responder gives out, as soon as they are known.
  bool is_local_leased = false;
  bool is_remote_leased = false;
  policy::Lifetime lifetime;
  std::uint32_t replay_window = 4096;
  policy::SaTreatment treatment{};
  /// RFC 9611: for so many resources there may be an SA besides the first; 0: neither asked for nor
  /// given.
  std::uint32_t resources = 0;
};

/// How one side proves who it is.
enum class AuthKind : std::uint8_t {
  shared_key,
  null,       ///< not at all (RFC 7619)
  signature,  ///< by a certificate or a raw public key
  eap,        ///< initiators only (RFC 7296 s2.16)
};

/// How we prove once who we are. Several rounds are RFC 4739.
struct OwnRound {
  AuthKind kind = AuthKind::shared_key;
  policy::Identity identity;
  /// What the peer may call us as well: the same name, encoded otherwise.
  std::optional<policy::IdentityPattern> names{};
  [[nodiscard]] bool is_called(const policy::Identity& wanted) const {
    return policy::is_same(identity, wanted) || (names && names->matches(wanted));
  }
};

/// How the peer has to prove once who it is.
struct PeerRound {
  std::vector<AuthKind> kinds{AuthKind::shared_key};  ///< what we accept, nothing else
  /// Null: any that proves the key. Before EAP a peer calls itself as it likes.
  std::optional<policy::IdentityPattern> identity;
};

/// Which inner addresses an initiator asks for.
struct AddressWish {
  bool ipv4 = true;
  bool ipv6 = true;
  friend bool operator==(const AddressWish&, const AddressWish&) = default;
};

/// IKE_AUTH without a Child SA (RFC 6023).
enum class Childless : std::uint8_t {
  never,   ///< neither offered nor accepted
  allow,   ///< accepted; initiated only when there is no child to negotiate
  prefer,  ///< initiated too where the peer can
};

/// What happens when the same peer has an IKE SA already.
enum class Unique : std::uint8_t {
  coexist,  ///< "no": both live; INITIAL_CONTACT ends the older ones
  replace,  ///< the new one takes the place of the older ones
  keep,     ///< the new one is refused, unless it brings INITIAL_CONTACT
  never,    ///< both live, whatever the peer says
};

/// One peer.
struct ConnectionConfig {
  std::string name;
  /// Null: any address of ours. A responder also matches on it.
  std::optional<base::IpAddress> local_address;
  /// The peer's addresses as far as known (a resolved name may have several); empty accepts any
  /// source, and the connection is then responder-only.
  std::vector<base::IpAddress> remote_addresses;
  std::vector<base::Prefix> remote_nets;  ///< from where the peer may come as well
  /// In this order, at least one each. Whose they are is the last ones' word: leases, uniqueness
  /// and what is told of the peer go by its last round.
  std::vector<OwnRound> own_rounds{1};
  std::vector<PeerRound> peer_rounds{1};
  policy::Offers offers;                                  ///< IKE
  std::vector<ChildConfig> children;                      ///< the first is negotiated in IKE_AUTH
  base::Duration dpd_interval{std::chrono::seconds{30}};  ///< liveness check after so much silence
  bool force_encap = false;  ///< pretend a NAT, so that ESP travels in UDP (RFC 7296 s2.23)
  /// ESP travels in UDP although there is no NAT, if the peer prefers that too.
  bool prefers_udp_encap = false;
  bool follows_redirects = true;  ///< RFC 5685, as the initiator
  /// As the responder: its peer is sent there with IKE_AUTH, once it is known who it is.
  std::optional<GatewayName> redirect_to;
  bool resumption = false;      ///< RFC 5723: tickets are asked for and given
  bool crash_detection = true;  ///< RFC 6290: tokens are given, and believed
  /// Changes with the credentials and identities; a ticket made under another one is refused.
  base::ByteVec credential_tag;
  bool fragmentation = true;           ///< of IKE messages (RFC 7383)
  std::uint16_t fragment_size = 1280;  ///< of the IP datagram that carries a fragment, in octets
  /// With EAP: the server need not prove itself otherwise if the method does it (RFC 5998).
  bool eap_only = false;
  base::ByteVec authorities;        ///< whose certificates are asked for (s3.7), 20 octets each
  bool asks_ocsp = false;           ///< and OCSP answers with them (RFC 4806)
  bool looks_up = false;            ///< certificates may come as hash and URL (s3.6)
  std::optional<AddressWish> wish;  ///< as the initiator: inner addresses (s2.19)
  bool gives_leases = false;        ///< as the responder: nobody comes in without one
  Childless childless = Childless::allow;
  Unique unique = Unique::coexist;
  /// Payloads for rounds of IKE_INTERMEDIATE (RFC 9242), one entry a round, when we initiate and
  /// the peer can. No file sets this: extensions do, and tests.
  std::vector<std::vector<wire::Payload>> intermediate;
  /// What the peer is; null: as its messages show it.
  std::optional<policy::Product> product;
  bool nat_traversal = true;  ///< false: no NAT detection; a NAT in the path is an attack
  bool mobike = false;        ///< offer and accept RFC 4555; tunnel mode only
  /// When we are behind a NAT and nothing else leaves (RFC 3948 s4).
  base::Duration keepalive_interval{std::chrono::seconds{20}};
  /// The IKE SA is rekeyed after this time, less a tenth by chance; zero: never.
  base::Duration ike_lifetime{std::chrono::hours{8}};
  std::optional<base::Duration> reauth_interval;  ///< authenticate anew after this time
  std::optional<base::Duration> auth_lifetime;    ///< what we demand of the peer (RFC 4478)
};

/// Named limits of everything a peer can make us keep or do. No defaults are hidden elsewhere.
struct IkeLimits {
  std::size_t half_open_max = 1024;    ///< responder SAs without a verified AUTH
  std::size_t cookie_threshold = 100;  ///< half-open SAs from which a cookie is demanded
  std::size_t half_open_per_address_max = 16;
  std::size_t half_open_bytes_max = std::size_t{64} << 20;  ///< of all half-open SAs together
  std::size_t cookie_threshold_per_net = 16;                ///< the same of one /24 or /64
  /// From this many half-open SAs on, one DH key pair serves all answers of a short time, so that
  /// a forged IKE_SA_INIT request costs none (RFC 7296 s2.12).
  std::size_t ke_reuse_threshold = 32;
  base::Duration ke_reuse_time{std::chrono::seconds{2}};
  std::size_t puzzle_threshold = 512;  ///< half-open SAs from which a puzzle is set (RFC 8019)
  std::uint8_t puzzle_bits = 18;
  std::uint8_t puzzle_bits_suspect = 20;  ///< for nets with too many half-open SAs
  unsigned puzzle_legacy_percent = 10;    ///< of those who bring a cookie only, are served
  std::uint8_t puzzle_bits_max = 22;      ///< harder ones are not tried, as the initiator
  std::size_t puzzle_hashes_max = std::size_t{1} << 26;  ///< for one puzzle, then it is left
  std::size_t puzzle_hashes_per_call = 4096;             ///< until others get their turn
  base::Duration puzzle_pause{std::chrono::milliseconds{1}};
  std::size_t redirects_max = 5;  ///< followed for one connection in redirect_period (RFC 5685 s7)
  base::Duration redirect_period{std::chrono::seconds{300}};
  base::Duration redirect_patience{std::chrono::seconds{10}};  ///< for the redirected to leave
  base::Duration ticket_lifetime{std::chrono::hours{4}};       ///< of those we give (RFC 5723)
  base::Duration ticket_key_lifetime{std::chrono::hours{24}};  ///< and accepted for one more
  std::size_t ticket_size_max = 1024;                          ///< of those we keep
  std::size_t tickets_used_max = 16384;                        ///< remembered until they expire
  base::Duration half_open_timeout{std::chrono::seconds{30}};
  /// With EAP, where a person may have to type something.
  base::Duration eap_timeout{std::chrono::minutes{2}};
  std::size_t eap_rounds_max = 100;
  /// Initiators whose EAP or certificate we or a back end are busy with. They have shown that they
  /// receive at their address, and so do not count as half open: a back end that hangs must not
  /// make us demand cookies and puzzles of everybody else.
  std::size_t auth_pending_max = 4096;
  std::size_t auth_pending_per_address_max = 64;
  std::size_t certificates_max = 16;     ///< of one message
  std::size_t inner_addresses_max = 16;  ///< of one IKE SA
  std::size_t children_per_ike_max = 64;
  /// Both ends may ask for the same resource's at once, and RFC 9611 s6 wants room for that.
  std::size_t sas_per_resource_max = 2;
  unsigned resource_retries_max = 3;  ///< while the peer cannot just now; then traffic asks again
  std::size_t ike_sas_per_peer_max = 8;  ///< of one identity; the oldest goes
  std::size_t ike_sas_max = 16384;       ///< all of them, half-open ones included
  std::size_t message_size_max = 65535;
  std::size_t action_queue_max = 4096;
  /// Retransmissions wait first, first*base, first*base^2 ... (RFC 7296 s2.4), then give up.
  base::Duration retransmit_first{std::chrono::milliseconds{1000}};
  double retransmit_base = 1.8;
  unsigned retransmit_tries = 6;
  /// On a TCP stream nothing is lost: a request is repeated on a new stream, or after so long.
  base::Duration stream_answer_wait{std::chrono::seconds{12}};
  std::size_t peer_addresses_max = 16;  ///< additional ones per IKE SA (RFC 4555 s3.4)
  /// A peer with several addresses, or we: so many copies of a repeated request try other paths.
  std::size_t probes_per_repeat_max = 4;
  unsigned nat_refusals_max = 6;  ///< UNEXPECTED_NAT_DETECTED in a row before a path is given up
  /// What asks nobody but us can decide waits so long for the other side to find a path (RFC 4555
  /// s3.11), and a host without any address for one of its own.
  base::Duration mobile_patience{std::chrono::minutes{5}};
  base::Duration cookie_lifetime{std::chrono::seconds{60}};
  /// Events that strangers can cause: a burst, then one an interval; the next one says how many
  /// were left out.
  std::size_t stranger_events_burst_max = 16;
  base::Duration stranger_event_interval{std::chrono::seconds{1}};
  /// Error notifies to strangers, likewise (RFC 7296 s2.21.4). Cookies are not counted.
  std::size_t stranger_answers_burst_max = 256;
  base::Duration stranger_answer_interval{std::chrono::milliseconds{5}};
  std::size_t own_requests_queue_max = 256;  ///< per IKE SA, waiting for the window
  /// Temporary failures and failed rekeys are tried again after first, doubled up to max, with a
  /// jitter of a quarter; failures that last too long end the IKE SA (RFC 7296 s2.25).
  base::Duration temporary_retry_first{std::chrono::seconds{1}};
  base::Duration temporary_retry_max{std::chrono::seconds{20}};
  base::Duration temporary_patience{std::chrono::minutes{3}};
  base::Duration rekey_retry_first{std::chrono::seconds{10}};
  base::Duration rekey_retry_max{std::chrono::minutes{5}};
  /// A Child SA the peer asked for sends no later than this, even if no sign of it came (s2.8).
  base::Duration activation_wait{std::chrono::seconds{10}};
  /// The peer deletes what it has replaced; should it forget, we do.
  base::Duration replaced_wait{std::chrono::seconds{30}};
  /// A replaced Child SA that both sides have deleted still receives what is under way.
  base::Duration replaced_linger{std::chrono::seconds{3}};
  std::size_t replaced_lingering_max = 64;  ///< of those, per IKE SA
  std::size_t lingering_max = 256;          ///< dead SAs kept for a while to answer retransmissions
  base::Duration linger_time{std::chrono::seconds{10}};
  /// Fragments of the peer's messages (RFC 7383) that wait for their siblings.
  std::size_t fragments_per_message_max = 64;
  std::size_t fragment_bytes_per_ike_max = 65536;
  std::size_t fragment_bytes_max = std::size_t{16} << 20;  ///< all SAs; strangers get half of it
  base::Duration fragment_lifetime{std::chrono::seconds{30}};
  /// Requests of the peer under way at once, as SET_WINDOW_SIZE tells it (RFC 7296 s2.3). Each
  /// costs one answer kept; more than one hides the round trip when many children come up together.
  unsigned peer_window_size = 1;
  unsigned own_window_size_max = 16;        ///< of ours, whatever the peer allows
  std::size_t intermediate_rounds_max = 8;  ///< RFC 9370 needs seven
  /// INVALID_MESSAGE_ID notices (RFC 7296 s2.3) per IKE SA: at most one in this time.
  base::Duration invalid_message_id_interval{std::chrono::seconds{60}};
};

/// RFC 6290 s5.1 s4.5: the present QCD_SECRET and at most three older ones.
inline constexpr std::size_t crash_secrets_max = 4;

struct EndpointConfig {
  std::uint16_t ike_port = 500;
  std::uint16_t natt_port = 4500;
  IkeLimits limits;
  /// SPIs of ours are spread over so many workers (base::worker_of); each is a resource of RFC
  /// 9611.
  std::uint32_t workers = 1;
  /// Newest first; they must outlive the process. Without any, no crash token is given (RFC 6290).
  std::vector<std::shared_ptr<const base::SecretBytes>> crash_secrets;
  std::optional<RedirectPolicy> redirect;
  bool export_keys = false;  ///< emit KeysExported actions (debug.allow_key_export and root only)
};

using Connections = std::vector<std::shared_ptr<const ConnectionConfig>>;

}  // namespace caponier::ike
