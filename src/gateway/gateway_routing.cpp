#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/audit_event.h"
#include "gateway/dhcp_answer.h"
#include "gateway/gateway_impl.h"
#include "gateway/translate.h"

namespace caponier::gateway {
namespace {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

/// What a peer says is to become configuration of ours.
bool is_domain(std::string_view text) {
  constexpr std::size_t domain_size_max = 253;
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= domain_size_max && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), is_good);
}

}  // namespace

void Gateway::Impl::emit(Action action) {
  const bool may_be_lost = std::holds_alternative<ike::Transmit>(action) ||
                           std::holds_alternative<DeliverClear>(action) ||
                           std::holds_alternative<base::Event>(action);
  if (may_be_lost && actions_.size() >= action_queue_max) {
    drops_.add(base::DropReason::io_queue_full);
    return;
  }
  actions_.push_back(std::move(action));
}

void Gateway::Impl::emit(base::EventKind kind, const std::string& peer, std::string text) {
  emit(base::Event{kind, peer, std::move(text), {}});
}

void Gateway::Impl::pump(base::Instant now) {
  for (;;) {
    pump_peers(now);
    refresh();
    bool quiet = true;
    if (endpoint_) {
      while (auto action = endpoint_->poll_action()) {
        route(std::move(*action), now);
        quiet = false;
      }
    }
    while (auto news = workers_.poll_news(now)) {
      route(std::move(*news), now);
      quiet = false;
    }
    if (obey_path_orders(now)) quiet = false;
    if (quiet) break;
  }
  while (auto change = pools_.poll_change()) emit(std::move(*change));
  while (auto run = groups_.poll_run()) emit(std::move(*run));
  update_deadline();
}

void Gateway::Impl::pump_peers(base::Instant now) {
  for (;;) {
    read_requests(now);
    const auto next = turns_.poll(now);
    if (!next) return;
    if (Peer* peer = find(*next)) peer->handle_turn(now);
  }
}

void Gateway::Impl::read_requests(base::Instant now) {
  for (const std::string& name : std::exchange(touched_, {})) {
    const Overloaded carry{
        [&](const ike::Command& request) { command(request, now); },
        [&](Lookup& request) { emit(std::move(request)); },
        [&](FindSource& request) { emit(std::move(request)); },
        [&](const AskTurn& request) { turns_.ask(name, request.remote); },
        [&](policy::Evidence& seen) { note_failure(std::move(seen), now); },
        [&](const Refresh&) { refresh_due_ = true; },
    };
    const auto found = peers_.find(name);
    if (found == peers_.end()) continue;
    while (auto request = found->second.poll_request()) {
      // What a request refers to must be known to the endpoint before it arrives there.
      if (refresh_due_ && std::holds_alternative<ike::Command>(*request)) refresh();
      std::visit(carry, *request);
    }
    if (!found->second.needs_turn()) turns_.give_back(name);
    const auto deadline = found->second.poll_deadline();
    due_.set(name, deadline ? std::optional{deadline->at} : std::nullopt);
  }
}

