#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/error.h"

namespace caponier::sim {
namespace {

/// More steps than this at one instant are a loop.
constexpr unsigned steps_per_instant_max = 200'000;
/// Any gateway must be rid of its SAs in this time after shutdown().
constexpr base::Duration farewell_max = std::chrono::minutes{5};

constexpr auto server_psk = "what every user knows of the server";

std::shared_ptr<const base::SecretBytes> secret(const std::string& text) {
  return std::make_shared<const base::SecretBytes>(base::as_bytes(text));
}

base::Prefix net_of(const Node& node) { return {node.inner().with_low_bits(16, false), 16}; }

config::PeerConfig side_of(const Node& us, const Node& them, const Tunnel& tunnel) {
  config::PeerConfig peer;
  peer.name = "to-" + them.name();
  peer.child().name = peer.name;
  peer.kind = tunnel.kind;
  peer.remote = them.address().to_string();
  peer.remote_address = them.address();
  peer.local = us.address();
  if (tunnel.kind == config::PeerKind::site) {
    peer.child().local = config::Reach::of({net_of(us)});
    peer.child().remote = config::Reach::of({net_of(them)});
  } else {
    peer.child().mode = policy::SaMode::transport;
    peer.child().local = peer.child().remote = config::Reach::of_itself();
  }
  if (tunnel.named_ids) {
    peer.local_id = policy::Identity::parse("@" + us.name());
    peer.remote_id = policy::Identity::parse("@" + them.name());
  }
  peer.ike = tunnel.ike;
  peer.child().esp = tunnel.esp;
  peer.child().ah = tunnel.ah;
  peer.encap = tunnel.encap;
  peer.dpd = tunnel.dpd;
  peer.child().lifetime.soft_time = tunnel.lifetime;
  peer.child().replay_window = tunnel.replay_window;
  peer.child().per_cpu_sas = tunnel.per_cpu_sas;
  return peer;
}

void certify(config::PeerConfig& peer, const std::string& name, const std::string& urls,
             pki::Revocation revocation) {
  peer.psk.reset();
  peer.exchange.auth = peer.exchange.remote_auth = config::Auth::pubkey;
  peer.proof.credential =
      std::make_shared<const pki::Credential>(gateway::test::fake_credential(name, urls));
  peer.proof.authorities = {"ca.pem"};
  peer.proof.revocation = revocation;
}

}  // namespace

World::World(std::uint64_t seed)
    : seed_(seed),
      rng_(seed),
      network_(rng_.public_u64(), trace_),
      ivs_([this](std::string text) { violations_.add(Broken::repeated_iv, std::move(text)); }),
      sequences_(violations_),
      ledger_(violations_),
      auth_twin_(violations_),
      state_checker_(violations_),
      streams_(*this),
      provider_(ivs_, faults) {}

World::~World() = default;

Node& World::add() {
  nodes_.push_back(std::make_unique<Node>(*this, by_host_.size()));
  by_host_.push_back(nodes_.back().get());
  return *nodes_.back();
}

void World::connect(Node& a, Node& b, const Tunnel& tunnel) {
  config::PeerConfig at_a = side_of(a, b, tunnel);
  config::PeerConfig at_b = side_of(b, a, tunnel);
  at_a.psk = secret(tunnel.psk_a);
  at_b.psk = secret(tunnel.psk_b);
  if (tunnel.certificates) {
    certify(at_a, a.name(), tunnel.status_urls_a, tunnel.revocation);
    certify(at_b, b.name(), tunnel.status_urls_b, tunnel.revocation);
  }
  const auto start = [](bool at_once) {
    return at_once ? config::Start::at_once : config::Start::trap;
  };
  at_a.child().start = start(tunnel.a_starts);
  at_b.child().start = start(tunnel.b_starts);
  if (!tunnel.a_fixes_local) at_a.local.reset();
  if (tunnel.by_name) {
    at_a.remote = b.name() + ".example";
    at_a.remote_address.reset();
    names[at_a.remote] = b.address();
  }
  if (tunnel.b_takes_any) {
    at_b.remote = "any";
    at_b.remote_address.reset();
    at_b.remote_any = true;
  }
  a.peers.push_back(std::move(at_a));
  b.peers.push_back(std::move(at_b));
}

void World::serve(Node& server, const std::string& pool) {
  config::PeerConfig peer;
  peer.name = "users";
  peer.child().name = "users";
  peer.kind = config::PeerKind::server;
  peer.remote = "any";
  peer.remote_any = true;
  peer.child().start = config::Start::on_command;
  peer.local_id = policy::Identity::parse("vpn.example");
  peer.psk = secret(server_psk);
  peer.child().local = config::Reach::of({net_of(server)});
  peer.child().remote = config::Reach::of_itself();
  peer.ike = policy::default_ike_offers();
  peer.child().esp = policy::default_esp_offers();
  peer.encap = config::Encap::native;
  peer.exchange.unique = config::Unique::never;
  config::ServerConfig users;
  users.pools = users.all_pools = {base::Prefix::parse(pool).value()};
  users.certificates = false;
  users.passwords = true;
  peer.server = std::move(users);
  server.peers.push_back(std::move(peer));
}

Node& World::add_user(Node& server, const UserAccess& access) {
  Node& client = add();
  config::PeerConfig peer;
  peer.name = "work";
  peer.child().name = "work";
  peer.child().local = config::Reach::of_itself();
  peer.kind = config::PeerKind::client;
  peer.remote = server.address().to_string();
  peer.remote_address = server.address();
  peer.local_id = policy::Identity::parse(access.user);
  peer.remote_id = policy::Identity::parse("vpn.example");
  peer.psk = secret(server_psk);
  peer.exchange.auth = config::Auth::eap;
  peer.exchange.remote_auth = config::Auth::psk;
  peer.proof.user = access.user;
  peer.proof.password = secret(access.password);
  peer.child().remote = config::Reach::of({base::Prefix::parse("0.0.0.0/0").value()});
  peer.ike = policy::default_ike_offers();
  peer.child().esp = policy::default_esp_offers();
  peer.encap = config::Encap::native;
  peer.child().start = access.starts ? config::Start::at_once : config::Start::on_command;
  peer.ike_lifetime = access.ike_lifetime;
  peer.child().lifetime.soft_time = access.lifetime;
  peer.reauth = access.reauth;
  peer.dpd = access.dpd;
  client.peers.push_back(std::move(peer));
  return client;
}

HostId World::add_stranger(const base::IpAddress& address,
                           std::function<void(const Datagram&)> hears) {
  const HostId id = network_.add_host(address);
  by_host_.push_back(nullptr);
  strangers_[id] = std::move(hears);
  return id;
}

RadiusServer& World::add_radius(Node& server) {
  const auto index = static_cast<std::uint32_t>(radius_servers_.size());
  const auto address = base::IpAddress::v4(0xc6336401U + index);
  const HostId id = add_stranger(address, [this, index](const Datagram& datagram) {
    radius_servers_[index]->handle(datagram);
  });
  radius_servers_.push_back(std::make_unique<RadiusServer>(*this, id, address));
  RadiusServer& added = *radius_servers_.back();
  if (!server.radius) {
    server.radius.emplace();
    server.radius->secret = secret(std::string{radius_secret});
  }
  server.radius->servers.push_back(added.endpoint());
  server.radius->coa = base::Endpoint{server.address(), radius_coa_port};
  server.radius->coa_clients.push_back(address);
  return added;
}

std::pair<Node&, Node&> World::pair(const Tunnel& tunnel) {
  Node& a = add();
  Node& b = add();
  connect(a, b, tunnel);
  a.start();
  b.start();
  return {a, b};
}

Nat& World::put_behind_nat(const Node& node, base::Duration mapping_timeout) {
  const auto outside = base::IpAddress::v4(0xcb007100U + static_cast<std::uint32_t>(node.id()) + 1);
  return network_.put_behind_nat(node.id(), outside, mapping_timeout);
}

void World::move(Node& node, const base::IpAddress& address) {
  node.address_ = address;
  network_.set_address(node.id(), address);
}

void World::roam(Node& node, const base::IpAddress& address) {
  move(node, address);
  node.tell_addresses();
}

void World::add_address(Node& node, const base::IpAddress& address) {
  network_.add_address(node.id(), address);
  node.tell_addresses();
}

void World::set_interface(Node& node, const base::IpAddress& address, bool is_up) {
  network_.set_interface(node.id(), address, is_up);
  node.tell_addresses();
}

void World::jump(base::Duration duration) {
  now_ = now_ + duration;
  // What the hosts inside wanted to say meanwhile they did not.
  auto timers = std::exchange(timers_, {});
  for (auto& [when, what] : timers) {
    timers_.emplace(std::pair{when.first + duration, when.second}, std::move(what));
  }
}

Flow& World::flow(const Node& from, const Node& to, base::Duration interval) {
  flows_.push_back(std::make_unique<Flow>());
  Flow& flow = *flows_.back();
  flow.from = from.id();
  flow.to = to.id();
  flow.interval = interval;
  flow_tick(flows_.size() - 1);
  return flow;
}

void World::flow_tick(std::size_t index) {
  Flow& flow = *flows_[index];
  if (!flow.running) return;
  Node& from = *by_host_[flow.from];
  const bool outside = !from.peers.empty() && from.peers.front().kind == config::PeerKind::host;
  const Node& to = *by_host_[flow.to];
  const base::ByteVec packet =
      ledger_.make(outside ? from.address() : from.inner(), outside ? to.address() : to.inner(),
                   index, false, flow.filler);
  ++flow.requests_sent;
  from.send_clear(packet);
  timers_.emplace(std::pair{now_ + flow.interval, timer_sequence_++},
                  [this, index] { flow_tick(index); });
}

void World::after(base::Duration delay, std::function<void()> what) {
  ++waiting_timers_;
  timers_.emplace(std::pair{now_ + delay, timer_sequence_++}, [this, what = std::move(what)] {
    --waiting_timers_;
    what();
  });
}

void World::transmit(HostId host, Datagram datagram) {
  // AH hides nothing.
  if (datagram.carrier != Carrier::ah) ledger_.on_link(datagram.payload);
  network_.send(host, std::move(datagram), now_);
}

void World::inject(Node& node, Datagram datagram) { transmit(node, std::move(datagram)); }

void World::resend_last_esp(Node& node) {
  sequences_.on_sent(node.id(), node.last_esp_.payload);
  transmit(node, node.last_esp_);
}

void World::deliver_clear(Node& node, base::Bytes packet) {
  trace_.add(now_, "clear", packet);
  const bool outside = !node.peers.empty() && node.peers.front().kind == config::PeerKind::host;
  const auto ping = ledger_.on_delivered(outside ? node.address() : node.inner(), packet);
  if (!ping) return;
  Flow& flow = *flows_[ping->flow];
  if (ping->is_reply) {
    ++flow.replies_arrived;
    return;
  }
  ++flow.requests_arrived;
  const Node& asker = *by_host_[flow.from];
  node.send_clear(ledger_.make(outside ? node.address() : node.inner(),
                               outside ? asker.address() : asker.inner(), ping->flow, true,
                               flow.filler));
}

std::optional<base::Instant> World::next_event() const {
  std::optional<base::Instant> next = network_.next_arrival();
  const auto consider = [&](base::Instant at) {
    if (!next || at < *next) next = at;
  };
  if (!timers_.empty()) consider(timers_.begin()->first.first);
  for (const auto& node : nodes_) {
    if (!node->is_awake()) continue;
    if (const auto deadline = node->poll_deadline()) consider(*deadline);
  }
  if (next && *next < now_) return now_;
  return next;
}

void World::step(base::Instant at) {
  steps_at_now_ = at == now_ ? steps_at_now_ + 1 : 0;
  if (steps_at_now_ > steps_per_instant_max) {
    if (!stuck_) violations_.add(Broken::no_quiescence, "time stands still");
    stuck_ = true;
    return;
  }
  now_ = at;
  while (const auto arrival = network_.next_arrival()) {
    if (*arrival > now_) break;
    auto arrived = network_.poll_arrival(now_);
    if (!arrived) continue;
    const auto stranger = strangers_.find(arrived->host);
    if (stranger != strangers_.end()) {
      stranger->second(arrived->datagram);
    } else {
      by_host_[arrived->host]->handle(arrived->datagram);
    }
  }
  while (!timers_.empty() && timers_.begin()->first.first <= now_) {
    const auto what = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    what();
  }
  for (const auto& node : nodes_) {
    if (!node->is_awake()) continue;
    const auto deadline = node->poll_deadline();
    if (deadline && *deadline <= now_) node->handle_deadline();
  }
  if (std::exchange(has_changed_, false)) check_state();
}

void World::check_state() {
  for (const auto& node : nodes_) {
    if (!node->is_running()) continue;
    const gateway::Status status = node->status();
    const Seen seen{
        {node->id(), node->incarnation_}, node->name(), status, node->options, node->peers};
    auth_twin_.check(seen);
    state_checker_.check(seen);
  }
}

void World::run_for(base::Duration duration) {
  const base::Instant end = now_ + duration;
  while (!stuck_) {
    const auto next = next_event();
    if (!next || *next > end) break;
    step(*next);
  }
  now_ = end;
  steps_at_now_ = 0;
}

bool World::run_until(const std::function<bool()>& condition, base::Duration limit) {
  const base::Instant end = now_ + limit;
  while (!condition()) {
    const auto next = next_event();
    if (stuck_ || !next || *next > end) return false;
    step(*next);
  }
  return true;
}

bool World::is_quiet() const {
  if (network_.in_flight() > 0 || waiting_timers_ > 0) return false;
  // Retransmissions, attempts and lingering deletions come sooner than this; liveness checks,
  // keepalives and lifetimes later.
  constexpr base::Duration periodic = std::chrono::milliseconds{3500};
  return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
    if (!node->is_running()) return true;
    const auto deadline = node->poll_deadline();
    return !deadline || *deadline - now_ > periodic;
  });
}

