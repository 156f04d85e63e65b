#pragma once
// The client's end of the control socket.

#include <expected>
#include <optional>
#include <string>

#include "cli/json.h"
#include "control/protocol.h"

namespace caponier::cli {

using control::ExitCode;

/// Why a verb could not be done; printed as "error: ..." and "fix: ...".
struct Failure {
  ExitCode code = ExitCode::generic;
  std::string message;
  std::string fix;
  Json document;  ///< the daemon's error, for --json; null when it is ours
};

/// Of an answer that is not ok.
[[nodiscard]] Failure failure_of(Json answer);

template <class T>
using Outcome = std::expected<T, Failure>;

class Connection {
 public:
  [[nodiscard]] static Outcome<Connection> open(const std::string& socket_path);
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&&) = delete;
  ~Connection();

  [[nodiscard]] Outcome<void> send(const std::string& verb, Json arguments = Json::object());
  /// The next document; `wait_ms` -1 waits for ever. Empty: nothing came in time, or a signal
  /// arrived.
  [[nodiscard]] Outcome<std::optional<Json>> receive(int wait_ms = -1);
  /// send() and the response's document; its error becomes a Failure.
  [[nodiscard]] Outcome<Json> ask(const std::string& verb, Json arguments = Json::object());

 private:
  Connection(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  [[nodiscard]] Failure lost() const;
  int fd_;
  std::string path_;
  std::string buffer_;
};

}  // namespace caponier::cli
