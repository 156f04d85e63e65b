#include "io/http/http_client.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/event.h"

namespace caponier::io {

using base::Instant;
using gateway::HttpRequest;

namespace {

base::ByteVec head_and_body(const HttpRequest& request, const HttpUrl& url) {
  const bool is_post = !request.body.empty();
  std::string head = fmt::format(
      "{} {} HTTP/1.0\r\nHost: {}\r\nUser-Agent: caponier\r\nAccept: */*\r\n"
      "Accept-Encoding: identity\r\nConnection: close\r\n",
      is_post ? "POST" : "GET", url.target, url.authority());
  if (is_post) {
    head += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", request.content_type,
                        request.body.size());
  }
  head += "\r\n";
  base::ByteVec octets = base::to_vec(base::as_bytes(head));
  base::append(octets, request.body);
  return octets;
}

/// RFC 9110 s15.4: what may be asked elsewhere as it is; only 307 and 308 keep a body.
bool is_redirect(unsigned status, bool is_post) {
  if (status == 307 || status == 308) return true;
  return !is_post && (status == 301 || status == 302 || status == 303);
}

}  // namespace

void HttpClient::handle_request(HttpRequest request, Instant now) {
  const Instant until = now + request.time_max;
  if (waiting_.size() >= limits_.waiting_max) {
    return answer(request.id, std::unexpected{"too many are being fetched already"});
  }
  waiting_.push_back({std::move(request), until});
  start_some(now);
}

bool HttpClient::has_turn(const std::string& host) const {
  const auto same = std::ranges::count_if(
      exchanges_, [&](const auto& entry) { return entry.second.url.host == host; });
  return static_cast<std::size_t>(same) < limits_.exchanges_per_host_max;
}

void HttpClient::start_some(Instant now) {
  for (auto at = waiting_.begin();
       at != waiting_.end() && exchanges_.size() < limits_.exchanges_max;) {
    auto url = parse_http_url(at->request.url);
    if (url && !has_turn(url->host)) {
      ++at;
      continue;
    }
    Waiting next = std::move(*at);
    at = waiting_.erase(at);
    if (!url) {
      answer(next.request.id, std::unexpected{std::move(url.error())});
      continue;
    }
    Exchange exchange;
    exchange.request = std::move(next.request);
    exchange.url = std::move(*url);
    exchange.until = next.until;
    start(std::move(exchange), now);
  }
}

void HttpClient::start(Exchange exchange, Instant now) {
  const HttpStream stream = next_stream_++;
  exchange.is_open = false;
  exchange.response.reset();
  exchange.addresses.clear();
  // A name that is not found in time is not found.
  exchange.next = exchange.until;
  const auto at = exchanges_.emplace(stream, std::move(exchange)).first;
  const HttpUrl& url = at->second.url;
  if (!url.address) {
    actions_.emplace_back(Resolve{stream, url.host});
    return;
  }
  at->second.addresses.push_back(*url.address);
  open_next(at, now);
}

void HttpClient::handle_lookup(HttpStream stream, const std::vector<base::IpAddress>& addresses,
                               Instant now) {
  const auto at = exchanges_.find(stream);
  if (at == exchanges_.end()) return;
  const std::size_t count = std::min(addresses.size(), limits_.addresses_max);
  at->second.addresses.assign(addresses.begin(),
                              addresses.begin() + static_cast<std::ptrdiff_t>(count));
  if (count == 0) {
    return finish(at,
                  std::unexpected{fmt::format("the name {} is not found",
                                              base::printable(at->second.url.host))},
                  now);
  }
  open_next(at, now);
}

/// Under another number: what is still said of the old stream means nothing.
void HttpClient::open_next(Exchanges::iterator at, Instant now) {
  Exchange& exchange = at->second;
  if (exchange.addresses.empty()) {
    return finish(at,
                  std::unexpected{fmt::format("{} cannot be reached",
                                              base::printable(exchange.url.authority()))},
                  now);
  }
  auto node = exchanges_.extract(at);
  node.key() = next_stream_++;
  exchange.next = now + limits_.connect_time_max;
  actions_.emplace_back(
      Open{node.key(), base::Endpoint{exchange.addresses.front(), exchange.url.port}});
  exchange.addresses.pop_front();
  exchanges_.insert(std::move(node));
}

