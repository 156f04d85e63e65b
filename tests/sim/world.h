#pragma once
// Gateways, the network between them, the traffic behind them, and virtual time: one seed, one run,
// byte by byte.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "crypto/openssl/legacy.h"
#include "gateway/accounting_desk.h"
#include "gateway/eap_desk.h"
#include "gateway/gateway.h"
#include "gateway/keyholder.h"
#include "gateway/proof_desk.h"
#include "sim/checkers.h"
#include "sim/invariants.h"
#include "sim/network.h"
#include "sim/provider.h"
#include "sim/radius_server.h"
#include "sim/streams.h"
#include "unit/gateway/fake_pki.h"
#include "wire/ike_numbers.h"

namespace caponier::sim {

using Exchange = wire::ExchangeType;
using ike::IkeState;

class World;

/// How two gateways are configured towards each other. `a` is the first of the pair.
struct Tunnel {
  config::PeerKind kind = config::PeerKind::site;
  policy::Offers ike = policy::default_ike_offers();
  policy::Offers esp = policy::default_esp_offers();
  policy::Offers ah;  ///< instead of ESP
  bool a_starts = false;
  bool b_starts = false;
  bool a_fixes_local = true;  ///< false: our address is asked for, as on a laptop
  bool by_name = false;       ///< `a` knows b's name only
  bool b_takes_any = false;   ///< `b` answers any address
  bool named_ids = false;     ///< identities are names, as behind a NAT
  config::Encap encap = config::Encap::native;
  std::string psk_a = "an excellent pre-shared key of the simulation";
  std::string psk_b = psk_a;
  base::Duration dpd = 30s;
  base::Duration lifetime = std::chrono::hours{1};
  std::uint32_t replay_window = 4096;
  unsigned per_cpu_sas = 0;
  /// Both prove themselves with certificates instead; where a's and b's status is to be had.
  bool certificates = false;
  std::string status_urls_a;
  std::string status_urls_b;
  pki::Revocation revocation = pki::Revocation::strict;
};
[[nodiscard]] inline Tunnel psk_tunnel() { return {}; }

/// A user of a server, by EAP; the server proves itself with a shared key.
struct UserAccess {
  std::string user = "alice";
  std::string password = "a password of the simulation";  ///< as the client has it
  bool starts = true;
  base::Duration ike_lifetime = std::chrono::hours{8};
  base::Duration lifetime = std::chrono::hours{1};
  std::optional<base::Duration> reauth{};
  base::Duration dpd = 30s;
};

/// What an HTTP server of the World does.
struct WebPage {
  std::string text;  ///< "good", "revoked", or something else
  base::Duration delay{std::chrono::milliseconds{20}};
  std::optional<std::string> failure{};  ///< instead of the text: what io/http would say
};

/// One gateway, its keyholder, its address outside and one host inside.
class Node {
 public:
  Node(World& world, HostId id);

