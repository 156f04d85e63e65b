#pragma once
// One peer's wish and what is done to make it true: the reconciliation loop of one tunnel. Values
// in, requests out; it knows the IKE endpoint only by its actions and commands.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "base/rng.h"
#include "gateway/gateway.h"
#include "gateway/ladder.h"
#include "gateway/refused_traffic.h"
#include "gateway/translate.h"

namespace caponier::gateway {

/// A name that does not resolve, or a source address that is not found, in this time is a failure.
inline constexpr base::Duration lookup_timeout{std::chrono::seconds{15}};
/// No negotiation is waited for longer; the endpoint gives up long before.
inline constexpr base::Duration negotiation_timeout{std::chrono::seconds{180}};
/// Traffic may bring the next attempt this near to the last failure, however long the back-off is.
inline constexpr base::Duration acquire_patience{std::chrono::seconds{5}};
/// A tunnel through which something arrived within this time passes traffic.
inline constexpr base::Duration traffic_memory{std::chrono::seconds{60}};

/// From a TCP stream UDP is tried again after so long, doubled up to the other.
inline constexpr base::Duration udp_retry_first{std::chrono::seconds{30}};
inline constexpr base::Duration udp_retry_max{std::chrono::hours{1}};

/// A peer that refuses a child so often for no reason of the configuration gets a new IKE SA.
inline constexpr unsigned refusals_max = 2;

/// Where strangers knock may change what we call ourselves at most once in this time.
inline constexpr base::Duration knock_interval{std::chrono::seconds{30}};

/// A peer that proves its restart is met again at once, but not more often than this.
inline constexpr base::Duration restart_patience{std::chrono::seconds{10}};

/// Connections, policies or routes of this peer are to be read again.
struct Refresh {};
/// A negotiation with this address is to begin: handle_turn(), when it may.
struct AskTurn {
  base::IpAddress remote;
};
using PeerRequest =
    std::variant<ike::Command, Lookup, FindSource, AskTurn, Refresh, policy::Evidence>;

class Peer {
 public:
  struct Options {
    std::uint16_t ike_port;
    std::uint16_t natt_port;
    unsigned tries;  ///< of one request, for people
  };

  /// `rng` must outlive the peer.
  Peer(config::PeerConfig config, const Options& options, base::Rng& rng, base::Instant now);

  [[nodiscard]] const config::PeerConfig& config() const { return config_; }
  [[nodiscard]] bool is_off() const { return is_off_; }

  void down(base::Instant now);
  /// Wants a child, or all; false: there is none of this name. What is off is not any more.
  bool start(std::optional<std::string_view> child, base::Instant now);
  /// Ends a child, or without a name the IKE SAs; a trap stays set, and nothing else is wanted.
  bool stop(std::optional<std::string_view> child, base::Instant now);
  /// What there is may stay; nothing more is begun by us but what traffic asks for.
  void rest(std::optional<std::string_view> child, base::Instant now);
  /// Whether traffic may ask for a child that nobody else wants; as configured at first. False:
  /// there is none of this name.
  [[nodiscard]] bool set_trap(std::string_view child, bool is_trapped, base::Instant now);
  /// The children that it may ask for.
  [[nodiscard]] std::vector<std::string> trapped() const;
  /// For a changed configuration: what a person said, the addresses as far as they still hold, and
  /// the wait for the end of the old SAs, which the caller deletes.
  void inherit(const Peer& old, base::Instant now);

