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

/// One end of a host's Child SA. Selectors of both ends form a product, so "either end has this
/// port" cannot be one SA: the SA covers the protocols, and the policies below the ports.
TrafficSelectors host_selectors(const config::PeerConfig& peer,
                                const std::vector<IpAddress>& addresses) {
  TrafficSelectors selectors;
  for (const IpAddress& address : addresses) {
    if (peer.ports.empty()) selectors.push_back(TrafficSelector::from_prefix(whole(address)));
    for (const config::PortRule& rule : peer.ports) {
      const auto selector = TrafficSelector::from_prefix(whole(address), rule.protocol);
      if (std::find(selectors.begin(), selectors.end(), selector) == selectors.end()) {
        selectors.push_back(selector);
      }
    }
  }
  return selectors;
}

/// The hard limit follows a quarter later.
template <class T>
std::optional<T> hard_of(std::optional<T> soft) {
  if (!soft) return std::nullopt;
  return *soft + *soft / 4;
}

policy::Lifetime lifetime_of(const config::PeerConfig& peer) {
  policy::Lifetime lifetime;
  lifetime.soft_time = peer.lifetime;
  lifetime.hard_time = hard_of(lifetime.soft_time);
  lifetime.soft_bytes = peer.lifetime_bytes;
  lifetime.hard_bytes = hard_of(lifetime.soft_bytes);
  lifetime.soft_packets = peer.lifetime_packets;
  lifetime.hard_packets = hard_of(lifetime.soft_packets);
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

/// Complete, or nothing: a host's child needs both addresses.
std::optional<ike::ChildConfig> make_child(const config::PeerConfig& peer,
                                           const OuterAddresses& outer) {
  ike::ChildConfig child;
  child.name = peer.name;
  child.offers = peer.ah.empty() ? peer.esp : peer.ah;
  if (quirks_of(peer).no_esn) avoid_esn(child.offers);
  child.lifetime = lifetime_of(peer);
  child.replay_window = peer.replay_window;
  child.treatment = peer.treatment;
  child.resources = peer.per_cpu_sas;
  switch (peer.kind) {
    case config::PeerKind::client:
      child.is_local_leased = true;
      child.local = everything(peer.remote_nets);
      child.remote = selectors_of(peer.remote_nets);
      return child;
    case config::PeerKind::server: child.is_remote_leased = true; [[fallthrough]];
    case config::PeerKind::site:
      child.mode = peer.mode;
      child.local = selectors_of(peer.local_nets);
      child.remote = selectors_of(peer.remote_nets);
      return child;
    case config::PeerKind::host: {
      if (!outer.local) return std::nullopt;
      const auto remotes = of_family(outer.remote, outer.local->family());
      child.mode = policy::SaMode::transport;
      child.local = host_selectors(peer, {*outer.local});
      // A responder to anybody takes the peer's address from its offer, by narrowing.
      child.remote = peer.remote_any ? TrafficSelectors{TrafficSelector::any(outer.local->family())}
                                     : host_selectors(peer, remotes);
      if (child.remote.empty()) return std::nullopt;
      return child;
    }
  }
  return std::nullopt;
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
    connection.wish = ike::AddressWish{has_family(peer.remote_nets, base::Family::v4),
                                       has_family(peer.remote_nets, base::Family::v6)};
  }
  if (!peer.server) return;
  connection.gives_leases = true;
  connection.remote_auths.clear();
  if (peer.server->certificates) connection.remote_auths.push_back(ike::AuthKind::signature);
  // With certificates alone it is EAP-TLS, which is all that some devices can.
  connection.remote_auths.push_back(ike::AuthKind::eap);
}

