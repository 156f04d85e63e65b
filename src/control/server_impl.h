#pragma once
// The inside of Server. server.cpp takes requests, server_streams.cpp keeps those that go on for
// longer: ping, capture, trace.

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <variant>

#include "control/control.h"
#include "control/json.h"
#include "control/request.h"

namespace caponier::control {

struct WaitingUp {
  std::string name;
  base::Instant until;
  std::uint64_t wait_milliseconds = 0;
  ExitCode failure = ExitCode::network;  ///< as the latest event of this peer says
};

struct Pinging {
  std::string name;
  std::uint64_t count = 0;
  std::uint64_t sent = 0;
  std::vector<base::Duration> round_trips;
  bool waiting = false;  ///< for the answer to the latest
  std::uint64_t answered_before = 0;
  base::Instant next;  ///< when to send, or to give up waiting
};

struct Following {
  std::string name;  ///< empty: everything
};

struct Capturing {
  std::optional<base::Instant> until;
  base::Instant next_fetch;
};

struct Tracing {
  std::optional<std::uint64_t> left;  ///< records still to send; empty: until stopped
  std::uint64_t sent = 0;
  base::Instant next_fetch;
};

using Waiting = std::variant<std::monostate, WaitingUp, Pinging, Following, Capturing, Tracing>;

struct Client {
  Caller caller;
  std::string input;
  Waiting waiting;
  std::size_t outstanding = 0;  ///< bytes queued here or handed to the driver
  bool closing = false;
};

[[nodiscard]] const gateway::PeerStatus* find_peer(const gateway::Status& status,
                                                   std::string_view name);

class Server::Impl {
 public:
  Impl(gateway::Gateway& gateway, Daemon& daemon) : gateway_(gateway), daemon_(daemon) {}

  bool connect(ClientId id, const Caller& caller);
  void disconnect(ClientId id);
  void receive(ClientId id, std::string_view data, base::Instant now);
  void handle_event(StampedEvent event);
  void handle_progress(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  std::optional<Output> poll_output();
  void handle_written(ClientId id, std::size_t bytes);

 private:
  void say(ClientId id, const Json& document);
  void succeed(ClientId id, Json result, bool streaming = false);
  void fail(ClientId id, const Refusal& refusal);
  void cut(ClientId id);

  void handle_line(ClientId id, std::string_view line, base::Instant now);
  void handle_request(ClientId id, const Request& request, base::Instant now);
  void status(ClientId id, const StatusRequest& request, base::Instant now);
  void why(ClientId id, const WhyRequest& request, base::Instant now);
  void up(ClientId id, const UpRequest& request, base::Instant now);
  void down(ClientId id, const DownRequest& request, base::Instant now);
  void log(ClientId id, const LogRequest& request);
  void ping(ClientId id, const PingRequest& request, base::Instant now);
  void redirect(ClientId id, const RedirectRequest& request, base::Instant now);
  void logout(ClientId id, const LogoutRequest& request, base::Instant now);
  void leases(ClientId id, const LeasesRequest& request, base::Instant now);
  void reload(ClientId id, const ReloadRequest& request, base::Instant now);
  void keys(ClientId id);
  void capture(ClientId id, const CaptureRequest& request, base::Instant now);
  void trace(ClientId id, const TraceVerbRequest& request, base::Instant now);
  void stop(ClientId id);

  void progress(ClientId id, WaitingUp& waiting, const gateway::Status& status);
  void progress(ClientId id, Pinging& pinging, const gateway::Status& status);
  void progress(ClientId id, Capturing& capturing, base::Instant now);
  void progress(ClientId id, Tracing& tracing, base::Instant now);
  void send_ping(ClientId id, Pinging& pinging, const gateway::Status& status);
  void finish_ping(ClientId id, const Pinging& pinging);
  void fetch_capture(ClientId id);
  void finish_capture(ClientId id);
  void fetch_trace(ClientId id, Tracing& tracing);
  void finish_trace(ClientId id, Tracing& tracing);
  /// Ends what only one client at a time can have, and has.
  void let_go(Waiting& waiting);
  template <class Stream>
  [[nodiscard]] bool is_taken() const;

  [[nodiscard]] bool is_allowed(ClientId id);
  /// Answers the client when there is no such peer.
  [[nodiscard]] bool is_known(ClientId id, std::string_view name);
  [[nodiscard]] Json keys_json() const;

  gateway::Gateway& gateway_;
  Daemon& daemon_;
  std::map<ClientId, Client> clients_;
  std::deque<Output> output_;
  std::deque<StampedEvent> history_;
};

}  // namespace caponier::control