void HttpClient::handle_opened(HttpStream stream, Instant now) {
  const auto at = exchanges_.find(stream);
  if (at == exchanges_.end() || at->second.is_open) return;
  Exchange& exchange = at->second;
  exchange.is_open = true;
  exchange.next = now + limits_.silence_max;
  exchange.response.emplace(
      HttpResponse::Limits{limits_.header_size_max, exchange.request.size_max});
  actions_.emplace_back(Send{stream, head_and_body(exchange.request, exchange.url)});
}

void HttpClient::handle_octets(HttpStream stream, base::Bytes octets, Instant now) {
  const auto at = exchanges_.find(stream);
  if (at == exchanges_.end() || !at->second.response || octets.empty()) return;
  at->second.next = now + limits_.silence_max;
  settle(at, at->second.response->take(octets), now);
}

void HttpClient::handle_closed(HttpStream stream, Instant now) {
  const auto at = exchanges_.find(stream);
  if (at == exchanges_.end()) return;
  if (!at->second.is_open) return open_next(at, now);
  settle(at, at->second.response->take_end(), now);
}

void HttpClient::settle(Exchanges::iterator at, HttpResponse::Progress progress, Instant now) {
  constexpr unsigned status_ok = 200;
  Exchange& exchange = at->second;
  switch (progress) {
    case HttpResponse::Progress::more: return;
    case HttpResponse::Progress::failed:
      return finish(at, std::unexpected{exchange.response->failure()}, now);
    case HttpResponse::Progress::done: break;
  }
  const unsigned status = exchange.response->status();
  if (status == status_ok) return finish(at, exchange.response->take_body(), now);
  const bool may_follow = exchange.request.follows_redirects;
  if (may_follow && is_redirect(status, !exchange.request.body.empty())) return follow(at, now);
  finish(at, std::unexpected{fmt::format("the server answers with status {}", status)}, now);
}

void HttpClient::follow(Exchanges::iterator at, Instant now) {
  Exchange& exchange = at->second;
  if (exchange.redirects >= limits_.redirects_max) {
    return finish(at, std::unexpected{"it is always said to be elsewhere"}, now);
  }
  auto url = redirected(exchange.url, exchange.response->location());
  if (!url) {
    return finish(
        at, std::unexpected{fmt::format("it is said to be elsewhere, but {}", url.error())}, now);
  }
  Exchange next = std::move(exchange);
  actions_.emplace_back(Close{at->first});
  exchanges_.erase(at);
  next.url = std::move(*url);
  ++next.redirects;
  start(std::move(next), now);
}

void HttpClient::finish(Exchanges::iterator at, std::expected<base::ByteVec, std::string> content,
                        Instant now) {
  actions_.emplace_back(Close{at->first});
  answer(at->second.request.id, std::move(content));
  exchanges_.erase(at);
  start_some(now);
}

void HttpClient::answer(std::uint64_t id, std::expected<base::ByteVec, std::string> content) {
  actions_.emplace_back(gateway::HttpAnswer{id, std::move(content)});
}

void HttpClient::handle_deadline(Instant now) {
  std::erase_if(waiting_, [&](const Waiting& one) {
    if (now < one.until) return false;
    answer(one.request.id, std::unexpected{"others were before it, and its time is up"});
    return true;
  });
  std::vector<HttpStream> due;
  for (const auto& [stream, exchange] : exchanges_) {
    if (std::min(exchange.until, exchange.next) <= now) due.push_back(stream);
  }
  for (const HttpStream stream : due) {
    const auto at = exchanges_.find(stream);
    const Exchange& exchange = at->second;
    if (now < exchange.until && !exchange.is_open) {
      actions_.emplace_back(Close{stream});
      open_next(at, now);
    } else if (now < exchange.until) {
      finish(at, std::unexpected{"the server has fallen silent"}, now);
    } else {
      finish(at, std::unexpected{"it took too long"}, now);
    }
  }
}

std::optional<HttpClient::Action> HttpClient::poll_action() {
  if (actions_.empty()) return std::nullopt;
  std::optional<Action> first{std::move(actions_.front())};
  actions_.pop_front();
  return first;
}

std::optional<base::Deadline> HttpClient::poll_deadline() const {
  std::optional<base::Deadline> first;
  const auto consider = [&](Instant at) {
    if (!first || at < first->at) first = base::Deadline{at, "an HTTP server is too slow"};
  };
  for (const Waiting& one : waiting_) consider(one.until);
  for (const auto& [stream, exchange] : exchanges_) {
    consider(std::min(exchange.until, exchange.next));
  }
  return first;
}

}  // namespace caponier::io
