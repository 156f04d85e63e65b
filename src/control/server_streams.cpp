#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "control/server_impl.h"

namespace caponier::control {
namespace {

constexpr base::Duration ping_interval = std::chrono::seconds{1};
constexpr base::Duration ping_timeout = std::chrono::seconds{3};
/// Captured packets are fetched this often; the gateway keeps them until then.
constexpr base::Duration capture_interval = std::chrono::milliseconds{100};
constexpr std::size_t capture_chunk_max = 48UL * 1024;

/// The same for trace records.
constexpr base::Duration trace_interval = std::chrono::milliseconds{100};

}  // namespace

template <class Stream>
bool Server::Impl::is_taken() const {
  return std::any_of(clients_.begin(), clients_.end(), [](const auto& entry) {
    return std::holds_alternative<Stream>(entry.second.waiting);
  });
}

void Server::Impl::ping(ClientId id, const PingRequest& request, base::Instant now) {
  if (!is_allowed(id) || !is_known(id, request.name)) return;
  Pinging pinging;
  pinging.name = request.name;
  pinging.count = request.count;
  const gateway::Status status = gateway_.status(now);
  const gateway::PeerStatus* peer = find_peer(status, request.name);
  if (peer == nullptr || !peer->ike || peer->ike->state != ike::IkeState::established) {
    return fail(id, {ExitCode::network, fmt::format("{} is not established", request.name),
                     fmt::format("caponier up {}", request.name)});
  }
  succeed(id, {{"name", request.name}, {"remote_endpoint", peer->ike->path.remote.to_string()}},
          true);
  send_ping(id, pinging, status);
  if (pinging.sent > 0) clients_[id].waiting = std::move(pinging);
}

void Server::Impl::capture(ClientId id, const CaptureRequest& request, base::Instant now) {
  if (!is_allowed(id)) return;
  if (is_taken<Capturing>()) {
    return fail(id, {ExitCode::generic, "another capture is running", "end it first"});
  }
  gateway_.set_capture(true, now);
  succeed(id, {{"keys_allowed", gateway_.key_tables().has_value()}}, true);
  Capturing capturing;
  if (request.seconds > 0) capturing.until = now + std::chrono::seconds{request.seconds};
  capturing.next_fetch = now + capture_interval;
  clients_[id].waiting = capturing;
}

void Server::Impl::send_ping(ClientId id, Pinging& pinging, const gateway::Status& status) {
  const gateway::PeerStatus* peer = find_peer(status, pinging.name);
  const bool sent = peer != nullptr && peer->ike && gateway_.ping(pinging.name, status.now);
  if (!sent) {
    finish_ping(id, pinging);
    pinging.sent = 0;
    return;
  }
  pinging.answered_before = peer->ike->round_trips;
  pinging.waiting = true;
  pinging.next = status.now + ping_timeout;
  ++pinging.sent;
}

void Server::Impl::progress(ClientId id, Pinging& pinging, const gateway::Status& status) {
  const gateway::PeerStatus* peer = find_peer(status, pinging.name);
  const bool answered = pinging.waiting && peer != nullptr && peer->ike &&
                        peer->ike->round_trips > pinging.answered_before &&
                        peer->ike->last_round_trip;
  const bool timed_out = pinging.waiting && status.now >= pinging.next;
  if (answered) {
    const base::Duration round_trip = *peer->ike->last_round_trip;
    pinging.round_trips.push_back(round_trip);
    say(id, {{"v", protocol_version},
             {"ping", {{"seq", pinging.sent}, {"rtt_ms", base::seconds_of(round_trip) * 1000.0}}}});
  } else if (timed_out) {
    say(id, {{"v", protocol_version}, {"ping", {{"seq", pinging.sent}, {"rtt_ms", nullptr}}}});
  }
  if (answered || timed_out) {
    pinging.waiting = false;
    pinging.next = status.now + (answered ? ping_interval : base::Duration{});
    if (pinging.sent >= pinging.count) {
      finish_ping(id, pinging);
      clients_[id].waiting = {};
      return;
    }
  }
  if (pinging.waiting || status.now < pinging.next) return;
  send_ping(id, pinging, status);
  if (pinging.sent == 0) clients_[id].waiting = {};
}

void Server::Impl::finish_ping(ClientId id, const Pinging& pinging) {
  base::Duration sum{};
  base::Duration least = base::Duration::max();
  base::Duration most{};
  for (const base::Duration round_trip : pinging.round_trips) {
    sum += round_trip;
    least = std::min(least, round_trip);
    most = std::max(most, round_trip);
  }
  Json result{{"sent", pinging.sent}, {"received", pinging.round_trips.size()}};
  if (!pinging.round_trips.empty()) {
    const auto count = static_cast<double>(pinging.round_trips.size());
    result["rtt_min_ms"] = base::seconds_of(least) * 1000.0;
    result["rtt_avg_ms"] = base::seconds_of(sum) * 1000.0 / count;
    result["rtt_max_ms"] = base::seconds_of(most) * 1000.0;
  }
  say(id, {{"v", protocol_version}, {"end", true}, {"result", std::move(result)}});
}

void Server::Impl::progress(ClientId id, Capturing& capturing, base::Instant now) {
  if (capturing.until && now >= *capturing.until) return finish_capture(id);
  if (now < capturing.next_fetch) return;
  capturing.next_fetch = now + capture_interval;
  fetch_capture(id);
}

void Server::Impl::fetch_capture(ClientId id) {
  for (;;) {
    base::ByteVec chunk;
    while (chunk.size() < capture_chunk_max) {
      const auto block = gateway_.poll_capture();
      if (!block) break;
      base::append(chunk, *block);
    }
    if (chunk.empty()) return;
    say(id, {{"v", protocol_version}, {"capture", base::to_base64(chunk)}});
    if (clients_[id].closing) return;
  }
}

void Server::Impl::finish_capture(ClientId id) {
  fetch_capture(id);
  Client& client = clients_[id];
  if (client.closing) return;
  gateway_.set_capture(false, {});
  client.waiting = {};
  say(id, {{"v", protocol_version}, {"end", true}, {"keys", keys_json()}});
}

void Server::Impl::trace(ClientId id, const TraceVerbRequest& request, base::Instant now) {
  if (!is_allowed(id)) return;
  if (!request.name.empty() && !is_known(id, request.name)) return;
  if (is_taken<Tracing>()) {
    return fail(id, {ExitCode::generic, "another trace is running", "end it first"});
  }
  gateway_.set_trace(gateway::TraceRequest{request.sample, request.name}, now);
  succeed(id, Json::object(), true);
  Tracing tracing;
  if (request.count > 0) tracing.left = request.count;
  tracing.next_fetch = now + trace_interval;
  clients_[id].waiting = tracing;
}

void Server::Impl::progress(ClientId id, Tracing& tracing, base::Instant now) {
  if (now < tracing.next_fetch) return;
  tracing.next_fetch = now + trace_interval;
  fetch_trace(id, tracing);
  if (!clients_[id].closing && tracing.left == 0U) finish_trace(id, tracing);
}

void Server::Impl::fetch_trace(ClientId id, Tracing& tracing) {
  while (tracing.left != 0U) {
    const auto record = gateway_.poll_trace();
    if (!record) return;
    say(id, {{"v", protocol_version}, {"trace", trace_json(*record)}});
    if (clients_[id].closing) return;
    ++tracing.sent;
    if (tracing.left) --*tracing.left;
  }
}

void Server::Impl::finish_trace(ClientId id, Tracing& tracing) {
  fetch_trace(id, tracing);
  Client& client = clients_[id];
  if (client.closing) return;
  Json result{{"packets", tracing.sent}, {"lost", gateway_.trace_lost()}};
  let_go(client.waiting);
  client.waiting = {};
  say(id, {{"v", protocol_version}, {"end", true}, {"result", std::move(result)}});
}

void Server::Impl::let_go(Waiting& waiting) {
  if (std::holds_alternative<Capturing>(waiting)) gateway_.set_capture(false, {});
  if (std::holds_alternative<Tracing>(waiting)) gateway_.set_trace(std::nullopt, {});
}

}  // namespace caponier::control
