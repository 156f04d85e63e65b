#pragma once
// The control protocol: one JSON document per line in both directions over a local stream. Pure:
// lines in, lines out.
//
//   request   {"v":1,"verb":"status","args":{...}}
//   response  {"v":1,"ok":true,"result":{...}} or
//             {"v":1,"ok":false,"error":{"code":8,"message":"...","fix":"..."}}
//   stream    {"v":1,"event":{...}} after a response with "streaming":true, until "end":true
//
// `code` is the exit code the command line ends with (protocol.h). While a request of a client is
// waiting or streaming, the only further one it may send is {"v":1,"verb":"stop"}, which ends it.
// Verbs, arguments and results: docs/control-protocol.md.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/drops.h"
#include "base/event.h"
#include "base/time.h"
#include "config/config.h"
#include "control/protocol.h"
#include "gateway/gateway.h"

namespace caponier::control {

/// Who asks; the driver knows from the socket.
struct Caller {
  bool may_change = false;  ///< uid 0 or the daemon's own user
};

/// An event with the wall-clock time the driver gave it.
struct StampedEvent {
  std::int64_t unix_microseconds = 0;
  base::Event event;
};
/// The JSON form of an event (journald's field names, lower case), also used by log sinks.
[[nodiscard]] std::string to_json(const StampedEvent& event);
/// "2026-01-31 12:00:00.123 notice branch: IKE SA established ..." in UTC, without colour.
[[nodiscard]] std::string to_line(const StampedEvent& event);

/// What the process has taken so far.
struct Usage {
  base::Instant started;
  base::Duration cpu;                   ///< of all its threads
  std::vector<base::Duration> workers;  ///< of each worker of the data plane
};

/// What the server needs the daemon to do beyond the gateway.
class Daemon {
 public:
  virtual ~Daemon() = default;
  /// Reads the configuration again and applies it; the errors when it was refused.
  [[nodiscard]] virtual std::expected<config::ConfigDiff, std::vector<config::ConfigError>> reload(
      base::Instant now) = 0;
  /// What that would change, with nothing changed.
  [[nodiscard]] virtual std::expected<config::ConfigDiff, std::vector<config::ConfigError>>
  check_reload() = 0;
  /// What the drivers discarded.
  [[nodiscard]] virtual base::DropCounters drops() const = 0;
  /// Those of drops() that belong to one worker of the data plane, in the gateway's order.
  [[nodiscard]] virtual std::vector<base::DropCounters> worker_drops() const = 0;
  [[nodiscard]] virtual Usage usage() const = 0;
  /// What the host lacks, one sentence each; shown in status as long as it holds.
  [[nodiscard]] virtual std::vector<std::string> notes() const = 0;
  /// Certificates and CRLs of ours, the first to end first.
  [[nodiscard]] virtual std::vector<pki::Expiry> expiries() const = 0;
};

using ClientId = std::uint64_t;

/// All clients of the control socket. Requests that wait for something (up --wait, ping, log -f)
/// are kept here and answered when it happens or their time is up.
class Server {
 public:
  /// Both must outlive the server.
  Server(gateway::Gateway& gateway, Daemon& daemon);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// False when clients_max is reached; the driver then closes the connection.
  [[nodiscard]] bool connect(ClientId client, const Caller& caller);
  void disconnect(ClientId client);
  /// Raw bytes from the client; complete lines are answered.
  void receive(ClientId client, std::string_view data, base::Instant now);
  void handle_event(StampedEvent event);
  /// Re-examines waiting requests; call after every change of the gateway and at poll_deadline().
  void handle_progress(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;

  struct Output {
    ClientId client = 0;
    std::string data;
    bool close = false;  ///< after `data` has been written
    bool cut = false;    ///< close at once, whatever still waits to be written
  };
  [[nodiscard]] std::optional<Output> poll_output();
  /// The kernel took so many bytes of what poll_output() gave for this client. A client with more
  /// than client_backlog_max bytes outstanding is cut off.
  void handle_written(ClientId client, std::size_t bytes);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::control
