#include "io/unix/unix_server.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/secret.h"

namespace caponier::io {
namespace {

constexpr int backlog = 128;  // so many may come at once
constexpr std::size_t read_size = 16384;

/// Stops accepting for this round when the process runs out of descriptors.
constexpr int accepted_per_round_max = 64;

}  // namespace

Io<std::unique_ptr<UnixServer>> UnixServer::open(const std::string& path, const std::string& group,
                                                 Loop& loop, Handler handler) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return std::unexpected{
        IoError{IoFault::other,
                fmt::format("the path {} is longer than the {} characters a socket may have", path,
                            sizeof address.sun_path - 1),
                "choose a shorter --run-dir"}};
  }
  path.copy(address.sun_path, path.size());
  Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  ::unlink(path.c_str());
  const mode_t previous = ::umask(0117);
  const bool bound = fd.is_open() && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                                            sizeof address) == 0;
  const int error = errno;
  ::umask(previous);
  if (!bound || ::listen(fd.get(), backlog) != 0) {
    return std::unexpected{error_from_errno(fmt::format("cannot listen on {}", path),
                                            bound ? errno : error,
                                            "run as root, or choose another --run-dir")};
  }
  if (const ::group* found = ::getgrnam(group.c_str()); found != nullptr) {
    static_cast<void>(::chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) == 0);
  }
  return std::unique_ptr<UnixServer>{new UnixServer{path, std::move(fd), loop, std::move(handler)}};
}

UnixServer::UnixServer(std::string path, Fd listener, Loop& loop, Handler handler)
    : path_(std::move(path)),
      listener_(std::move(listener)),
      loop_(loop),
      handler_(std::move(handler)) {
  loop_.on_readable(listener_.get(), [this] { accept_all(); });
}

UnixServer::~UnixServer() {
  loop_.forget(listener_.get());
  for (const auto& [id, client] : clients_) loop_.forget(client.fd.get());
  ::unlink(path_.c_str());
}

void UnixServer::accept_all() {
  for (int i = 0; i < accepted_per_round_max; ++i) {
    Fd fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!fd.is_open()) return;
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) continue;
    const ClientId id = next_id_++;
    if (!handler_.connected(id, peer.uid)) continue;
    const int raw = fd.get();
    clients_[id].fd = std::move(fd);
    loop_.on_readable(raw, [this, id] { read_from(id); });
  }
}

void UnixServer::read_from(ClientId id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  std::array<char, read_size> buffer{};
  const ssize_t size = ::recv(found->second.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size > 0) {
    handler_.received(id, {buffer.data(), static_cast<std::size_t>(size)});
    // Clients load secrets.
    base::wipe(std::as_writable_bytes(std::span{buffer}).first(static_cast<std::size_t>(size)));
  } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
    drop(id);
  }
}

void UnixServer::send(ClientId client, std::string_view data, bool close) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return;
  found->second.waiting += data;
  found->second.closing = found->second.closing || close;
  flush(client);
}

void UnixServer::flush(ClientId id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  std::size_t done = 0;
  while (done < client.waiting.size()) {
    const ssize_t size = ::send(client.fd.get(), client.waiting.data() + done,
                                client.waiting.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    if (size < 0) return drop(id);
    done += static_cast<std::size_t>(size);
  }
  client.waiting.erase(0, done);
  if (done > 0) handler_.written(id, done);
  if (client.waiting.empty() && client.closing) return drop(id);
  if (!client.waiting.empty() && !client.writable_awaited) {
    client.writable_awaited = true;
    loop_.on_writable_once(client.fd.get(), [this, id] {
      const auto at = clients_.find(id);
      if (at == clients_.end()) return;
      at->second.writable_awaited = false;
      flush(id);
    });
  }
}

void UnixServer::drop(ClientId id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  loop_.forget(found->second.fd.get());
  clients_.erase(found);
  handler_.disconnected(id);
}

}  // namespace caponier::io
