#pragma once
// The inside of Server. server.cpp keeps clients, lists and events; commands.cpp tells of the
// whole, lists.cpp streams, sa_commands.cpp changes SAs, load_commands.cpp hands to the store.

#include <array>
#include <bitset>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <variant>

#include "vici/describe.h"
#include "vici/input.h"
#include "vici/log_line.h"
#include "vici/packet.h"
#include "vici/server.h"

namespace caponier::vici {

enum class EventName : std::uint8_t {
  log,
  control_log,
  list_sa,
  list_policy,
  list_conn,
  list_cert,
  list_authority,
  ike_updown,
  ike_rekey,
  ike_update,
  child_updown,
  child_rekey,
  alert,
};
inline constexpr std::array<std::string_view, 13> event_names{
    "log",          "control-log",    "list-sa",    "list-policy", "list-conn",
    "list-cert",    "list-authority", "ike-updown", "ike-rekey",   "ike-update",
    "child-updown", "child-rekey",    "alert"};

/// Gives one event message after the other, encoded; empty at the end.
using Producer = std::function<std::optional<std::string>(base::Instant)>;

struct Listing {
  EventName event{};
  Producer next;
};

/// A command that is answered when something has happened.
struct Waiting {
  enum class For : std::uint8_t { ike_up, child_up, all_down };
  For what{};
  std::string connection;
  std::string child;
  std::int64_t milliseconds = 0;  ///< 0: for ever
  std::optional<base::Instant> until;
  int log_level = 1;           ///< of control-log
  std::set<ike::IkeSaId> sas;  ///< of all_down: those that are still there
  std::set<policy::ChildSaId> children;
  std::size_t matches = 0;
};

struct Client {
  Input input;
  std::bitset<event_names.size()> events;
  std::variant<std::monostate, Listing, Waiting> command;
  std::size_t outstanding = 0;  ///< octets queued here or handed to the driver
  bool closing = false;
  bool has_loaded = false;  ///< or unloaded
  [[nodiscard]] bool is_busy() const { return command.index() != 0; }
  [[nodiscard]] bool wants(EventName name) const { return events[static_cast<std::size_t>(name)]; }
};

/// What list-sa says of one SA, kept for all who ask.
struct Described {
  std::string connection;
  bool is_nameless = false;  ///< it is not yet of a connection
  base::Path path;
  std::string message;
  base::Instant made;
};

class Server::Impl {
 public:
  Impl(gateway::Gateway& gateway, Host& host)
      : gateway_(gateway), host_(host), describer_(request_ids_, host.pki()) {}