void Gateway::Impl::refresh() {
  if (!std::exchange(refresh_due_, false)) return;
  ike::Connections connections;
  std::vector<ipsec::Policy> policies;
  std::vector<ipsec::Policy> host_policies;
  std::vector<ipsec::Policy> site_policies;
  std::vector<ipsec::Policy> rest;
  for (const config::PolicyConfig& policy : config_->policies) {
    const auto peer = peers_.find(policy.peer);
    if (peer != peers_.end() && peer->second.is_off()) continue;
    policies.push_back(make_policy(policy));
    if (peer == peers_.end()) continue;
    const config::ChildConfig& child = peer->second.config().child();
    policies.back().child = child.name;
    policies.back().pfp = child.pfp;
    policies.back().resources = child.per_cpu_sas;
  }
  std::map<base::Prefix, AddRoute> routes;
  for (const auto& [name, peer] : peers_) {
    if (auto connection = peer.connection()) connections.push_back(std::move(connection));
    auto& list = peer.config().kind == config::PeerKind::host ? host_policies : site_policies;
    for (ipsec::Policy& policy : peer.policies()) list.push_back(std::move(policy));
    if (!peer.is_off() && !is_closed()) {
      for (ipsec::Policy& policy : make_rest(peer.config())) rest.push_back(std::move(policy));
    }
    for (AddRoute& route : peer.routes()) routes.try_emplace(route.prefix, std::move(route));
  }
  // What a person wrote goes first. A host may lie inside a site's network, never the other way
  // round.
  for (auto* list : {&host_policies, &site_policies, &rest}) {
    std::move(list->begin(), list->end(), std::back_inserter(policies));
  }
  if (endpoint_) endpoint_->set_connections(std::move(connections));
  set_policies(policies);
  set_routes(std::move(routes));
  forget_inner();
}

void Gateway::Impl::set_policies(const std::vector<ipsec::Policy>& policies) {
  SetClearFilter filter =
      is_closed() ? make_closed_filter(policies) : SetClearFilter{make_clear_rules(policies), {}};
  if (clear_filter_ != filter) {
    clear_filter_ = filter;
    emit(std::move(filter));
  }
  workers_.set_policies(policies);
}

void Gateway::Impl::set_routes(std::map<base::Prefix, AddRoute> wanted) {
  for (const auto& [prefix, route] : routes_) {
    if (!wanted.contains(prefix)) emit(RemoveRoute{prefix});
  }
  for (const auto& [prefix, route] : wanted) {
    const auto old = routes_.find(prefix);
    const bool same = old != routes_.end() && old->second.source == route.source &&
                      old->second.local_nets == route.local_nets;
    if (!same) emit(route);
  }
  routes_ = std::move(wanted);
  tunnel_mtu_.reset();
}

void Gateway::Impl::update_deadline() {
  peer_deadline_.reset();
  if (shutting_down_) return;
  const auto first = peers_.find(due_.first());
  if (first != peers_.end()) peer_deadline_ = first->second.poll_deadline();
}

void Gateway::Impl::route(ike::Action action, base::Instant now) {
  std::visit(Overloaded{
                 [&](ike::Transmit& transmit_now) { transmit(std::move(transmit_now), now); },
                 [&](const ike::CloseStream& close) { emit(close); },
                 [&](const policy::ExpectSa& expected) {
                   workers_.change([&](ipsec::Engine& one) { one.expect(expected); });
                 },
                 [&](policy::InstallSa& sa) { install(std::move(sa), now); },
                 [&](const policy::RemoveSa& sa) {
                   totals_.handle_removed(sa.id, workers_);
                   sessions_.handle_child_removed(sa.id, workers_);
                   workers_.remove(sa.id);
                   path_mtus_.remove(sa.id, now);
                   tunnel_mtu_.reset();
                   children_.erase(sa.id);
                 },
                 [&](const policy::SwitchSa& choice) {
                   workers_.change([&](ipsec::Engine& one) { one.switch_outbound(choice); });
                 },
                 [&](const policy::MoveSa& move) {
                   workers_.change([&](ipsec::Engine& one) { one.move(move); });
                   path_mtus_.move(move.id, move.path, move.udp_encap, now);
                 },
                 [&](const policy::SkipSa& skip) { workers_.skip(skip); },
                 [&](ike::AuthRequest& request) { emit(std::move(request)); },
                 [&](ike::EapRequest& request) { emit(std::move(request)); },
                 [&](const ike::EapEnded& ended) { emit(ended); },
                 [&](const ike::LeaseRequest& request) { on_lease_request(request, now); },
                 [&](const ike::LeaseEnded& ended) { on_lease_ended(ended.sa); },
                 [&](const ike::Configured& configured) { on_configured(configured); },
                 [&](const ike::IkeAnswered& answered) {
                   if (Peer* peer = find(answered.connection)) peer->handle(answered, now);
                 },
                 [&](const ike::IkeUp& up) {
                   note_change(up);
                   on_ike_up(up, now);
                 },
                 [&](const ike::IkeDown& down) {
                   on_ike_down(down, now);
                   note_change(down);
                 },
                 [&](const ike::Redirected& redirected) {
                   if (Peer* peer = find(redirected.connection)) peer->handle(redirected, now);
                 },
                 [&](const ike::ChildUp& up) {
                   note_change(up);
                   on_child_up(up, now);
                 },
                 [&](const ike::ChildDown& down) {
                   on_child_down(down, now);
                   note_change(down);
                 },
                 [&](const ike::PathProbed& probed) { path_mtus_.handle_probed(probed, now); },
                 [&](const ike::KeysExported& keys) { export_keys(keys); },
                 [&](policy::Evidence& seen) { note_failure(std::move(seen), now); },
                 [&](base::Event& event) { on_event(std::move(event)); },
             },
             action);
}