  void handle_lookup(const std::vector<base::IpAddress>& addresses, base::Instant now);
  void handle_source_address(std::optional<base::IpAddress> address, base::Instant now);
  /// AskTurn is granted.
  void handle_turn(base::Instant now);
  /// From AskTurn on, until the negotiation has ended.
  [[nodiscard]] bool needs_turn() const {
    return phase_ == Phase::queued || phase_ == Phase::negotiating;
  }
  /// This host has other addresses than before: what failed from the old ones is tried at once.
  void handle_local_addresses(base::Instant now);
  /// Somebody at path.remote wants to negotiate with us at path.local. True when that changed us.
  bool handle_knock(const base::Path& path, base::Instant now);
  void handle(const ike::IkeAnswered& answered, base::Instant now);
  void handle(const ike::IkeUp& up, const base::Path& path, base::Instant now);
  /// `established`: the IKE SAs of this peer that are up now.
  void handle(const ike::IkeDown& down, std::set<ike::IkeSaId> established, base::Instant now);
  void handle(const ike::Redirected& redirected, base::Instant now);
  /// The server has given us addresses. True when they are others than before.
  bool handle(const ike::Configured& configured);
  /// Before its ChildUp: what was negotiated.
  void note_installed(const policy::InstallSa& sa);
  /// Traffic has asked for an SA, and got one that is not for it.
  struct Useless {
    base::IpAddress destination;
    base::Duration pause{0};  ///< until it is asked for again at the earliest
  };
  std::optional<Useless> handle(const ike::ChildUp& up, base::Instant now);
  void handle(const ike::ChildDown& down, base::Instant now);
  void handle_expired(policy::ChildSaId id, bool hard, base::Instant now);
  /// A child is ended for want of traffic: traffic brings it back, and nothing else of ours.
  void handle_idle(std::string_view child);
  /// Traffic wants an SA: of the tunnel, or one more when those there are do not cover it, or when
  /// they are not its worker's own.
  void handle_acquire(ipsec::Acquire acquire, base::Instant now);
  /// A failure the endpoint has explained; shown until the next success.
  void handle_failure_text(const std::string& text);

  void handle_deadline(base::Instant now) { reconcile(now); }
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  [[nodiscard]] std::optional<PeerRequest> poll_request();

  /// Null when the peer is off or its addresses are not known yet. The same object until something
  /// in it changes.
  [[nodiscard]] std::shared_ptr<const ike::ConnectionConfig> connection() const;
  [[nodiscard]] std::vector<ipsec::Policy> policies() const;
  [[nodiscard]] std::vector<AddRoute> routes() const;

  /// `idle` for an established one: whether traffic passes is the engine's knowledge.
  [[nodiscard]] PeerState state() const;
  [[nodiscard]] bool has_sa(std::string_view child) const;
  [[nodiscard]] const std::vector<base::IpAddress>& inner() const { return outer_.inner; }
  [[nodiscard]] base::Instant since() const { return since_; }
  [[nodiscard]] const std::string& note() const { return note_; }
  [[nodiscard]] unsigned attempts() const { return attempts_; }
  [[nodiscard]] std::optional<base::Instant> next_attempt() const;
  /// When the negotiation that is under way, or has just succeeded, was started by us.
  [[nodiscard]] std::optional<base::Instant> attempt_started() const { return attempt_started_; }

 private:
  enum class Phase : std::uint8_t { waiting, resolving, finding_source, queued, negotiating };

  /// What was negotiated for one SA.
  struct Reach {
    policy::TrafficSelectors local, remote;
    friend bool operator==(const Reach&, const Reach&) = default;
  };

  /// One configured child, and what is done about it.
  struct Wanted {
    std::string name;
    config::Start start = config::Start::on_command;
    bool is_trapped = false;                 ///< also while it is wanted anyway
    bool demanded = false;                   ///< unless it is started anyway, traffic has asked
    std::optional<policy::Trigger> trigger;  ///< the traffic that has asked, until it is up
    std::set<policy::ChildSaId> sas;
    std::set<policy::ChildSaId> resource_sas;  ///< of sas (RFC 9611)
    std::optional<base::Instant> pending_until;
    std::optional<base::Instant> retry_at;
    /// One more that traffic has asked for beside sas.
    struct Asked {
      policy::Trigger trigger;
      base::Instant until;  ///< no answer by then: it may be asked for anew
    };
    std::optional<Asked> asked;
    std::map<policy::ChildSaId, Reach> reached;  ///< by sas
    RefusedTraffic refused;
    unsigned failures = 0;
    bool had_sa = false;  ///< on the present IKE SA

    /// The SA that is for everybody; those of resources come and go beside it.
    [[nodiscard]] bool has_first() const { return sas.size() > resource_sas.size(); }
    [[nodiscard]] bool is_wanted() const { return start == config::Start::at_once || demanded; }
    [[nodiscard]] std::optional<base::Instant> due() const;
    /// It is wanted when traffic asks for it, or not at all.
    void calm_down() { start = is_trapped ? config::Start::trap : config::Start::on_command; }
  };