void World::run_until_idle(base::Duration limit) {
  const base::Instant end = now_ + limit;
  while (!is_quiet() || !is_settled()) {
    const auto next = next_event();
    if (stuck_ || !next || *next > end) {
      violations_.add(Broken::no_quiescence, "the world did not come to rest");
      return;
    }
    step(*next);
  }
}

bool World::is_settled() const {
  for (const auto& node : nodes_) {
    if (!node->is_running()) continue;
    for (const auto& peer : node->status().peers) {
      if (peer.state == gateway::PeerState::connecting || peer.state == gateway::PeerState::down) {
        return false;
      }
    }
  }
  return spis_match();
}

bool World::spis_match(std::string* difference) const {
  std::map<std::pair<base::Spi, base::Spi>, int> balance;
  for (const auto& node : nodes_) {
    if (!node->is_running()) continue;
    for (const auto& peer : node->status().peers) {
      for (const auto& child : peer.children) {
        ++balance[{child.sa.spi_in, child.sa.spi_out}];
        --balance[{child.sa.spi_out, child.sa.spi_in}];
      }
    }
  }
  for (const auto& [spis, count] : balance) {
    if (count == 0) continue;
    if (difference != nullptr) {
      *difference = fmt::format("in {:08x} out {:08x}", spis.first.value, spis.second.value);
    }
    return false;
  }
  return true;
}