void Gateway::Impl::note_failure(policy::Evidence seen, base::Instant now) {
  const Peer* const peer = find(seen.connection);
  // Of one that was configured until just now.
  if (peer == nullptr && !seen.connection.empty()) return;
  history_.note(std::move(seen), peer == nullptr ? nullptr : &peer->config(), config_.get(), now);
}

void Gateway::Impl::route(Worker::News news, base::Instant now) {
  const auto peer_of = [&](policy::ChildSaId id) -> Peer* {
    const auto found = children_.find(id);
    return found == children_.end() ? nullptr : find(found->second);
  };
  const Overloaded handle_notice{
      [&](ipsec::Acquire& acquire) {
        if (Peer* peer = find(acquire.connection)) {
          peer->handle_acquire(std::move(acquire), now);
        }
      },
      [&](const ipsec::Expired& expired) {
        if (Peer* peer = peer_of(expired.id)) peer->handle_expired(expired.id, expired.hard, now);
      },
      [&](const ipsec::PeerMoved& moved) { command(ike::PeerMoved{moved.id, moved.path}, now); },
      [&](ipsec::TooBig& too_big) { emit(DeliverClear{std::move(too_big.icmp_reply)}); },
      [&](const ipsec::PeerSends& heard) { command(ike::PeerHeard{heard.id}, now); },
      [&](const ipsec::Audited& audited) {
        emit(make_audit_event(audited, all_drops()[audited.reason]));
      },
      [&](const ipsec::DhcpAsked& asked) { on_dhcp_asked(asked); },
  };
  std::visit(Overloaded{
                 [&](ike::PeerHeard& heard) { command(heard, now); },
                 [&](ike::EspSent& sent) { command(sent, now); },
                 [&](ipsec::Notice& notice) { std::visit(handle_notice, notice); },
             },
             news);
}

void Gateway::Impl::install(policy::InstallSa sa, base::Instant now) {
  if (keys_ && !keys_->add(sa)) note_not_exported(sa.connection);
  if (Peer* const peer = find(sa.connection)) peer->note_installed(sa);
  const policy::ChildSaId id = sa.id;
  const std::string connection = sa.connection;
  const std::string child = sa.child;
  const base::Path path = sa.path;
  const bool udp_encap = sa.udp_encap;
  const auto installed = workers_.install(std::move(sa), now);
  if (!installed) {
    emit(base::EventKind::local_fault, connection,
         connection + ": the data plane refused a Child SA (" +
             std::string{crypto::name_of(installed.error())} + ")");
    command(ike::DeleteChild{id}, now);
    return;
  }
  children_[id] = connection;
  totals_.handle_installed(id, connection, child);
  tunnel_mtu_.reset();
  const auto peer = peers_.find(connection);
  const std::size_t mtu =
      peer == peers_.end() ? ipsec::path_mtu_default : peer->second.config().mtu;
  path_mtus_.set_path(id, path, udp_encap, mtu, now);
}

