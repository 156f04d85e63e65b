#include "gateway/gateway.h"

#include <algorithm>
#include <utility>

#include "gateway/gateway_impl.h"
#include "wire/ike.h"
#include "wire/natt.h"

namespace caponier::gateway {

Peer* Gateway::Impl::find(const std::string& name) {
  const auto found = peers_.find(name);
  if (found == peers_.end()) return nullptr;
  touched_.insert(name);
  return &found->second;
}

void Gateway::Impl::make_endpoint(const config::DaemonConfig& daemon, base::Instant now) {
  ike::EndpointConfig endpoint;
  endpoint.ike_port = daemon.ike_port;
  endpoint.natt_port = daemon.natt_port;
  endpoint.workers = static_cast<std::uint32_t>(workers_.size());
  endpoint.limits = options_.ike_limits;
  endpoint.limits.peer_window_size = std::max(endpoint.limits.peer_window_size, daemon.window);
  if (daemon.half_open_max) {
    endpoint.limits.half_open_max = *daemon.half_open_max;
    endpoint.limits.ike_sas_max += *daemon.half_open_max;
  }
  if (daemon.cookie_threshold) endpoint.limits.cookie_threshold = *daemon.cookie_threshold;
  if (daemon.puzzle_threshold) endpoint.limits.puzzle_threshold = *daemon.puzzle_threshold;
  endpoint.crash_secrets = options_.crash_secrets;
  endpoint.export_keys = daemon.allow_key_export;
  endpoint_ = std::make_unique<ike::IkeEndpoint>(std::move(endpoint), *rng_, *crypto_, now);
  if (!local_addresses_.empty()) command(ike::SetLocalAddresses{local_addresses_}, now);
}

void Gateway::Impl::add_peer(const config::PeerConfig& config, const Peer* old, base::Instant now) {
  const Peer::Options options{config_->daemon.ike_port, config_->daemon.natt_port,
                              options_.ike_limits.retransmit_tries};
  Peer peer{config, options, *rng_, now};
  if (old != nullptr) {
    peer.inherit(*old, now);
    remove_peer(config.name, now);
  }
  Peer& added = peers_.emplace(config.name, std::move(peer)).first->second;
  touched_.insert(config.name);
  added.handle_deadline(now);
}

void Gateway::Impl::remove_peer(const std::string& name, base::Instant now) {
  peers_.erase(name);
  touched_.erase(name);
  due_.set(name, std::nullopt);
  turns_.give_back(name);
  history_.note_change(name);
  command(ike::DeleteIke{name}, now);
}

void Gateway::Impl::apply(std::shared_ptr<const config::Config> config, base::Instant now) {
  if (shutting_down_) return;
  const std::shared_ptr<const config::Config> before =
      config_ ? std::exchange(config_, config) : std::make_shared<const config::Config>();
  config_ = std::move(config);
  if (!endpoint_) make_endpoint(config_->daemon, now);
  endpoint_->set_export_keys(config_->daemon.allow_key_export);
  endpoint_->set_redirect(make_redirect_policy(config_->daemon));
  //= rfc4303#4-1 rfc4302#4-1
  workers_.change([&](ipsec::Engine& one) { one.set_audit(config_->daemon.audit); });
  if (!config_->daemon.allow_key_export) {
    keys_.reset();
  } else if (!keys_) {
    keys_.emplace();
  }
  const config::ConfigDiff diff = config::diff(*before, *config_);
  for (const std::string& name : diff.removed) {
    remove_peer(name, now);
    totals_.forget(name);
    history_.forget(name);
    endpoint_->counters().forget(name);
  }
  for (const config::PeerConfig& peer : config_->peers) {
    const auto is_this = [&](const std::string& name) { return name == peer.name; };
    const bool changed = std::any_of(diff.changed.begin(), diff.changed.end(), is_this);
    if (!changed && peers_.contains(peer.name)) continue;
    add_peer(peer, find(peer.name), now);
  }
  refresh_due_ = true;
  pump(now);
}

void Gateway::Impl::command(const ike::Command& command, base::Instant now) {
  if (endpoint_) endpoint_->handle_command(command, now);
}

/// The address at which a peer first reaches us may be the one thing its connection still lacks.
void Gateway::Impl::knock(const base::Path& path, base::Bytes message, base::Instant now) {
  base::Reader reader{message};
  const auto header = wire::IkeHeader::decode(reader);
  if (!header || header->exchange != wire::ExchangeType::ike_sa_init || header->is_response()) {
    return;
  }
  for (auto& [name, peer] : peers_) {
    if (peer.handle_knock(path, now)) touched_.insert(name);
  }
  pump_peers(now);
  refresh();
}

void Gateway::Impl::handle_ike(const base::Path& path, base::Bytes message, base::Instant now) {
  if (!endpoint_) return;
  if (inspection_.is_on()) {
    base::ByteVec payload;
    const bool marked =
        path.transport == base::Transport::tcp || path.local.port != config_->daemon.ike_port;
    if (marked) base::append(payload, wire::non_esp_marker);
    base::append(payload, message);
    inspection_.record_ike(path, wire::PcapngDirection::inbound, payload, now);
  }
  knock(path, message, now);
  endpoint_->handle_datagram(path, message, now);
  pump(now);
}

void Gateway::Impl::handle_too_big(const OuterTooBig& error, base::Instant now) {
  const auto has_sent = [this](policy::ChildSaId id, base::Spi spi, std::uint32_t sequence) {
    return workers_.has_sent(id, spi, sequence);
  };
  if (!path_mtus_.handle_too_big(error, has_sent, now)) {
    drops_.add(base::DropReason::esp_icmp_unproven);
  }
  pump(now);
}

void Gateway::Impl::handle_auth_reply(ike::AuthReply reply, base::Instant now) {
  if (!endpoint_) return;
  endpoint_->handle_auth_reply(std::move(reply), now);
  pump(now);
}

void Gateway::Impl::handle_eap_reply(ike::EapReply reply, base::Instant now) {
  if (!endpoint_) return;
  endpoint_->handle_eap_reply(std::move(reply), now);
  pump(now);
}

void Gateway::Impl::handle_lookup(const std::string& connection,
                                  const std::vector<base::IpAddress>& addresses,
                                  base::Instant now) {
  if (Peer* peer = find(connection)) peer->handle_lookup(addresses, now);
  pump_after_actions(now);
}

void Gateway::Impl::handle_source_address(const std::string& connection,
                                          std::optional<base::IpAddress> address,
                                          base::Instant now) {
  if (Peer* peer = find(connection)) peer->handle_source_address(address, now);
  pump_after_actions(now);
}

void Gateway::Impl::handle_stream_closed(const base::Path& path, base::Instant now) {
  command(ike::StreamClosed{path}, now);
  pump(now);
}

void Gateway::Impl::handle_local_addresses(std::vector<base::IpAddress> addresses,
                                           base::Instant now) {
  if (addresses == local_addresses_) return;
  local_addresses_ = std::move(addresses);
  command(ike::SetLocalAddresses{local_addresses_}, now);
  pump(now);
  for (auto& [name, peer] : peers_) {
    peer.handle_local_addresses(now);
    touched_.insert(name);
  }
  pump(now);
}

void Gateway::Impl::handle_deadline(base::Instant now) {
  if (endpoint_) endpoint_->handle_deadline(now);
  path_mtus_.handle_deadline(now);
  for (const SessionExpired& expired : sessions_.handle_deadline(now, workers_)) {
    command(ike::DeleteIke{expired.connection, {}, expired.sa}, now);
  }
  for (const IdleGroup& idle : groups_.handle_deadline(now, workers_)) end_idle(idle, now);
  if (!shutting_down_ && peer_deadline_ && peer_deadline_->at <= now) {
    for (const std::string& name : due_.until(now)) {
      if (Peer* peer = find(name)) peer->handle_deadline(now);
    }
  }
  pump(now);
}

bool Gateway::Impl::up(const std::string& name, base::Instant now) {
  return start(name, std::nullopt, now);
}

bool Gateway::Impl::start(const std::string& name, std::optional<std::string_view> child,
                          base::Instant now) {
  Peer* peer = find(name);
  if (peer == nullptr || shutting_down_ || !peer->start(child, now)) return false;
  pump(now);
  return true;
}

bool Gateway::Impl::stop(const std::string& name, std::optional<std::string_view> child,
                         base::Instant now) {
  Peer* peer = find(name);
  if (peer == nullptr || shutting_down_ || !peer->stop(child, now)) return false;
  pump(now);
  return true;
}

bool Gateway::Impl::down(const std::string& name, base::Instant now) {
  Peer* peer = find(name);
  if (peer == nullptr || shutting_down_) return false;
  peer->down(now);
  pump(now);
  return true;
}

bool Gateway::Impl::rest(const std::string& name, std::optional<std::string_view> child,
                         base::Instant now) {
  Peer* peer = find(name);
  if (peer == nullptr || shutting_down_) return false;
  peer->rest(child, now);
  pump(now);
  return true;
}

bool Gateway::Impl::set_trap(const std::string& name, std::string_view child, bool is_trapped,
                             base::Instant now) {
  Peer* peer = find(name);
  if (peer == nullptr || shutting_down_) return false;
  if (!peer->set_trap(child, is_trapped, now)) return false;
  pump(now);
  return true;
}

bool Gateway::Impl::ping(const std::string& name, base::Instant now) {
  const Peer* peer = find(name);
  if (peer == nullptr) return false;
  const PeerState state = peer->state();
  if (state != PeerState::idle && state != PeerState::up) return false;
  command(ike::CheckLiveness{name}, now);
  pump(now);
  return true;
}

RedirectOutcome Gateway::Impl::redirect(const std::string& name, const config::RedirectTarget& to,
                                        base::Instant now) {
  RedirectOutcome outcome = RedirectOutcome::not_established;
  if (!endpoint_) return outcome;
  for (const ike::IkeSaInfo& sa : endpoint_->snapshot()) {
    if (sa.connection != name || sa.state != ike::IkeState::established || sa.is_replaced) continue;
    if (sa.is_redirectable) {
      outcome = RedirectOutcome::sent;
      break;
    }
    outcome = RedirectOutcome::not_supported;
  }
  if (outcome != RedirectOutcome::sent) return outcome;
  command(ike::RedirectPeer{name, gateway_name(to)}, now);
  pump(now);
  return outcome;
}

std::size_t Gateway::Impl::logout(const std::string& user, base::Instant now) {
  std::size_t ended = 0;
  if (!endpoint_ || user.empty()) return ended;
  std::set<std::string> connections;
  for (const ike::IkeSaInfo& sa : endpoint_->snapshot()) {
    const Peer* const peer = find(sa.connection);
    if (peer == nullptr || !peer->config().server || !sa.is_of(user)) continue;
    if (sa.state == ike::IkeState::established) ++ended;
    connections.insert(sa.connection);
  }
  for (const std::string& name : connections) command(ike::DeleteIke{name, user}, now);
  pump(now);
  return ended;
}

bool Gateway::Impl::end_session(SessionId id, radius::TerminateCause cause, base::Instant now) {
  const SessionsExpired expired = sessions_.order_end(id, cause);
  if (expired.empty()) return false;
  for (const SessionExpired& one : expired) {
    command(ike::DeleteIke{one.connection, {}, one.sa}, now);
  }
  pump(now);
  return true;
}

ChangeOutcome Gateway::Impl::change_session(SessionId id, const SessionChange& change,
                                            base::Instant now) {
  const Session* const session = sessions_.find(id);
  const Peer* const peer = session == nullptr ? nullptr : find(session->connection);
  if (peer == nullptr || !peer->config().server) return ChangeOutcome::not_found;
  std::string group;
  if (!change.filters.empty()) {
    policy::UserGrant grant = session->grant;
    const auto before = terms_of(*config_, peer->config(), session->user, grant);
    grant.filters = change.filters;
    const auto after = terms_of(*config_, peer->config(), session->user, grant);
    if (!after) return ChangeOutcome::no_group;
    if (before && before->networks != after->networks) return ChangeOutcome::other_networks;
    group = after->group;
  }
  sessions_.change(id, change, std::move(group), now);
  return ChangeOutcome::done;
}

void Gateway::Impl::shutdown(base::Instant now) {
  if (std::exchange(shutting_down_, true)) return;
  sessions_.note_shutdown();
  groups_.end_all();
  peers_.clear();
  touched_.clear();
  due_ = {};
  turns_ = {};
  set_policies({});
  set_routes({});
  forget_inner();
  command(ike::Shutdown{}, now);
  pump(now);
}

bool Gateway::Impl::is_idle() const {
  return shutting_down_ && actions_.empty() &&
         (!endpoint_ || !endpoint_->poll_deadline().has_value());
}

/// Thousands of peers ask for addresses at once, and each answer may change all policies.
void Gateway::Impl::pump_after_actions(base::Instant now) {
  if (actions_.empty()) return pump(now);
  pump_due_ = now;
}

std::optional<Action> Gateway::Impl::poll_action() {
  if (actions_.empty() && pump_due_) pump(*std::exchange(pump_due_, {}));
  if (actions_.empty()) return std::nullopt;
  std::optional<Action> action{std::move(actions_.front())};
  actions_.pop_front();
  return action;
}

std::optional<base::Deadline> Gateway::Impl::poll_deadline() const {
  std::optional<base::Deadline> earliest = peer_deadline_;
  const auto consider = [&](const std::optional<base::Deadline>& other) {
    if (other && (!earliest || other->at < earliest->at)) earliest = other;
  };
  if (const auto turn = turns_.poll_deadline()) consider(base::Deadline{*turn, "the next turn"});
  consider(path_mtus_.poll_deadline());
  consider(sessions_.poll_deadline());
  consider(groups_.poll_deadline());
  if (endpoint_) consider(endpoint_->poll_deadline());
  return earliest;
}

Gateway::Gateway(const GatewayOptions& options, const crypto::CryptoProvider& crypto,
                 base::Rng& rng, base::Instant)
    : impl_(std::make_unique<Impl>(options, crypto, rng)) {}

Gateway::~Gateway() = default;

void Gateway::apply(std::shared_ptr<const config::Config> config, base::Instant now) {
  impl_->apply(std::move(config), now);
}
void Gateway::set_crash_secrets(std::vector<std::shared_ptr<const base::SecretBytes>> secrets) {
  impl_->set_crash_secrets(std::move(secrets));
}
void Gateway::handle_ike(const base::Path& path, base::Bytes message, base::Instant now) {
  impl_->handle_ike(path, message, now);
}
std::size_t Gateway::worker_count() const { return impl_->workers().size(); }
Worker& Gateway::worker(std::size_t index) { return impl_->workers()[index]; }
void Gateway::handle_worker_news(base::Instant now) { impl_->pump(now); }
void Gateway::handle_too_big(const OuterTooBig& error, base::Instant now) {
  impl_->handle_too_big(error, now);
}
void Gateway::handle_eap_reply(ike::EapReply reply, base::Instant now) {
  impl_->handle_eap_reply(std::move(reply), now);
}
void Gateway::handle_auth_reply(ike::AuthReply reply, base::Instant now) {
  impl_->handle_auth_reply(std::move(reply), now);
}
void Gateway::handle_lookup(const std::string& connection,
                            const std::vector<base::IpAddress>& addresses, base::Instant now) {
  impl_->handle_lookup(connection, addresses, now);
}
void Gateway::handle_source_address(const std::string& connection,
                                    std::optional<base::IpAddress> address, base::Instant now) {
  impl_->handle_source_address(connection, std::move(address), now);
}
void Gateway::handle_stream_closed(const base::Path& path, base::Instant now) {
  impl_->handle_stream_closed(path, now);
}
void Gateway::handle_deadline(base::Instant now) { impl_->handle_deadline(now); }
void Gateway::handle_local_addresses(std::vector<base::IpAddress> addresses, base::Instant now) {
  impl_->handle_local_addresses(std::move(addresses), now);
}
bool Gateway::up(const std::string& name, base::Instant now) { return impl_->up(name, now); }
bool Gateway::down(const std::string& name, base::Instant now) { return impl_->down(name, now); }
bool Gateway::start(const std::string& name, std::optional<std::string_view> child,
                    base::Instant now) {
  return impl_->start(name, child, now);
}
bool Gateway::stop(const std::string& name, std::optional<std::string_view> child,
                   base::Instant now) {
  return impl_->stop(name, child, now);
}
bool Gateway::rest(const std::string& name, std::optional<std::string_view> child,
                   base::Instant now) {
  return impl_->rest(name, child, now);
}
bool Gateway::set_trap(const std::string& name, std::string_view child, bool is_trapped,
                       base::Instant now) {
  return impl_->set_trap(name, child, is_trapped, now);
}
bool Gateway::ping(const std::string& name, base::Instant now) { return impl_->ping(name, now); }
std::size_t Gateway::logout(const std::string& user, base::Instant now) {
  return impl_->logout(user, now);
}
void Gateway::restore_leases(const std::vector<KeepLease>& leases) {
  impl_->pools().restore(leases);
}
std::vector<LeaseStatus> Gateway::leases() const { return impl_->pools().list(); }
ReleaseOutcome Gateway::release_lease(const base::IpAddress& address, base::Instant now) {
  const ReleaseOutcome outcome = impl_->pools().release(address);
  impl_->pump(now);
  return outcome;
}
std::optional<radius::Usage> Gateway::session_usage(SessionId id) const {
  return impl_->session_usage(id);
}
bool Gateway::end_session(SessionId id, radius::TerminateCause cause, base::Instant now) {
  return impl_->end_session(id, cause, now);
}
ChangeOutcome Gateway::change_session(SessionId id, const SessionChange& change,
                                      base::Instant now) {
  return impl_->change_session(id, change, now);
}
RedirectOutcome Gateway::redirect(const std::string& name, const config::RedirectTarget& to,
                                  base::Instant now) {
  return impl_->redirect(name, to, now);
}
void Gateway::shutdown(base::Instant now) { impl_->shutdown(now); }
bool Gateway::is_idle() const { return impl_->is_idle(); }
std::optional<Action> Gateway::poll_action() { return impl_->poll_action(); }
std::optional<base::Deadline> Gateway::poll_deadline() const { return impl_->poll_deadline(); }
Status Gateway::status(base::Instant now) const { return impl_->status(now); }
Traffic Gateway::traffic() const { return impl_->traffic(); }
std::vector<ike::IkeSaId> Gateway::sa_ids() const { return impl_->sa_ids(); }
std::optional<SaStatus> Gateway::find_sa(ike::IkeSaId id) const { return impl_->find_sa(id); }
std::optional<PeerBrief> Gateway::find_peer(const std::string& name) const {
  return impl_->find_peer(name);
}
std::size_t Gateway::half_open() const { return impl_->half_open(); }
void Gateway::order(const ike::Command& what, base::Instant now) { impl_->order(what, now); }
const ike::CounterBook* Gateway::counters() const { return impl_->counters(); }
void Gateway::reset_counters(const std::string& connection) {
  ike::CounterBook* const book = impl_->counters();
  if (book == nullptr) return;
  if (connection.empty()) return book->reset_all();
  book->forget(connection);
}
void Gateway::watch_changes(bool on) { impl_->changes().set_on(on); }
std::optional<SaChange> Gateway::poll_change() { return impl_->changes().poll(); }
std::uint64_t Gateway::changes_lost() const { return impl_->changes().lost(); }
const explain::History& Gateway::history() const { return impl_->history(); }
std::shared_ptr<const config::Config> Gateway::config() const { return impl_->config(); }
std::size_t Gateway::tunnel_mtu() const { return impl_->tunnel_mtu(); }
std::optional<KeyTables> Gateway::key_tables() const { return impl_->key_tables(); }
void Gateway::set_capture(bool on, base::Instant) {
  const base::Guard guard{impl_->inspection().lock()};
  impl_->inspection().set_capture(on);
}
std::optional<base::ByteVec> Gateway::poll_capture() {
  const base::Guard guard{impl_->inspection().lock()};
  return impl_->inspection().capture().poll();
}
void Gateway::set_trace(std::optional<TraceRequest> request, base::Instant now) {
  const base::Guard guard{impl_->inspection().lock()};
  impl_->inspection().set_trace(std::move(request), now);
}
std::optional<TraceRecord> Gateway::poll_trace() {
  const base::Guard guard{impl_->inspection().lock()};
  return impl_->inspection().tracer().poll();
}
std::uint64_t Gateway::trace_lost() const {
  const base::Guard guard{impl_->inspection().lock()};
  return impl_->inspection().tracer().lost();
}

}  // namespace caponier::gateway
