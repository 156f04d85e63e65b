#pragma once
// Tells RADIUS servers of the sessions of users (RFC 2866), and takes what they ask about them
// (RFC 5176). Outside of Gateway, as EapDesk is: what a server asks for is an action here, and the
// driver carries it to the gateway.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/event.h"
#include "base/rng.h"
#include "base/time.h"
#include "config/config.h"
#include "crypto/legacy.h"
#include "gateway/gateway.h"
#include "radius/dynamic.h"

namespace caponier::gateway {

/// What no server has acknowledged is kept and told again; the oldest are lost first.
inline constexpr std::size_t untold_max = 4096;
inline constexpr base::Duration untold_pause = std::chrono::seconds{30};

/// Answered with handle_usage().
struct AskUsage {
  SessionId session;
};
/// Answered with answer(): whether all were there to be ended.
struct EndSessions {
  radius::DynamicId request;
  std::vector<SessionId> sessions;
};
/// Answered likewise.
struct ChangeSessions {
  radius::DynamicId request;
  std::vector<SessionId> sessions;
  SessionChange change;
};

using AccountingAction = std::variant<radius::Transmit, radius::DynamicTransmit, AskUsage,
                                      EndSessions, ChangeSessions, base::Event>;

/// What a RADIUS server is answered (RFC 5176 s3.5).
[[nodiscard]] radius::ErrorCause cause_of(ChangeOutcome outcome);

class AccountingDesk {
 public:
  /// All must outlive the object. `unix_origin`: the wall-clock time (since 1970) of the instants'
  /// origin.
  AccountingDesk(const crypto::LegacyCrypto& crypto, base::Rng& rng, base::Duration unix_origin)
      : crypto_(crypto), rng_(rng), unix_origin_(unix_origin) {}

  /// Sessions that are in go on being accounted for, by the servers that are configured now.
  void apply(std::shared_ptr<const config::Config> config, base::Instant now);
  void handle(const SessionUp& up, base::Instant now);
  void handle(const SessionDown& down, base::Instant now);
  void handle_usage(SessionId session, const radius::Usage& usage, base::Instant now);
  void answer(radius::DynamicId request, radius::ErrorCause cause);

  /// Answers of accounting servers.
  void handle_datagram(radius::PortHandle port, const base::Endpoint& from, base::Bytes datagram,
                       base::Instant now);
  /// Requests of servers, at RadiusConfig::coa.
  void handle_dynamic(const base::Endpoint& from, base::Bytes datagram, base::Instant now);
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<AccountingAction> poll_action();
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  /// Nothing waits for an answer.
  [[nodiscard]] bool is_idle() const { return under_way_.empty() && untold_.empty(); }

 private:
  struct Entry {
    Session session;
    std::string acct_session_id;
    std::optional<radius::AccountingSession> accounting;
    std::optional<base::Instant> interim;  ///< in interims_
    bool is_asked = false;                 ///< for its usage
  };

  [[nodiscard]] radius::UnixSeconds unix_now(base::Instant now) const;
  [[nodiscard]] radius::NasAttributes nas_of(const Session& session) const;
  void begin(Entry& entry, base::Instant now);
  void arm(Entry& entry, std::optional<base::Deadline> at);
  void submit(radius::Request request, base::Instant now);
  void keep(radius::Request request, base::Instant now);
  void drain(base::Instant now);
  void handle_request(const radius::DynamicRequest& request);
  void drain_dynamic();
  [[nodiscard]] std::vector<SessionId> find(const radius::SessionSelector& selector) const;
  void tell(std::string text);

  const crypto::LegacyCrypto& crypto_;
  base::Rng& rng_;
  base::Duration unix_origin_;
  std::shared_ptr<const config::Config> config_;
  std::unique_ptr<radius::RadiusClient> client_;
  std::unique_ptr<radius::DynamicAuthorization> dynamic_;
  std::map<SessionId, Entry> sessions_;
  std::set<std::pair<base::Instant, SessionId>> interims_;
  std::map<radius::RequestId, radius::Request> under_way_;
  std::deque<radius::Request> untold_;
  std::optional<base::Instant> retell_at_;
  std::uint64_t lost_ = 0;
  std::deque<AccountingAction> actions_;
};

}  // namespace caponier::gateway
