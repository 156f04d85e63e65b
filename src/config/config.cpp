#include "config/config.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace caponier::config {

std::string Place::to_string() const {
  if (line == 0) return file;
  if (column == 0) return fmt::format("{}:{}", file, line);
  return fmt::format("{}:{}:{}", file, line, column);
}

Reach Reach::of(const std::vector<base::Prefix>& nets) {
  Reach reach;
  for (const base::Prefix& net : nets) {
    reach.nets.push_back(policy::TrafficSelector::from_prefix(net));
  }
  return reach;
}

namespace {

void append_new(std::vector<base::Prefix>& to, const std::vector<base::Prefix>& nets) {
  for (const base::Prefix& net : nets) {
    if (std::ranges::find(to, net) == to.end()) to.push_back(net);
  }
}

}  // namespace

std::vector<base::Prefix> Reach::prefixes() const {
  std::vector<base::Prefix> found;
  for (const policy::TrafficSelector& net : nets) append_new(found, policy::prefixes_of(net));
  return found;
}

const ChildConfig* PeerConfig::find_child(std::string_view child) const {
  const auto found = std::ranges::find(children, child, &ChildConfig::name);
  return found == children.end() ? nullptr : &*found;
}

bool PeerConfig::has_transport() const {
  return std::ranges::any_of(
      children, [](const ChildConfig& child) { return child.mode == policy::SaMode::transport; });
}

std::vector<base::Prefix> PeerConfig::local_nets() const {
  std::vector<base::Prefix> found;
  for (const ChildConfig& child : children) append_new(found, child.local.prefixes());
  return found;
}

std::vector<base::Prefix> PeerConfig::remote_nets() const {
  std::vector<base::Prefix> found;
  for (const ChildConfig& child : children) append_new(found, child.remote.prefixes());
  return found;
}

HeldKeys::Peer HeldKeys::find(const std::string& name) const {
  const auto found = peers.find(name);
  return found == peers.end() ? Peer{} : found->second;
}

std::string ConfigError::to_string() const {
  const std::string text = fmt::format("{}: {}", where.to_string(), message);
  return fix.empty() ? text : fmt::format("{}\n  fix: {}", text, fix);
}

namespace {

bool is_same_secret(const SharedSecret& a, const SharedSecret& b) {
  if (a == nullptr || b == nullptr) return a == b;
  return base::equal_constant_time(a->reveal(), b->reveal());
}

/// A certificate that was renewed, with its key or without, ends nothing: it counts from the next
/// authentication on. A raw public key is what the peer knows us by.
bool has_same_kind(const std::shared_ptr<const pki::Credential>& a,
                   const std::shared_ptr<const pki::Credential>& b) {
  if (a == nullptr || b == nullptr) return a == b;
  if (a->chain.empty() != b->chain.empty()) return false;
  return !a->chain.empty() || a->signer->public_key() == b->signer->public_key();
}

bool is_same_proof(const ProofConfig& a, const ProofConfig& b) {
  return has_same_kind(a.credential, b.credential) && a.authorities == b.authorities &&
         a.peer_key == b.peer_key && a.cert_url == b.cert_url && a.hash_and_url == b.hash_and_url &&
         a.revocation == b.revocation && a.user == b.user && a.eap_server == b.eap_server &&
         is_same_secret(a.password, b.password);
}

bool is_same_round(const LocalRound& a, const LocalRound& b) {
  return a.auth == b.auth && a.id == b.id && is_same_secret(a.psk, b.psk) &&
         a.psk_fingerprint == b.psk_fingerprint && has_same_kind(a.credential, b.credential) &&
         a.user == b.user && is_same_secret(a.password, b.password);
}

bool is_same_demand(const RemoteRound& a, const RemoteRound& b) {
  return a.auth == b.auth && a.id == b.id && is_same_secret(a.psk, b.psk) &&
         a.psk_fingerprint == b.psk_fingerprint && a.authorities == b.authorities &&
         a.peer_key == b.peer_key;
}

auto comparable(const PeerConfig& peer) {
  return std::tie(peer.name, peer.kind, peer.remote, peer.remote_address, peer.remote_any,
                  peer.remote_more, peer.remote_within, peer.remote_port, peer.local, peer.local_id,
                  peer.remote_id, peer.children, peer.ike, peer.encap, peer.tcp, peer.mobike,
                  peer.dpd, peer.keepalive, peer.ike_lifetime, peer.reauth, peer.auth_lifetime,
                  peer.retry_min, peer.retry_max, peer.exchange, peer.product, peer.server,
                  peer.mtu, peer.redirect, peer.redirect_to, peer.resumption, peer.crash_detection,
                  peer.psk_fingerprint);
}

/// Key export, redirection, auditing and what becomes of unmatched packets are read at each use, so
/// that they need no restart.
auto needing_restart(const DaemonConfig& daemon) {
  return std::tie(daemon.listen, daemon.ike_port, daemon.natt_port, daemon.window, daemon.tcp_ports,
                  daemon.tun, daemon.workers, daemon.pin_workers, daemon.clear_side,
                  daemon.clear_interfaces, daemon.outer_side, daemon.outer_interfaces, daemon.mtu,
                  daemon.vici, daemon.metrics, daemon.compat_metrics, daemon.half_open_max,
                  daemon.cookie_threshold, daemon.puzzle_threshold);
}

}  // namespace

bool PeerConfig::same_tunnel(const PeerConfig& other) const {
  return comparable(*this) == comparable(other) && is_same_secret(psk, other.psk) &&
         is_same_proof(proof, other.proof) &&
         std::ranges::equal(local_rounds, other.local_rounds, is_same_round) &&
         std::ranges::equal(remote_rounds, other.remote_rounds, is_same_demand);
}

bool PolicyConfig::decides_as(const PolicyConfig& other) const {
  const auto comparable = [](const PolicyConfig& policy) {
    return std::tie(policy.name, policy.action, policy.peer, policy.direction, policy.local,
                    policy.remote);
  };
  return comparable(*this) == comparable(other);
}

ConfigDiff diff(const Config& before, const Config& after) {
  ConfigDiff result;
  auto old_peer = before.peers.begin();
  auto new_peer = after.peers.begin();
  while (old_peer != before.peers.end() || new_peer != after.peers.end()) {
    if (new_peer == after.peers.end() ||
        (old_peer != before.peers.end() && old_peer->name < new_peer->name)) {
      result.removed.push_back((old_peer++)->name);
    } else if (old_peer == before.peers.end() || new_peer->name < old_peer->name) {
      result.added.push_back((new_peer++)->name);
    } else {
      if (!old_peer->same_tunnel(*new_peer)) result.changed.push_back(new_peer->name);
      ++old_peer;
      ++new_peer;
    }
  }
  result.policies_changed =
      !std::ranges::equal(before.policies, after.policies, &PolicyConfig::decides_as);
  result.daemon_changed = needing_restart(before.daemon) != needing_restart(after.daemon);
  return result;
}

}  // namespace caponier::config
