#include "cli/client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace caponier::cli {
namespace {

Failure connect_failure(int error, const std::string& path) {
  if (error == EACCES || error == EPERM) {
    return {ExitCode::permission,
            fmt::format("you may not use {}", path),
            "run caponier as root (sudo), or join the group caponier for reading",
            {}};
  }
  return {ExitCode::not_running,
          fmt::format("caponierd is not running: nobody answers at {}", path),
          "start it (systemctl start caponier, or caponierd), or name its --run-dir",
          {}};
}

}  // namespace

Failure failure_of(Json answer) {
  const Json& error = at(answer, "error");
  Failure failure;
  failure.code = static_cast<ExitCode>(number(error, "code", 1));
  failure.message = text(error, "message");
  failure.fix = text(error, "fix");
  failure.document = std::move(answer);
  return failure;
}

Outcome<Connection> Connection::open(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return std::unexpected{
        Failure{ExitCode::usage, fmt::format("the path {} is too long", socket_path), "", {}}};
  }
  socket_path.copy(address.sun_path, socket_path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Connection connection{fd, socket_path};
  const void* const at = &address;
  if (fd < 0 || ::connect(fd, static_cast<const sockaddr*>(at), sizeof address) != 0) {
    return std::unexpected{connect_failure(errno, socket_path)};
  }
  return connection;
}

Connection::Connection(Connection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      buffer_(std::move(other.buffer_)) {}

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

Failure Connection::lost() const {
  return {ExitCode::not_running,
          fmt::format("the connection to {} was closed", path_),
          "see the daemon's log",
          {}};
}

Outcome<void> Connection::send(const std::string& verb, Json arguments) {
  const Json request{
      {"v", control::protocol_version}, {"verb", verb}, {"args", std::move(arguments)}};
  const std::string line = dump(request, -1) + "\n";
  std::size_t done = 0;
  while (done < line.size()) {
    const ssize_t size = ::send(fd_, line.data() + done, line.size() - done, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::unexpected{lost()};
    done += static_cast<std::size_t>(size);
  }
  return {};
}

Outcome<std::optional<Json>> Connection::receive(int wait_ms) {
  for (;;) {
    const std::size_t newline = buffer_.find('\n');
    if (newline != std::string::npos) {
      Json document = Json::parse(buffer_.substr(0, newline), nullptr, false);
      buffer_.erase(0, newline + 1);
      if (document.is_object()) return document;
      return std::unexpected{Failure{ExitCode::generic,
                                     "the daemon's answer is not JSON",
                                     "caponier and caponierd may be of different versions",
                                     {}}};
    }
    pollfd waiting{fd_, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, wait_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR)) return std::optional<Json>{};
    std::array<char, 65536> chunk{};
    const ssize_t size = ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (size <= 0) return std::unexpected{lost()};
    buffer_.append(chunk.data(), static_cast<std::size_t>(size));
  }
}

Outcome<Json> Connection::ask(const std::string& verb, Json arguments) {
  TRY_VOID(send(verb, std::move(arguments)));
  std::optional<Json> answer;
  while (!answer) answer = TRY(receive());
  if (flag(*answer, "ok")) return std::move(*answer);
  return std::unexpected{failure_of(std::move(*answer))};
}

}  // namespace caponier::cli
