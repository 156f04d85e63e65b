// Juniper SRX, FortiGate, Palo Alto Networks, MikroTik.

#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "base/event.h"
#include "dialect/tunnel.h"

namespace caponier::dialect {
namespace {

/// How a product calls the kinds of identities; empty: it has none of the kind.
struct IdWords {
  std::string_view address, name, user, key_id;
};

struct IdText {
  std::string_view kind;
  std::string value;
};

Result<IdText> identity(const Tunnel& tunnel, const policy::Identity& id, const IdWords& words,
                        std::string_view key) {
  const std::string text = base::printable(base::as_text(id.data));
  IdText out;
  if (id.type == wire::IdType::ipv4_addr) out = {words.address, id.to_string()};
  if (id.type == wire::IdType::fqdn) out = {words.name, text};
  if (id.type == wire::IdType::rfc822_addr) out = {words.user, text};
  if (id.type == wire::IdType::key_id) out = {words.key_id, text};
  const bool is_safe = out.value.find_first_of("\"'\\ \n;$") == std::string::npos;
  if (!out.kind.empty() && is_safe) return out;
  return refuse(std::string{key},
                fmt::format("the identity {} is not exported for {}", id.to_string(),
                            tunnel.row->name.product),
                "use an address or a name");
}

std::string_view encryption_of(const Tunnel& tunnel, const Child& child) {
  return find(*tunnel.row, child.suite.cipher)->esp;
}

bool has_pfs(const Child& child) { return child.suite.ke != crypto::KeGroup::none; }
bool is_aead(const Child& child) { return child.suite.cipher.integ == crypto::IntegId::none; }

// -- Junos

constexpr IdWords junos_ids{"inet", "hostname", "user-at-hostname", ""};

std::string junos_proposals(const Tunnel& tunnel, const std::string& name) {
  const TargetRow& row = *tunnel.row;
  const std::string at = fmt::format("set security ike proposal {}", name);
  std::string out = fmt::format(
      "{0} authentication-method pre-shared-keys\n{0} dh-group {1}\n{0} encryption-algorithm {2}\n",
      at, group_word(row, tunnel.ike.ke), find(row, tunnel.ike.cipher)->ike);
  if (tunnel.is_aead()) {
    out += "# Some releases want an authentication-algorithm here as well; it is then the PRF.\n";
  } else {
    out += fmt::format("{} authentication-algorithm {}\n", at,
                       ike_integrity(row, tunnel.ike.cipher.integ));
  }
  return out + fmt::format("{} lifetime-seconds {}\n", at,
                           clamped(tunnel.ike_lifetime_seconds, 180, 86400));
}

Result<std::string> junos_gateway(Tunnel& tunnel, const std::string& name) {
  const std::string at = fmt::format("set security ike gateway {}", name);
  std::string out = fmt::format(
      "set security ike policy {0} proposals {0}\n"
      "set security ike policy {0} pre-shared-key ascii-text \"{1}\"\n"
      "{2} ike-policy {0}\n{2} address {3}\n{2} external-interface {4}\n{2} version v2-only\n",
      name, tunnel.secret, at, tunnel.situation->reached_at,
      tunnel.blank("OUTSIDE", "its interface towards us, such as ge-0/0/0.0"));
  out += fmt::format("{0} dead-peer-detection optimized\n{0} dead-peer-detection interval {1}\n",
                     at, clamped(tunnel.dpd_seconds, 10, 60));
  const IdText ours = TRY(identity(tunnel, tunnel.our_id, junos_ids, "local_id"));
  out += fmt::format("{} remote-identity {} {}\n", at, ours.kind, ours.value);
  if (!tunnel.their_id) return out;
  const IdText theirs = TRY(identity(tunnel, *tunnel.their_id, junos_ids, "remote_id"));
  return out + fmt::format("{} local-identity {} {}\n", at, theirs.kind, theirs.value);
}

std::string junos_vpn(Tunnel& tunnel, const std::string& name) {
  const TargetRow& row = *tunnel.row;
  const Child& first = tunnel.children.front();
  std::string at = fmt::format("set security ipsec proposal {}", name);
  std::string out = fmt::format("{0} protocol esp\n{0} encryption-algorithm {1}\n", at,
                                encryption_of(tunnel, first));
  if (!is_aead(first)) {
    out += fmt::format("{} authentication-algorithm {}\n", at,
                       esp_integrity(row, first.suite.cipher.integ));
  }
  out += fmt::format("{} lifetime-seconds {}\n", at, clamped(first.lifetime_seconds, 180, 86400));
  at = fmt::format("set security ipsec policy {}", name);
  if (has_pfs(first)) {
    out += fmt::format("{} perfect-forward-secrecy keys {}\n", at, group_word(row, first.suite.ke));
  }
  out += fmt::format("{0} proposals {1}\n", at, name);
  at = fmt::format("set security ipsec vpn {}", name);
  out += fmt::format("{0} bind-interface {1}\n{0} ike gateway {2}\n{0} ike ipsec-policy {2}\n", at,
                     tunnel.blank("st0.UNIT", "a free unit of st0, in a zone"), name);
  for (const Child& child : tunnel.children) {
    out += fmt::format("{} traffic-selector {} local-ip {} remote-ip {}\n", at,
                       plain_name(child.name, 31), child.theirs.front().to_string(),
                       child.ours.front().to_string());
  }
  return out + fmt::format("{} establish-tunnels immediately\n", at);
}

// -- FortiOS

/// "aes256gcm-prfsha384", "aes256-sha256".
std::string fortios_ike(const Tunnel& tunnel) {
  const TargetRow& row = *tunnel.row;
  const std::string_view cipher = find(row, tunnel.ike.cipher)->ike;
  if (tunnel.is_aead()) return fmt::format("{}-prf{}", cipher, prf_word(row, tunnel.ike.prf));
  return fmt::format("{}-{}", cipher, ike_integrity(row, tunnel.ike.cipher.integ));
}

Result<std::string> fortios_identities(const Tunnel& tunnel) {
  constexpr IdWords local_words{"address", "fqdn", "user-fqdn", "keyid"};
  const IdText ours = TRY(identity(tunnel, tunnel.our_id, local_words, "local_id"));
  // Of the peer's identity it compares the text alone.
  std::string out =
      fmt::format("        set peertype one\n        set peerid \"{}\"\n", ours.value);
  if (!tunnel.their_id) return out;
  const IdText theirs = TRY(identity(tunnel, *tunnel.their_id, local_words, "remote_id"));
  return out + fmt::format("        set localid \"{}\"\n        set localid-type {}\n",
                           theirs.value, theirs.kind);
}

Result<std::string> fortios_phase1(Tunnel& tunnel, const std::string& name) {
  return fmt::format(
      "config vpn ipsec phase1-interface\n"
      "    edit \"{}\"\n"
      "        set interface \"{}\"\n"
      "        set ike-version 2\n"
      "{}"
      "        set net-device disable\n"
      "        set proposal {}\n"
      "        set dhgrp {}\n"
      "        set remote-gw {}\n"
      "        set psksecret \"{}\"\n"
      "        set keylife {}\n"
      "        set dpd on-idle\n"
      "        set dpd-retryinterval {}\n"
      "        set nattraversal {}\n"
      "    next\nend\n",
      name, tunnel.blank("OUTSIDE", "its interface towards us, such as wan1"),
      TRY(fortios_identities(tunnel)), fortios_ike(tunnel), group_word(*tunnel.row, tunnel.ike.ke),
      tunnel.situation->reached_at, tunnel.secret,
      clamped(tunnel.ike_lifetime_seconds, 120, 172800), clamped(tunnel.dpd_seconds, 1, 3600),
      tunnel.peer->encap == config::Encap::always ? "forced" : "enable");
}

std::string fortios_phase2(const Tunnel& tunnel, const Child& child, const std::string& phase1,
                           std::size_t number) {
  const TargetRow& row = *tunnel.row;
  const auto net = [](const base::Prefix& prefix) {
    return fmt::format("{} {}", prefix.address.to_string(), mask_of(prefix));
  };
  std::string proposal{encryption_of(tunnel, child)};
  if (!is_aead(child)) proposal += fmt::format("-{}", esp_integrity(row, child.suite.cipher.integ));
  const std::string pfs = has_pfs(child)
                              ? fmt::format("        set pfs enable\n        set dhgrp {}\n",
                                            group_word(row, child.suite.ke))
                              : "        set pfs disable\n";
  return fmt::format(
      "    edit \"{0}-{1}\"\n"
      "        set phase1name \"{0}\"\n"
      "        set proposal {2}\n"
      "{3}"
      "        set keylifeseconds {4}\n"
      "        set auto-negotiate enable\n"
      "        set src-subnet {5}\n"
      "        set dst-subnet {6}\n"
      "    next\n",
      phase1, number, proposal, pfs, clamped(child.lifetime_seconds, 120, 172800),
      net(child.theirs.front()), net(child.ours.front()));
}

// -- PAN-OS

constexpr IdWords panos_ids{"ipaddr", "fqdn", "ufqdn", "keyid"};

std::string panos_profiles(const Tunnel& tunnel, const std::string& name) {
  const TargetRow& row = *tunnel.row;
  const std::string at =
      fmt::format("set network ike crypto-profiles ike-crypto-profiles {}", name);
  std::string out;
  if (tunnel.is_aead()) {
    out += fmt::format("# With GCM it takes the PRF that belongs to the group: {}.\n",
                       prf_word(row, tunnel.ike.prf));
  }
  return out + fmt::format(
                   "{0} encryption {1}\n{0} hash {2}\n{0} dh-group {3}\n{0} lifetime seconds {4}\n",
                   at, find(row, tunnel.ike.cipher)->ike,
                   tunnel.is_aead() ? "non-auth" : ike_integrity(row, tunnel.ike.cipher.integ),
                   group_word(row, tunnel.ike.ke),
                   clamped(tunnel.ike_lifetime_seconds, 180, 65535));
}

Result<std::string> panos_gateway(Tunnel& tunnel, const std::string& name) {
  const std::string at = fmt::format("set network ike gateway {}", name);
  std::string out = fmt::format(
      "{0} protocol version ikev2\n"
      "{0} protocol ikev2 ike-crypto-profile {1}\n"
      "{0} protocol ikev2 dpd enable yes\n"
      "{0} protocol ikev2 dpd interval {2}\n"
      "{0} authentication pre-shared-key key {3}\n"
      "{0} local-address interface {4}\n"
      "{0} peer-address ip {5}\n",
      at, name, clamped(tunnel.dpd_seconds, 2, 100), tunnel.secret,
      tunnel.blank("OUTSIDE", "its interface towards us, such as ethernet1/1"),
      tunnel.situation->reached_at);
  const IdText ours = TRY(identity(tunnel, tunnel.our_id, panos_ids, "local_id"));
  out += fmt::format("{0} peer-id type {1}\n{0} peer-id id {2}\n", at, ours.kind, ours.value);
  if (!tunnel.their_id) return out;
  const IdText theirs = TRY(identity(tunnel, *tunnel.their_id, panos_ids, "remote_id"));
  return out +
         fmt::format("{0} local-id type {1}\n{0} local-id id {2}\n", at, theirs.kind, theirs.value);
}

std::string panos_tunnel(Tunnel& tunnel, const std::string& name) {
  const TargetRow& row = *tunnel.row;
  const Child& first = tunnel.children.front();
  std::string at = fmt::format("set network ike crypto-profiles ipsec-crypto-profiles {}", name);
  std::string out = fmt::format(
      "{0} esp encryption {1}\n{0} esp authentication {2}\n{0} dh-group {3}\n"
      "{0} lifetime seconds {4}\n",
      at, encryption_of(tunnel, first),
      is_aead(first) ? "none" : esp_integrity(row, first.suite.cipher.integ),
      has_pfs(first) ? group_word(row, first.suite.ke) : "no-pfs",
      clamped(first.lifetime_seconds, 180, 65535));
  at = fmt::format("set network tunnel ipsec {}", name);
  out += fmt::format(
      "{0} auto-key ike-gateway {1}\n{0} auto-key ipsec-crypto-profile {1}\n"
      "{0} tunnel-interface {2}\n",
      at, name, tunnel.blank("tunnel.UNIT", "a free tunnel interface, in a zone and with routes"));
  for (const Child& child : tunnel.children) {
    out += fmt::format(
        "{0} auto-key proxy-id {1} protocol any\n{0} auto-key proxy-id {1} local {2}\n"
        "{0} auto-key proxy-id {1} remote {3}\n",
        at, plain_name(child.name, 31), child.theirs.front().to_string(),
        child.ours.front().to_string());
  }
  return out;
}

// -- RouterOS

constexpr IdWords routeros_ids{"address", "fqdn", "user-fqdn", "key-id"};

std::string routeros_child(const Tunnel& tunnel, const Child& child, const std::string& peer,
                           const std::string& name) {
  const TargetRow& row = *tunnel.row;
  return fmt::format(
      "/ip ipsec proposal add name={0} enc-algorithms={1} auth-algorithms=\"{2}\" pfs-group={3} "
      "lifetime={4}s\n"
      "/ip ipsec policy add peer={5} proposal={0} tunnel=yes level=unique src-address={6} "
      "dst-address={7}\n",
      name, encryption_of(tunnel, child),
      is_aead(child) ? "" : esp_integrity(row, child.suite.cipher.integ),
      has_pfs(child) ? group_word(row, child.suite.ke) : "none", child.lifetime_seconds, peer,
      child.theirs.front().to_string(), child.ours.front().to_string());
}

Result<std::string> routeros_identity(Tunnel& tunnel, const std::string& name) {
  const IdText ours = TRY(identity(tunnel, tunnel.our_id, routeros_ids, "local_id"));
  std::string out = fmt::format(
      "/ip ipsec identity add peer={} auth-method=pre-shared-key secret=\"{}\" remote-id={}:{}",
      name, tunnel.secret, ours.kind, ours.value);
  if (tunnel.their_id) {
    const IdText theirs = TRY(identity(tunnel, *tunnel.their_id, routeros_ids, "remote_id"));
    out += fmt::format(" my-id={}:{}", theirs.kind, theirs.value);
  }
  return out + "\n";
}

std::string child_name(const Tunnel& tunnel, const Child& child, const std::string& name) {
  return tunnel.children.size() == 1 ? name : name + "-" + plain_name(child.name, 12);
}

}  // namespace

Result<std::string> junos(Tunnel& tunnel) {
  TRY_VOID(check_alike(tunnel));
  const std::string name = plain_name(tunnel.name, 31);
  const std::string gateway = TRY(junos_gateway(tunnel, name));
  return junos_proposals(tunnel, name) + gateway + junos_vpn(tunnel, name);
}

Result<std::string> fortios(Tunnel& tunnel) {
  constexpr std::size_t phase1_name_max = 15;
  const std::string name = plain_name(tunnel.name, phase1_name_max);
  std::string out = TRY(fortios_phase1(tunnel, name)) + "config vpn ipsec phase2-interface\n";
  std::size_t number = 0;
  for (const Child& child : tunnel.children) {
    out += fortios_phase2(tunnel, child, name, ++number);
  }
  out += "end\nconfig router static\n";
  for (const base::Prefix& net : our_networks(tunnel)) {
    out += fmt::format("    edit 0\n        set dst {} {}\n        set device \"{}\"\n    next\n",
                       net.address.to_string(), mask_of(net), name);
  }
  return out + "end\n# It also wants firewall policies, from and to \"" + name + "\".\n";
}

Result<std::string> panos(Tunnel& tunnel) {
  TRY_VOID(check_alike(tunnel));
  const std::string name = plain_name(tunnel.name, 31);
  const std::string gateway = TRY(panos_gateway(tunnel, name));
  return "# In configure mode; then commit.\n" + panos_profiles(tunnel, name) + gateway +
         panos_tunnel(tunnel, name);
}

Result<std::string> routeros(Tunnel& tunnel) {
  const TargetRow& row = *tunnel.row;
  const std::string name = plain_name(tunnel.name, 18);
  std::string out = fmt::format("/ip ipsec profile add name={} dh-group={} enc-algorithm={}", name,
                                group_word(row, tunnel.ike.ke), find(row, tunnel.ike.cipher)->ike);
  out += fmt::format(
      " hash-algorithm={} prf-algorithm={} lifetime={}s dpd-interval={}s nat-traversal=yes\n",
      ike_integrity(row, tunnel.ike.cipher.integ), prf_word(row, tunnel.ike.prf),
      tunnel.ike_lifetime_seconds, clamped(tunnel.dpd_seconds, 2, 120));
  out += fmt::format("/ip ipsec peer add name={0} profile={0} exchange-mode=ike2 address={1}/32\n",
                     name, tunnel.situation->reached_at);
  out += TRY(routeros_identity(tunnel, name));
  for (const Child& child : tunnel.children) {
    out += routeros_child(tunnel, child, name, child_name(tunnel, child, name));
  }
  return out + "# Its NAT rules must leave these networks alone.\n";
}

}  // namespace caponier::dialect
