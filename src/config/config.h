#pragma once
// The configuration: TOML in, one immutable validated Config out, or every mistake with its place
// and its cure. Pure: files and secrets come through an interface.

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/secret.h"
#include "base/time.h"
#include "config/rounds.h"
#include "pki/provider.h"
#include "policy/child_sa.h"
#include "policy/identity_pattern.h"
#include "policy/product.h"
#include "policy/proposal.h"
#include "policy/trigger.h"
#include "wire/encrypted_dns.h"

namespace caponier::config {

struct Place {
  std::string file;
  unsigned line = 0;                            ///< from 1; 0 when the file as a whole is meant
  unsigned column = 0;                          ///< from 1
  [[nodiscard]] std::string to_string() const;  ///< "file:line:column"
  friend bool operator==(const Place&, const Place&) = default;
};

struct ConfigError {
  Place where;
  std::string message;  ///< what is wrong
  std::string fix;      ///< what to write or do instead
  /// "caponier.toml:3:1: unknown key 'remot' in [site.branch]\n  fix: did you mean 'remote'?"
  [[nodiscard]] std::string to_string() const;
};

struct FileError {
  std::string message;  ///< "No such file or directory", "readable by others (mode 0644)"
  std::string fix;
};

/// The public part of keys that another process has, by the name of the peer that they are for, or
/// held_name().
struct HeldKeys {
  struct Peer {
    base::ByteVec psk_fingerprint{};                      ///< empty: it has no pre-shared key
    std::shared_ptr<const pki::Credential> credential{};  ///< whose signer asks that process
  };
  std::map<std::string, Peer> peers;
  [[nodiscard]] Peer find(const std::string& name) const;
};

/// The only door to the outside. The driver reads files; tests hold them in memory.
class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual std::expected<std::string, FileError> read_config(
      const std::string& path) = 0;
  /// *.toml below conf.d beside the configuration file, in lexical order; may be empty.
  [[nodiscard]] virtual std::vector<std::string> list_fragments(const std::string& path) = 0;
  /// A secret "@name" from the secrets folder, or "cred:name" from the service manager. Refuses a
  /// file that others can read. Trailing newlines are the caller's to strip.
  [[nodiscard]] virtual std::expected<base::SecretBytes, FileError> read_secret(
      std::string_view reference) = 0;

  /// What certificates and keys are read with; null: there are none here.
  [[nodiscard]] virtual const pki::PkiProvider* pki() const { return nullptr; }
  /// A file of the pki folder. `is_private`: refused when others can read it.
  [[nodiscard]] virtual std::expected<base::SecretBytes, FileError> read_pki(
      const std::string& /*name*/, bool /*is_private*/) {
    return std::unexpected{FileError{"there is no pki folder here", ""}};
  }
  [[nodiscard]] virtual bool has_pki(const std::string& /*name*/) const { return false; }
  /// Null: pre-shared and private keys are read here. Else they are not.
  [[nodiscard]] virtual const HeldKeys* held_keys() const { return nullptr; }
  /// Whether pre-shared keys may be as weak as they are: what another product has used for years is
  /// not refused here. Whoever says so warns.
  [[nodiscard]] virtual bool takes_weak_secrets() const { return false; }
  /// The passwords of our own users, by name; each is refused as a secret is.
  [[nodiscard]] virtual std::expected<std::map<std::string, base::SecretBytes>, FileError>
  read_users() {
    return {};
  }
};

enum class PeerKind : std::uint8_t {
  site,    ///< [site.NAME]: tunnel mode between networks
  host,    ///< [host.NAME]: transport mode between the two hosts
  server,  ///< [server]: users come to us, and get an address
  client,  ///< [client.NAME]: we are such a user
};

enum class Encap : std::uint8_t {
  automatic,  ///< ESP in UDP when a NAT is found, or both ends are Caponier: it is faster
  native,     ///< ESP in UDP when a NAT is found, native ESP otherwise
  always,     ///< always ESP in UDP
  never,      ///< a NAT in the path is an attack: no NAT traversal, native ESP
};

