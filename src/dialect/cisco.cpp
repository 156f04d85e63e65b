// Cisco IOS XE and ASA.

#include <fmt/format.h>

#include "base/error.h"
#include "base/event.h"
#include "dialect/tunnel.h"

namespace caponier::dialect {
namespace {

constexpr std::size_t name_size = 32;

std::string tag_of(const Tunnel& tunnel) {
  return "caponier-" + plain_name(tunnel.name, name_size);
}

Result<std::string> iosxe_identity(const policy::Identity& id, std::string_view key) {
  switch (id.type) {
    case wire::IdType::ipv4_addr: return fmt::format("address {}", id.to_string());
    case wire::IdType::fqdn: return fmt::format("fqdn {}", base::printable(base::as_text(id.data)));
    case wire::IdType::rfc822_addr:
      return fmt::format("email {}", base::printable(base::as_text(id.data)));
    case wire::IdType::ipv6_addr:
    case wire::IdType::key_id:
    case wire::IdType::der_asn1_dn:
    case wire::IdType::der_asn1_gn:
    case wire::IdType::null: break;
  }
  return refuse(std::string{key},
                fmt::format("the identity {} is not exported for Cisco IOS XE", id.to_string()),
                "use an address or a name");
}

std::string iosxe_ike(const Tunnel& tunnel, const std::string& tag) {
  const TargetRow& row = *tunnel.row;
  std::string out = fmt::format("crypto ikev2 proposal {}\n encryption {}\n", tag,
                                find(row, tunnel.ike.cipher)->ike);
  if (!tunnel.is_aead()) {
    out += fmt::format(" integrity {}\n", ike_integrity(row, tunnel.ike.cipher.integ));
  }
  // Without an AEAD the PRF is the hash of the integrity.
  if (tunnel.is_aead()) out += fmt::format(" prf {}\n", prf_word(row, tunnel.ike.prf));
  out += fmt::format(" group {}\n", group_word(row, tunnel.ike.ke));
  return out + fmt::format("crypto ikev2 policy {0}\n proposal {0}\n", tag);
}

Result<std::string> iosxe_profile(Tunnel& tunnel, const std::string& tag) {
  const std::string& us = tunnel.situation->reached_at;
  std::string out =
      fmt::format("crypto ikev2 keyring {0}\n peer {0}\n  address {1}\n  pre-shared-key {2}\n", tag,
                  us, tunnel.secret);
  const std::string match = TRY(iosxe_identity(tunnel.our_id, "local_id"));
  const bool is_address = tunnel.our_id.type == wire::IdType::ipv4_addr;
  out += fmt::format("crypto ikev2 profile {}\n match identity remote {}{}\n", tag, match,
                     is_address ? " 255.255.255.255" : "");
  if (tunnel.their_id) {
    out += fmt::format(" identity local {}\n", TRY(iosxe_identity(*tunnel.their_id, "remote_id")));
  }
  out += fmt::format(
      " authentication remote pre-share\n authentication local pre-share\n keyring local {}\n"
      " lifetime {}\n dpd {} 5 periodic\n",
      tag, clamped(tunnel.ike_lifetime_seconds, 120, 86400), clamped(tunnel.dpd_seconds, 10, 3600));
  return out;
}

std::string permit(const base::Prefix& prefix) {
  if (is_everything(prefix)) return "any";
  return fmt::format("{} {}", prefix.address.to_string(), wildcard_of(prefix));
}

std::string iosxe_esp(const Tunnel& tunnel, const std::string& tag) {
  const Child& child = tunnel.children.front();
  const TargetRow& row = *tunnel.row;
  std::string out =
      fmt::format("crypto ipsec transform-set {} {}", tag, find(row, child.suite.cipher)->esp);
  if (child.suite.cipher.integ != crypto::IntegId::none) {
    out += fmt::format(" {}", esp_integrity(row, child.suite.cipher.integ));
  }
  out += fmt::format("\n mode tunnel\ncrypto ipsec profile {0}\n set transform-set {0}\n", tag);
  out += fmt::format(" set security-association lifetime seconds {}\n",
                     clamped(child.lifetime_seconds, 120, 2592000));
  if (child.suite.ke != crypto::KeGroup::none) {
    out += fmt::format(" set pfs group{}\n", group_word(row, child.suite.ke));
  }
  return out + fmt::format(" set ikev2-profile {}\n", tag);
}

std::string iosxe_interface(Tunnel& tunnel, const std::string& tag) {
  const std::string number = tunnel.blank("TUNNEL-NUMBER", "a free number of a tunnel interface");
  const std::string outside = tunnel.blank("OUTSIDE", "its interface towards us");
  // One entry of the list is one Child SA (Multi-SA VTI).
  std::string out = fmt::format("ip access-list extended {}\n", tag);
  for (const Child& child : tunnel.children) {
    out +=
        fmt::format(" permit ip {} {}\n", permit(child.theirs.front()), permit(child.ours.front()));
  }
  out += fmt::format(
      "interface Tunnel{0}\n ip unnumbered {1}\n ip tcp adjust-mss 1360\n tunnel source {1}\n"
      " tunnel mode ipsec ipv4\n tunnel destination {2}\n",
      number, outside, tunnel.situation->reached_at);
  out += fmt::format(
      " tunnel protection ipsec policy ipv4 {0}\n tunnel protection ipsec profile {0}\n", tag);
  for (const base::Prefix& net : our_networks(tunnel)) {
    out += fmt::format("ip route {} {} Tunnel{}\n", net.address.to_string(), mask_of(net), number);
  }
  return out;
}

std::string asa_ike(const Tunnel& tunnel) {
  const TargetRow& row = *tunnel.row;
  return fmt::format(
      "crypto ikev2 policy 10\n encryption {}\n integrity {}\n prf {}\n group {}\n"
      " lifetime seconds {}\n",
      find(row, tunnel.ike.cipher)->ike,
      tunnel.is_aead() ? "null" : ike_integrity(row, tunnel.ike.cipher.integ),
      prf_word(row, tunnel.ike.prf), group_word(row, tunnel.ike.ke),
      clamped(tunnel.ike_lifetime_seconds, 120, 2147483647));
}

std::string asa_child(const Tunnel& tunnel, const Child& child, const std::string& tag,
                      std::size_t number, const std::string& map) {
  const TargetRow& row = *tunnel.row;
  const bool is_aead = child.suite.cipher.integ == crypto::IntegId::none;
  const auto net = [](const base::Prefix& prefix) {
    return is_everything(prefix)
               ? std::string{"any4"}
               : fmt::format("{} {}", prefix.address.to_string(), mask_of(prefix));
  };
  std::string out = fmt::format(
      "access-list {0}-{1} extended permit ip {2} {3}\n"
      "crypto ipsec ikev2 ipsec-proposal {0}-{1}\n protocol esp encryption {4}\n"
      " protocol esp integrity {5}\n",
      tag, number, net(child.theirs.front()), net(child.ours.front()),
      find(row, child.suite.cipher)->esp,
      is_aead ? "null" : esp_integrity(row, child.suite.cipher.integ));
  const std::string entry = fmt::format("crypto map {} {}", map, number * 10);
  out += fmt::format("{0} match address {1}-{2}\n{0} set peer {3}\n", entry, tag, number,
                     tunnel.situation->reached_at);
  if (child.suite.ke != crypto::KeGroup::none) {
    out += fmt::format("{} set pfs group{}\n", entry, group_word(row, child.suite.ke));
  }
  out += fmt::format("{0} set ikev2 ipsec-proposal {1}-{2}\n", entry, tag, number);
  return out + fmt::format("{} set security-association lifetime seconds {}\n", entry,
                           clamped(child.lifetime_seconds, 120, 214783647));
}

}  // namespace

Result<std::string> iosxe(Tunnel& tunnel) {
  TRY_VOID(check_alike(tunnel));
  const std::string tag = tag_of(tunnel);
  const std::string profile = TRY(iosxe_profile(tunnel, tag));
  return iosxe_ike(tunnel, tag) + profile + iosxe_esp(tunnel, tag) + iosxe_interface(tunnel, tag);
}

Result<std::string> asa(Tunnel& tunnel) {
  const std::string tag = tag_of(tunnel);
  const std::string outside = tunnel.blank("OUTSIDE", "the name of its interface towards us");
  const std::string map =
      tunnel.blank("CRYPTO-MAP", "the crypto map of that interface, which has one at most");
  std::string out = asa_ike(tunnel);
  std::size_t number = 0;
  for (const Child& child : tunnel.children) {
    out += asa_child(tunnel, child, tag, ++number, map);
  }
  out += fmt::format("crypto map {} interface {}\ncrypto ikev2 enable {}\n", map, outside, outside);
  return out + fmt::format(
                   "tunnel-group {0} type ipsec-l2l\ntunnel-group {0} ipsec-attributes\n"
                   " ikev2 remote-authentication pre-shared-key {1}\n"
                   " ikev2 local-authentication pre-shared-key {1}\n",
                   tunnel.situation->reached_at, tunnel.secret);
}

}  // namespace caponier::dialect