  bool connect(ClientId id);
  void disconnect(ClientId id);
  void receive(ClientId id, std::string_view data, base::Instant now);
  void handle_event(const base::Event& event);
  void handle_progress(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  std::optional<Output> poll_output();
  void handle_written(ClientId id, std::size_t octets);

  using Answer = std::expected<Message, std::string>;
  using Handler = void (Impl::*)(ClientId, const Message&, base::Instant);
  [[nodiscard]] static const std::map<std::string_view, Handler>& commands();

 private:
  // server.cpp
  void say(ClientId id, std::string packet);
  void cut(ClientId id);
  void take_input(ClientId id, base::Instant now);
  /// False: it has to wait for the command that is under way.
  [[nodiscard]] bool take_packet(ClientId id, const Packet& packet, base::Instant now);
  void change_registration(ClientId id, const Packet& packet);
  void respond(ClientId id, std::string_view message);
  void respond(ClientId id, const Message& message) { respond(id, message.encode()); }
  /// success=yes and what stands in it; or success=no and errmsg.
  void answer(ClientId id, const Answer& answer);
  void refuse(ClientId id, std::string_view why);
  void raise(EventName name, const std::string& message);
  void tell(const LogLine& line);
  void start_list(ClientId id, EventName event, Producer next);
  void pump_lists(base::Instant now);
  void pump_list(ClientId id, Client& client, base::Instant now);
  void take_changes(base::Instant now);

  // events.cpp
  void raise_events(const gateway::SaChange& change, base::Instant now);
  void raise_moved(const gateway::SaChange& change, base::Instant now);

  // commands.cpp
  void version(ClientId id, const Message& request, base::Instant now);
  void stats(ClientId id, const Message& request, base::Instant now);
  void reload_settings(ClientId id, const Message& request, base::Instant now);
  void get_algorithms(ClientId id, const Message& request, base::Instant now);
  void get_pools(ClientId id, const Message& request, base::Instant now);
  void get_counters(ClientId id, const Message& request, base::Instant now);
  void reset_counters(ClientId id, const Message& request, base::Instant now);

  // lists.cpp
  void list_sas(ClientId id, const Message& request, base::Instant now);
  void list_policies(ClientId id, const Message& request, base::Instant now);
  void list_conns(ClientId id, const Message& request, base::Instant now);
  void list_certs(ClientId id, const Message& request, base::Instant now);
  void list_authorities(ClientId id, const Message& request, base::Instant now);
  /// Null: it is gone.
  [[nodiscard]] const Described* describe(ike::IkeSaId id, base::Instant now);
  void forget_all_but(const std::vector<ike::IkeSaId>& ids);

  // sa_commands.cpp
  void initiate(ClientId id, const Message& request, base::Instant now);
  void terminate(ClientId id, const Message& request, base::Instant now);
  void rekey(ClientId id, const Message& request, base::Instant now);
  void redirect(ClientId id, const Message& request, base::Instant now);
  void install(ClientId id, const Message& request, base::Instant now);
  void uninstall(ClientId id, const Message& request, base::Instant now);
  /// IKE SAs, or children of them, that a request means.
  struct Selected {
    struct Sa {
      ike::IkeSaId id;
      std::string connection;
      std::string child;  ///< empty: the IKE SA is meant
    };
    std::vector<Sa> sas;
    std::vector<policy::ChildSaId> children;
    [[nodiscard]] std::size_t count() const { return sas.size() + children.size(); }
  };
  [[nodiscard]] Selected select(const Message& request);
  [[nodiscard]] bool has_established(const std::string& connection);
  void begin_wait(ClientId id, Waiting waiting, base::Instant now);
  /// What the change means for those who wait.
  void heed(const gateway::SaChange& change);
  void heed(ClientId id, Waiting& waiting, const gateway::SaChange& change);
  void check_waits(base::Instant now);
  /// What a client has begun and has failed is not tried for ever.
  void check_begun();
  void finish(ClientId id, const Waiting& waiting, std::string_view failure);

  // load_commands.cpp
  void load(ClientId id, const Message& request, base::Instant now,
            Store::Answer (Store::*how)(const Message&, base::Instant));
  void load_conn(ClientId id, const Message& request, base::Instant now);
  void unload_conn(ClientId id, const Message& request, base::Instant now);
  void load_cert(ClientId id, const Message& request, base::Instant now);
  void load_key(ClientId id, const Message& request, base::Instant now);
  void unload_key(ClientId id, const Message& request, base::Instant now);
  void load_token(ClientId id, const Message& request, base::Instant now);
  void load_shared(ClientId id, const Message& request, base::Instant now);
  void unload_shared(ClientId id, const Message& request, base::Instant now);
  void load_authority(ClientId id, const Message& request, base::Instant now);
  void unload_authority(ClientId id, const Message& request, base::Instant now);
  void load_pool(ClientId id, const Message& request, base::Instant now);
  void unload_pool(ClientId id, const Message& request, base::Instant now);
  void flush_certs(ClientId id, const Message& request, base::Instant now);
  void clear_creds(ClientId id, const Message& request, base::Instant now);
  void get_conns(ClientId id, const Message& request, base::Instant now);
  void get_keys(ClientId id, const Message& request, base::Instant now);
  void get_shared(ClientId id, const Message& request, base::Instant now);
  void get_authorities(ClientId id, const Message& request, base::Instant now);

  gateway::Gateway& gateway_;
  Host& host_;
  RequestIds request_ids_;
  Describer describer_;
  std::map<ClientId, Client> clients_;
  std::deque<Output> output_;
  std::map<ike::IkeSaId, Described> described_;
  /// By clients, and not configured to be up at once: connections, and the child or none.
  std::set<std::pair<std::string, std::string>> begun_;
  std::uint64_t changes_lost_ = 0;
  ClientId last_served_ = 0;      ///< of those with lists: the next one's turn comes after it
  bool has_more_ = false;         ///< of lists, for clients that could take it
  std::set<ClientId> has_input_;  ///< whose next command may begin
  base::Instant latest_;          ///< the last time we were told
};

}  // namespace caponier::vici
