#include "io/http/http_server.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "io/os/clock.h"
#include "io/socket/sockaddr.h"

namespace caponier::io {
namespace {

constexpr int backlog = 16;
constexpr std::size_t read_size = 4096;

std::string answer_of(std::string_view status, std::string_view type, std::string_view body) {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n"
      "Cache-Control: no-store\r\n\r\n{}",
      status, type, body.size(), body);
}

std::string refusal(std::string_view status) {
  return answer_of(status, "text/plain; charset=utf-8", fmt::format("{}\n", status));
}

}  // namespace

Io<std::unique_ptr<HttpServer>> HttpServer::open(const base::Endpoint& at, Loop& loop,
                                                 Pages pages) {
  const SocketAddress address{at};
  Fd fd{::socket(address.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  const int on = 1;
  const bool is_bound = fd.is_open() &&
                        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                        ::bind(fd.get(), address.get(), address.size()) == 0;
  if (!is_bound || ::listen(fd.get(), backlog) != 0) {
    return std::unexpected{error_from_errno(
        fmt::format("metrics cannot be served on {}", at.to_string()), errno,
        "choose an address of this host and a free port as metrics in [daemon], or leave it out")};
  }
  return std::unique_ptr<HttpServer>{new HttpServer{std::move(fd), loop, std::move(pages)}};
}

HttpServer::HttpServer(Fd listener, Loop& loop, Pages pages)
    : listener_(std::move(listener)), loop_(loop), pages_(std::move(pages)) {
  loop_.on_readable(listener_.get(), [this] { accept_all(); });
}

HttpServer::~HttpServer() {
  loop_.forget(listener_.get());
  for (const auto& [id, client] : clients_) loop_.forget(client.fd.get());
}

base::Endpoint HttpServer::at() const {
  SocketAddress address;
  socklen_t size = SocketAddress::capacity;
  if (::getsockname(listener_.get(), address.get_mutable(), &size) != 0) return {};
  return address.endpoint();
}

void HttpServer::accept_all() {
  for (;;) {
    Fd fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!fd.is_open()) return;
    if (clients_.size() >= clients_max) continue;
    const std::uint64_t id = next_id_++;
    const int raw = fd.get();
    Client& client = clients_[id];
    client.fd = std::move(fd);
    client.until = monotonic_now() + patience;
    loop_.on_readable(raw, [this, id] { read_from(id); });
  }
}

void HttpServer::read_from(std::uint64_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  std::array<char, read_size> buffer{};
  const ssize_t size = ::recv(client.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  // What comes behind the request is of no interest.
  if (size > 0 && client.answer) return;
  if (size <= 0) return drop(id);
  const auto progress = client.head.take({buffer.data(), static_cast<std::size_t>(size)});
  if (progress == HttpRequestHead::Progress::more) return;
  client.answer = answer_to(progress, client.head);
  write_to(id);
}

std::string HttpServer::answer_to(HttpRequestHead::Progress progress,
                                  const HttpRequestHead& head) const {
  if (progress == HttpRequestHead::Progress::failed) return refusal("400 Bad Request");
  if (!head.is_get()) return refusal("405 Method Not Allowed");
  const auto page = pages_(head.path());
  return page ? answer_of("200 OK", page->type, page->body) : refusal("404 Not Found");
}

void HttpServer::write_to(std::uint64_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  const std::string& answer = *client.answer;
  while (client.sent < answer.size()) {
    const ssize_t size = ::send(client.fd.get(), answer.data() + client.sent,
                                answer.size() - client.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) {
      loop_.on_writable_once(client.fd.get(), [this, id] { write_to(id); });
      return;
    }
    if (size < 0) return drop(id);
    client.sent += static_cast<std::size_t>(size);
  }
  // Unread octets would make of the end a reset, and of the answer nothing.
  ::shutdown(client.fd.get(), SHUT_WR);
}

void HttpServer::drop(std::uint64_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  loop_.forget(found->second.fd.get());
  clients_.erase(found);
}

void HttpServer::handle_deadline(base::Instant now) {
  std::vector<std::uint64_t> late;
  for (const auto& [id, client] : clients_) {
    if (client.until <= now) late.push_back(id);
  }
  for (const std::uint64_t id : late) drop(id);
}

std::optional<base::Deadline> HttpServer::poll_deadline() const {
  // They have come one after the other, each with the same patience.
  if (clients_.empty()) return std::nullopt;
  return base::Deadline{clients_.begin()->second.until, "HTTP client"};
}

}  // namespace caponier::io