/// TCP encapsulation (RFC 9329) towards a peer; as a responder we take it whenever we listen.
enum class Tcp : std::uint8_t {
  fallback,  ///< when UDP stays without an answer, and only until it has one again
  never,
  always,
};

/// host.NAME.ports: "tcp/5432", "udp/1000-2000", "tcp", "icmp".
struct PortRule {
  std::uint8_t protocol = 0;
  std::uint16_t first = 0;
  std::uint16_t last = 0xffff;
  friend bool operator==(const PortRule&, const PortRule&) = default;
};

/// When we bring a tunnel up.
enum class Start : std::uint8_t {
  on_command,  ///< only when a person says so; the peer may
  trap,        ///< when the first packet wants it
  at_once,     ///< and again whenever it is lost
};

/// How a side proves who it is.
enum class Auth : std::uint8_t {
  psk,
  null,    ///< not at all (RFC 7619)
  pubkey,  ///< by a certificate or a raw public key
  eap,     ///< a user, by name (RFC 7296 s2.16)
};

/// An IKE SA without a tunnel at first (RFC 6023).
enum class Childless : std::uint8_t { never, allow, prefer };

/// What happens when the same peer comes a second time; the words of swanctl.conf.
enum class Unique : std::uint8_t { no, replace, keep, never };

/// How IKE itself goes about its work with one peer.
struct ExchangeConfig {
  bool fragmentation = true;           ///< of IKE messages (RFC 7383)
  std::uint16_t fragment_size = 1280;  ///< of the IP datagram
  Auth auth = Auth::psk;
  Auth remote_auth = Auth::psk;
  Childless childless = Childless::allow;
  Unique unique = Unique::no;
  friend auto operator<=>(const ExchangeConfig&, const ExchangeConfig&) = default;
};

/// Another gateway: an address, or a name that whoever is sent there resolves.
struct RedirectTarget {
  std::string name;  ///< as written
  std::optional<base::IpAddress> address;
  friend bool operator==(const RedirectTarget&, const RedirectTarget&) = default;
};

using SharedSecret = std::shared_ptr<const base::SecretBytes>;

/// A key for whoever is one of these; of several keys that of the closest owner is taken.
struct SharedKey {
  std::vector<policy::IdentityPattern> owners;  ///< none: anybody
  SharedSecret secret;
};

/// What proves who we are and who the peer is, besides a pre-shared key.
struct ProofConfig {
  std::shared_ptr<const pki::Credential> credential;  ///< ours
  /// Files of Config::store: the peer's certificate must lead to one of them.
  std::vector<std::string> authorities;
  std::vector<pki::KeyHash> authority_keys;  ///< of them, for CERTREQ
  std::optional<pki::PublicKey> peer_key;    ///< or this very key
  pki::Revocation revocation = pki::Revocation::relaxed;
  std::string cert_url;  ///< where our certificate is to be had, for peers that look it up
  /// The peer may name its certificates by hash and URL (RFC 7296 s3.6) where one of these begins
  /// it. They are fetched before the peer is known, and so from nowhere else.
  std::vector<std::string> hash_and_url;
  std::string user;  ///< EAP, as the client
  /// Who the server of a TLS method must be; not always the gateway.
  std::optional<policy::Identity> eap_server;
  SharedSecret password;
};

/// What our own server of EAP offers.
enum class EapMethod : std::uint8_t { tls, mschapv2, ttls, peap };

/// RADIUS servers, in the order in which they are asked.
struct RadiusConfig {
  std::vector<base::Endpoint> servers;  ///< that know the users; none: only accounting
  SharedSecret secret;
  std::vector<base::Endpoint> accounting;            ///< RFC 2866; none: there is no accounting
  base::Duration interim{std::chrono::minutes{10}};  ///< of accounting, unless RADIUS says else
  std::optional<base::Endpoint> coa;  ///< where Disconnect and CoA are taken (RFC 5176)
  std::vector<base::IpAddress> coa_clients;
};