  [[nodiscard]] HostId id() const { return id_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// The first one; see World::add_address.
  [[nodiscard]] const base::IpAddress& address() const { return address_; }
  /// Of the interfaces that are up.
  [[nodiscard]] std::vector<base::IpAddress> addresses() const;
  /// The host inside, or the address that a server has given us.
  [[nodiscard]] const base::IpAddress& inner() const { return given_ ? *given_ : inner_; }
  [[nodiscard]] const std::optional<base::IpAddress>& given() const { return given_; }
  /// The DNS servers that went with it.
  [[nodiscard]] const std::vector<base::IpAddress>& dns() const { return dns_; }
  /// The options of the next start().
  gateway::GatewayOptions options;
  /// Edit, then reload().
  std::vector<config::PeerConfig> peers;
  /// Of our own server, with their passwords.
  std::vector<config::GroupConfig> groups;
  std::map<std::string, std::string> users;
  std::optional<config::RadiusConfig> radius;  ///< instead of them
  bool allow_key_export = false;
  bool audit = true;
  config::Unmatched unmatched = config::Unmatched::pass;
  std::size_t workers = 1;                        ///< of the next start()
  std::vector<std::uint16_t> tcp_ports = {4500};  ///< listened on; of the next start()

  void start();
  void reload();
  [[nodiscard]] bool is_running() const { return gateway_ != nullptr; }
  [[nodiscard]] gateway::Gateway& gateway() { return *gateway_; }
  /// Brings a tunnel up; without a name the first.
  void initiate(const std::string& peer = {});
  void take_down(const std::string& peer = {});
  /// One child alone of the first tunnel.
  void start_child(const std::string& child);
  void stop_child(const std::string& child);
  void shutdown();
  /// Gone without a word, as after kill -9 or a power cut.
  void kill();
  /// After kill(): a new process that remembers nothing.
  void restart();
  /// Suspended: hears, does and sends nothing until it wakes, and then finds that time has passed.
  void fall_asleep() { is_asleep_ = true; }
  void wake() { is_asleep_ = false; }
  [[nodiscard]] bool is_awake() const { return is_running() && !is_asleep_; }
  [[nodiscard]] Process process() const { return {id_, incarnation_}; }
  /// An IP packet arrives from outside as it is; false: the host's filter dropped it. The filter
  /// stays when the process is killed.
  bool hear_clear(base::Bytes packet);
  [[nodiscard]] const base::DropCounters& refused_clear() const { return refused_clear_; }
  /// A TCP stream has ended.
  void hear_closed(const base::Path& path);
  /// The keyholder answers after this time.
  base::Duration keyholder_delay = 0ns;

  [[nodiscard]] gateway::Status status() const;
  [[nodiscard]] gateway::PeerStatus peer(const std::string& name = {}) const;
  [[nodiscard]] IkeState ike_state(const std::string& peer = {}) const;
  /// Negotiated, passing traffic or not.
  [[nodiscard]] bool is_up(const std::string& peer = {}) const;
  [[nodiscard]] const std::vector<base::Event>& events() const { return events_; }
  [[nodiscard]] bool has_event(base::EventKind kind) const;
  [[nodiscard]] const std::set<base::Prefix>& routes() const { return routes_; }
  [[nodiscard]] std::uint64_t unrouted() const { return unrouted_; }
  /// How often route actions were taken, both kinds.
  [[nodiscard]] std::uint64_t route_changes() const { return route_changes_; }
  [[nodiscard]] std::uint64_t icmp_errors() const { return icmp_errors_; }
  /// EAP conversations under way.
  [[nodiscard]] std::size_t eap_conversations() const { return is_running() ? desk_->size() : 0; }
  /// Of users, as a server tells of them.
  [[nodiscard]] const std::vector<gateway::Session>& sessions_begun() const { return begun_; }
  [[nodiscard]] const std::vector<gateway::SessionDown>& sessions_ended() const { return ended_; }
  /// Runs of scripts, in their order.
  [[nodiscard]] const std::vector<gateway::RunUpdown>& scripts() const { return scripts_; }

 private:
  friend class World;
  [[nodiscard]] std::string peer_name(const std::string& name) const;
  [[nodiscard]] std::shared_ptr<const config::Config> make_config() const;
  void drain();
  /// What netlink does for a real gateway, whenever its interfaces change.
  void tell_addresses();
  void perform(gateway::Action action);
  void perform_transmit(ike::Transmit transmit);
  void perform_auth(const ike::AuthRequest& request);
  void perform_event(base::Event event);
  void set_inner(const gateway::SetInner& inner);
  /// What the desk has to say; false: nothing.
  bool drain_desk();
  /// What accounting and RADIUS servers want of the gateway; false: nothing.
  bool drain_accounting();
  /// What the proof desk has to say.
  void settle_proofs();
  void handle(const Datagram& datagram);
  void handle_esp(const base::Path& path, base::Bytes esp,
                  policy::SaProtocol protocol = policy::SaProtocol::esp);
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const;
  void handle_deadline();
  /// A packet from the host inside.
  void send_clear(base::Bytes packet);
  void protect(ipsec::PacketBuffer& packet, std::size_t index);
  /// One packet that has waited; false: there is none.
  bool protect_released();
  /// Likewise one that came before its SA.
  bool open_early();
  void open(ipsec::OpenItem& item, std::size_t worker);
  void send_protected(const ipsec::ProtectItem& item);
  void retire_drops();

  World* world_;
  HostId id_;
  std::string name_;
  base::IpAddress address_;
  base::IpAddress inner_;
  std::optional<base::IpAddress> given_;
  std::vector<base::IpAddress> dns_;
  std::unique_ptr<base::SeededRng> rng_;
  base::NoLock no_lock_;
  gateway::Keyholder keyholder_;
  std::unique_ptr<gateway::EapDesk> desk_;
  std::unique_ptr<gateway::ProofDesk> proofs_;
  std::unique_ptr<gateway::AccountingDesk> accounting_;
  std::unique_ptr<gateway::Gateway> gateway_;
  unsigned incarnation_ = 0;
  std::set<base::Prefix> routes_;
  gateway::ClearRules clear_rules_;
  base::DropCounters refused_clear_;
  std::vector<base::Event> events_;
  std::vector<gateway::Session> begun_;
  std::vector<gateway::SessionDown> ended_;
  std::vector<gateway::RunUpdown> scripts_;
  base::DropCounters retired_drops_;
  std::map<std::pair<Exchange, bool>, unsigned> ike_sent_;  ///< bool: response
  Datagram last_esp_;
  std::uint64_t unrouted_ = 0;
  std::uint64_t route_changes_ = 0;
  std::uint64_t icmp_errors_ = 0;
  std::size_t last_worker_ = 0;
  bool draining_ = false;
  bool is_asleep_ = false;
};

/// Echo requests from one inner host to another at a steady pace; the other answers.
struct Flow {
  HostId from = 0;
  HostId to = 0;
  base::Duration interval{};
  std::size_t filler = 32;
  bool running = true;
  std::uint64_t requests_sent = 0;
  std::uint64_t requests_arrived = 0;
  std::uint64_t replies_arrived = 0;
};

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Adds a gateway at 192.0.2.N before an inner net 10.N.0.0/16.
  Node& add();
  /// Configures both sides; they take it up with start() or reload().
  void connect(Node& a, Node& b, const Tunnel& tunnel);
  /// Makes `server` a server of users, who get addresses of `pool`; take it up with start().
  void serve(Node& server, const std::string& pool = "10.200.0.0/24");
  /// A client of it.
  Node& add_user(Node& server, const UserAccess& access);
  /// A RADIUS server at 198.51.100.N that `server` asks from its next start() or reload() on.
  RadiusServer& add_radius(Node& server);
  /// A host that is no gateway: whatever arrives for it is handed over.
  HostId add_stranger(const base::IpAddress& address, std::function<void(const Datagram&)> hears);
  /// Two connected, started gateways.
  std::pair<Node&, Node&> pair(const Tunnel& tunnel);
  [[nodiscard]] Node& node(HostId id) { return *by_host_[id]; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] Link& link(const Node& a, const Node& b) { return network_.link(a.id(), b.id()); }
  [[nodiscard]] Network& network() { return network_; }
  [[nodiscard]] Streams& streams() { return streams_; }
  /// Puts a gateway behind a NAT whose outside is 203.0.113.N.
  Nat& put_behind_nat(const Node& node, base::Duration mapping_timeout = 60s);
  /// Moves a gateway to another address, as a laptop between networks; nobody tells it.
  void move(Node& node, const base::IpAddress& address);
  /// The same, and the gateway is told.
  void roam(Node& node, const base::IpAddress& address);
  /// One more interface; the gateway is told.
  void add_address(Node& node, const base::IpAddress& address);
  /// An interface goes up or down; the gateway is told.
  void set_interface(Node& node, const base::IpAddress& address, bool is_up);
  /// The clock jumps ahead for everybody at once, as when a host with guests is suspended.
  void jump(base::Duration duration);
  Flow& flow(const Node& from, const Node& to, base::Duration interval);
  /// Names that resolve; others do not.
  std::map<std::string, base::IpAddress> names;
  base::Duration lookup_delay = 5ms;
  /// By URL; others cannot be reached.
  std::map<std::string, WebPage> web;
  std::map<std::string, unsigned> web_asked;