void set_exchange(ike::ConnectionConfig& connection, const config::ExchangeConfig& exchange) {
  connection.fragmentation = exchange.fragmentation;
  connection.fragment_size = exchange.fragment_size;
  connection.local_auth = auth_of(exchange.auth);
  connection.remote_auths = {auth_of(exchange.remote_auth)};
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

ipsec::Policy protect(const config::PeerConfig& peer, TrafficSelectors local,
                      TrafficSelectors remote) {
  ipsec::Policy policy{ipsec::PolicyAction::protect, peer.name, peer.name, std::move(local),
                       std::move(remote)};
  policy.pfp = peer.pfp;
  policy.resources = peer.per_cpu_sas;
  return policy;
}

bool has_everything(const config::PeerConfig& peer) {
  return std::any_of(peer.remote_nets.begin(), peer.remote_nets.end(),
                     [](const base::Prefix& net) { return net.length == 0; });
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

void add_host_policies(const config::PeerConfig& peer, const IpAddress& local,
                       const IpAddress& remote, std::vector<ipsec::Policy>& policies) {
  const auto here = TrafficSelector::from_prefix(whole(local));
  const auto there = TrafficSelector::from_prefix(whole(remote));
  if (peer.ports.empty()) {
    policies.push_back(protect(peer, {here}, {there}));
    return;
  }
  for (const config::PortRule& rule : peer.ports) {
    const config::PortRule any_port{.protocol = rule.protocol};
    policies.push_back(protect(peer, {with_ports(here, any_port)}, {with_ports(there, rule)}));
    if (rule.first == any_port.first && rule.last == any_port.last) continue;
    policies.push_back(protect(peer, {with_ports(here, rule)}, {with_ports(there, any_port)}));
  }
  policies.push_back({ipsec::PolicyAction::bypass, {}, {}, {here}, {there}});
}

}  // namespace

std::shared_ptr<const ike::ConnectionConfig> make_connection(const config::PeerConfig& peer,
                                                             const OuterAddresses& outer,
                                                             base::Bytes credential_tag) {
  if (!peer.remote_any && outer.remote.empty()) return nullptr;
  if (!peer.local_id && !outer.local) return nullptr;
  auto child = make_child(peer, outer);
  if (!child) return nullptr;
  auto connection = std::make_shared<ike::ConnectionConfig>();
  connection->name = peer.name;
  connection->local_address = peer.local;
  if (!peer.remote_any) connection->remote_addresses = outer.remote;
  connection->local_id =
      peer.local_id ? *peer.local_id : policy::Identity::from_address(*outer.local);
  connection->remote_id = peer.remote_id;
  connection->offers = peer.ike;
  connection->children.push_back(std::move(*child));
  connection->dpd_interval = peer.dpd;
  connection->ike_lifetime = peer.ike_lifetime;
  connection->reauth_interval = peer.reauth;
  connection->auth_lifetime = peer.auth_lifetime;
  connection->force_encap = peer.encap == config::Encap::always;
  // AH cannot travel in UDP.
  connection->prefers_udp_encap = peer.encap == config::Encap::automatic && peer.ah.empty();
  set_exchange(*connection, peer.exchange);
  connection->product = peer.product;
  // What is announced must be accepted, so this is no matter of what the peer looks like.
  if (quirks_of(peer).no_fragmentation) connection->fragmentation = false;
  set_users(*connection, peer);
  connection->nat_traversal = peer.encap != config::Encap::never;
  // Transport mode is bound to its addresses (RFC 4555 s1.2).
  connection->mobike = peer.mobike && peer.kind != config::PeerKind::host;
  connection->keepalive_interval = peer.keepalive;
  // The selectors of a host are its addresses: elsewhere it would be another host.
  connection->follows_redirects = peer.redirect && peer.kind != config::PeerKind::host;
  if (peer.redirect_to) connection->redirect_to = gateway_name(*peer.redirect_to);
  // A ticket keeps neither who vouched for a peer nor its inner addresses.
  connection->resumption = peer.resumption && peer.exchange.auth == config::Auth::psk &&
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
  return a.remote_addresses == b.remote_addresses && a.local_id == b.local_id &&
         a.children.front().local == b.children.front().local &&
         a.children.front().remote == b.children.front().remote;
}

namespace {

/// A client's are known once a server has given it addresses.
std::vector<base::Prefix> local_nets_of(const config::PeerConfig& peer,
                                        const OuterAddresses& outer) {
  if (peer.kind != config::PeerKind::client) return peer.local_nets;
  std::vector<base::Prefix> nets;
  for (const IpAddress& address : outer.inner) nets.push_back(whole(address));
  return nets;
}

}  // namespace

std::vector<ipsec::Policy> make_policies(const config::PeerConfig& peer,
                                         const OuterAddresses& outer) {
  std::vector<ipsec::Policy> policies;
  switch (peer.kind) {
    case config::PeerKind::site:
    case config::PeerKind::server:
    case config::PeerKind::client: {
      const TrafficSelectors local = selectors_of(local_nets_of(peer, outer));
      if (local.empty()) break;
      // "Everything" does not include ourselves: no peer may speak for our own networks.
      if (has_everything(peer)) {
        policies.push_back({ipsec::PolicyAction::bypass, {}, {}, local, local});
      }
      policies.push_back(protect(peer, local, selectors_of(peer.remote_nets)));
      break;
    }
    case config::PeerKind::host:
      if (!outer.local) break;
      for (const IpAddress& remote : of_family(outer.remote, outer.local->family())) {
        add_host_policies(peer, *outer.local, remote, policies);
      }
      break;
  }
  return policies;
}

ipsec::Policy make_policy(const config::PolicyConfig& policy) {
  return {action_of(policy.action),      policy.peer, policy.peer, policy.local, policy.remote,
          direction_of(policy.direction)};
}

std::vector<ipsec::Policy> make_rest(const config::PeerConfig& peer) {
  std::vector<ipsec::Policy> policies;
  for (const base::Prefix& net : peer.remote_nets) {
    if (net.length != 0) continue;
    const TrafficSelectors any{TrafficSelector::any(net.address.family())};
    policies.push_back(
        {ipsec::PolicyAction::bypass, {}, {}, any, any, ipsec::PolicyDirection::outbound});
  }
  return policies;
}

std::vector<AddRoute> make_routes(const config::PeerConfig& peer, const OuterAddresses& outer) {
  std::vector<AddRoute> routes;
  switch (peer.kind) {
    case config::PeerKind::site:
    case config::PeerKind::server:
      for (const base::Prefix& net : peer.remote_nets) {
        routes.push_back({net, std::nullopt, peer.local_nets});
      }
      break;
    case config::PeerKind::client:
      for (const base::Prefix& net : peer.remote_nets) {
        for (const IpAddress& inner : of_family(outer.inner, net.address.family())) {
          routes.push_back({net, inner, {whole(inner)}});
          break;
        }
      }
      break;
    case config::PeerKind::host:
      if (!outer.local) break;
      for (const IpAddress& remote : of_family(outer.remote, outer.local->family())) {
        routes.push_back({whole(remote), outer.local, {whole(*outer.local)}});
      }
      break;
  }
  return routes;
}

}  // namespace caponier::gateway