/// [group.NAME]: what some users may reach, and what they are given instead of what [server] has.
/// A user is in the first group, in the order of the files, that any of its lists names it in.
struct GroupConfig {
  std::string name;
  Place where;
  std::vector<std::string> members;    ///< users by name: "alice", "*@example.org"
  std::vector<std::string> filters;    ///< RADIUS: Filter-Id, or Class as text
  std::vector<std::string> units;      ///< OU of the certificate
  std::vector<std::string> policies;   ///< certificate policies, dotted
  std::vector<base::Prefix> networks;  ///< within [server] local_nets; none: all of them
  std::vector<base::Prefix> pools;     ///< none: those of [server]
  std::vector<base::IpAddress> dns;    ///< none: those of [server]
  friend bool operator==(const GroupConfig&, const GroupConfig&) = default;
};

/// What a server gives to its users (RFC 7296 s2.19), and how they may prove who they are.
struct ServerConfig {
  std::vector<base::Prefix> pools;
  std::vector<base::Prefix> all_pools;  ///< with those of groups
  /// Ours within local_nets, one of a family: where users find the server; none: the host's own.
  std::vector<base::IpAddress> addresses;
  std::vector<base::IpAddress> dns;
  std::vector<base::IpAddress> wins;  ///< NetBIOS name servers; IPv4
  std::vector<std::string> domains;   ///< whose names the DNS servers know; none: all (RFC 8598)
  /// How the same servers are asked in secret (RFC 9464); without addresses.
  std::vector<wire::EncryptedDns> dns_encrypted;
  bool certificates = true;
  bool passwords = false;                         ///< of our own users
  std::vector<EapMethod> eap;                     ///< in this order; none: as the two above say
  std::vector<std::string> radius_servers;        ///< as written
  bool refuses_others = false;                    ///< who is in no group
  std::optional<base::Duration> session_timeout;  ///< unless RADIUS says else
  std::optional<base::Duration> idle_timeout;     ///< likewise
  friend bool operator==(const ServerConfig&, const ServerConfig&) = default;
};

/// One end of what a Child SA protects.
struct Reach {
  policy::TrafficSelectors nets;
  /// Of whatever address this end has: an inner one that it was given, else its outer one.
  std::vector<PortRule> own{};

  [[nodiscard]] static Reach of(const std::vector<base::Prefix>& nets);
  [[nodiscard]] static Reach of_itself() { return {{}, {PortRule{}}}; }
  /// The addresses of `nets`, each once.
  [[nodiscard]] std::vector<base::Prefix> prefixes() const;
  friend bool operator==(const Reach&, const Reach&) = default;
};

/// One wished Child SA of a peer.
struct ChildConfig {
  std::string name;  ///< of the only one: the peer's
  Reach local;
  Reach remote;
  std::vector<PortRule> ports;  ///< host; empty = everything
  policy::Offers esp;
  policy::Offers ah;                             ///< instead of ESP, when there are any
  policy::SaMode mode = policy::SaMode::tunnel;  ///< site: tunnel or BEET; host: transport
  Start start = Start::at_once;                  ///< on_command by default for "any"
  /// What is wanted after the peer has deleted it, and after the peer was lost; empty: as before.
  std::optional<Start> after_close, after_loss;
  policy::PfpFlags pfp;  ///< an SA of its own for each value of these
  /// RFC 9611: at most so many workers have an SA of their own besides the first, which is for all.
  unsigned per_cpu_sas = 0;
  /// Without a hard limit beside a soft one, it follows a quarter later.
  policy::Lifetime lifetime{.soft_time = std::chrono::hours{1}};
  std::uint32_t replay_window = 4096;
  policy::SaTreatment treatment;
  /// A command that is told when the first SA is up and when the last one is gone; empty: none.
  std::string updown;
  bool hostaccess = false;      ///< told to it: this host takes part in what the tunnel carries
  base::Duration inactivity{};  ///< what has carried nothing for so long goes; zero: it stays
  friend bool operator==(const ChildConfig&, const ChildConfig&) = default;
};

