// AWS, Azure and Google Cloud: commands of their own tools.

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "dialect/tunnel.h"

namespace caponier::dialect {
namespace {

std::string_view ike_hash(const Tunnel& tunnel) { return prf_word(*tunnel.row, tunnel.ike.prf); }

/// 8 to 64 of A-Z a-z 0-9 . _, and no 0 at the front.
Result<void> check_aws_secret(const Tunnel& tunnel) {
  if (!tunnel.peer->psk) return {};
  const std::string_view secret = base::as_text(tunnel.peer->psk->reveal());
  const bool is_fit = secret.size() >= 8 && secret.size() <= 64 && secret.front() != '0' &&
                      std::ranges::all_of(secret, [](char c) {
                        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '.' || c == '_';
                      });
  if (is_fit) return {};
  return refuse("psk",
                "AWS takes pre-shared keys of 8 to 64 letters, digits, dots and underscores that "
                "do not begin with 0",
                "make one that it takes: (printf k; openssl rand -hex 31) > FILE");
}

std::string aws_options(const Tunnel& tunnel, const Child& child) {
  const TargetRow& row = *tunnel.row;
  const auto value = [](std::string_view name, std::string_view text) {
    return fmt::format("\"{}\":[{{\"Value\":\"{}\"}}],", name, text);
  };
  const auto number = [](std::string_view name, std::string_view text) {
    return fmt::format("\"{}\":[{{\"Value\":{}}}],", name, text);
  };
  const crypto::KeGroup child_group =
      child.suite.ke == crypto::KeGroup::none ? tunnel.ike.ke : child.suite.ke;
  // An AEAD has no integrity algorithm; the word is asked for all the same.
  const std::string_view child_hash = child.suite.cipher.integ == crypto::IntegId::none
                                          ? ike_hash(tunnel)
                                          : esp_integrity(row, child.suite.cipher.integ);
  std::string out = value("IKEVersions", "ikev2");
  out += value("Phase1EncryptionAlgorithms", find(row, tunnel.ike.cipher)->ike);
  out += value("Phase2EncryptionAlgorithms", find(row, child.suite.cipher)->esp);
  out += value("Phase1IntegrityAlgorithms", ike_hash(tunnel));
  out += value("Phase2IntegrityAlgorithms", child_hash);
  out += number("Phase1DHGroupNumbers", group_word(row, tunnel.ike.ke));
  out += number("Phase2DHGroupNumbers", group_word(row, child_group));
  const long long ike_seconds = clamped(tunnel.ike_lifetime_seconds, 900, 28800);
  out += fmt::format("\"Phase1LifetimeSeconds\":{},\"Phase2LifetimeSeconds\":{},", ike_seconds,
                     std::min(clamped(child.lifetime_seconds, 900, 3600), ike_seconds));
  out += fmt::format("\"DPDTimeoutSeconds\":{},", std::max(tunnel.dpd_seconds, 30LL));
  return out + fmt::format("\"PreSharedKey\":\"{}\"", tunnel.secret);
}

std::string quoted_list(const std::vector<base::Prefix>& prefixes, std::string_view mark) {
  std::string out;
  for (const base::Prefix& prefix : prefixes) {
    out += fmt::format("{}{}{}{}", out.empty() ? "" : ",", mark, prefix.to_string(), mark);
  }
  return out;
}

Result<std::string_view> azure_pfs(const Child& child) {
  switch (child.suite.ke) {
    case crypto::KeGroup::none: return "None";
    case crypto::KeGroup::modp_1024: return "PFS2";
    case crypto::KeGroup::modp_2048: return "PFS2048";
    case crypto::KeGroup::ecp_256: return "ECP256";
    case crypto::KeGroup::ecp_384: return "ECP384";
    default: break;
  }
  return refuse("esp", "Azure has no such group for Child SAs", "use ecp384");
}

Result<std::string> azure_policy(const Tunnel& tunnel) {
  const TargetRow& row = *tunnel.row;
  const Child& child = tunnel.children.front();
  const std::string_view esp = find(row, child.suite.cipher)->esp;
  return fmt::format(
      "$policy = New-AzIpsecPolicy -IkeEncryption {} -IkeIntegrity {} -DhGroup {} `\n"
      "  -IpsecEncryption {} -IpsecIntegrity {} -PfsGroup {} `\n"
      "  -SALifeTimeSeconds {} -SADataSizeKilobytes 102400000\n",
      find(row, tunnel.ike.cipher)->ike, ike_hash(tunnel), group_word(row, tunnel.ike.ke), esp,
      child.suite.cipher.integ == crypto::IntegId::none
          ? esp
          : esp_integrity(row, child.suite.cipher.integ),
      TRY(azure_pfs(child)), clamped(child.lifetime_seconds, 300, 172799));
}

std::string cloud_name(const Tunnel& tunnel) {
  std::string name = plain_name(tunnel.name, 40);
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return "caponier-" + name;
}

}  // namespace

Result<std::string> aws(Tunnel& tunnel) {
  TRY_VOID(check_aws_secret(tunnel));
  const Child& child = tunnel.children.front();
  const std::string id = tunnel.blank("VPN-CONNECTION", "the id of the connection, vpn-...");
  std::string out =
      "# A connection has two tunnels; give the second a section of its own, and export that "
      "too.\n";
  out += fmt::format(
      "# The customer gateway is ours: aws ec2 create-customer-gateway --type ipsec.1 "
      "--bgp-asn 65000 --ip-address {}\n",
      tunnel.situation->reached_at);
  out += fmt::format(
      "aws ec2 modify-vpn-connection-options --vpn-connection-id {} "
      "--local-ipv4-network-cidr {} --remote-ipv4-network-cidr {}\n",
      id, child.ours.front().to_string(), child.theirs.front().to_string());
  return out + fmt::format(
                   "aws ec2 modify-vpn-tunnel-options --vpn-connection-id {} "
                   "--vpn-tunnel-outside-ip-address {} --tunnel-options '{{{}}}'\n",
                   id, tunnel.their_address(), aws_options(tunnel, child));
}

Result<std::string> azure(Tunnel& tunnel) {
  TRY_VOID(check_alike(tunnel));
  const std::string name = cloud_name(tunnel);
  const std::string group = tunnel.blank("RESOURCE-GROUP", "the gateway's resource group");
  const std::string place = tunnel.blank("LOCATION", "its location, such as westeurope");
  const std::string gateway = tunnel.blank("GATEWAY", "the name of its virtual network gateway");
  std::vector<base::Prefix> ours;
  std::string selectors;
  std::string list;
  for (const Child& child : tunnel.children) {
    ours.insert(ours.end(), child.ours.begin(), child.ours.end());
    const std::string variable = fmt::format("$pair{}", &child - tunnel.children.data() + 1);
    selectors += fmt::format(
        "{} = New-AzIpsecTrafficSelectorPolicy -LocalAddressRange {} -RemoteAddressRange {}\n",
        variable, quoted_list(child.theirs, "'"), quoted_list(child.ours, "'"));
    list += (list.empty() ? "" : ", ") + variable;
  }
  std::string out = TRY(azure_policy(tunnel));
  out += selectors;
  out += fmt::format(
      "$us = New-AzLocalNetworkGateway -Name {} -ResourceGroupName {} -Location {} `\n"
      "  -GatewayIpAddress {} -AddressPrefix @({})\n"
      "$gateway = Get-AzVirtualNetworkGateway -Name {} -ResourceGroupName {}\n",
      name, group, place, tunnel.situation->reached_at, quoted_list(ours, "'"), gateway, group);
  out += fmt::format(
      "New-AzVirtualNetworkGatewayConnection -Name {} -ResourceGroupName {} -Location {} `\n"
      "  -VirtualNetworkGateway1 $gateway -LocalNetworkGateway2 $us -ConnectionType IPsec `\n"
      "  -ConnectionProtocol IKEv2 -IpsecPolicies $policy -SharedKey '{}' -DpdTimeoutInSeconds {}",
      name, group, place, tunnel.secret, clamped(tunnel.dpd_seconds, 9, 3600));
  out +=
      fmt::format(" `\n  -UsePolicyBasedTrafficSelectors $true -TrafficSelectorPolicy @({})", list);
  return out + "\n";
}

Result<std::string> gcp(Tunnel& tunnel) {
  const Child& child = tunnel.children.front();
  std::string out = fmt::format(
      "# gcloud has no words for algorithms, lifetimes and DPD here, and Google's order depends "
      "on\n"
      "# who begins: let ours offer one set. In [site.{}]:\n"
      "#   ike = [\"{}\"]\n#   esp = [\"{}\"]\n",
      tunnel.name, text_of(tunnel.ike), text_of(child.suite, child.is_ah));
  const std::string region = tunnel.blank("REGION", "the gateway's region");
  const std::string gateway = tunnel.blank("GATEWAY", "the name of its VPN gateway");
  const std::string name = cloud_name(tunnel);
  const std::string common =
      fmt::format("--region {} --ike-version 2 --shared-secret '{}'", region, tunnel.secret);
  return out + fmt::format(
                   "gcloud compute vpn-tunnels create {} {} --target-vpn-gateway {} "
                   "--peer-address {} --local-traffic-selector {} --remote-traffic-selector {}\n",
                   name, common, gateway, tunnel.situation->reached_at,
                   quoted_list(child.theirs, ""), quoted_list(child.ours, ""));
}

}  // namespace caponier::dialect
