#pragma once
// The inside of Gateway: who is told what. gateway.cpp drives, gateway_routing.cpp carries actions
// between endpoint, engine and peers, gateway_status.cpp describes.

#include <map>
#include <set>
#include <string>

#include "explain/history.h"
#include "gateway/address_pools.h"
#include "gateway/changes.h"
#include "gateway/child_groups.h"
#include "gateway/due_list.h"
#include "gateway/gateway.h"
#include "gateway/inspection.h"
#include "gateway/key_tables.h"
#include "gateway/peer.h"
#include "gateway/totals.h"
#include "gateway/turns.h"
#include "gateway/workers.h"

namespace caponier::gateway {

/// Actions waiting for the driver; behind this many, datagrams and events are lost and counted.
inline constexpr std::size_t action_queue_max = 65536;

class Gateway::Impl {
 public:
  Impl(const GatewayOptions& options, const crypto::CryptoProvider& crypto, base::Rng& rng)
      : options_(options),
        crypto_(&crypto),
        rng_(&rng),
        inspection_(options.inspection_lock == nullptr ? no_lock_ : *options.inspection_lock,
                    Capture{options.capture_packets_max, options.unix_origin},
                    Tracer{options.trace_records_max}),
        workers_(options.engine_limits, with_default(options.workers, {&rng, &no_lock_}), crypto,
                 inspection_),
        path_mtus_(options.path_limits, options.probe_paths) {}

  void apply(std::shared_ptr<const config::Config> config, base::Instant now);
  void handle_ike(const base::Path& path, base::Bytes message, base::Instant now);
  [[nodiscard]] Workers& workers() { return workers_; }
  /// Carries everything between endpoint, workers and peers until all are quiet.
  void pump(base::Instant now);
  /// The same when the driver has fetched what waits for it.
  void pump_after_actions(base::Instant now);
  void handle_too_big(const OuterTooBig& error, base::Instant now);
  void handle_auth_reply(ike::AuthReply reply, base::Instant now);
  void handle_eap_reply(ike::EapReply reply, base::Instant now);
  void handle_lookup(const std::string& connection, const std::vector<base::IpAddress>& addresses,
                     base::Instant now);
  void handle_source_address(const std::string& connection, std::optional<base::IpAddress> address,
                             base::Instant now);
  void handle_local_addresses(std::vector<base::IpAddress> addresses, base::Instant now);
  void handle_stream_closed(const base::Path& path, base::Instant now);
  void handle_deadline(base::Instant now);
  void set_crash_secrets(std::vector<std::shared_ptr<const base::SecretBytes>> secrets) {
    options_.crash_secrets = std::move(secrets);
  }
  [[nodiscard]] bool up(const std::string& name, base::Instant now);
  [[nodiscard]] bool down(const std::string& name, base::Instant now);
  [[nodiscard]] bool start(const std::string& name, std::optional<std::string_view> child,
                           base::Instant now);
  [[nodiscard]] bool stop(const std::string& name, std::optional<std::string_view> child,
                          base::Instant now);
  [[nodiscard]] bool rest(const std::string& name, std::optional<std::string_view> child,
                          base::Instant now);
  [[nodiscard]] bool set_trap(const std::string& name, std::string_view child, bool is_trapped,
                              base::Instant now);
  [[nodiscard]] bool ping(const std::string& name, base::Instant now);
  [[nodiscard]] std::size_t logout(const std::string& user, base::Instant now);
  [[nodiscard]] AddressPools& pools() { return pools_; }
  [[nodiscard]] std::optional<radius::Usage> session_usage(SessionId id) const {
    return sessions_.usage(id, workers_);
  }
  [[nodiscard]] bool end_session(SessionId id, radius::TerminateCause cause, base::Instant now);
  [[nodiscard]] ChangeOutcome change_session(SessionId id, const SessionChange& change,
                                             base::Instant now);
  [[nodiscard]] RedirectOutcome redirect(const std::string& name, const config::RedirectTarget& to,
                                         base::Instant now);
  void shutdown(base::Instant now);
  [[nodiscard]] bool is_idle() const;
  [[nodiscard]] std::optional<Action> poll_action();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;

  [[nodiscard]] Status status(base::Instant now) const;
  [[nodiscard]] Traffic traffic() const;
  [[nodiscard]] std::shared_ptr<const config::Config> config() const { return config_; }
  [[nodiscard]] std::size_t tunnel_mtu();
  [[nodiscard]] std::optional<KeyTables> key_tables() const;
  [[nodiscard]] Inspection& inspection() { return inspection_; }
  [[nodiscard]] std::vector<ike::IkeSaId> sa_ids() const {
    return endpoint_ ? endpoint_->ids() : std::vector<ike::IkeSaId>{};
  }
  [[nodiscard]] std::optional<SaStatus> find_sa(ike::IkeSaId id) const;
  [[nodiscard]] std::optional<PeerBrief> find_peer(const std::string& name) const;
  [[nodiscard]] std::size_t half_open() const {
    return endpoint_ ? endpoint_->half_open_count() : 0;
  }
  void order(const ike::Command& what, base::Instant now);
  [[nodiscard]] ike::CounterBook* counters() const {
    return endpoint_ ? &endpoint_->counters() : nullptr;
  }
  [[nodiscard]] Changes& changes() { return changes_; }
  [[nodiscard]] const explain::History& history() const { return history_; }

