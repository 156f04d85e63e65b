#pragma once
// The whole product without I/O: the IKE endpoint, the ESP engine, the desired state that is made
// true for ever, and the ports to the world as actions. The unit of simulation.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/drops.h"
#include "base/event.h"
#include "base/rng.h"
#include "base/time.h"
#include "config/config.h"
#include "crypto/crypto.h"
#include "explain/history.h"
#include "gateway/address_pools.h"
#include "gateway/changes.h"
#include "gateway/clear_filter.h"
#include "gateway/path_mtu.h"
#include "gateway/sessions.h"
#include "gateway/tracer.h"
#include "gateway/updown.h"
#include "gateway/worker.h"
#include "ike/endpoint.h"
#include "ipsec/engine.h"

namespace caponier::gateway {

struct GatewayOptions {
  ike::IkeLimits ike_limits;
  ipsec::EngineLimits engine_limits;
  PathSearchLimits path_limits;
  /// Find out by probes what each path carries; else what is configured is right until an ICMP
  /// error says less.
  bool probe_paths = false;
  std::size_t capture_packets_max = 4096;
  std::size_t trace_records_max = 1024;
  /// See set_crash_secrets().
  std::vector<std::shared_ptr<const base::SecretBytes>> crash_secrets;
  /// Each outlives the gateway. None: there is one worker, used by the same thread.
  std::vector<WorkerPorts> workers;
  /// Of what all workers share while packets are looked at; null: one thread.
  base::Lock* inspection_lock = nullptr;
  /// The wall-clock time (since 1970) of the instants' origin, for the times in captures.
  base::Duration unix_origin{0};
  /// What distinguished names are written with, for scripts; null: as hexadecimal.
  const pki::PkiProvider* pki = nullptr;
};

/// Traffic to `prefix` goes into the tunnel device. `source`: our address inside the protected
/// networks or, for transport mode, our outer address; the driver may find one itself when empty.
struct AddRoute {
  base::Prefix prefix;
  std::optional<base::IpAddress> source;
  std::vector<base::Prefix> local_nets;  ///< where a fitting source address may be looked for
};
struct RemoveRoute {
  base::Prefix prefix;
};
/// Resolve a name; answered with handle_lookup().
struct Lookup {
  std::string connection;
  std::string name;
};
/// Which address of ours reaches `remote`? Answered with handle_source_address(); asked before each
/// initiation whose local address is not configured.
struct FindSource {
  std::string connection;
  base::IpAddress remote;
};
/// An IP packet for the clear side (an ICMP error of ours).
struct DeliverClear {
  base::ByteVec packet;
};

/// The inner addresses that a server has given us through this connection, each to be put on the
/// tunnel device, and the DNS servers to be asked there: for these domains alone, or for all when
/// there are none. Takes the place of what was said before; nothing: all to be taken away.
struct SetInner {
  std::string connection;
  std::vector<base::IpAddress> addresses;
  std::vector<base::IpAddress> dns;
  std::vector<std::string> domains;
  std::vector<wire::EncryptedDns> encrypted;  ///< the same servers, or others, by RFC 9464
  friend bool operator==(const SetInner&, const SetInner&) = default;
};

using Action =
    std::variant<ike::Transmit, ike::CloseStream, ike::AuthRequest, ike::EapRequest, ike::EapEnded,
                 AddRoute, RemoveRoute, SetInner, SetClearFilter, Lookup, FindSource, DeliverClear,
                 KeepLease, SessionUp, SessionDown, RunUpdown, base::Event>;

/// Three states are told apart: configured, negotiated, passing traffic.
enum class PeerState : std::uint8_t {
  off,         ///< not wanted: `down`, or waiting for the peer to start
  connecting,  ///< wanted, being negotiated
  down,        ///< wanted, last attempt failed, next one scheduled
  idle,        ///< negotiated, no traffic yet or lately
  up,          ///< negotiated and passing traffic
};
[[nodiscard]] std::string_view name_of(PeerState state);

/// What came of a change of a session.
enum class ChangeOutcome : std::uint8_t {
  done,
  not_found,
  no_group,        ///< no group has these filters, and others = "refuse"
  other_networks,  ///< the group reaches others, which only a new Child SA could have
};

/// What came of the wish to send a peer to another gateway (RFC 5685).
enum class RedirectOutcome : std::uint8_t {
  sent,             ///< it will leave; else we delete its IKE SA soon
  not_established,  ///< or no peer of that name
  not_supported,    ///< we have initiated, or it does not follow redirects
};

struct ChildStatus {
  ike::ChildSaInfo sa;
  ipsec::SaCounters counters;
  std::size_t inner_mtu = 0;
  std::size_t path_mtu = 0;  ///< of the outer packets, as far as it was found out
};

struct PeerStatus {
  std::string name;
  config::PeerKind kind{};
  std::string remote;  ///< as configured
  PeerState state{};
  base::Instant since;  ///< of the present state
  std::optional<ike::IkeSaInfo> ike;
  std::vector<ChildStatus> children;
  std::vector<ike::IkeSaInfo> users;         ///< of a server: those that are in
  std::map<ike::IkeSaId, Session> sessions;  ///< of them
  std::string note;                          ///< why it is down, in one line
  /// Why it is not as it should be, as far as anything has failed since it last was.
  std::optional<explain::Diagnosis> diagnosis;
  unsigned attempts = 0;  ///< failed ones since it was last up
  std::optional<base::Instant> next_attempt;
};

struct Status {
  base::Instant now;
  std::vector<PeerStatus> peers;  ///< every configured peer, ordered by name
  base::DropCounters drops;
  /// Those of `drops` that the data plane counted, by worker; each worker has its own engine state.
  std::vector<base::DropCounters> worker_drops;
  std::size_t half_open = 0;
  std::size_t ike_sas = 0;       ///< in any state
  std::size_t associations = 0;  ///< Child SAs in the engine
};

/// The state of one peer alone.
struct PeerBrief {
  PeerState state{};
  bool is_off = false;               ///< not wanted, and gone from policies and routes
  std::vector<std::string> trapped;  ///< children that traffic may ask for
  std::vector<std::string> up;       ///< children that have an SA
  unsigned attempts = 0;             ///< failed ones since it was last up
  std::string note;
};

struct ChildTraffic {
  std::string name;
  std::size_t associations = 0;  ///< present SAs, both directions being one
  ipsec::SaCounters total;       ///< since the daemon began, replaced SAs included
};

struct PeerTraffic {
  std::string name;
  std::vector<ChildTraffic> children;  ///< those that have had an SA, ordered by name
};

/// The counters of the data plane, for those who ask often.
struct Traffic {
  std::vector<PeerTraffic> peers;  ///< every configured peer, ordered by name
  base::DropCounters drops;
};

/// The tables of Wireshark (`ikev2_decryption_table`, `esp_sa`), one line per entry.
struct KeyTables {
  std::string ikev2_decryption_table;
  std::string esp_sa;
};

class Gateway {
 public:
  /// Everything referred to must outlive the gateway.
  Gateway(const GatewayOptions& options, const crypto::CryptoProvider& crypto, base::Rng& rng,
          base::Instant now);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Makes `config` the desired state. Unchanged tunnels are not touched; changed ones are torn
  /// down and negotiated again; removed ones are deleted at the peer.
  void apply(std::shared_ptr<const config::Config> config, base::Instant now);