struct PeerConfig {
  std::string name;
  PeerKind kind = PeerKind::site;
  Place where;
  std::string remote;                             ///< as written: address, name, or "any"
  std::optional<base::IpAddress> remote_address;  ///< when `remote` is an address
  bool remote_any = false;                        ///< we only answer
  std::vector<base::IpAddress> remote_more;       ///< tried in turn with the first
  /// From where the peer may come as well; with remote_any from nowhere else, unless it is empty.
  std::vector<base::Prefix> remote_within;
  std::uint16_t remote_port = 500;
  std::optional<base::IpAddress> local;      ///< our outer address, when fixed
  std::optional<policy::Identity> local_id;  ///< default: our outer address
  /// Of a distinguished name: the same, however the peer encodes it.
  std::optional<policy::IdentityPattern> local_names;
  /// Null: any identity that proves the key.
  std::optional<policy::IdentityPattern> remote_id;
  SharedSecret psk;               ///< null when another process has it
  base::ByteVec psk_fingerprint;  ///< then: the same for the same key
  ProofConfig proof;
  /// None: one, as `exchange` says. What they leave out is above: see local_round().
  std::vector<LocalRound> local_rounds;
  std::vector<RemoteRound> remote_rounds;
  std::optional<ServerConfig> server;
  /// At least one; of those that are wanted the first comes with the IKE SA.
  std::vector<ChildConfig> children = std::vector<ChildConfig>(1);
  policy::Offers ike;
  Encap encap = Encap::automatic;
  Tcp tcp = Tcp::fallback;
  bool mobike = true;  ///< site: RFC 4555
  base::Duration dpd{std::chrono::seconds{30}};
  base::Duration keepalive{std::chrono::seconds{20}};  ///< of NAT mappings
  base::Duration ike_lifetime{std::chrono::hours{8}};
  std::optional<base::Duration> reauth;         ///< how often we authenticate anew
  std::optional<base::Duration> auth_lifetime;  ///< how often the peer has to (RFC 4478)
  /// A failed tunnel is tried again after retry_min, doubled up to retry_max, with jitter.
  base::Duration retry_min{std::chrono::seconds{1}};
  base::Duration retry_max{std::chrono::seconds{60}};
  ExchangeConfig exchange;
  std::optional<policy::Product> product;  ///< null: as its messages show it
  /// The largest outer packet towards the peer that is ever tried; what passes is found out.
  std::uint16_t mtu = 1500;

  bool redirect = true;  ///< follow, when the peer sends us to another gateway (RFC 5685)
  std::optional<RedirectTarget> redirect_to;  ///< where the peer is sent, once it is authenticated
  bool resumption = false;                    ///< RFC 5723
  bool crash_detection = true;                ///< RFC 6290

  [[nodiscard]] const ChildConfig& child() const { return children.front(); }
  [[nodiscard]] ChildConfig& child() { return children.front(); }
  /// Null: there is none of this name.
  [[nodiscard]] const ChildConfig* find_child(std::string_view name) const;
  /// Transport mode is bound to the outer addresses.
  [[nodiscard]] bool has_transport() const;
  [[nodiscard]] std::vector<base::Prefix> local_nets() const;  ///< of all children
  [[nodiscard]] std::vector<base::Prefix> remote_nets() const;

  /// Equal in everything that matters to a running tunnel; `where` does not, the PSK does.
  [[nodiscard]] bool same_tunnel(const PeerConfig& other) const;
};

enum class PolicyAction : std::uint8_t { bypass, discard, protect };
enum class PolicyDirection : std::uint8_t { both, outbound, inbound };

/// [[policy]]: decides before any tunnel does; the first that matches, in the order of the files.
struct PolicyConfig {
  std::string name;  ///< for people; may be empty
  Place where;
  PolicyAction action = PolicyAction::discard;
  std::string peer;  ///< of "protect"
  PolicyDirection direction = PolicyDirection::both;
  policy::TrafficSelectors local;
  policy::TrafficSelectors remote;
  /// Equal in everything but `where`.
  [[nodiscard]] bool decides_as(const PolicyConfig& other) const;
};

