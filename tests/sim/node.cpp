#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "ipsec/ip_headers.h"
#include "sim/clear_tls.h"
#include "sim/world.h"
#include "wire/ike.h"
#include "wire/ip.h"
#include "wire/natt.h"

namespace caponier::sim {
namespace {

constexpr std::uint16_t natt_port = 4500;
/// Of the sockets towards RADIUS servers.
constexpr std::uint16_t radius_source_port = 30000;
constexpr std::uint16_t radius_source_ports = 16;
/// And towards those that take accounting.
constexpr std::uint16_t accounting_source_port = radius_source_port + radius_source_ports;
/// Of the instants' origin, since 1970.
constexpr base::Duration unix_origin = std::chrono::seconds{1'700'000'000};

bool is_to(const Datagram& datagram, std::uint16_t first_port) {
  const std::uint16_t port = datagram.destination.port;
  return datagram.carrier == Carrier::udp && port >= first_port &&
         port < first_port + radius_source_ports;
}

radius::PortHandle handle_of(const Datagram& datagram, std::uint16_t first_port) {
  return {static_cast<std::uint16_t>(datagram.destination.port - first_port)};
}

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

bool has_marker(const base::Path& path) {
  return path.local.port == natt_port || path.transport == base::Transport::tcp;
}

base::Bytes without_marker(base::Bytes datagram, const base::Path& path) {
  const std::size_t marker = wire::non_esp_marker.size();
  return has_marker(path) && datagram.size() > marker ? datagram.subspan(marker) : datagram;
}

}  // namespace

Node::Node(World& world, HostId id)
    : world_(&world),
      id_(id),
      name_(fmt::format("gw{}", id + 1)),
      address_(base::IpAddress::v4(0xc0000200U + static_cast<std::uint32_t>(id) + 1)),
      inner_(base::IpAddress::v4(0x0a000001U + ((static_cast<std::uint32_t>(id) + 1) << 16))),
      keyholder_(world.provider_) {
  world.network_.add_host(address_);
}

std::shared_ptr<const config::Config> Node::make_config() const {
  auto config = std::make_shared<config::Config>();
  config->daemon.allow_key_export = allow_key_export;
  config->daemon.audit = audit;
  config->daemon.unmatched = unmatched;
  config->daemon.tcp_ports = tcp_ports;
  config->peers = peers;
  for (const auto& [name, password] : users) {
    config->users[name] = std::make_shared<const base::SecretBytes>(base::as_bytes(password));
  }
  config->groups = groups;
  config->radius = radius;
  config->store = std::make_shared<gateway::test::FakeStore>();
  std::sort(config->peers.begin(), config->peers.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return config;
}

void Node::start() {
  CAPONIER_ASSERT(gateway_ == nullptr);
  ++incarnation_;
  // A new process must not repeat the randomness of the one before it.
  rng_ = std::make_unique<base::SeededRng>(world_->rng_.public_u64());
  options.workers.assign(workers, {rng_.get(), &no_lock_});
  desk_ = std::make_unique<gateway::EapDesk>(gateway::EapDesk::Ports{
      .crypto = world_->legacy_, .rng = *rng_, .pki = &world_->pki_, .make_tls = make_clear_tls});
  proofs_ = std::make_unique<gateway::ProofDesk>(&world_->pki_);
  accounting_ = std::make_unique<gateway::AccountingDesk>(world_->legacy_, *rng_, unix_origin);
  gateway_ = std::make_unique<gateway::Gateway>(options, world_->provider_, *rng_, world_->now_);
  reload();
  tell_addresses();
}

std::vector<base::IpAddress> Node::addresses() const { return world_->network_.addresses(id_); }

void Node::tell_addresses() {
  if (!is_running()) return;
  const auto tell = [&](auto& gateway) {
    if constexpr (requires { gateway.handle_local_addresses(addresses(), world_->now_); }) {
      gateway.handle_local_addresses(addresses(), world_->now_);
    }
  };
  tell(*gateway_);
  drain();
}

void Node::reload() {
  const auto config = make_config();
  keyholder_.apply(config);
  desk_->apply(config, world_->now_);
  accounting_->apply(config, world_->now_);
  proofs_->apply(config);
  gateway_->apply(config, world_->now_);
  drain();
}

std::string Node::peer_name(const std::string& name) const {
  return name.empty() && !peers.empty() ? peers.front().name : name;
}

void Node::initiate(const std::string& peer) {
  const bool known = gateway_->up(peer_name(peer), world_->now_);
  CAPONIER_ASSERT(known);
  drain();
}

void Node::start_child(const std::string& child) {
  const bool known = gateway_->start(peer_name({}), child, world_->now_);
  CAPONIER_ASSERT(known);
  drain();
}

void Node::stop_child(const std::string& child) {
  const bool known = gateway_->stop(peer_name({}), child, world_->now_);
  CAPONIER_ASSERT(known);
  drain();
}

void Node::take_down(const std::string& peer) {
  const bool known = gateway_->down(peer_name(peer), world_->now_);
  CAPONIER_ASSERT(known);
  drain();
}

void Node::shutdown() {
  if (!is_running()) return;
  gateway_->shutdown(world_->now_);
  drain();
}

void Node::retire_drops() { retired_drops_.add(gateway_->status(world_->now_).drops); }

void Node::hear_closed(const base::Path& path) {
  if (is_asleep_) return;
  gateway_->handle_stream_closed(path, world_->now_);
  drain();
}

void Node::kill() {
  retire_drops();
  world_->streams_.close_all(*this);
  gateway_.reset();
  desk_.reset();
  routes_.clear();
  given_.reset();
}

void Node::restart() { start(); }

gateway::Status Node::status() const {
  return is_running() ? gateway_->status(world_->now_) : gateway::Status{};
}

gateway::PeerStatus Node::peer(const std::string& name) const {
  const std::string wanted = peer_name(name);
  for (gateway::PeerStatus& status : status().peers) {
    if (status.name == wanted) return status;
  }
  return {};
}

IkeState Node::ike_state(const std::string& name) const {
  const auto status = peer(name);
  return status.ike ? status.ike->state : IkeState::dead;
}

bool Node::is_up(const std::string& name) const {
  const auto state = peer(name).state;
  return state == gateway::PeerState::idle || state == gateway::PeerState::up;
}

bool Node::has_event(base::EventKind kind) const {
  return std::any_of(events_.begin(), events_.end(),
                     [&](const base::Event& event) { return event.kind == kind; });
}

void Node::drain() {
  // An action answered at once comes back here; the outermost call does the work.
  if (draining_) return;
  draining_ = true;
  while (is_running()) {
    auto action = gateway_->poll_action();
    if (action) {
      perform(std::move(*action));
      continue;
    }
    if (!drain_desk() && !drain_accounting() && !protect_released() && !open_early()) break;
  }
  draining_ = false;
}

bool Node::drain_desk() {
  if (auto reply = desk_->poll_reply()) {
    const bool has_key = reply->outcome == ike::EapReply::Outcome::success;
    if (has_key && !world_->faults.hides_auth) {
      world_->auth_twin_.on_eap_key({id_, incarnation_}, reply->sa, reply->msk.reveal());
    }
    gateway_->handle_eap_reply(std::move(*reply), world_->now_);
    return true;
  }
  if (auto transmit = desk_->poll_transmit()) {
    const auto port = static_cast<std::uint16_t>(radius_source_port + transmit->port.value);
    world_->transmit(*this,
                     {Carrier::udp, {address_, port}, transmit->to, std::move(transmit->datagram)});
    return true;
  }
  if (auto event = desk_->poll_event()) {
    perform_event(std::move(*event));
    return true;
  }
  return false;
}

bool Node::drain_accounting() {
  const base::Instant now = world_->now_;
  auto action = accounting_->poll_action();
  if (!action) return false;
  std::visit(Overloaded{
                 [&](radius::Transmit& transmit) {
                   const auto port =
                       static_cast<std::uint16_t>(accounting_source_port + transmit.port.value);
                   world_->transmit(
                       *this,
                       {Carrier::udp, {address_, port}, transmit.to, std::move(transmit.datagram)});
                 },
                 [&](radius::DynamicTransmit& transmit) {
                   world_->transmit(*this, {Carrier::udp,
                                            {address_, radius_coa_port},
                                            transmit.to,
                                            std::move(transmit.datagram)});
                 },
                 [&](const gateway::AskUsage& ask) {
                   if (const auto usage = gateway_->session_usage(ask.session)) {
                     accounting_->handle_usage(ask.session, *usage, now);
                   }
                 },
                 [&](const gateway::EndSessions& end) {
                   for (const gateway::SessionId session : end.sessions) {
                     (void)gateway_->end_session(session, radius::TerminateCause::admin_reset, now);
                   }
                   accounting_->answer(end.request, radius::ErrorCause::none);
                 },
                 [&](const gateway::ChangeSessions& change) {
                   auto outcome = gateway::ChangeOutcome::done;
                   for (const gateway::SessionId session : change.sessions) {
                     const auto one = gateway_->change_session(session, change.change, now);
                     if (outcome == gateway::ChangeOutcome::done) outcome = one;
                   }
                   accounting_->answer(change.request, gateway::cause_of(outcome));
                 },
                 [&](base::Event& event) { perform_event(std::move(event)); },
             },
             *action);
  return true;
}

void Node::set_inner(const gateway::SetInner& inner) {
  given_.reset();
  if (!inner.addresses.empty()) given_ = inner.addresses.front();
  dns_ = inner.dns;
}

void Node::perform_event(base::Event event) {
  world_->say(*this, event.text);
  world_->has_changed_ = true;
  world_->trace_.add(world_->now_, "event", base::as_bytes(event.text));
  if (base::info_of(event.kind).severity == base::Severity::error) {
    world_->violations_.add(Broken::error_event, name_ + ": " + event.text);
  }
  events_.push_back(std::move(event));
}

bool Node::protect_released() {
  ipsec::PacketBuffer packet;
  const std::array waiting{&packet};
  for (std::size_t i = 0; i < gateway_->worker_count(); ++i) {
    if (gateway_->worker(i).take_waiting(waiting) == 0) continue;
    protect(packet, i);
    return true;
  }
  return false;
}

bool Node::open_early() {
  ipsec::PacketBuffer packet;
  ipsec::OpenItem item;
  item.packet = &packet;
  for (std::size_t i = 0; i < gateway_->worker_count(); ++i) {
    if (gateway_->worker(i).take_early({&item, 1}) == 0) continue;
    open(item, i);
    return true;
  }
  return false;
}

void Node::perform(gateway::Action action) {
  const base::Instant now = world_->now_;
  std::visit(Overloaded{
                 [&](ike::Transmit& transmit) { perform_transmit(std::move(transmit)); },
                 [&](const ike::CloseStream& end) { world_->streams_.close(*this, end.path); },
                 [&](const ike::AuthRequest& request) { perform_auth(request); },
                 [&](const ike::EapRequest& request) { desk_->handle(request, now); },
                 [&](const ike::EapEnded& ended) { desk_->end(ended.sa); },
                 [&](const gateway::SetInner& inner) { set_inner(inner); },
                 [](const gateway::KeepLease&) {},
                 [&](const gateway::SessionUp& up) {
                   begun_.push_back(up.session);
                   accounting_->handle(up, now);
                 },
                 [&](const gateway::SessionDown& down) {
                   ended_.push_back(down);
                   accounting_->handle(down, now);
                 },
                 [&](gateway::RunUpdown& run) { scripts_.push_back(std::move(run)); },
                 [&](const gateway::AddRoute& add) {
                   routes_.insert(add.prefix);
                   ++route_changes_;
                 },
                 [&](const gateway::RemoveRoute& remove) {
                   routes_.erase(remove.prefix);
                   ++route_changes_;
                 },
                 [&](gateway::SetClearFilter& filter) { clear_rules_ = std::move(filter.rules); },
                 [&](const gateway::Lookup& lookup) {
                   std::vector<base::IpAddress> found;
                   if (const auto entry = world_->names.find(lookup.name);
                       entry != world_->names.end()) {
                     found.push_back(entry->second);
                   }
                   world_->after(world_->lookup_delay, [this, lookup, found, life = incarnation_] {
                     if (!is_running() || life != incarnation_) return;
                     gateway_->handle_lookup(lookup.connection, found, world_->now_);
                     drain();
                   });
                 },
                 [&](const gateway::FindSource& find) {
                   const auto all = addresses();
                   const auto best = all.empty() ? std::nullopt : std::optional{all.front()};
                   gateway_->handle_source_address(find.connection, best, now);
                 },
                 [&](const gateway::DeliverClear&) { ++icmp_errors_; },
                 [&](base::Event& event) { perform_event(std::move(event)); },
             },
             action);
}

void Node::perform_transmit(ike::Transmit transmit) {
  base::Reader reader{without_marker(transmit.datagram, transmit.path)};
  const auto header = wire::IkeHeader::decode(reader);
  if (header) {
    ++ike_sent_[{header->exchange, header->is_response()}];
    world_->say(*this, fmt::format("sends {} {} id {} to {}", wire::name_of(header->exchange),
                                   header->is_response() ? "response" : "request",
                                   header->message_id.value, transmit.path.remote.to_string()));
  }
  if (transmit.path.transport == base::Transport::tcp) {
    return world_->streams_.send(*this, transmit.path, std::move(transmit.datagram), true);
  }
  Datagram datagram{Carrier::udp, transmit.path.local, transmit.path.remote,
                    std::move(transmit.datagram)};
  datagram.dont_fragment = transmit.dont_fragment;
  world_->transmit(*this, std::move(datagram));
}

void Node::settle_proofs() {
  while (auto request = proofs_->poll_request()) {
    ++world_->web_asked[request->url];
    const auto page = world_->web.find(request->url);
    WebPage web{.text = {}, .failure = "it cannot be reached"};
    if (page != world_->web.end()) web = page->second;
    gateway::HttpAnswer answer{request->id, base::to_vec(base::as_bytes(web.text))};
    if (web.failure) answer.content = std::unexpected{*web.failure};
    // The driver keeps the time, whatever the server does.
    world_->after(std::min(web.delay, request->time_max), [this, answer, life = incarnation_] {
      if (!is_running() || life != incarnation_) return;
      proofs_->handle_answer(answer, world_->now_, pki::UnixTime{});
      settle_proofs();
      drain();
    });
  }
  while (auto reply = proofs_->poll_reply()) {
    gateway_->handle_auth_reply(std::move(*reply), world_->now_);
  }
  while (auto event = proofs_->poll_event()) {
    world_->say(*this, event->text);
    events_.push_back(std::move(*event));
  }
}

void Node::perform_auth(const ike::AuthRequest& request) {
  if (gateway::ProofDesk::judges(request)) {
    if (!world_->faults.hides_auth) {
      world_->auth_twin_.on_request({id_, incarnation_}, request.sa, request.signed_octets,
                                    request.proof->auth);
    }
    proofs_->handle(request, world_->now_, pki::UnixTime{});
    return settle_proofs();
  }
  proofs_->note(request, world_->now_, pki::UnixTime{});
  keyholder_.handle(request);
  auto reply = std::make_shared<ike::AuthReply>(keyholder_.poll_reply().value());
  if (!world_->faults.hides_auth) {
    world_->auth_twin_.on_request({id_, incarnation_}, request.sa, request.signed_octets,
                                  request.proof ? request.proof->auth : reply->auth);
  }
  if (keyholder_delay == 0ns) {
    proofs_->complete(std::move(*reply), world_->now_, pki::UnixTime{});
    return settle_proofs();
  }
  world_->after(keyholder_delay, [this, reply, life = incarnation_] {
    if (!is_running() || life != incarnation_) return;
    proofs_->complete(std::move(*reply), world_->now_, pki::UnixTime{});
    settle_proofs();
    drain();
  });
}

void Node::handle(const Datagram& datagram) {
  if (!is_awake()) return;
  if (is_to(datagram, radius_source_port)) {
    desk_->handle_datagram(handle_of(datagram, radius_source_port), datagram.source,
                           datagram.payload, world_->now_);
    return drain();
  }
  if (is_to(datagram, accounting_source_port)) {
    accounting_->handle_datagram(handle_of(datagram, accounting_source_port), datagram.source,
                                 datagram.payload, world_->now_);
    return drain();
  }
  if (datagram.carrier == Carrier::udp && datagram.destination.port == radius_coa_port) {
    accounting_->handle_dynamic(datagram.source, datagram.payload, world_->now_);
    return drain();
  }
  const base::Path path{
      datagram.destination, datagram.source,
      datagram.carrier == Carrier::tcp ? base::Transport::tcp : base::Transport::udp};
  if (datagram.carrier == Carrier::esp) return handle_esp(path, datagram.payload);
  if (datagram.carrier == Carrier::ah) {
    return handle_esp(path, datagram.payload, policy::SaProtocol::ah);
  }
  if (datagram.carrier == Carrier::tcp && !world_->streams_.takes(*this, datagram)) return;
  const wire::NattDatagram natt = has_marker(path) ? wire::classify_natt(datagram.payload)
                                                   : wire::classify_ike_port(datagram.payload);
  switch (natt.kind) {
    case wire::NattKind::keepalive:
    case wire::NattKind::too_short: return;
    case wire::NattKind::ike: gateway_->handle_ike(path, natt.body, world_->now_); break;
    case wire::NattKind::esp: return handle_esp(path, natt.body);
  }
  drain();
}

void Node::handle_esp(const base::Path& path, base::Bytes esp, policy::SaProtocol protocol) {
  ipsec::PacketBuffer packet;
  packet.assign(esp);
  ipsec::OpenItem item;
  item.packet = &packet;
  item.path = path;
  item.protocol = protocol;
  const auto numbers = ipsec::numbers_of(esp, protocol, false);
  const std::size_t worker = numbers ? numbers->spi().value % gateway_->worker_count() : 0;
  open(item, worker);
}

void Node::open(ipsec::OpenItem& item, std::size_t worker) {
  gateway_->worker(worker).open({&item, 1}, world_->now_);
  gateway_->handle_worker_news(world_->now_);
  drain();
  if (item.verdict == ipsec::Verdict::forward) {
    world_->deliver_clear(*this, item.packet->bytes());
  } else if (item.verdict == ipsec::Verdict::drop) {
    world_->say(*this, fmt::format("drops {} from {}: {}", name_of(item.protocol),
                                   item.path.remote.to_string(), base::info_of(item.drop).name));
  }
}

void Node::send_clear(base::Bytes clear) {
  const auto fields = wire::selector_fields(clear);
  if (is_asleep_) return;
  const bool routed = is_running() && fields &&
                      std::any_of(routes_.begin(), routes_.end(), [&](const base::Prefix& prefix) {
                        return prefix.contains(fields->destination);
                      });
  if (!routed) {
    // No route into the tunnel: a real router would send it on in clear.
    ++unrouted_;
    return;
  }
  ipsec::PacketBuffer packet;
  packet.assign(clear);
  // The kernel chooses by the flow; here each packet might be another one's.
  protect(packet, last_worker_++ % gateway_->worker_count());
}

void Node::protect(ipsec::PacketBuffer& packet, std::size_t index) {
  gateway::Worker& worker = gateway_->worker(index);
  ipsec::ProtectItem item;
  item.packet = &packet;
  worker.protect({&item, 1}, world_->now_);
  send_protected(item);
  for (const ipsec::ProtectItem& made : worker.made()) send_protected(made);
  gateway_->handle_worker_news(world_->now_);
  drain();
}

void Node::send_protected(const ipsec::ProtectItem& item) {
  if (item.verdict == ipsec::Verdict::bypass) {
    world_->violations_.add(Broken::clear_on_link, name_ + " let a packet pass unprotected");
  }
  if (item.verdict == ipsec::Verdict::held) return world_->say(*this, "holds a clear packet");
  if (item.verdict != ipsec::Verdict::forward) {
    world_->say(*this, fmt::format("drops a clear packet: {}", base::info_of(item.drop).name));
    return;
  }
  if (item.path.transport == base::Transport::tcp) {
    world_->sequences_.on_sent(id_, item.packet->bytes());
    return world_->streams_.send(*this, item.path, base::to_vec(item.packet->bytes()), false);
  }
  const bool is_ah = item.protocol == policy::SaProtocol::ah;
  const Carrier native = is_ah ? Carrier::ah : Carrier::esp;
  Datagram datagram{item.udp_encap ? Carrier::udp : native,
                    item.path.local,
                    item.path.remote,
                    base::to_vec(item.packet->bytes()),
                    0,
                    item.dont_fragment};
  if (!item.udp_encap) datagram.source.port = datagram.destination.port = 0;
  if (const auto numbers = ipsec::numbers_of(datagram.payload, item.protocol, item.is_whole)) {
    world_->sequences_.on_sent(id_, numbers->packet());
  }
  last_esp_ = datagram;
  world_->transmit(*this, std::move(datagram));
}

bool Node::hear_clear(base::Bytes packet) {
  const auto reason = gateway::judge_clear(clear_rules_, packet);
  if (!reason) return true;
  refused_clear_.add(*reason);
  world_->say(*this, fmt::format("drops what arrived in clear: {}", base::info_of(*reason).name));
  return false;
}

std::optional<base::Instant> Node::poll_deadline() const {
  const auto deadline = gateway_->poll_deadline();
  std::optional<base::Instant> first = deadline ? std::optional{deadline->at} : std::nullopt;
  if (const auto desk = desk_->poll_deadline(); desk && (!first || desk->at < *first)) {
    first = desk->at;
  }
  if (const auto own = proofs_->poll_deadline(); own && (!first || own->at < *first)) {
    first = own->at;
  }
  if (const auto own = accounting_->poll_deadline(); own && (!first || own->at < *first)) {
    first = own->at;
  }
  for (std::size_t i = 0; i < gateway_->worker_count(); ++i) {
    const auto own = gateway_->worker(i).next_deadline();
    if (own && (!first || *own < *first)) first = own;
  }
  return first;
}

void Node::handle_deadline() {
  gateway_->handle_deadline(world_->now_);
  if (const auto desk = desk_->poll_deadline(); desk && desk->at <= world_->now_) {
    desk_->handle_deadline(world_->now_);
  }
  accounting_->handle_deadline(world_->now_);
  proofs_->handle_deadline(world_->now_, pki::UnixTime{});
  settle_proofs();
  for (std::size_t i = 0; i < gateway_->worker_count(); ++i) {
    gateway::Worker& worker = gateway_->worker(i);
    const auto due = worker.next_deadline();
    if (!due || *due > world_->now_) continue;
    worker.handle_deadline(world_->now_);
    for (const ipsec::ProtectItem& made : worker.made()) send_protected(made);
  }
  gateway_->handle_worker_news(world_->now_);
  drain();
}

}  // namespace caponier::sim