  /// Of crash tokens (RFC 6290), newest first, kept across restarts by the caller; before apply().
  void set_crash_secrets(std::vector<std::shared_ptr<const base::SecretBytes>> secrets);

  /// One IKE message from UDP or a TCP stream, the non-ESP marker removed.
  void handle_ike(const base::Path& path, base::Bytes message, base::Instant now);
  /// The data plane. Deadlines of workers are the driver's to keep, as are packets that they have
  /// released; whenever one has news, handle_worker_news() is to be called.
  [[nodiscard]] std::size_t worker_count() const;
  [[nodiscard]] Worker& worker(std::size_t index);
  void handle_worker_news(base::Instant now);

  /// An outer packet was too big somewhere. Anybody may say so; what proves nothing is ignored and
  /// counted.
  void handle_too_big(const OuterTooBig& error, base::Instant now);

  void handle_auth_reply(ike::AuthReply reply, base::Instant now);
  void handle_eap_reply(ike::EapReply reply, base::Instant now);
  void handle_lookup(const std::string& connection, const std::vector<base::IpAddress>& addresses,
                     base::Instant now);
  void handle_source_address(const std::string& connection, std::optional<base::IpAddress> address,
                             base::Instant now);
  /// A TCP stream has ended, or could not be opened (see ike::Transmit). Whoever opened it decides
  /// what follows; for the other end this is no more than a hint.
  /// All addresses of this host that outer packets may come from, best first; at start and whenever
  /// they change. What cannot follow is negotiated again from where we are now.
  void handle_local_addresses(std::vector<base::IpAddress> addresses, base::Instant now);
  void handle_stream_closed(const base::Path& path, base::Instant now);
  void handle_deadline(base::Instant now);