 private:
  [[nodiscard]] static std::vector<WorkerPorts> with_default(std::vector<WorkerPorts> ports,
                                                             const WorkerPorts& otherwise) {
    if (ports.empty()) ports.push_back(otherwise);
    return ports;
  }
  [[nodiscard]] Peer* find(const std::string& name);
  void make_endpoint(const config::DaemonConfig& daemon, base::Instant now);
  void add_peer(const config::PeerConfig& config, const Peer* old, base::Instant now);
  void remove_peer(const std::string& name, base::Instant now);
  void command(const ike::Command& command, base::Instant now);
  void knock(const base::Path& path, base::Bytes message, base::Instant now);

  void pump_peers(base::Instant now);
  void read_requests(base::Instant now);
  void refresh();
  /// What no policy names does not pass.
  [[nodiscard]] bool is_closed() const {
    return !shutting_down_ && config_->daemon.unmatched == config::Unmatched::discard;
  }
  void set_routes(std::map<base::Prefix, AddRoute> wanted);
  void set_policies(const std::vector<ipsec::Policy>& policies);
  void update_deadline();

  void route(ike::Action action, base::Instant now);
  void route(Worker::News news, base::Instant now);
  void install(policy::InstallSa sa, base::Instant now);
  /// False: nothing was to be done.
  bool obey_path_orders(base::Instant now);
  void transmit(ike::Transmit transmit, base::Instant now);
  void on_ike_up(const ike::IkeUp& up, base::Instant now);
  void on_ike_down(const ike::IkeDown& down, base::Instant now);
  void on_child_up(const ike::ChildUp& up, base::Instant now);
  void on_child_down(const ike::ChildDown& down, base::Instant now);
  void note_group(const ike::ChildUp& up, const Peer& peer, base::Instant now);
  void end_idle(const IdleGroup& idle, base::Instant now);
  void on_lease_request(const ike::LeaseRequest& request, base::Instant now);
  void on_lease_ended(ike::IkeSaId sa);
  /// Where the user will ask us ourselves, who goes by `session.server` then.
  [[nodiscard]] policy::TrafficSelectors services_for(const ike::LeaseRequest& request,
                                                      const LeaseTerms& terms,
                                                      Session& session) const;
  void on_dhcp_asked(const ipsec::DhcpAsked& asked);
  void on_configured(const ike::Configured& configured);
  /// What is told of peers that have no inner addresses any more.
  void forget_inner();
  void on_event(base::Event event);
  void note_failure(policy::Evidence seen, base::Instant now);
  [[nodiscard]] std::optional<ChildChange> describe(const ike::IkeSaInfo& sa,
                                                    policy::ChildSaId id) const;
  void note_change(const ike::IkeUp& up);
  void note_change(const ike::IkeDown& down);
  void note_change(const ike::ChildUp& up);
  void note_change(const ike::ChildDown& down);
  void note_moved(const std::string& connection);
  void export_keys(const ike::KeysExported& keys);
  void note_not_exported(const std::string& peer);

  void emit(Action action);
  void emit(base::EventKind kind, const std::string& peer, std::string text);
  [[nodiscard]] PeerStatus describe(const Peer& peer, const std::vector<const ike::IkeSaInfo*>& sas,
                                    base::Instant now) const;
  [[nodiscard]] base::DropCounters all_drops() const;
  [[nodiscard]] std::string describe_up(const ike::ChildUp& up, const Peer& peer, bool is_first,
                                        base::Instant now) const;

  GatewayOptions options_;
  const crypto::CryptoProvider* crypto_;
  base::Rng* rng_;
  base::NoLock no_lock_;
  Inspection inspection_;
  Workers workers_;
  PathMtus path_mtus_;
  std::unique_ptr<ike::IkeEndpoint> endpoint_;  ///< from the first configuration on
  std::shared_ptr<const config::Config> config_;
  std::map<std::string, Peer> peers_;
  /// Peers with requests to be read, or whose deadline may have changed.
  std::set<std::string> touched_;
  DueList due_;  ///< of peers
  Turns turns_;
  std::map<base::Prefix, AddRoute> routes_;
  /// As last told; a driver may find those of a process before us in force.
  std::optional<SetClearFilter> clear_filter_;
  std::map<policy::ChildSaId, std::string> children_;  ///< in the engines, with their peer
  Totals totals_;
  Changes changes_;
  explain::History history_;
  AddressPools pools_;
  Sessions sessions_;
  ChildGroups groups_;
  std::map<std::string, SetInner> inner_;  ///< by connection, as last told
  std::vector<base::IpAddress> local_addresses_;
  std::optional<KeyTableLog> keys_;
  std::deque<Action> actions_;
  std::optional<base::Instant> pump_due_;  ///< when actions_ is empty
  base::DropCounters drops_;
  std::optional<base::Deadline> peer_deadline_;
  std::optional<std::size_t> tunnel_mtu_;  ///< null: something has changed
  bool refresh_due_ = false;
  bool shutting_down_ = false;
};

}  // namespace caponier::gateway
