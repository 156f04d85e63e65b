// swanctl.conf(5) of strongSwan and ipsec.conf(5) of libreswan.

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "config/values.h"
#include "dialect/tunnel.h"

namespace caponier::dialect {
namespace {

using config::Auth;

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == '@';
  });
}

/// Whether we wait for the peer, which then has to begin.
bool peer_begins(const Tunnel& tunnel, const Child& child) {
  return tunnel.peer->remote_any || child.config->start == config::Start::on_command;
}

std::string swanctl_id(const policy::Identity& id) {
  const std::string_view text = base::as_text(id.data);
  const std::string hex = base::to_hex(id.data);
  switch (id.type) {
    case wire::IdType::ipv4_addr:
    case wire::IdType::ipv6_addr: return id.to_string();
    case wire::IdType::fqdn:
      return is_plain(text) && policy::Identity::parse(text) == id ? std::string{text}
                                                                   : "fqdn:#" + hex;
    case wire::IdType::rfc822_addr: return is_plain(text) ? std::string{text} : "rfc822:#" + hex;
    case wire::IdType::key_id: return "keyid:#" + hex;
    case wire::IdType::der_asn1_dn: return "asn1dn:#" + hex;
    case wire::IdType::der_asn1_gn:
    case wire::IdType::null: break;
  }
  return "%any";
}

std::string selectors(const config::Reach& reach, const std::vector<config::PortRule>& ports) {
  std::string out;
  const auto add = [&out](const std::string& one) { out += (out.empty() ? "" : ", ") + one; };
  for (const policy::TrafficSelector& net : reach.nets) add(net.to_string());
  for (const config::PortRule& own : reach.own) {
    if (ports.empty()) {
      const bool is_all = own == config::PortRule{};
      add(is_all ? "dynamic" : fmt::format("dynamic[{}]", config::to_text(own)));
    }
    // The SA covers protocols; which ports of them it carries is our own policy.
    for (const config::PortRule& port : ports) {
      add(fmt::format("dynamic[{}]", config::to_text({.protocol = port.protocol})));
    }
  }
  return out;
}

std::string issuer_of(const config::PeerConfig& peer) {
  const auto& chain = peer.proof.credential->chain;
  return chain.empty() ? std::string{} : chain.back().issuer_text;
}

std::string their_proof(Tunnel& tunnel) {
  const config::PeerConfig& peer = *tunnel.peer;
  std::string out;
  if (peer.exchange.remote_auth == Auth::psk) {
    out = "      auth = psk\n";
  } else if (peer.proof.peer_key) {
    out = fmt::format("      auth = pubkey\n      pubkeys = {}\n",
                      tunnel.blank("PEER.pub", "its public key, whose private key it has"));
  } else {
    out = fmt::format(
        "      auth = pubkey\n      certs = {}\n",
        tunnel.blank("PEER.pem", "its certificate, from an authority that we trust (ca)"));
  }
  if (tunnel.their_id) out += fmt::format("      id = {}\n", swanctl_id(*tunnel.their_id));
  return out;
}

std::string our_proof(Tunnel& tunnel) {
  const config::PeerConfig& peer = *tunnel.peer;
  std::string out;
  if (peer.exchange.auth == Auth::psk) {
    out = "      auth = psk\n";
  } else if (issuer_of(peer).empty()) {
    out = fmt::format("      auth = pubkey\n      pubkeys = {}\n",
                      tunnel.blank("CAPONIER.pub", "our public key"));
  } else {
    out = fmt::format(
        "      auth = pubkey\n      cacerts = {}\n",
        tunnel.blank("AUTHORITY.pem", fmt::format("the certificate of '{}'", issuer_of(peer))));
  }
  return out + fmt::format("      id = {}\n", swanctl_id(tunnel.our_id));
}

std::string swanctl_child(const Tunnel& tunnel, const Child& child) {
  const config::ChildConfig& config = *child.config;
  std::string out = fmt::format("      {} {{\n", plain_name(child.name, 64));
  out += fmt::format("        mode = {}\n        local_ts = {}\n        remote_ts = {}\n",
                     policy::name_of(config.mode), selectors(config.remote, config.ports),
                     selectors(config.local, config.ports));
  out += fmt::format("        {}_proposals = {}{}\n", child.is_ah ? "ah" : "esp",
                     text_of(child.suite, child.is_ah), child.suite.esn ? "-esn" : "");
  out += fmt::format("        rekey_time = {}s\n", child.lifetime_seconds);
  out += fmt::format("        start_action = {}\n      }}\n",
                     peer_begins(tunnel, child) ? "start" : "trap");
  return out;
}

