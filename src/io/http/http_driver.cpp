#include "io/http/http_driver.h"

#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "base/error.h"
#include "io/os/clock.h"
#include "io/tcp/tcp_socket.h"

namespace caponier::io {
namespace {

/// A server that sends fast gets no more turns than others.
constexpr int reads_per_turn_max = 8;
constexpr std::size_t read_size = std::size_t{16} * 1024;

HttpStream stream_of(const std::string& text) {
  HttpStream stream = 0;
  std::from_chars(text.data(), text.data() + text.size(), stream);
  return stream;
}

}  // namespace

Io<std::unique_ptr<HttpDriver>> HttpDriver::start(const HttpLimits& limits, std::uint32_t mark,
                                                  Loop& loop) {
  return std::unique_ptr<HttpDriver>{new HttpDriver{limits, mark, loop, TRY(Resolver::start())}};
}

HttpDriver::HttpDriver(const HttpLimits& limits, std::uint32_t mark, Loop& loop, Resolver resolver)
    : mark_(mark), loop_(loop), resolver_(std::move(resolver)), client_(limits) {
  loop_.on_readable(resolver_.fd(), [this] {
    for (const LookupAnswer& answer : resolver_.take_answers()) {
      client_.handle_lookup(stream_of(answer.connection), answer.addresses, monotonic_now());
    }
    perform_all();
  });
}

HttpDriver::~HttpDriver() {
  loop_.forget(resolver_.fd());
  for (const auto& [stream, state] : streams_) loop_.forget(state.fd.get());
}

void HttpDriver::handle_request(gateway::HttpRequest request, base::Instant now) {
  client_.handle_request(std::move(request), now);
  perform_all();
}

void HttpDriver::handle_deadline(base::Instant now) {
  const auto deadline = client_.poll_deadline();
  if (!deadline || deadline->at > now) return;
  client_.handle_deadline(now);
  perform_all();
}

std::optional<gateway::HttpAnswer> HttpDriver::poll_answer() {
  if (answers_.empty()) return std::nullopt;
  std::optional<gateway::HttpAnswer> first{std::move(answers_.front())};
  answers_.pop_front();
  return first;
}

void HttpDriver::perform_all() {
  while (auto action = client_.poll_action()) {
    if (auto* const answer = std::get_if<gateway::HttpAnswer>(&*action)) {
      answers_.push_back(std::move(*answer));
    } else if (const auto* const resolve = std::get_if<HttpClient::Resolve>(&*action)) {
      perform(*resolve);
    } else if (const auto* const open = std::get_if<HttpClient::Open>(&*action)) {
      perform(*open);
    } else if (const auto* const send = std::get_if<HttpClient::Send>(&*action)) {
      perform(*send);
    } else if (const auto* const close = std::get_if<HttpClient::Close>(&*action)) {
      perform(*close);
    }
  }
}

void HttpDriver::perform(const HttpClient::Resolve& resolve) {
  if (resolver_.lookup(std::to_string(resolve.stream), resolve.name, std::nullopt)) return;
  client_.handle_lookup(resolve.stream, {}, monotonic_now());
}

void HttpDriver::perform(const HttpClient::Open& open) {
  const base::IpAddress any = base::IpAddress::lowest(open.to.address.family());
  Fd fd = connect_tcp({{any, 0}, open.to, base::Transport::tcp}, mark_);
  if (!fd.is_open()) return client_.handle_closed(open.stream, monotonic_now());
  const int number = fd.get();
  streams_[open.stream].fd = std::move(fd);
  loop_.on_readable(number, [this, stream = open.stream] { handle_readable(stream); });
  loop_.on_writable_once(number, [this, stream = open.stream] { handle_writable(stream); });
}

void HttpDriver::perform(const HttpClient::Send& send) {
  const auto at = streams_.find(send.stream);
  if (at == streams_.end()) return;
  base::append(at->second.unsent, send.octets);
  write_some(send.stream);
}

void HttpDriver::perform(const HttpClient::Close& close) {
  const auto at = streams_.find(close.stream);
  if (at == streams_.end()) return;
  loop_.forget(at->second.fd.get());
  streams_.erase(at);
}

void HttpDriver::end(HttpStream stream) {
  perform(HttpClient::Close{stream});
  client_.handle_closed(stream, monotonic_now());
}

void HttpDriver::handle_writable(HttpStream stream) {
  const auto at = streams_.find(stream);
  if (at == streams_.end()) return;
  if (at->second.is_open) {
    write_some(stream);
  } else if (pending_error(at->second.fd.get()) != 0) {
    end(stream);
  } else {
    at->second.is_open = true;
    client_.handle_opened(stream, monotonic_now());
  }
  perform_all();
}

void HttpDriver::write_some(HttpStream stream) {
  Stream& state = streams_.at(stream);
  while (!state.unsent.empty()) {
    std::size_t count = 0;
    switch (write_tcp(state.fd.get(), state.unsent, count)) {
      case TcpResult::some: break;
      case TcpResult::blocked:
        return loop_.on_writable_once(state.fd.get(), [this, stream] { handle_writable(stream); });
      case TcpResult::ended: return;  // reading tells
    }
    state.unsent.erase(state.unsent.begin(),
                       state.unsent.begin() + static_cast<std::ptrdiff_t>(count));
  }
}

void HttpDriver::handle_readable(HttpStream stream) {
  std::array<std::byte, read_size> area;
  for (int turn = 0; turn < reads_per_turn_max; ++turn) {
    const auto at = streams_.find(stream);
    // While it connects, an error makes it readable; handle_writable() sees to that.
    if (at == streams_.end() || !at->second.is_open) break;
    std::size_t count = 0;
    const TcpResult result = read_tcp(at->second.fd.get(), area, count);
    if (result == TcpResult::blocked) break;
    if (result == TcpResult::ended) {
      end(stream);
    } else {
      client_.handle_octets(stream, base::Bytes{area}.first(count), monotonic_now());
    }
    perform_all();
  }
}

}  // namespace caponier::io