inline constexpr unsigned workers_max = 64;

/// What carries clear packets between the networks behind us and the tunnels.
enum class ClearSide : std::uint8_t {
  tun,
  packet,  ///< packet sockets on clear_interfaces, and the TUN for what they cannot
};
/// What carries protected packets between us and the peers.
enum class OuterSide : std::uint8_t {
  socket,
  xdp,        ///< XDP sockets on outer_interfaces, and sockets for what they cannot
  automatic,  ///< the same on those of them where they are faster
};
/// What becomes of a clear packet that no policy and no tunnel names (RFC 4301 s5).
enum class Unmatched : std::uint8_t { pass, discard };

/// Of metrics, where the configuration gives an address alone.
inline constexpr std::uint16_t metrics_port = 9814;

struct DaemonConfig {
  std::vector<base::IpAddress> listen;  ///< empty = every address of both families
  std::uint16_t ike_port = 500;
  std::uint16_t natt_port = 4500;
  unsigned window = 1;  ///< requests of one peer under way at once (SET_WINDOW_SIZE)
  std::vector<std::uint16_t> tcp_ports = {4500};  ///< to listen on (RFC 9329); may be empty
  std::string tun = "caponier%d";                 ///< kernel picks the number
  std::optional<unsigned> workers;  ///< threads that carry packets; empty: by the CPUs
  bool pin_workers = false;         ///< each to a CPU of its own
  ClearSide clear_side = ClearSide::tun;
  std::vector<std::string> clear_interfaces;
  OuterSide outer_side = OuterSide::socket;
  std::vector<std::string> outer_interfaces;
  unsigned mtu = 0;               ///< of the TUN; 0 = from the outer path and the overhead
  bool allow_key_export = false;  ///< [debug] allow_key_export
  /// So long before a certificate or CRL of ours ends it is said; zero: never.
  base::Duration expiry_warning{std::chrono::days{28}};
  /// Where strongSwan's control interface is served; empty: nowhere, null: in the run directory.
  std::optional<std::string> vici;
  std::optional<base::Endpoint> metrics;  ///< where Prometheus scrapes us; null: nowhere
  bool compat_metrics = false;            ///< also the series of exporters for strongSwan
  std::string filelog;                    ///< where events are written too, as charon would
  std::string filelog_time = "%b %e %T";  ///< before each of its lines, for strftime(3)
  bool audit = true;                      ///< dropped packets are told as events (RFC 4301 s9)
  Unmatched unmatched = Unmatched::pass;
  /// Where every initiator is sent that can be, while there are more IKE SAs than that.
  std::optional<RedirectTarget> redirect_to;
  std::size_t redirect_above = 0;
  // Defence; null: as built in.
  std::optional<std::size_t> half_open_max;
  std::optional<std::size_t> cookie_threshold;
  std::optional<std::size_t> puzzle_threshold;
};

struct Config {
  DaemonConfig daemon;
  std::vector<PeerConfig> peers;       ///< ordered by name
  std::vector<PolicyConfig> policies;  ///< in the order of the files
  /// The authorities of all peers, and what they have revoked; null when there are none.
  std::shared_ptr<pki::CertificateStore> store;
  std::map<std::string, SharedSecret> users;  ///< passwords of [server], by name
  std::vector<SharedKey> shared_keys;         ///< of peers that have none of their own
  std::optional<RadiusConfig> radius;         ///< instead of them
  std::vector<GroupConfig> groups;            ///< of [server], in the order of the files
};

/// Reads `path` and its fragments. On any error nothing is returned but the full list of them.
[[nodiscard]] std::expected<std::shared_ptr<const Config>, std::vector<ConfigError>> load(
    const std::string& path, Source& source);

/// What a reload must do.
struct ConfigDiff {
  std::vector<std::string> added;
  std::vector<std::string> changed;
  std::vector<std::string> removed;
  bool daemon_changed = false;  ///< needs a restart; key export does not
  bool policies_changed = false;
};
[[nodiscard]] ConfigDiff diff(const Config& before, const Config& after);

}  // namespace caponier::config
