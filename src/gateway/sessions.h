#pragma once
// The sessions of a server's users: who is in, since when and until when, what they have carried.
// A session lasts as long as its lease, whatever IKE SAs and Child SAs it has in between.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "gateway/workers.h"
#include "ike/actions.h"
#include "radius/accounting.h"

namespace caponier::gateway {

/// The number of the first IKE SA.
using SessionId = base::Strong<struct SessionIdTag, std::uint64_t>;

struct Session {
  SessionId id;
  std::string connection;
  std::string user;
  std::string group;  ///< empty: none
  base::Path path;    ///< at first
  std::vector<base::IpAddress> addresses;
  policy::UserGrant grant;  ///< of the last authentication
  /// Where `grant` says nothing.
  std::optional<base::Duration> session_timeout;
  base::Instant since;
  std::optional<base::Instant> until;  ///< Session-Timeout (RFC 2865 s5.27)
  std::optional<base::Duration> idle_timeout;
  std::optional<base::IpAddress> server;  ///< as which we answer what the user asks of us
};

struct SessionUp {
  Session session;
};
struct SessionDown {
  SessionId id;
  radius::TerminateCause cause{};
  radius::Usage usage;
};
/// What a RADIUS server may change of a session that is in (RFC 5176).
struct SessionChange {
  std::optional<base::Duration> session_timeout;  ///< from the beginning of the session on
  std::optional<base::Duration> idle_timeout;
  std::vector<std::string> filters;  ///< none: stay
};
/// To be ended.
struct SessionExpired {
  ike::IkeSaId sa;
  std::string connection;
};
using SessionsExpired = std::vector<SessionExpired>;

class Sessions {
 public:
  /// An address has been given; the session begins when the IKE SA is up.
  void expect(ike::IkeSaId sa, Session session);
  /// Empty: it is no user's, or is up already. Who has authenticated anew, and so has the same
  /// addresses, goes on with the session that is up.
  [[nodiscard]] std::optional<Session> handle_up(ike::IkeSaId sa, const base::Path& path,
                                                 base::Instant now);
  /// The one SA has taken the other's place.
  void move(ike::IkeSaId from, ike::IkeSaId to);
  /// Notes why; end() follows.
  void handle_down(ike::IkeSaId sa, ike::EndReason reason);
  /// Empty: it has never been up, or another IKE SA goes on with it.
  [[nodiscard]] std::optional<SessionDown> end(ike::IkeSaId sa);

  void handle_child_up(ike::IkeSaId sa, policy::ChildSaId child);
  /// To be called before the SA goes.
  void handle_child_removed(policy::ChildSaId child, const Workers& workers);

  [[nodiscard]] std::optional<radius::Usage> usage(SessionId id, const Workers& workers) const;
  /// Null: it is not up.
  [[nodiscard]] const Session* find(SessionId id) const;
  [[nodiscard]] const Session* find(ike::IkeSaId sa) const;
  [[nodiscard]] const Session* find(policy::ChildSaId child) const;
  /// What ends it, `cause` being why; empty: it is not up.
  [[nodiscard]] SessionsExpired order_end(SessionId id, radius::TerminateCause cause);
  void change(SessionId id, const SessionChange& change, std::string group, base::Instant now);
  /// Whoever is still in when the daemon ends.
  void note_shutdown() { is_shutting_down_ = true; }

  /// Those whose time is over, or who have been idle for too long.
  [[nodiscard]] SessionsExpired handle_deadline(base::Instant now, const Workers& workers);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Session session;
    std::set<ike::IkeSaId> sas;  ///< several while the user authenticates anew
    bool is_up = false;
    std::optional<radius::TerminateCause> cause;
    ipsec::SaCounters retired;
    std::set<policy::ChildSaId> children;
    std::optional<base::Instant> timer;
  };

  [[nodiscard]] Entry* entry_of(ike::IkeSaId sa);
  /// The one that is up, of the same user at the same addresses.
  [[nodiscard]] Entry* find_same(const Session& session);
  /// `newer` ends in it.
  void join(Entry& same, Entry& newer, ike::IkeSaId sa, base::Instant now);
  static void set_timeouts(Session& session, base::Instant now);
  [[nodiscard]] static ipsec::SaCounters counters_of(const Entry& entry, const Workers& workers);
  void arm(Entry& entry, std::optional<base::Instant> at);
  /// By both timeouts, activity being at `active`.
  void arm_from(Entry& entry, base::Instant active);

  std::map<SessionId, Entry> entries_;
  std::map<ike::IkeSaId, SessionId> by_sa_;
  std::map<policy::ChildSaId, SessionId> by_child_;
  std::map<base::IpAddress, SessionId> by_address_;  ///< by their first; those that are up
  std::set<std::pair<base::Instant, SessionId>> timers_;
  bool is_shutting_down_ = false;
};

}  // namespace caponier::gateway