  [[nodiscard]] bool has_name() const { return !config_.remote_any && !config_.remote_address; }
  [[nodiscard]] bool is_wanted() const;
  /// Also without a wish to negotiate: a responder matches on them, and a host's routes and
  /// policies, without which no traffic could ask for the tunnel, are made of them.
  [[nodiscard]] bool lacks_addresses() const;
  [[nodiscard]] base::Duration back_off(unsigned failures);
  [[nodiscard]] std::optional<base::Instant> child_due() const;
  /// Null: there is none.
  [[nodiscard]] Wanted* find_child(std::string_view name);
  [[nodiscard]] Wanted* find_child(policy::ChildSaId id);
  /// The one to come with the IKE SA: the first that is wanted. Null: none.
  [[nodiscard]] const Wanted* first_child() const;
  [[nodiscard]] bool has_children() const;
  [[nodiscard]] unsigned child_failures() const;
  void forget_demands();
  void ask_for_more(Wanted& child, policy::Trigger trigger, base::Instant now);
  /// What was asked for is not to be had; how long it is not asked for again.
  [[nodiscard]] Useless note_refused(Wanted& child, base::Instant now);
  [[nodiscard]] std::optional<Useless> judge_answer(Wanted& child, policy::ChildSaId sa,
                                                    base::Instant now);

  void reconcile(base::Instant now);
  void reconcile_child(Wanted& child, base::Instant now);
  void start_attempt(base::Instant now);
  [[nodiscard]] base::IpAddress next_remote() const;
  void find_source_or_initiate(const base::IpAddress& target, base::Instant now);
  void initiate(base::Instant now);
  /// Begins the ladder's next rung beside those under way.
  void climb(base::Instant now);
  /// The end of one rung, or of all.
  void end_rung(ike::EndReason reason, base::Instant now);
  void note_way(const ike::IkeUp& up, const base::Path& path, base::Instant now);
  void retry_udp(base::Instant now);
  void tell(policy::Symptom symptom);
  void fail(std::string note, base::Instant now);
  void set_outer(OuterAddresses outer);
  /// These, and those that are configured besides.
  void set_remote(std::vector<base::IpAddress> addresses);
  static void follow_end(Wanted& child, std::optional<config::Start> next);
  void note_end(ike::EndReason reason);
  void note_guest(ike::IkeSaId sa, const base::IpAddress& address);
  void forget_guests();
  void enter(Phase phase, base::Instant now);
  void rebuild();
  void note_state(base::Instant now);
  [[nodiscard]] std::string explain(ike::EndReason reason) const;

  config::PeerConfig config_;
  Options options_;
  base::Rng* rng_;
  bool is_off_ = false;           ///< a person said so
  std::vector<Wanted> children_;  ///< as configured
  Phase phase_ = Phase::waiting;
  base::Instant phase_deadline_;
  OuterAddresses outer_;
  std::optional<base::Instant> knocked_at_;
  /// Where the configured gateway has sent us, for one attempt.
  struct Redirection {
    base::IpAddress from;
    ike::GatewayName to;
  };
  std::optional<Redirection> redirection_;
  std::optional<base::Instant> restarted_at_;
  base::ByteVec credential_tag_;           ///< of tickets: another configuration, another tag
  std::optional<base::IpAddress> target_;  ///< of the present or last attempt
  std::shared_ptr<const ike::ConnectionConfig> connection_;
  std::set<ike::IkeSaId> ikes_;
  std::map<ike::IkeSaId, base::IpAddress> guests_;  ///< who has come to `remote = "any"`

  Ladder ladder_;
  unsigned rungs_out_ = 0;  ///< IKE SAs being negotiated beside each other
  struct Answered {
    ike::IkeSaId sa;
    Rung rung{};
  };
  std::optional<Answered> answered_;  ///< the last one
  struct Stream {
    ike::IkeSaId sa;
    base::Path path;
  };
  std::optional<Stream> stream_;  ///< ours, under an IKE SA that is up
  base::Instant udp_retry_at_;    ///< while there is a stream
  base::Duration udp_retry_wait_ = udp_retry_first;

  unsigned attempts_ = 0;
  std::optional<base::Instant> next_attempt_;
  base::Instant last_failure_;
  std::optional<base::Instant> attempt_started_;

  std::string note_;
  std::string failure_text_;
  PeerState shown_state_ = PeerState::off;
  base::Instant since_;
  std::deque<PeerRequest> requests_;
};

}  // namespace caponier::gateway