  [[nodiscard]] base::Instant now() const { return now_; }
  void run_for(base::Duration duration);
  /// True as soon as the condition holds; false when it still does not after `limit`.
  bool run_until(const std::function<bool()>& condition, base::Duration limit);
  /// Until nothing is under way and nobody waits for an answer; a violation after `limit`.
  void run_until_idle(base::Duration limit = std::chrono::minutes{10});
  /// Every wanted tunnel is up, and each side's inbound SPIs are the other's outbound ones.
  [[nodiscard]] bool is_settled() const;
  [[nodiscard]] bool spis_match(std::string* difference = nullptr) const;
  /// Why a and b, and nobody else here, do not hold the same SAs, one usable pair and those of
  /// their workers; or empty.
  [[nodiscard]] std::string disagreement(const Node& a, const Node& b) const;
  void after(base::Duration delay, std::function<void()> what);
  /// Onto the network as `node` sends it; nothing but the network looks at it.
  void transmit(const Node& node, Datagram datagram) { transmit(node.id(), std::move(datagram)); }
  void transmit(HostId host, Datagram datagram);

  /// IKE requests sent, retransmissions included.
  [[nodiscard]] unsigned sent(const Node& node, Exchange exchange) const;
  /// Replays the last ESP packet of a gateway as if it had sent it again.
  void resend_last_esp(Node& node);
  /// Puts a datagram on the network as if `node` had sent it.
  void inject(Node& node, Datagram datagram);