std::string swanctl_secret(const Tunnel& tunnel) {
  if (!tunnel.uses_secret()) return {};
  std::string out = fmt::format("secrets {{\n  ike-{} {{\n    id-caponier = {}\n",
                                plain_name(tunnel.name, 64), swanctl_id(tunnel.our_id));
  if (tunnel.their_id) out += fmt::format("    id-peer = {}\n", swanctl_id(*tunnel.their_id));
  return out + fmt::format("    secret = \"{}\"\n  }}\n}}\n", tunnel.secret);
}

Result<std::string> libreswan_id(const policy::Identity& id, const std::string& name_text,
                                 std::string_view key) {
  const std::string_view text = base::as_text(id.data);
  switch (id.type) {
    case wire::IdType::ipv4_addr:
    case wire::IdType::ipv6_addr: return id.to_string();
    case wire::IdType::fqdn:
      if (is_plain(text)) return fmt::format("@{}", text);
      break;
    case wire::IdType::rfc822_addr:
      if (is_plain(text)) return std::string{text};
      break;
    case wire::IdType::key_id: return "@#" + base::to_hex(id.data);
    case wire::IdType::der_asn1_dn:
      if (!name_text.empty() && name_text.find('"') == std::string::npos) {
        return fmt::format("\"{}\"", name_text);
      }
      break;
    case wire::IdType::der_asn1_gn:
    case wire::IdType::null: break;
  }
  return refuse(std::string{key},
                fmt::format("the identity {} is not exported for libreswan", id.to_string()),
                "use an address or a name");
}

std::string libreswan_suite(const Tunnel& tunnel) {
  const TargetRow& row = *tunnel.row;
  // Without an AEAD the hash is that of the integrity as well.
  return fmt::format("{}-{};{}", find(row, tunnel.ike.cipher)->ike, prf_word(row, tunnel.ike.prf),
                     group_word(row, tunnel.ike.ke));
}

Result<std::string> libreswan_child_suite(const Tunnel& tunnel, const Child& child) {
  const TargetRow& row = *tunnel.row;
  if (child.suite.ke != crypto::KeGroup::none && child.suite.ke != tunnel.ike.ke) {
    return refuse("esp", "libreswan rekeys Child SAs with the group of the IKE SA alone",
                  fmt::format("add \"{}\" to ike, or leave the group out of esp",
                              text_of(child.suite, false)));
  }
  std::string out = fmt::format("    esp={}", find(row, child.suite.cipher)->esp);
  if (child.suite.cipher.integ != crypto::IntegId::none) {
    out += fmt::format("-{}", esp_integrity(row, child.suite.cipher.integ));
  }
  out += fmt::format("\n    pfs={}\n    esn={}\n",
                     child.suite.ke == crypto::KeGroup::none ? "no" : "yes",
                     child.suite.esn ? "yes" : "no");
  return out;
}

Result<std::string> libreswan_proof(Tunnel& tunnel) {
  const config::PeerConfig& peer = *tunnel.peer;
  if (peer.exchange.auth != peer.exchange.remote_auth) {
    return refuse("auth", "for libreswan both sides prove themselves in the same way",
                  "use psk, or certificates, on both sides");
  }
  if (peer.exchange.auth == Auth::psk) return std::string{"    authby=secret\n"};
  const bool is_rsa = peer.proof.credential->signer->public_key().kind == pki::KeyKind::rsa;
  static_cast<void>(
      tunnel.blank("PEER-CERTIFICATE", "the nickname of its certificate in the NSS database"));
  static_cast<void>(tunnel.blank(
      "AUTHORITY", fmt::format("there, as a trusted authority, '{}'", issuer_of(peer))));
  return fmt::format("    authby={}\n    leftcert=PEER-CERTIFICATE\n{}",
                     is_rsa ? "rsasig" : "ecdsa", "    rightca=%any\n");
}