bool Gateway::Impl::obey_path_orders(base::Instant now) {
  bool any = false;
  while (const auto order = path_mtus_.poll_order()) {
    any = true;
    std::visit(Overloaded{
                   [&](const PathMtuSetting& setting) {
                     workers_.change([&](ipsec::Engine& one) {
                       one.set_path_mtu(setting.id, setting.mtu, setting.proven);
                     });
                     tunnel_mtu_.reset();
                   },
                   [&](const ike::ProbePath& probe) { command(probe, now); },
               },
               *order);
  }
  return any;
}

void Gateway::Impl::transmit(ike::Transmit transmit, base::Instant now) {
  inspection_.record_ike(transmit.path, wire::PcapngDirection::outbound, transmit.datagram, now);
  emit(std::move(transmit));
}

void Gateway::Impl::on_lease_request(const ike::LeaseRequest& request, base::Instant now) {
  const Peer* const peer = find(request.connection);
  ike::LeaseReply reply{request.sa, request.request, {}, {}, "the server is not configured"};
  if (peer != nullptr && peer->config().server) {
    const config::PeerConfig& server = peer->config();
    auto terms = terms_of(*config_, server, request.identity, request.grant);
    if (terms) {
      terms->own =
          server_addresses(server.server->addresses, local_addresses_, server.local_nets());
      reply = pools_.lease(request, *terms);
      if (!terms->group.empty()) reply.networks = selectors_of(terms->networks);
    } else {
      reply.why = terms.error();
      reply.is_refused = true;
    }
    if (!reply.addresses.empty()) {
      Session session{{},
                      request.connection,
                      request.identity,
                      terms->group,
                      {},
                      reply.addresses,
                      request.grant,
                      server.server->session_timeout,
                      now,
                      {},
                      {},
                      {}};
      reply.services = services_for(request, *terms, session);
      auto& idle = session.grant.idle_timeout;
      if (!idle) idle = server.server->idle_timeout;
      sessions_.expect(request.sa, std::move(session));
    }
  }
  endpoint_->handle_lease_reply(std::move(reply), now);
}

void Gateway::Impl::on_lease_ended(ike::IkeSaId sa) {
  pools_.end(sa);
  if (auto down = sessions_.end(sa)) emit(std::move(*down));
}

void Gateway::Impl::on_configured(const ike::Configured& configured) {
  Peer* const peer = find(configured.connection);
  if (peer == nullptr) return;
  if (peer->handle(configured)) touched_.insert(configured.connection);
  SetInner inner{configured.connection, configured.addresses, {}, {}, {}};
  for (const wire::ConfigAttribute& attribute : configured.attributes) {
    const base::Bytes value = attribute.value;
    switch (static_cast<wire::ConfigAttributeType>(attribute.type)) {
      case wire::ConfigAttributeType::internal_ip4_dns:
        if (value.size() == 4) inner.dns.push_back(base::IpAddress::from_bytes(value));
        break;
      case wire::ConfigAttributeType::internal_ip6_dns:
        if (value.size() == 16) inner.dns.push_back(base::IpAddress::from_bytes(value));
        break;
      case wire::ConfigAttributeType::internal_dns_domain:
        if (is_domain(base::as_text(value))) inner.domains.emplace_back(base::as_text(value));
        break;
      case wire::ConfigAttributeType::encdns_ip4:
      case wire::ConfigAttributeType::encdns_ip6: {
        const bool is_v4 =
            attribute.type == static_cast<std::uint16_t>(wire::ConfigAttributeType::encdns_ip4);
        auto dns = wire::EncryptedDns::decode(value, is_v4 ? base::Family::v4 : base::Family::v6);
        if (dns && is_domain(dns->name)) inner.encrypted.push_back(std::move(*dns));
        break;
      }
      default: break;
    }
  }
  SetInner& told = inner_[configured.connection];
  if (told == inner) return;
  told = inner;
  emit(std::move(inner));
}

