#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/errors.h"
#include "config/values.h"
#include "control/metrics.h"
#include "control/server_impl.h"
#include "control/why.h"

namespace caponier::control {
namespace {

/// How a failure is told by exit code; empty when the event is none.
std::optional<ExitCode> failure_of(base::EventKind kind) {
  switch (kind) {
    case base::EventKind::ike_timeout: return ExitCode::network;
    case base::EventKind::ike_failed:
    case base::EventKind::ike_auth_failed:
    case base::EventKind::ike_no_proposal:
    case base::EventKind::child_failed: return ExitCode::peer;
    case base::EventKind::local_fault: return ExitCode::generic;
    case base::EventKind::daemon_started:
    case base::EventKind::daemon_stopping:
    case base::EventKind::config_loaded:
    case base::EventKind::config_rejected:
    case base::EventKind::config_weak:
    case base::EventKind::host_unfit:
    case base::EventKind::ike_initiating:
    case base::EventKind::ike_established:
    case base::EventKind::ike_peer_unknown:
    case base::EventKind::ike_deleted:
    case base::EventKind::ike_malformed:
    case base::EventKind::ike_notify_hint:
    case base::EventKind::ike_cookie_demanded:
    case base::EventKind::ike_nat_detected:
    case base::EventKind::ike_peer_moved:
    case base::EventKind::ike_rekeyed:
    case base::EventKind::ike_rekey_failed:
    case base::EventKind::ike_collision:
    case base::EventKind::ike_reauthenticating:
    case base::EventKind::ike_auth_lifetime:
    case base::EventKind::ike_redirected:
    case base::EventKind::ike_resumed:
    case base::EventKind::ike_ticket:
    case base::EventKind::ike_crash_detected:
    case base::EventKind::ike_ids_synced:
    case base::EventKind::ike_puzzle:
    case base::EventKind::ike_fragments:
    case base::EventKind::ike_addresses:
    case base::EventKind::ike_transport:
    case base::EventKind::child_rekeyed:
    case base::EventKind::child_up:
    case base::EventKind::child_down:
    case base::EventKind::child_resource:
    case base::EventKind::child_expiring:
    case base::EventKind::child_idle:
    case base::EventKind::updown_said:
    case base::EventKind::updown_failed:
    case base::EventKind::radius_server:
    case base::EventKind::user_paused:
    case base::EventKind::user_dhcp:
    case base::EventKind::pki_fetched:
    case base::EventKind::pki_fetch_failed:
    case base::EventKind::pki_expiring:
    case base::EventKind::pki_files_changed:
    case base::EventKind::audit: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

const gateway::PeerStatus* find_peer(const gateway::Status& status, std::string_view name) {
  const auto found = std::find_if(status.peers.begin(), status.peers.end(),
                                  [&](const auto& peer) { return peer.name == name; });
  return found == status.peers.end() ? nullptr : &*found;
}

bool Server::Impl::connect(ClientId id, const Caller& caller) {
  if (clients_.size() >= clients_max) return false;
  clients_[id].caller = caller;
  return true;
}

void Server::Impl::disconnect(ClientId id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  let_go(found->second.waiting);
  clients_.erase(found);
  std::erase_if(output_, [id](const Output& output) { return output.client == id; });
}

void Server::Impl::receive(ClientId id, std::string_view data, base::Instant now) {
  while (!data.empty()) {
    const auto found = clients_.find(id);
    if (found == clients_.end() || found->second.closing) return;
    std::string& input = found->second.input;
    const std::size_t newline = data.find('\n');
    input += data.substr(0, newline);
    if (input.size() > request_size_max) {
      fail(id, {ExitCode::usage, fmt::format("a request of more than {} bytes", request_size_max),
                "send one JSON document per line"});
      output_.push_back({id, {}, true});
      found->second.closing = true;
      return;
    }
    if (newline == std::string_view::npos) return;
    data.remove_prefix(newline + 1);
    const std::string line = std::exchange(input, {});
    if (!line.empty()) handle_line(id, line, now);
  }
}

void Server::Impl::handle_line(ClientId id, std::string_view line, base::Instant now) {
  const auto request = parse_request(line);
  if (!request) return fail(id, request.error());
  if (std::holds_alternative<StopRequest>(*request)) return stop(id);
  if (!std::holds_alternative<std::monostate>(clients_[id].waiting)) {
    return fail(id, {ExitCode::usage, "the previous request has not ended",
                     "send {\"v\":1,\"verb\":\"stop\"} first, or open another connection"});
  }
  handle_request(id, *request, now);
}

void Server::Impl::handle_request(ClientId id, const Request& request, base::Instant now) {
  struct Visitor {
    Impl& server;
    ClientId id;
    base::Instant now;
    void operator()(const StatusRequest& r) const { server.status(id, r, now); }
    void operator()(const MetricsRequest& r) const {
      server.succeed(id, {{"text", to_metrics(server.gateway_, server.daemon_, now, r.compat)}});
    }
    void operator()(const TrafficRequest&) const {
      server.succeed(id, traffic_json(server.gateway_.traffic(), server.daemon_, now));
    }
    void operator()(const WhyRequest& r) const { server.why(id, r, now); }
    void operator()(const UpRequest& r) const { server.up(id, r, now); }
    void operator()(const DownRequest& r) const { server.down(id, r, now); }
    void operator()(const LogRequest& r) const { server.log(id, r); }
    void operator()(const PingRequest& r) const { server.ping(id, r, now); }
    void operator()(const RedirectRequest& r) const { server.redirect(id, r, now); }
    void operator()(const LogoutRequest& r) const { server.logout(id, r, now); }
    void operator()(const LeasesRequest& r) const { server.leases(id, r, now); }
    void operator()(const ReloadRequest& r) const { server.reload(id, r, now); }
    void operator()(const KeysRequest&) const { server.keys(id); }
    void operator()(const CaptureRequest& r) const { server.capture(id, r, now); }
    void operator()(const TraceVerbRequest& r) const { server.trace(id, r, now); }
    void operator()(const StopRequest&) const { server.stop(id); }
    void operator()(const VersionRequest&) const {
      server.succeed(id, {{"version", CAPONIER_VERSION}, {"protocol", protocol_version}});
    }
  };
  std::visit(Visitor{*this, id, now}, request);
}

void Server::Impl::say(ClientId id, const Json& document) {
  Client& client = clients_[id];
  if (client.closing) return;
  std::string line = dump(document) + "\n";
  if (client.outstanding + line.size() > client_backlog_max) return cut(id);
  client.outstanding += line.size();
  output_.push_back({id, std::move(line), false});
}

void Server::Impl::cut(ClientId id) {
  std::erase_if(output_, [id](const Output& output) { return output.client == id; });
  Client& client = clients_[id];
  client.closing = true;
  let_go(client.waiting);
  client.waiting = {};
  output_.push_back({id, {}, true, true});
}

void Server::Impl::succeed(ClientId id, Json result, bool streaming) {
  Json document{{"v", protocol_version}, {"ok", true}, {"result", std::move(result)}};
  if (streaming) document["streaming"] = true;
  say(id, document);
}

void Server::Impl::fail(ClientId id, const Refusal& refusal) {
  Json error{
      {"code", static_cast<int>(refusal.code)}, {"message", refusal.message}, {"fix", refusal.fix}};
  say(id, {{"v", protocol_version}, {"ok", false}, {"error", std::move(error)}});
}

bool Server::Impl::is_allowed(ClientId id) {
  if (clients_[id].caller.may_change) return true;
  fail(id, {ExitCode::permission, "only root may do this", "use sudo"});
  return false;
}

bool Server::Impl::is_known(ClientId id, std::string_view name) {
  const auto config = gateway_.config();
  std::vector<std::string_view> names;
  if (config) {
    for (const config::PeerConfig& peer : config->peers) names.push_back(peer.name);
  }
  if (std::find(names.begin(), names.end(), name) != names.end()) return true;
  fail(id, {ExitCode::not_found, fmt::format("no peer is called '{}'", base::printable(name)),
            config::suggest(name, names, "`caponier status` lists the names")});
  return false;
}

void Server::Impl::status(ClientId id, const StatusRequest& request, base::Instant now) {
  if (!request.name.empty() && !is_known(id, request.name)) return;
  succeed(id, status_json(gateway_.status(now), daemon_, request.name));
}

void Server::Impl::why(ClientId id, const WhyRequest& request, base::Instant now) {
  if (request.unknown) return succeed(id, why_unknown_json(gateway_, now));
  if (is_known(id, request.name)) succeed(id, why_json(gateway_, request.name, now));
}

void Server::Impl::up(ClientId id, const UpRequest& request, base::Instant now) {
  if (!is_allowed(id) || !is_known(id, request.name)) return;
  static_cast<void>(gateway_.up(request.name, now));
  const auto wait = std::chrono::milliseconds{request.wait_milliseconds};
  clients_[id].waiting = WaitingUp{request.name, now + wait, request.wait_milliseconds};
  handle_progress(now);
}

void Server::Impl::down(ClientId id, const DownRequest& request, base::Instant now) {
  if (!is_allowed(id) || !is_known(id, request.name)) return;
  static_cast<void>(gateway_.down(request.name, now));
  const gateway::Status status = gateway_.status(now);
  const gateway::PeerStatus* peer = find_peer(status, request.name);
  succeed(id,
          {{"name", request.name},
           {"state", gateway::name_of(peer == nullptr ? gateway::PeerState::off : peer->state)}});
}

void Server::Impl::log(ClientId id, const LogRequest& request) {
  if (!request.name.empty() && !is_known(id, request.name)) return;
  std::deque<const StampedEvent*> chosen;
  for (auto at = history_.rbegin(); at != history_.rend() && chosen.size() < request.lines; ++at) {
    if (request.name.empty() || at->event.peer == request.name) chosen.push_front(&*at);
  }
  Json events = Json::array();
  for (const StampedEvent* event : chosen) events.push_back(event_json(*event));
  succeed(id, {{"events", std::move(events)}}, request.follow);
  if (request.follow) clients_[id].waiting = Following{request.name};
}

void Server::Impl::redirect(ClientId id, const RedirectRequest& request, base::Instant now) {
  if (!is_allowed(id) || !is_known(id, request.name)) return;
  const auto to = config::parse_remote(request.to);
  if (!to || to->any) {
    return fail(id,
                {ExitCode::usage, fmt::format("'{}' is no gateway", base::printable(request.to)),
                 "write an address or a name"});
  }
  switch (gateway_.redirect(request.name, {to->text, to->address}, now)) {
    case gateway::RedirectOutcome::sent:
      return succeed(id, {{"name", request.name}, {"to", to->text}});
    case gateway::RedirectOutcome::not_established:
      return fail(id, {ExitCode::network, fmt::format("{} is not established", request.name),
                       fmt::format("caponier status {}", request.name)});
    case gateway::RedirectOutcome::not_supported:
      return fail(id, {ExitCode::peer, fmt::format("{} does not follow redirects", request.name),
                       "only a peer that has initiated the IKE SA and has redirects switched on "
                       "can be sent elsewhere (RFC 5685)"});
  }
}

void Server::Impl::logout(ClientId id, const LogoutRequest& request, base::Instant now) {
  if (!is_allowed(id)) return;
  const std::size_t ended = gateway_.logout(request.user, now);
  succeed(id, {{"user", request.user}, {"ended", ended}});
}

void Server::Impl::leases(ClientId id, const LeasesRequest& request, base::Instant now) {
  if (request.release.empty()) {
    Json all = Json::array();
    for (const gateway::LeaseStatus& lease : gateway_.leases()) {
      all.push_back({{"address", lease.address.to_string()},
                     {"user", base::printable(lease.user)},
                     {"held", lease.is_held}});
    }
    return succeed(id, {{"leases", std::move(all)}});
  }
  if (!is_allowed(id)) return;
  const auto address = base::IpAddress::parse(request.release);
  const auto outcome =
      address ? gateway_.release_lease(*address, now) : gateway::ReleaseOutcome::unknown;
  switch (outcome) {
    case gateway::ReleaseOutcome::released:
      return succeed(id, {{"released", address->to_string()}});
    case gateway::ReleaseOutcome::held:
      return fail(id, {ExitCode::peer,
                       fmt::format("{} is in use by a user who is in", address->to_string()),
                       "caponier status users"});
    case gateway::ReleaseOutcome::unknown:
      return fail(id, {ExitCode::not_found,
                       fmt::format("'{}' is kept for nobody", base::printable(request.release)),
                       "`caponier leases` lists the addresses"});
  }
}

void Server::Impl::reload(ClientId id, const ReloadRequest& request, base::Instant now) {
  if (!is_allowed(id)) return;
  const auto done = request.check ? daemon_.check_reload() : daemon_.reload(now);
  if (done) return succeed(id, diff_json(*done));
  std::string message = "the configuration has errors; the running one stays";
  for (const config::ConfigError& error : done.error()) message += "\n" + error.to_string();
  Json error{{"code", static_cast<int>(ExitCode::configuration)},
             {"message", message},
             {"fix", "correct the file and reload again"},
             {"errors", errors_json(done.error())}};
  say(id, {{"v", protocol_version}, {"ok", false}, {"error", std::move(error)}});
}

Json Server::Impl::keys_json() const {
  const auto tables = gateway_.key_tables();
  if (!tables) return {};
  return {{"ikev2_decryption_table", tables->ikev2_decryption_table}, {"esp_sa", tables->esp_sa}};
}

void Server::Impl::keys(ClientId id) {
  if (!is_allowed(id)) return;
  Json tables = keys_json();
  if (!tables.is_null()) return succeed(id, std::move(tables));
  fail(id, {ExitCode::permission, "the configuration does not allow key export",
            "set allow_key_export = true under [debug] and reload"});
}

void Server::Impl::stop(ClientId id) {
  Client& client = clients_[id];
  if (auto* tracing = std::get_if<Tracing>(&client.waiting)) return finish_trace(id, *tracing);
  if (std::holds_alternative<Capturing>(client.waiting)) return finish_capture(id);
  if (const auto* pinging = std::get_if<Pinging>(&client.waiting)) {
    finish_ping(id, *pinging);
  } else {
    say(id, {{"v", protocol_version}, {"end", true}});
  }
  client.waiting = {};
}

void Server::Impl::handle_event(StampedEvent event) {
  const auto failure = failure_of(event.event.kind);
  for (auto& [id, client] : clients_) {
    if (const auto* following = std::get_if<Following>(&client.waiting)) {
      if (following->name.empty() || following->name == event.event.peer) {
        say(id, {{"v", protocol_version}, {"event", event_json(event)}});
      }
    } else if (auto* waiting = std::get_if<WaitingUp>(&client.waiting)) {
      if (failure && waiting->name == event.event.peer) waiting->failure = *failure;
    }
  }
  if (history_.size() >= event_history_max) history_.pop_front();
  history_.push_back(std::move(event));
}

void Server::Impl::handle_progress(base::Instant now) {
  std::optional<gateway::Status> status;  // costs something: only when somebody waits for it
  for (auto& [id, client] : clients_) {
    if (auto* capturing = std::get_if<Capturing>(&client.waiting)) {
      progress(id, *capturing, now);
      continue;
    }
    if (auto* tracing = std::get_if<Tracing>(&client.waiting)) {
      progress(id, *tracing, now);
      continue;
    }
    auto* waiting = std::get_if<WaitingUp>(&client.waiting);
    auto* pinging = std::get_if<Pinging>(&client.waiting);
    if (waiting == nullptr && pinging == nullptr) continue;
    if (!status) status = gateway_.status(now);
    if (waiting != nullptr) progress(id, *waiting, *status);
    if (pinging != nullptr) progress(id, *pinging, *status);
  }
}

void Server::Impl::progress(ClientId id, WaitingUp& waiting, const gateway::Status& status) {
  const gateway::PeerStatus* peer = find_peer(status, waiting.name);
  if (peer == nullptr) {
    fail(id, {ExitCode::not_found, fmt::format("{} was removed", waiting.name), ""});
    clients_[id].waiting = {};
    return;
  }
  const bool is_up =
      peer->state == gateway::PeerState::up || peer->state == gateway::PeerState::idle;
  if (is_up || waiting.wait_milliseconds == 0) {
    succeed(
        id,
        {{"name", waiting.name}, {"state", gateway::name_of(peer->state)}, {"note", peer->note}});
  } else if (peer->attempts > 0) {
    fail(id, {waiting.failure, fmt::format("{}: {}", waiting.name, peer->note),
              fmt::format("caponier log {} tells more; further attempts follow", waiting.name)});
  } else if (status.now >= waiting.until) {
    fail(id,
         {ExitCode::network,
          fmt::format("{} is still {} after {:.1f} s", waiting.name, gateway::name_of(peer->state),
                      static_cast<double>(waiting.wait_milliseconds) / 1000.0),
          fmt::format("caponier log {} tells more; the attempt goes on", waiting.name)});
  } else {
    return;
  }
  clients_[id].waiting = {};
}

std::optional<base::Deadline> Server::Impl::poll_deadline() const {
  std::optional<base::Deadline> first;
  const auto consider = [&](base::Instant at, std::string_view reason) {
    if (!first || at < first->at) first = base::Deadline{at, reason};
  };
  for (const auto& [id, client] : clients_) {
    if (const auto* waiting = std::get_if<WaitingUp>(&client.waiting)) {
      consider(waiting->until, "a client's wait for a tunnel ends");
    } else if (const auto* pinging = std::get_if<Pinging>(&client.waiting)) {
      consider(pinging->next, "a client's next ping");
    } else if (const auto* capturing = std::get_if<Capturing>(&client.waiting)) {
      consider(capturing->next_fetch, "a client's capture");
    } else if (const auto* tracing = std::get_if<Tracing>(&client.waiting)) {
      consider(tracing->next_fetch, "a client's trace");
    }
  }
  return first;
}

std::optional<Server::Output> Server::Impl::poll_output() {
  if (output_.empty()) return std::nullopt;
  std::optional<Output> next{std::move(output_.front())};
  output_.pop_front();
  return next;
}

void Server::Impl::handle_written(ClientId id, std::size_t bytes) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  found->second.outstanding -= std::min(bytes, found->second.outstanding);
}

Server::Server(gateway::Gateway& gateway, Daemon& daemon)
    : impl_(std::make_unique<Impl>(gateway, daemon)) {}
Server::~Server() = default;

bool Server::connect(ClientId client, const Caller& caller) {
  return impl_->connect(client, caller);
}
void Server::disconnect(ClientId client) { impl_->disconnect(client); }
void Server::receive(ClientId client, std::string_view data, base::Instant now) {
  impl_->receive(client, data, now);
}
void Server::handle_event(StampedEvent event) { impl_->handle_event(std::move(event)); }
void Server::handle_progress(base::Instant now) { impl_->handle_progress(now); }
std::optional<base::Deadline> Server::poll_deadline() const { return impl_->poll_deadline(); }
std::optional<Server::Output> Server::poll_output() { return impl_->poll_output(); }
void Server::handle_written(ClientId client, std::size_t bytes) {
  impl_->handle_written(client, bytes);
}

}  // namespace caponier::control