/// What all Child SAs share.
Result<std::string> libreswan_common(Tunnel& tunnel) {
  const config::PeerConfig& peer = *tunnel.peer;
  std::string out = "    ikev2=insist\n" + TRY(libreswan_proof(tunnel));
  out += "    left=%defaultroute\n";
  if (tunnel.their_id) {
    out += fmt::format("    leftid={}\n",
                       TRY(libreswan_id(*tunnel.their_id, tunnel.their_name_text, "remote_id")));
  }
  out += fmt::format("    right={}\n    rightid={}\n", tunnel.situation->reached_at,
                     TRY(libreswan_id(tunnel.our_id, tunnel.our_name_text, "local_id")));
  if (tunnel.situation->ike_port != 500) {
    out += fmt::format("    rightikeport={}\n", tunnel.situation->ike_port);
  }
  out += fmt::format("    ike={}\n    ikelifetime={}s\n    dpddelay={}s\n", libreswan_suite(tunnel),
                     clamped(tunnel.ike_lifetime_seconds, 1, 86400), tunnel.dpd_seconds);
  if (peer.encap == config::Encap::always) out += "    encapsulation=yes\n";
  return out;
}

Result<std::string> libreswan_child(const Tunnel& tunnel, const Child& child) {
  std::string out = fmt::format("    leftsubnet={}\n    rightsubnet={}\n",
                                child.theirs.front().to_string(), child.ours.front().to_string());
  out += TRY(libreswan_child_suite(tunnel, child));
  // Its lifetime is the end; it rekeys nine minutes before, which may be too soon.
  constexpr long long margin = 540;
  out += fmt::format("    salifetime={}s\n", clamped(child.lifetime_seconds, 1, 86400));
  if (child.lifetime_seconds < 2 * margin) {
    out += fmt::format("    rekeymargin={}s\n", std::max(child.lifetime_seconds / 10, 1LL));
  }
  return out + fmt::format("    auto={}\n", peer_begins(tunnel, child) ? "start" : "ondemand");
}

Result<std::string> libreswan_secret(const Tunnel& tunnel) {
  if (!tunnel.uses_secret()) return std::string{};
  const std::string ours = TRY(libreswan_id(tunnel.our_id, {}, "local_id"));
  const std::string theirs =
      tunnel.their_id ? TRY(libreswan_id(*tunnel.their_id, {}, "remote_id")) : "%any";
  const bool is_hex = tunnel.secret.starts_with("0x");
  return fmt::format("# --- /etc/ipsec.d/{}.secrets\n{} {} : PSK {}{}{}\n", tunnel.name, theirs,
                     ours, is_hex ? "" : "\"", tunnel.secret, is_hex ? "" : "\"");
}

}  // namespace

Result<std::string> swanctl(Tunnel& tunnel) {
  const config::PeerConfig& peer = *tunnel.peer;
  std::string out = fmt::format(
      "# Lies in /etc/swanctl/conf.d; swanctl --load-all reads it.\n"
      "connections {{\n  {} {{\n    version = 2\n    remote_addrs = {}\n",
      plain_name(tunnel.name, 64), tunnel.situation->reached_at);
  if (tunnel.situation->ike_port != 500) {
    out += fmt::format("    remote_port = {}\n", tunnel.situation->ike_port);
  }
  if (peer.remote_port != 500) out += fmt::format("    local_port = {}\n", peer.remote_port);
  out += fmt::format("    proposals = {}\n    rekey_time = {}s\n    dpd_delay = {}s\n",
                     text_of(tunnel.ike), tunnel.ike_lifetime_seconds, tunnel.dpd_seconds);
  out += fmt::format("    mobike = {}\n", peer.mobike ? "yes" : "no");
  if (peer.encap == config::Encap::always) out += "    encap = yes\n";
  out += "    local {\n" + their_proof(tunnel) + "    }\n    remote {\n" + our_proof(tunnel) +
         "    }\n    children {\n";
  for (const Child& child : tunnel.children) out += swanctl_child(tunnel, child);
  return out + "    }\n  }\n}\n" + swanctl_secret(tunnel);
}

Result<std::string> libreswan(Tunnel& tunnel) {
  const std::string common = TRY(libreswan_common(tunnel));
  const std::string name = plain_name(tunnel.name, 32);
  std::string out = fmt::format("# --- /etc/ipsec.d/{}.conf\n", tunnel.name);
  if (tunnel.children.size() == 1) {
    out += fmt::format("conn {}\n{}{}", name, common,
                       TRY(libreswan_child(tunnel, tunnel.children.front())));
    return out + TRY(libreswan_secret(tunnel));
  }
  out += fmt::format("conn {}\n{}", name, common);
  for (const Child& child : tunnel.children) {
    out += fmt::format("\nconn {}-{}\n    also={}\n{}", name, plain_name(child.name, 24), name,
                       TRY(libreswan_child(tunnel, child)));
  }
  return out + TRY(libreswan_secret(tunnel));
}

}  // namespace caponier::dialect