void Gateway::Impl::forget_inner() {
  for (auto at = inner_.begin(); at != inner_.end();) {
    const auto peer = peers_.find(at->first);
    if (peer != peers_.end() && !peer->second.inner().empty()) {
      ++at;
      continue;
    }
    emit(SetInner{at->first, {}, {}, {}, {}});
    at = inner_.erase(at);
  }
}

void Gateway::Impl::on_ike_up(const ike::IkeUp& up, base::Instant now) {
  if (up.replaces) {
    pools_.move(*up.replaces, up.sa);
    sessions_.move(*up.replaces, up.sa);
  }
  const auto sa = endpoint_->find(up.sa);
  if (auto session = sessions_.handle_up(up.sa, sa ? sa->path : base::Path{}, now)) {
    emit(SessionUp{std::move(*session)});
  }
  Peer* peer = find(up.connection);
  if (peer == nullptr) return command(ike::DeleteIke{up.connection}, now);
  peer->handle(up, sa ? sa->path : base::Path{}, now);
  if (!peer->config().server) history_.note_success(up.connection, {}, up.replaces.has_value());
}

void Gateway::Impl::on_ike_down(const ike::IkeDown& down, base::Instant now) {
  sessions_.handle_down(down.sa, down.reason);
  Peer* peer = find(down.connection);
  if (peer == nullptr) return;
  peer->handle(down, endpoint_->established_of(down.connection), now);
}

void Gateway::Impl::on_child_up(const ike::ChildUp& up, base::Instant now) {
  sessions_.handle_child_up(up.sa, up.child_sa);
  Peer* peer = find(up.connection);
  if (peer == nullptr) return;
  const bool is_first = !peer->has_sa(up.child);
  const auto useless = peer->handle(up, now);
  if (!peer->config().server)
    history_.note_success(up.connection, up.child, up.replaces.has_value());
  note_group(up, *peer, now);
  if (useless) {
    return emit(
        base::EventKind::child_failed, up.connection,
        fmt::format("traffic to {} is not let through: the peer's answer does not hold it; see "
                    "that its networks and ours say the same; asked again in {:.0f} s at the "
                    "earliest",
                    useless->destination.to_string(), base::seconds_of(useless->pause)));
  }
  if (up.replaces) return;  // the endpoint says all there is to say
  if (up.resource) {
    return emit(base::EventKind::child_resource, up.connection,
                fmt::format("one more SA, for worker {}", up.resource->value));
  }
  emit(base::EventKind::child_up, up.connection, describe_up(up, *peer, is_first, now));
}

void Gateway::Impl::on_child_down(const ike::ChildDown& down, base::Instant now) {
  groups_.handle_down(down.child_sa, workers_);
  if (Peer* peer = find(down.connection)) peer->handle(down, now);
}

void Gateway::Impl::on_event(base::Event event) {
  using enum base::EventKind;
  // on_child_up says it, and more.
  if (event.kind == child_up) return;
  if (event.kind == ike_peer_moved || event.kind == ike_transport) note_moved(event.peer);
  const bool explains = event.kind == ike_failed || event.kind == ike_auth_failed ||
                        event.kind == ike_no_proposal || event.kind == child_failed;
  if (explains && !event.peer.empty()) {
    if (Peer* peer = find(event.peer)) peer->handle_failure_text(event.text);
  }
  emit(std::move(event));
}

void Gateway::Impl::export_keys(const ike::KeysExported& keys) {
  if (keys_ && !keys_->add(keys)) note_not_exported({});
}

void Gateway::Impl::note_not_exported(const std::string& peer) {
  emit(base::EventKind::ike_notify_hint, peer,
       "keys not exported: Wireshark cannot decrypt this algorithm; use AES-GCM for captures");
}

}  // namespace caponier::gateway
