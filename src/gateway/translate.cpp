#include "gateway/translate.h"

#include <algorithm>

namespace caponier::gateway {
namespace {

using base::IpAddress;
using policy::TrafficSelector;
using policy::TrafficSelectors;

base::Prefix whole(const IpAddress& address) { return {address, address.bit_count()}; }

bool has_family(const std::vector<base::Prefix>& nets, base::Family family) {
  return std::any_of(nets.begin(), nets.end(),
                     [&](const base::Prefix& net) { return net.address.family() == family; });
}

/// Of the families in `nets`.
TrafficSelectors everything(const std::vector<base::Prefix>& nets) {
  TrafficSelectors selectors;
  for (const base::Family family : {base::Family::v4, base::Family::v6}) {
    if (has_family(nets, family)) selectors.push_back(TrafficSelector::any(family));
  }
  return selectors;
}

/// The addresses of one family: a transport-mode selector must not mix them.
std::vector<IpAddress> of_family(const std::vector<IpAddress>& addresses, base::Family family) {
  std::vector<IpAddress> chosen;
  std::copy_if(addresses.begin(), addresses.end(), std::back_inserter(chosen),
               [&](const IpAddress& address) { return address.family() == family; });
  return chosen;
}

std::vector<base::Prefix> whole(const std::vector<IpAddress>& addresses) {
  std::vector<base::Prefix> prefixes;
  for (const IpAddress& address : addresses) prefixes.push_back(whole(address));
  return prefixes;
}

/// What an end has where `own` is its address.
TrafficSelectors resolve(const config::Reach& reach, const std::vector<base::Prefix>& own) {
  TrafficSelectors selectors = reach.nets;
  for (const base::Prefix& address : own) {
    for (const config::PortRule& rule : reach.own) {
      selectors.push_back(
          TrafficSelector::from_prefix(address, rule.protocol, rule.first, rule.last));
    }
  }
  return selectors;
}

/// One end of a host's Child SA. Selectors of both ends form a product, so "either end has this
/// port" cannot be one SA: the SA covers the protocols, and the policies below the ports.
config::Reach protocols_of(const config::ChildConfig& child, const config::Reach& reach) {
  if (child.ports.empty()) return reach;
  config::Reach protocols;
  for (const config::PortRule& port : child.ports) {
    const config::PortRule rule{.protocol = port.protocol};
    auto& own = protocols.own;
    if (std::ranges::find(own, rule) == own.end()) own.push_back(rule);
  }
  return protocols;
}

/// The addresses that stand for an end itself, as far as they are known.
std::vector<base::Prefix> own_of_local(const config::PeerConfig& peer,
                                       const OuterAddresses& outer) {
  if (peer.kind == config::PeerKind::client) return whole(outer.inner);
  if (!outer.local) return {};
  return {whole(*outer.local)};
}

std::vector<base::Prefix> own_of_remote(const config::PeerConfig& peer,
                                        const OuterAddresses& outer) {
  if (peer.server) return peer.server->all_pools;
  if (!outer.local) return whole(outer.remote);
  return whole(of_family(outer.remote, outer.local->family()));
}

/// The hard limit follows a quarter later.
template <class T>
std::optional<T> hard_of(std::optional<T> soft) {
  if (!soft) return std::nullopt;
  return *soft + *soft / 4;
}

policy::Lifetime with_hard_limits(policy::Lifetime lifetime) {
  if (!lifetime.hard_time) lifetime.hard_time = hard_of(lifetime.soft_time);
  if (!lifetime.hard_bytes) lifetime.hard_bytes = hard_of(lifetime.soft_bytes);
  if (!lifetime.hard_packets) lifetime.hard_packets = hard_of(lifetime.soft_packets);
  return lifetime;
}

/// Of the product that is configured; what a peer looks like shows later.
policy::Quirks quirks_of(const config::PeerConfig& peer) {
  return policy::quirks_of(peer.product.value_or(policy::Product::unknown));
}

/// Where an offer may do without.
void avoid_esn(policy::Offers& offers) {
  for (policy::Offer& offer : offers) {
    if (std::ranges::find(offer.esn, false) != offer.esn.end()) offer.esn = {false};
  }
}

/// Complete, or nothing: what is of an end itself needs its address.
std::optional<ike::ChildConfig> make_child(const config::PeerConfig& peer,
                                           const config::ChildConfig& config,
                                           const OuterAddresses& outer) {
  ike::ChildConfig child;
  child.name = config.name;
  child.mode = config.mode;
  child.offers = config.ah.empty() ? config.esp : config.ah;
  if (quirks_of(peer).no_esn) avoid_esn(child.offers);
  child.lifetime = with_hard_limits(config.lifetime);
  child.replay_window = config.replay_window;
  child.treatment = config.treatment;
  child.resources = config.per_cpu_sas;
  child.is_local_leased = peer.kind == config::PeerKind::client && !config.local.own.empty();
  child.is_remote_leased = peer.server && !config.remote.own.empty();
  const config::Reach local = protocols_of(config, config.local);
  const config::Reach remote = protocols_of(config, config.remote);
  child.local = child.is_local_leased ? everything(config.remote.prefixes())
                                      : resolve(local, own_of_local(peer, outer));
  // A responder to anybody takes the peer's address from its offer, by narrowing.
  const bool is_anybody = peer.remote_any && !peer.server && !remote.own.empty();
  if (is_anybody && !outer.local) return std::nullopt;
  child.remote = is_anybody ? remote.nets : resolve(remote, own_of_remote(peer, outer));
  if (is_anybody) child.remote.push_back(TrafficSelector::any(outer.local->family()));
  if (child.local.empty() || child.remote.empty()) return std::nullopt;
  return child;
}

ike::AuthKind auth_of(config::Auth auth) {
  switch (auth) {
    case config::Auth::psk: return ike::AuthKind::shared_key;
    case config::Auth::null: return ike::AuthKind::null;
    case config::Auth::pubkey: return ike::AuthKind::signature;
    case config::Auth::eap: return ike::AuthKind::eap;
  }
  return ike::AuthKind::shared_key;
}

ike::Childless childless_of(config::Childless childless) {
  switch (childless) {
    case config::Childless::never: return ike::Childless::never;
    case config::Childless::allow: return ike::Childless::allow;
    case config::Childless::prefer: return ike::Childless::prefer;
  }
  return ike::Childless::allow;
}

ike::Unique unique_of(config::Unique unique) {
  switch (unique) {
    case config::Unique::no: return ike::Unique::coexist;
    case config::Unique::replace: return ike::Unique::replace;
    case config::Unique::keep: return ike::Unique::keep;
    case config::Unique::never: return ike::Unique::never;
  }
  return ike::Unique::coexist;
}

void set_users(ike::ConnectionConfig& connection, const config::PeerConfig& peer) {
  for (const pki::KeyHash& key : peer.proof.authority_keys) {
    base::append(connection.authorities, key);
  }
  connection.looks_up = !peer.proof.hash_and_url.empty();
  connection.asks_ocsp = peer.proof.revocation != pki::Revocation::relaxed;
  if (peer.kind == config::PeerKind::client) {
    const auto nets = peer.remote_nets();
    connection.wish =
        ike::AddressWish{has_family(nets, base::Family::v4), has_family(nets, base::Family::v6)};
  }
  if (!peer.server) return;
  connection.gives_leases = true;
  if (!peer.remote_rounds.empty()) return;
  auto& kinds = connection.peer_rounds.front().kinds;
  kinds.clear();
  if (peer.server->certificates) kinds.push_back(ike::AuthKind::signature);
  // With certificates alone it is EAP-TLS, which is all that some devices can.
  kinds.push_back(ike::AuthKind::eap);
}

void set_rounds(ike::ConnectionConfig& connection, const config::PeerConfig& peer,
                const OuterAddresses& outer) {
  connection.own_rounds.clear();
  for (std::size_t i = 0; i < config::local_rounds(peer); ++i) {
    const auto round = config::local_round(peer, i);
    ike::OwnRound own{auth_of(round->auth),
                      round->id ? *round->id : policy::Identity::from_address(*outer.local)};
    if (round->id == peer.local_id) own.names = peer.local_names;
    connection.own_rounds.push_back(std::move(own));
  }
  connection.peer_rounds.clear();
  for (std::size_t i = 0; i < config::remote_rounds(peer); ++i) {
    auto round = config::remote_round(peer, i);
    connection.peer_rounds.push_back({{auth_of(round->auth)}, std::move(round->id)});
  }
}

bool needs_own_address(const config::PeerConfig& peer) {
  for (std::size_t i = 0; i < config::local_rounds(peer); ++i) {
    if (!config::local_round(peer, i)->id) return true;
  }
  return false;
}

void set_exchange(ike::ConnectionConfig& connection, const config::ExchangeConfig& exchange) {
  connection.fragmentation = exchange.fragmentation;
  connection.fragment_size = exchange.fragment_size;
  connection.childless = childless_of(exchange.childless);
  connection.unique = unique_of(exchange.unique);
}

}  // namespace

TrafficSelectors selectors_of(const std::vector<base::Prefix>& nets) {
  TrafficSelectors selectors;
  for (const base::Prefix& net : nets) selectors.push_back(TrafficSelector::from_prefix(net));
  return selectors;
}

ike::GatewayName gateway_name(const config::RedirectTarget& target) {
  if (target.address) return {target.address, {}};
  return {std::nullopt, target.name};
}

namespace {

ipsec::Policy protect(const config::PeerConfig& peer, const config::ChildConfig& child,
                      TrafficSelectors local, TrafficSelectors remote) {
  ipsec::Policy policy{ipsec::PolicyAction::protect, peer.name, child.name, std::move(local),
                       std::move(remote)};
  policy.pfp = child.pfp;
  policy.resources = child.per_cpu_sas;
  return policy;
}

bool has_everything(const TrafficSelectors& remote) {
  return std::ranges::any_of(remote, [](const TrafficSelector& selector) {
    const TrafficSelector any = TrafficSelector::any(selector.first.family());
    return selector.first == any.first && selector.last == any.last;
  });
}

ipsec::PolicyAction action_of(config::PolicyAction action) {
  switch (action) {
    case config::PolicyAction::bypass: return ipsec::PolicyAction::bypass;
    case config::PolicyAction::discard: return ipsec::PolicyAction::discard;
    case config::PolicyAction::protect: return ipsec::PolicyAction::protect;
  }
  return ipsec::PolicyAction::discard;
}

ipsec::PolicyDirection direction_of(config::PolicyDirection direction) {
  switch (direction) {
    case config::PolicyDirection::both: return ipsec::PolicyDirection::both;
    case config::PolicyDirection::outbound: return ipsec::PolicyDirection::outbound;
    case config::PolicyDirection::inbound: return ipsec::PolicyDirection::inbound;
  }
  return ipsec::PolicyDirection::both;
}

TrafficSelector with_ports(TrafficSelector selector, const config::PortRule& rule) {
  selector.protocol = rule.protocol;
  selector.first_port = rule.first;
  selector.last_port = rule.last;
  return selector;
}

void add_host_policies(const config::PeerConfig& peer, const config::ChildConfig& child,
                       const IpAddress& local, const IpAddress& remote,
                       std::vector<ipsec::Policy>& policies) {
  const auto here = TrafficSelector::from_prefix(whole(local));
  const auto there = TrafficSelector::from_prefix(whole(remote));
  for (const config::PortRule& rule : child.ports) {
    const config::PortRule any_port{.protocol = rule.protocol};
    policies.push_back(
        protect(peer, child, {with_ports(here, any_port)}, {with_ports(there, rule)}));
    if (rule.first == any_port.first && rule.last == any_port.last) continue;
    policies.push_back(
        protect(peer, child, {with_ports(here, rule)}, {with_ports(there, any_port)}));
  }
  policies.push_back({ipsec::PolicyAction::bypass, {}, {}, {here}, {there}});
}

void add_policies(const config::PeerConfig& peer, const config::ChildConfig& child,
                  const OuterAddresses& outer, std::vector<ipsec::Policy>& policies) {
  if (!child.ports.empty()) {
    if (!outer.local) return;
    for (const IpAddress& remote : of_family(outer.remote, outer.local->family())) {
      add_host_policies(peer, child, *outer.local, remote, policies);
    }
    return;
  }
  const TrafficSelectors local = resolve(child.local, own_of_local(peer, outer));
  const TrafficSelectors remote = resolve(child.remote, own_of_remote(peer, outer));
  if (local.empty() || remote.empty()) return;
  // "Everything" does not include ourselves: no peer may speak for our own networks.
  if (has_everything(remote)) {
    policies.push_back({ipsec::PolicyAction::bypass, {}, {}, local, local});
  }
  policies.push_back(protect(peer, child, local, remote));
}

}  // namespace

std::shared_ptr<const ike::ConnectionConfig> make_connection(const config::PeerConfig& peer,
                                                             const OuterAddresses& outer,
                                                             base::Bytes credential_tag) {
  if (!peer.remote_any && outer.remote.empty()) return nullptr;
  if (needs_own_address(peer) && !outer.local) return nullptr;
  auto connection = std::make_shared<ike::ConnectionConfig>();
  for (const config::ChildConfig& config : peer.children) {
    auto child = make_child(peer, config, outer);
    if (!child) return nullptr;
    connection->children.push_back(std::move(*child));
  }
  connection->name = peer.name;
  connection->local_address = peer.local;
  if (!peer.remote_any) connection->remote_addresses = outer.remote;
  connection->remote_nets = peer.remote_within;
  set_rounds(*connection, peer, outer);
  connection->offers = peer.ike;
  connection->dpd_interval = peer.dpd;
  connection->ike_lifetime = peer.ike_lifetime;
  connection->reauth_interval = peer.reauth;
  connection->auth_lifetime = peer.auth_lifetime;
  connection->force_encap = peer.encap == config::Encap::always;
  // AH cannot travel in UDP.
  const auto is_ah = [](const config::ChildConfig& child) { return !child.ah.empty(); };
  connection->prefers_udp_encap =
      peer.encap == config::Encap::automatic && std::ranges::none_of(peer.children, is_ah);
  set_exchange(*connection, peer.exchange);
  connection->product = peer.product;
  // What is announced must be accepted, so this is no matter of what the peer looks like.
  if (quirks_of(peer).no_fragmentation) connection->fragmentation = false;
  set_users(*connection, peer);
  connection->nat_traversal = peer.encap != config::Encap::never;
  // Transport mode is bound to its addresses (RFC 4555 s1.2).
  connection->mobike = peer.mobike && !peer.has_transport();
  connection->keepalive_interval = peer.keepalive;
  // The selectors of a host are its addresses: elsewhere it would be another host.
  connection->follows_redirects = peer.redirect && !peer.has_transport();
  if (peer.redirect_to) connection->redirect_to = gateway_name(*peer.redirect_to);
  // A ticket keeps neither who vouched for a peer nor its inner addresses.
  connection->resumption = peer.resumption && peer.local_rounds.empty() &&
                           peer.remote_rounds.empty() && peer.exchange.auth == config::Auth::psk &&
                           peer.exchange.remote_auth == config::Auth::psk;
  connection->credential_tag = base::to_vec(credential_tag);
  connection->crash_detection = peer.crash_detection;
  return connection;
}

std::optional<ike::RedirectPolicy> make_redirect_policy(const config::DaemonConfig& daemon) {
  if (!daemon.redirect_to) return std::nullopt;
  return ike::RedirectPolicy{gateway_name(*daemon.redirect_to), daemon.redirect_above};
}

bool is_same(const ike::ConnectionConfig& a, const ike::ConnectionConfig& b) {
  const auto is_same_child = [](const ike::ChildConfig& one, const ike::ChildConfig& other) {
    return one.local == other.local && one.remote == other.remote;
  };
  return a.remote_addresses == b.remote_addresses &&
         std::ranges::equal(a.own_rounds, b.own_rounds, {}, &ike::OwnRound::identity,
                            &ike::OwnRound::identity) &&
         std::ranges::equal(a.children, b.children, is_same_child);
}

std::vector<ipsec::Policy> make_policies(const config::PeerConfig& peer,
                                         const OuterAddresses& outer) {
  std::vector<ipsec::Policy> policies;
  for (const config::ChildConfig& child : peer.children) {
    add_policies(peer, child, outer, policies);
  }
  return policies;
}

ipsec::Policy make_policy(const config::PolicyConfig& policy) {
  return {action_of(policy.action),      policy.peer, policy.peer, policy.local, policy.remote,
          direction_of(policy.direction)};
}

std::vector<ipsec::Policy> make_rest(const config::PeerConfig& peer) {
  std::vector<ipsec::Policy> policies;
  for (const base::Prefix& net : peer.remote_nets()) {
    if (net.length != 0) continue;
    const TrafficSelectors any{TrafficSelector::any(net.address.family())};
    policies.push_back(
        {ipsec::PolicyAction::bypass, {}, {}, any, any, ipsec::PolicyDirection::outbound});
  }
  return policies;
}

std::vector<AddRoute> make_routes(const config::PeerConfig& peer, const OuterAddresses& outer) {
  std::vector<AddRoute> routes;
  for (const config::ChildConfig& child : peer.children) {
    std::vector<base::Prefix> remote = child.remote.prefixes();
    if (!child.remote.own.empty()) {
      const auto own = own_of_remote(peer, outer);
      remote.insert(remote.end(), own.begin(), own.end());
    }
    const auto here = own_of_local(peer, outer);
    for (const base::Prefix& net : remote) {
      AddRoute route{net, std::nullopt, child.local.prefixes()};
      if (!child.local.own.empty()) {
        const auto own = std::ranges::find_if(here, [&](const base::Prefix& address) {
          return address.address.family() == net.address.family();
        });
        if (own == here.end()) continue;
        if (route.local_nets.empty()) route.source = own->address;
        route.local_nets.push_back(*own);
      }
      routes.push_back(std::move(route));
    }
  }
  return routes;
}

}  // namespace caponier::gateway