  /// Drops of these kinds are part of the test.
  void allow(std::initializer_list<base::DropReason> reasons);
  /// Everything that loss, repetition and reordering may cause by nature.
  void allow_weather();
  /// Shuts everything down and checks what must hold at an end, once. TestWorld calls it.
  void finish();
  void check_drops();
  void check_no_sas();
  [[nodiscard]] Violations& violations() { return violations_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] const Trace& trace() const { return trace_; }
  [[nodiscard]] PacketLedger& ledger() { return ledger_; }
  [[nodiscard]] base::Rng& rng() { return rng_; }
  [[nodiscard]] const crypto::LegacyCrypto& legacy() const { return legacy_; }
  [[nodiscard]] const crypto::CryptoProvider& crypto() const { return provider_; }
  ProviderFaults faults;
  /// Prints what happens to stderr (CAPONIER_SIM_VERBOSE).
  bool verbose = false;
  void say(std::string_view text) const;

 private:
  friend class Node;
  void deliver_clear(Node& node, base::Bytes packet);
  void flow_tick(std::size_t index);
  [[nodiscard]] std::optional<base::Instant> next_event() const;
  [[nodiscard]] bool is_quiet() const;
  void step(base::Instant at);
  void check_state();
  void say(const Node& node, const std::string& text) const;

  std::uint64_t seed_;
  base::SeededRng rng_;
  Trace trace_;
  Violations violations_;
  Network network_;
  IvChecker ivs_;
  SequenceChecker sequences_;
  PacketLedger ledger_;
  AuthTwin auth_twin_;
  StateChecker state_checker_;
  Streams streams_;
  bool has_changed_ = false;  ///< a gateway's state, since it was checked
  SimProvider provider_;
  crypto::OpensslLegacy legacy_;
  gateway::test::FakePki pki_;
  base::Instant now_{std::chrono::hours{1000}};
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Node*> by_host_;  ///< null: not a gateway
  std::map<HostId, std::function<void(const Datagram&)>> strangers_;
  std::vector<std::unique_ptr<RadiusServer>> radius_servers_;
  std::vector<std::unique_ptr<Flow>> flows_;
  std::map<std::pair<base::Instant, std::uint64_t>, std::function<void()>> timers_;
  std::uint64_t timer_sequence_ = 0;
  std::size_t waiting_timers_ = 0;  ///< without the ticks of flows
  std::set<base::DropReason> allowed_drops_;
  unsigned steps_at_now_ = 0;
  bool stuck_ = false;
  bool finished_ = false;
};

}  // namespace caponier::sim
