#include "dialect/tunnel.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"

namespace caponier::dialect {
namespace {

using config::Auth;

std::string_view product(const TargetRow& row) { return row.name.product; }

Result<void> check_kind(const config::PeerConfig& peer) {
  if (peer.kind == config::PeerKind::server) {
    return refuse("name", "[server] is for users, each of whom has something of his own",
                  "caponier export USER --as apple, windows, android, strongswan or caponier");
  }
  if (peer.kind == config::PeerKind::client) {
    return refuse("remote", "a [client] is a login at somebody's server, which is configured there",
                  "export a site or a host");
  }
  return {};
}

std::string_view name_of(Auth auth) {
  switch (auth) {
    case Auth::psk: return "psk";
    case Auth::null: return "null";
    case Auth::pubkey: return "pubkey";
    case Auth::eap: return "eap";
  }
  return "";
}

Result<void> check_proof(const config::PeerConfig& peer, const TargetRow& row) {
  if (!peer.local_rounds.empty() || !peer.remote_rounds.empty()) {
    return refuse(peer.local_rounds.empty() ? "remote_rounds" : "local_rounds",
                  "several rounds of authentication are not exported",
                  "write the peer's side by hand");
  }
  for (const Auth auth : {peer.exchange.auth, peer.exchange.remote_auth}) {
    if (auth == Auth::psk || (auth == Auth::pubkey && row.certificates)) continue;
    const bool is_key = auth == Auth::pubkey;
    return refuse(is_key ? (peer.proof.credential ? "key" : "ca") : "auth",
                  is_key ? fmt::format("certificates are not exported for {}", product(row))
                         : fmt::format("{} has no authentication of the kind {}", product(row),
                                       name_of(auth)),
                  is_key ? "use a pre-shared key (psk), or set certificates up on it by hand"
                         : "use a pre-shared key: psk");
  }
  return {};
}

bool is_edwards(pki::KeyKind kind) {
  return kind == pki::KeyKind::ed25519 || kind == pki::KeyKind::ed448;
}

Result<void> check_keys(const config::PeerConfig& peer, const TargetRow& row) {
  if (row.name.target == Target::swanctl || !peer.proof.credential) return {};
  const pki::KeyKind kind = peer.proof.credential->signer->public_key().kind;
  if (is_edwards(kind)) {
    return refuse("key",
                  fmt::format("{} cannot check signatures of {}", product(row), pki::name_of(kind)),
                  "use an RSA or ECDSA key");
  }
  if (peer.proof.peer_key || peer.proof.credential->chain.empty()) {
    return refuse(peer.proof.peer_key ? "peer_key" : "key",
                  fmt::format("raw public keys are not exported for {}", product(row)),
                  "use certificates");
  }
  return {};
}

Result<void> check_path(const config::PeerConfig& peer, const TargetRow& row,
                        const Situation& situation) {
  if (peer.tcp == config::Tcp::always) {
    return refuse("tcp", fmt::format("{} is not known to carry IKE in TCP as we do", product(row)),
                  "tcp = \"fallback\"");
  }
  if (!row.ports && (peer.remote_port != 500 || situation.ike_port != 500)) {
    return refuse("remote_port", fmt::format("{} has IKE on UDP port 500 alone", product(row)),
                  "leave remote_port and daemon.ike_port out");
  }
  const auto at = base::IpAddress::parse(situation.reached_at);
  const bool is_v6 = (peer.remote_address && !peer.remote_address->is_v4()) || (at && !at->is_v4());
  if (is_v6 && !row.ipv6) {
    return refuse("remote", fmt::format("for {} only IPv4 is exported", product(row)),
                  "write an IPv4 address");
  }
  return {};
}

Result<void> check_mode(const config::ChildConfig& child, const TargetRow& row) {
  if (!child.ah.empty() && !row.ah) {
    return refuse("ah", fmt::format("AH is not exported for {}", product(row)), "use esp instead");
  }
  if (child.mode != policy::SaMode::tunnel && !row.modes) {
    return refuse(
        "mode",
        fmt::format("{} mode is not exported for {}", policy::name_of(child.mode), product(row)),
        "make it a [site] with the two addresses as networks");
  }
  return {};
}

bool is_network(const policy::TrafficSelector& selector) {
  return selector.protocol == 0 && selector.is_any_port() &&
         policy::prefixes_of(selector).size() == 1;
}

Result<void> check_reach(const config::Reach& reach, std::string_view key, const TargetRow& row) {
  if (!row.narrow && (!reach.own.empty() || !std::ranges::all_of(reach.nets, is_network))) {
    return refuse(
        std::string{key},
        fmt::format("{} takes whole networks, no ranges, protocols or \"dynamic\"", product(row)),
        "write networks");
  }
  if (!row.many_pairs && reach.nets.size() > 1) {
    return refuse(
        std::string{key}, fmt::format("{} has one network at each end of a Child SA", product(row)),
        row.many_children ? "give each pair of networks a table [site.NAME.children.CHILD]"
                          : "write one network that holds them all");
  }
  const auto v6 = std::ranges::find_if(
      reach.nets, [](const policy::TrafficSelector& one) { return !one.first.is_v4(); });
  if (v6 == reach.nets.end() || row.ipv6) return {};
  return refuse(std::string{key}, fmt::format("for {} only IPv4 is exported", product(row)),
                "leave IPv6 networks out, or write the peer's side by hand");
}

std::string advice(std::string_view key, std::string_view example) {
  if (example.empty()) return fmt::format("name other algorithms in {}", key);
  return fmt::format("add \"{}\" to {}", example, key);
}

Result<Child> make_child(const config::PeerConfig& peer, const config::ChildConfig& config,
                         const TargetRow& row, const policy::IkeSuite& ike) {
  TRY_VOID(check_mode(config, row));
  TRY_VOID(check_reach(config.local, "local_nets", row));
  TRY_VOID(check_reach(config.remote, "remote_nets", row));
  Child child;
  child.config = &config;
  child.name = config.name.empty() ? peer.name : config.name;
  child.is_ah = !config.ah.empty();
  const auto suite = choose_child(row, child.is_ah ? config.ah : config.esp, ike.ke);
  if (!suite) {
    return refuse(
        "esp",
        fmt::format("none of our proposals for Child SAs is one that {} knows", product(row)),
        advice("esp", row.example_esp));
  }
  child.suite = *suite;
  child.theirs = config.remote.prefixes();
  child.ours = config.local.prefixes();
  const auto lifetime = config.lifetime.soft_time.value_or(std::chrono::hours{1});
  child.lifetime_seconds = std::chrono::duration_cast<std::chrono::seconds>(lifetime).count();
  return child;
}

Result<void> take_children(Tunnel& tunnel) {
  const auto& children = tunnel.peer->children;
  if (children.size() > 1 && !tunnel.row->many_children) {
    return refuse("children", fmt::format("{} has one Child SA a tunnel", product(*tunnel.row)),
                  "put their networks into one that holds them all");
  }
  for (const config::ChildConfig& child : children) {
    tunnel.children.push_back(TRY(make_child(*tunnel.peer, child, *tunnel.row, tunnel.ike)));
  }
  return {};
}

Result<void> check_identities(const Tunnel& tunnel) {
  if (tunnel.row->names) return {};
  const auto is_address = [](const policy::Identity& id) {
    return id.type == wire::IdType::ipv4_addr || id.type == wire::IdType::ipv6_addr;
  };
  if (!is_address(tunnel.our_id) || tunnel.our_id.to_string() != tunnel.situation->reached_at) {
    return refuse(
        "local_id",
        fmt::format("{} knows its peer by the address {} alone, our identity is {}",
                    product(*tunnel.row), tunnel.situation->reached_at, tunnel.our_id.to_string()),
        fmt::format("local_id = \"{}\"", tunnel.situation->reached_at));
  }
  if (!tunnel.their_id || is_address(*tunnel.their_id)) return {};
  return refuse("remote_id",
                fmt::format("the identity of {} is its outer address", product(*tunnel.row)),
                "write its public address, or leave remote_id out");
}

Result<void> take_identities(Tunnel& tunnel) {
  const config::PeerConfig& peer = *tunnel.peer;
  tunnel.our_id =
      peer.local_id
          ? *peer.local_id
          : policy::Identity::from_address(peer.local.value_or(tunnel.situation->own_address));
  if (peer.local_names) tunnel.our_name_text = peer.local_names->to_string();
  if (peer.remote_id) {
    const policy::Identity* only = peer.remote_id->only();
    if (only == nullptr) {
      return refuse(
          "remote_id",
          fmt::format("'{}' is many identities, a peer has one", peer.remote_id->to_string()),
          "give this peer a section of its own with the one that it has");
    }
    tunnel.their_id = *only;
    tunnel.their_name_text = peer.remote_id->to_string();
  }
  return check_identities(tunnel);
}

std::string printable_secret(base::Bytes secret) {
  const std::string_view text = base::as_text(secret);
  const bool is_plain = std::ranges::all_of(text, [](char c) {
    return c > ' ' && c <= '~' && c != '"' && c != '\\' && c != '\'' && c != '$' && c != '`';
  });
  return is_plain ? std::string{text} : std::string{};
}

/// strongSwan and libreswan read "0x" as hexadecimal and "0s" as base 64.
std::string secret_text(base::Bytes secret, const TargetRow& row) {
  std::string text = printable_secret(secret);
  const bool takes_hex = row.name.target == Target::swanctl || row.name.target == Target::libreswan;
  const bool is_read_so = text.starts_with("0x") || text.starts_with("0s");
  if (takes_hex && (text.empty() || is_read_so)) return "0x" + base::to_hex(secret);
  return text;
}

Result<void> take_secret(Tunnel& tunnel) {
  if (!tunnel.uses_secret()) return {};
  if (!tunnel.situation->with_secret) {
    tunnel.secret = tunnel.blank("PRE-SHARED-KEY",
                                 fmt::format("what stands in {}; --with-secret writes it here",
                                             tunnel.situation->secret_place));
    return {};
  }
  if (tunnel.peer->psk) tunnel.secret = secret_text(tunnel.peer->psk->reveal(), *tunnel.row);
  if (!tunnel.secret.empty()) return {};
  return refuse("psk", "the pre-shared key holds octets that cannot be written here safely",
                "make one of letters and digits: openssl rand -hex 32");
}

}  // namespace

std::string Tunnel::blank(std::string word, std::string meaning) {
  const auto found = std::ranges::find(blanks, word, &Blank::word);
  if (found == blanks.end()) blanks.push_back({word, std::move(meaning)});
  return word;
}

bool Tunnel::uses_secret() const {
  return peer->exchange.auth == Auth::psk || peer->exchange.remote_auth == Auth::psk;
}

std::string Tunnel::their_address() {
  if (peer->remote_address) return peer->remote_address->to_string();
  return blank("PEER-ADDRESS", "its own outer address");
}

Result<Tunnel> make_tunnel(const config::PeerConfig& peer, const TargetRow& row,
                           const Situation& situation) {
  TRY_VOID(check_kind(peer));
  TRY_VOID(check_proof(peer, row));
  TRY_VOID(check_keys(peer, row));
  TRY_VOID(check_path(peer, row, situation));
  Tunnel tunnel;
  tunnel.peer = &peer;
  tunnel.row = &row;
  tunnel.situation = &situation;
  tunnel.name = peer.name;
  const auto ike = choose_ike(row, peer.ike);
  if (!ike) {
    return refuse("ike",
                  fmt::format("none of our proposals for IKE is one that {} knows", product(row)),
                  advice("ike", row.example_ike));
  }
  tunnel.ike = *ike;
  TRY_VOID(take_children(tunnel));
  TRY_VOID(take_identities(tunnel));
  using std::chrono::seconds;
  tunnel.ike_lifetime_seconds = std::chrono::duration_cast<seconds>(peer.ike_lifetime).count();
  tunnel.dpd_seconds = std::chrono::duration_cast<seconds>(peer.dpd).count();
  TRY_VOID(take_secret(tunnel));
  return tunnel;
}

Result<void> check_alike(const Tunnel& tunnel) {
  for (const Child& child : tunnel.children) {
    if (child.suite == tunnel.children.front().suite) continue;
    return refuse("esp",
                  fmt::format("on {} the Child SAs of a tunnel have the same algorithms",
                              product(*tunnel.row)),
                  "let all children have the same esp");
  }
  return {};
}

std::vector<base::Prefix> our_networks(const Tunnel& tunnel) {
  std::vector<base::Prefix> found;
  for (const Child& child : tunnel.children) {
    for (const base::Prefix& net : child.ours) {
      if (std::ranges::find(found, net) == found.end()) found.push_back(net);
    }
  }
  return found;
}

std::string mask_of(const base::Prefix& prefix) {
  return base::IpAddress::highest(base::Family::v4).with_low_bits(prefix.length, false).to_string();
}

std::string wildcard_of(const base::Prefix& prefix) {
  return base::IpAddress::lowest(base::Family::v4).with_low_bits(prefix.length, true).to_string();
}

bool is_everything(const base::Prefix& prefix) { return prefix.length == 0; }

long long clamped(long long seconds, long long min, long long max) {
  return std::clamp(seconds, min, max);
}

std::string plain_name(std::string_view name, std::size_t size_max) {
  std::string out;
  for (const char c : name.substr(0, size_max)) {
    const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += is_word ? c : '-';
  }
  return out;
}

}  // namespace caponier::dialect