  /// False: no peer of that name.
  [[nodiscard]] bool up(const std::string& name, base::Instant now);
  [[nodiscard]] bool down(const std::string& name, base::Instant now);
  /// Wants a child of a peer, or without a name all of them. False: no such peer or child.
  [[nodiscard]] bool start(const std::string& name, std::optional<std::string_view> child,
                           base::Instant now);
  /// Ends its SAs, and without a child the IKE SAs, and asks for none again. Unlike down() the peer
  /// may come, and a trap stays set. False: no such peer or child.
  [[nodiscard]] bool stop(const std::string& name, std::optional<std::string_view> child,
                          base::Instant now);
  /// A child, or all, is wanted no more: what is up may stay and the peer may come, but we begin
  /// nothing, unless traffic asks for it and the configuration says that it may.
  [[nodiscard]] bool rest(const std::string& name, std::optional<std::string_view> child,
                          base::Instant now);
  /// Whether traffic may ask for a child while nobody else wants it, whatever the configuration
  /// says. False: no such peer or child.
  [[nodiscard]] bool set_trap(const std::string& name, std::string_view child, bool is_trapped,
                              base::Instant now);
  /// Sends a liveness check; the round trip shows in status. False: not established.
  [[nodiscard]] bool ping(const std::string& name, base::Instant now);
  /// Sends an established peer to another gateway, which must have our identity.
  [[nodiscard]] RedirectOutcome redirect(const std::string& name, const config::RedirectTarget& to,
                                         base::Instant now);
  /// Something for one SA, as a person says it; what is wanted of peers stays as it is.
  void order(const ike::Command& what, base::Instant now);
  /// Ends what this user of a server has (ike::IkeSaInfo::is_of()); how many IKE SAs that were.
  [[nodiscard]] std::size_t logout(const std::string& user, base::Instant now);
  /// Addresses kept for users by a process before, the one used longest ago first; at start.
  void restore_leases(const std::vector<KeepLease>& leases);
  [[nodiscard]] std::vector<LeaseStatus> leases() const;
  [[nodiscard]] ReleaseOutcome release_lease(const base::IpAddress& address, base::Instant now);
  /// Octets and packets of a user's session; empty: it is over.
  [[nodiscard]] std::optional<radius::Usage> session_usage(SessionId id) const;
  /// False: it is over.
  [[nodiscard]] bool end_session(SessionId id, radius::TerminateCause cause, base::Instant now);
  [[nodiscard]] ChangeOutcome change_session(SessionId id, const SessionChange& change,
                                             base::Instant now);
  /// Deletes every SA at its peer and takes every route away; finished when is_idle().
  void shutdown(base::Instant now);
  [[nodiscard]] bool is_idle() const;

  [[nodiscard]] std::optional<Action> poll_action();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;

  [[nodiscard]] Status status(base::Instant now) const;
  [[nodiscard]] Traffic traffic() const;
  /// For those who look at one after the other: IKE SAs in any state, ordered, and one of them.
  [[nodiscard]] std::vector<ike::IkeSaId> sa_ids() const;
  [[nodiscard]] std::optional<SaStatus> find_sa(ike::IkeSaId id) const;
  /// Empty: no peer of that name.
  [[nodiscard]] std::optional<PeerBrief> find_peer(const std::string& name) const;
  [[nodiscard]] std::size_t half_open() const;
  /// Null before the first configuration.
  [[nodiscard]] const ike::CounterBook* counters() const;
  /// Of one connection; empty: those of all together.
  void reset_counters(const std::string& connection);
  /// What becomes of SAs is kept to be polled, while switched on; bounded, the newest are lost
  /// first and counted.
  void watch_changes(bool on);
  [[nodiscard]] std::optional<SaChange> poll_change();
  [[nodiscard]] std::uint64_t changes_lost() const;
  /// What has failed, and why.
  [[nodiscard]] const explain::History& history() const;
  [[nodiscard]] std::shared_ptr<const config::Config> config() const;
  /// The largest inner MTU of all children (1500 when none is up): senders who use another tunnel
  /// are told its own.
  [[nodiscard]] std::size_t tunnel_mtu() const;

  /// Empty unless the configuration allows key export.
  [[nodiscard]] std::optional<KeyTables> key_tables() const;
  /// Outer packets in both directions as pcapng blocks (first the file's head), while switched on;
  /// bounded, the oldest are lost first.
  void set_capture(bool on, base::Instant now);
  [[nodiscard]] std::optional<base::ByteVec> poll_capture();
  /// Sampled packets of the data plane, until switched off by an empty request; bounded, the newest
  /// are lost first and counted.
  void set_trace(std::optional<TraceRequest> request, base::Instant now);
  [[nodiscard]] std::optional<TraceRecord> poll_trace();
  [[nodiscard]] std::uint64_t trace_lost() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::gateway