std::string World::disagreement(const Node& a, const Node& b) const {
  for (const Node* node : {&a, &b}) {
    const gateway::Status status = node->status();
    const Node& other = node == &a ? b : a;
    const std::size_t children = node->peer("to-" + other.name()).children.size();
    if (status.ike_sas != 1 || status.associations != children) {
      return fmt::format("{} has {} IKE SAs and {} associations", node->name(), status.ike_sas,
                         status.associations);
    }
  }
  return difference(a.peer("to-" + b.name()), b.peer("to-" + a.name()));
}

unsigned World::sent(const Node& node, Exchange exchange) const {
  const auto found = node.ike_sent_.find({exchange, false});
  return found == node.ike_sent_.end() ? 0 : found->second;
}

void World::allow(std::initializer_list<base::DropReason> reasons) {
  allowed_drops_.insert(reasons);
}

void World::allow_weather() {
  using enum base::DropReason;
  allow({ike_duplicate, ike_bad_message_id, ike_unknown_spi, ike_unexpected, esp_no_sa, esp_replay,
         clear_no_sa, clear_expired, clear_queue_full, esp_expired});
}

void World::check_drops() {
  for (const auto& node : nodes_) {
    base::DropCounters drops = node->retired_drops_;
    if (node->is_running()) drops.add(node->status().drops);
    for (std::size_t i = 0; i < base::drop_reason_count; ++i) {
      const auto reason = static_cast<base::DropReason>(i);
      if (drops[reason] == 0 || allowed_drops_.contains(reason)) continue;
      violations_.add(
          Broken::undeclared_drop,
          fmt::format("{}: {} x {}", node->name(), base::info_of(reason).name, drops[reason]));
    }
  }
}

void World::check_no_sas() {
  for (const auto& node : nodes_) {
    if (!node->is_running()) continue;
    const auto status = node->status();
    if (status.ike_sas == 0 && status.associations == 0 && status.half_open == 0) continue;
    violations_.add(Broken::leaked_sa,
                    fmt::format("{}: {} IKE SAs, {} half open, {} associations left", node->name(),
                                status.ike_sas, status.half_open, status.associations));
  }
}

void World::finish() {
  if (std::exchange(finished_, true)) return;
  for (const auto& flow : flows_) flow->running = false;
  for (const auto& node : nodes_) {
    if (!node->is_running()) continue;
    node->shutdown();
    const bool idle = run_until([&] { return node->gateway_->is_idle(); }, farewell_max);
    if (!idle) violations_.add(Broken::no_quiescence, node->name() + " does not end");
    if (!node->routes_.empty()) {
      violations_.add(Broken::leaked_sa, node->name() + " leaves a route behind");
    }
    if (node->given_) {
      violations_.add(Broken::leaked_sa, node->name() + " keeps the address it was given");
    }
    if (node->desk_->size() > 0) {
      violations_.add(Broken::leaked_sa, node->name() + " leaves an EAP conversation behind");
    }
  }
  check_no_sas();
  check_drops();
}

void World::say(std::string_view text) const {
  if (!verbose) return;
  fmt::print(stderr, "{:10.3f} {}\n",
             base::seconds_of(now_.since_origin - std::chrono::hours{1000}), text);
}

void World::say(const Node& node, const std::string& text) const {
  if (verbose) say(node.name() + " " + text);
}

}  // namespace caponier::sim
