#include "fitness/judge.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "fitness/ruleset.h"

namespace caponier::fitness {
namespace {

using config::PeerConfig;
using config::PeerKind;
using policy::Product;
using Findings = std::vector<Finding>;

constexpr std::array rows{
    FaultRow{Fault::no_forwarding_v4, "CP-7001", Gravity::fault, "IPv4 is not forwarded"},
    FaultRow{Fault::no_forwarding_v6, "CP-7002", Gravity::fault, "IPv6 is not forwarded"},
    FaultRow{Fault::strict_reverse_path, "CP-7003", Gravity::fault, "strict reverse-path filter"},
    FaultRow{Fault::port_taken, "CP-7010", Gravity::fault, "port in use"},
    FaultRow{Fault::no_capability, "CP-7011", Gravity::fault, "capability missing"},
    FaultRow{Fault::no_tun_device, "CP-7012", Gravity::fault, "no TUN device"},
    FaultRow{Fault::foreign_address, "CP-7020", Gravity::fault, "not an address of this host"},
    FaultRow{Fault::no_route, "CP-7021", Gravity::fault, "no route to the peer"},
    FaultRow{Fault::ike_dropped, "CP-7030", Gravity::hazard, "firewall drops IKE"},
    FaultRow{Fault::esp_dropped, "CP-7031", Gravity::hazard, "firewall drops ESP"},
    FaultRow{Fault::certificate_ended, "CP-7040", Gravity::fault, "certificate has ended"},
    FaultRow{Fault::certificate_early, "CP-7041", Gravity::fault, "certificate not valid yet"},
    FaultRow{Fault::certificate_ends, "CP-7042", Gravity::hazard, "certificate ends soon"},
    FaultRow{Fault::certificate_identity, "CP-7043", Gravity::fault,
             "certificate does not name our identity"},
    FaultRow{Fault::certificate_usage, "CP-7044", Gravity::fault, "certificate for other uses"},
    FaultRow{Fault::certificate_name, "CP-7045", Gravity::fault, "certificate without the name"},
    FaultRow{Fault::certificate_key, "CP-7046", Gravity::fault, "key that the peer does not take"},
};

void check_forwarding(const config::Config& config, const HostFacts& facts, Findings& out) {
  bool wants_v4 = false;
  bool wants_v6 = false;
  for (const PeerConfig& peer : config.peers) {
    for (const base::Prefix& net : peer.local_nets()) {
      // A single address is this host's own and needs no forwarding.
      if (net.length == net.address.bit_count()) continue;
      (net.address.is_v4() ? wants_v4 : wants_v6) = true;
    }
  }
  const auto add = [&](Fault fault, std::string_view family, std::string_view key) {
    out.push_back({fault, "",
                   fmt::format("this host does not forward {} packets, so only it can use the "
                               "tunnels, not the networks behind it",
                               family),
                   fmt::format("sysctl -w {}=1", key)});
  };
  if (wants_v4 && facts.forwards_v4 == false) {
    add(Fault::no_forwarding_v4, "IPv4", "net.ipv4.ip_forward");
  }
  if (wants_v6 && facts.forwards_v6 == false) {
    add(Fault::no_forwarding_v6, "IPv6", "net.ipv6.conf.all.forwarding");
  }
}

void check_reverse_path(const config::Config& config, const HostFacts& facts, Findings& out) {
  const bool covers_a_peer = std::ranges::any_of(
      config.peers, [](const PeerConfig& peer) { return peer.kind == PeerKind::host; });
  if (!covers_a_peer || facts.strict_reverse_path != true) return;
  out.push_back({Fault::strict_reverse_path, "",
                 "net.ipv4.conf.all.rp_filter is 1 (strict), which drops what a [host] peer sends",
                 "sysctl -w net.ipv4.conf.all.rp_filter=2"});
}

void check_process(const HostFacts& facts, Findings& out) {
  for (const TakenPort& taken : facts.taken) {
    out.push_back(
        {Fault::port_taken, "",
         fmt::format("{} port {} is taken by another program", taken.protocol, taken.port),
         fmt::format("ss -lnp 'sport = {}' tells which; stop it, or choose another port "
                     "in [daemon]",
                     taken.port)});
  }
  for (const std::string& name : facts.missing_capabilities) {
    out.push_back({Fault::no_capability, "",
                   fmt::format("nothing here can have {}, which caponierd needs", name),
                   "of a container: --cap-add " + name.substr(name.find('_') + 1)});
  }
  if (facts.has_tun == false) {
    out.push_back({Fault::no_tun_device, "", "there is no /dev/net/tun",
                   "modprobe tun, or give the container the device"});
  }
}

bool holds(const std::vector<base::IpAddress>& all, const base::IpAddress& one) {
  return std::ranges::find(all, one) != all.end();
}

void check_addresses(const config::Config& config, const HostFacts& facts, Findings& out) {
  const auto check = [&](const std::string& peer, std::string_view key,
                         const base::IpAddress& address) {
    if (facts.addresses.empty() || address.is_unspecified() || holds(facts.addresses, address)) {
      return;
    }
    out.push_back(
        {Fault::foreign_address, peer,
         fmt::format("{} is {}, which is no address of this host", key, address.to_string()),
         "write one of those that `ip address` lists, or leave the key out"});
  };
  for (const base::IpAddress& address : config.daemon.listen) check("", "listen", address);
  for (const PeerConfig& peer : config.peers) {
    if (peer.local) check(peer.name, "local", *peer.local);
  }
  for (const PeerConfig& peer : config.peers) {
    if (!peer.remote_address || !holds(facts.without_route, *peer.remote_address)) continue;
    out.push_back({Fault::no_route, peer.name,
                   fmt::format("this host has no route to {}", peer.remote_address->to_string()),
                   fmt::format("ip route get {}; add a route, or correct remote",
                               peer.remote_address->to_string())});
  }
}

void check_ruleset(const config::Config& config, const HostFacts& facts, Findings& out) {
  if (facts.ruleset.empty() || config.peers.empty()) return;
  for (const std::uint16_t port : {config.daemon.ike_port, config.daemon.natt_port}) {
    const auto chain = who_drops_udp(facts.ruleset, port);
    if (!chain) continue;
    out.push_back({Fault::ike_dropped, "",
                   fmt::format("as far as can be seen, {} drops UDP port {}", *chain, port),
                   fmt::format("nft insert rule {} udp dport {} accept", *chain, port)});
  }
  const bool wants_esp = std::ranges::any_of(config.peers, [](const PeerConfig& peer) {
    return peer.encap == config::Encap::never || peer.encap == config::Encap::native;
  });
  const auto chain = wants_esp ? who_drops_esp(facts.ruleset) : std::nullopt;
  if (!chain) return;
  out.push_back({Fault::esp_dropped, "",
                 fmt::format("as far as can be seen, {} drops ESP, which `encap` asks for", *chain),
                 fmt::format("nft insert rule {} meta l4proto esp accept", *chain)});
}

std::string named(const pki::Credential& own) {
  return fmt::format("our certificate '{}' ({})", own.chain.front().subject_text, own.name);
}

void check_times(const PeerConfig& peer, const config::Config& config, const HostFacts& facts,
                 Findings& out) {
  if (!facts.now) return;
  const pki::Certificate& leaf = peer.proof.credential->chain.front();
  const std::string what = named(*peer.proof.credential);
  const std::int64_t now = facts.now->value;
  constexpr std::int64_t day = 86400;
  const std::int64_t ahead =
      std::chrono::duration_cast<std::chrono::seconds>(config.daemon.expiry_warning).count();
  if (leaf.not_after.value < now) {
    out.push_back({Fault::certificate_ended, peer.name,
                   fmt::format("{} ended {} days ago", what, (now - leaf.not_after.value) / day),
                   "put a new one in its place"});
  } else if (leaf.not_before.value > now) {
    out.push_back({Fault::certificate_early, peer.name,
                   fmt::format("{} is not valid for {} days yet", what,
                               (leaf.not_before.value - now) / day + 1),
                   "look at this host's clock (date), or wait"});
  } else if (leaf.not_after.value - now < ahead) {
    out.push_back({Fault::certificate_ends, peer.name,
                   fmt::format("{} ends in {} days", what, (leaf.not_after.value - now) / day),
                   "renew it"});
  }
}

void check_identity(const PeerConfig& peer, Findings& out) {
  const pki::Certificate& leaf = peer.proof.credential->chain.front();
  if (!peer.local_id || peer.local_id->type == wire::IdType::der_asn1_dn) return;
  if (pki::has_alternative_name(leaf, *peer.local_id)) return;
  std::string names;
  for (const policy::Identity& name : leaf.alternative_names) {
    names += (names.empty() ? "" : ", ") + name.to_string();
  }
  out.push_back(
      {Fault::certificate_identity, peer.name,
       fmt::format("{} does not name local_id, {}; it names {}", named(*peer.proof.credential),
                   peer.local_id->to_string(), names.empty() ? "nothing but its subject" : names),
       "peers refuse that: write local_id as the certificate has it, or leave it out"});
}

/// What a product demands of the certificate of the server that it comes to.
struct Demands {
  Product product{};
  bool server_auth = false;     ///< extended key usage
  bool dns_or_address = false;  ///< in subjectAltName, which it compares with what it dialled
  bool edwards = false;         ///< takes Ed25519 and Ed448
  unsigned rsa_bits_min = 0;
};
constexpr std::array demands{
    Demands{Product::windows, true, true, false, 2048},
    Demands{Product::apple, true, true, false, 2048},
    Demands{Product::android, false, true, false, 2048},
    Demands{Product::libreswan, false, false, false, 2048},
    Demands{Product::cisco, false, false, false, 2048},
    Demands{Product::juniper, false, false, false, 2048},
    Demands{Product::fortinet, false, false, false, 2048},
    Demands{Product::palo_alto, false, false, false, 2048},
    Demands{Product::mikrotik, false, false, false, 2048},
};

constexpr std::string_view server_auth_oid = "1.3.6.1.5.5.7.3.1";

void check_usage(const PeerConfig& peer, const Demands& wanted, const HostFacts& facts,
                 Findings& out) {
  if (!wanted.server_auth || !facts.usages) return;
  const auto usages = facts.usages->find(peer.name);
  const bool has_it = usages != facts.usages->end() &&
                      std::ranges::find(usages->second, server_auth_oid) != usages->second.end();
  if (has_it) return;
  out.push_back({Fault::certificate_usage, peer.name,
                 fmt::format("{} is not for TLS servers (extended key usage serverAuth), and {} "
                             "refuses that",
                             named(*peer.proof.credential), policy::find(wanted.product)->name),
                 "have one issued with serverAuth; caponier init makes such ones"});
}

void check_kind(const PeerConfig& peer, const Demands& wanted, const HostFacts& facts,
                Findings& out) {
  const pki::Certificate& leaf = peer.proof.credential->chain.front();
  const std::string what = named(*peer.proof.credential);
  const std::string_view name = policy::find(wanted.product)->name;
  check_usage(peer, wanted, facts, out);
  const bool is_named = std::ranges::any_of(
      leaf.alternative_names,
      [](const policy::Identity& one) { return one.type != wire::IdType::rfc822_addr; });
  if (wanted.dns_or_address && !is_named) {
    out.push_back({Fault::certificate_name, peer.name,
                   fmt::format("{} has no name or address in subjectAltName, and {} looks for the "
                               "one that it dialled",
                               what, name),
                   "have one issued with the name that users dial in subjectAltName"});
  }
  const bool is_edwards =
      leaf.key.kind == pki::KeyKind::ed25519 || leaf.key.kind == pki::KeyKind::ed448;
  const bool is_short = leaf.key.kind == pki::KeyKind::rsa && leaf.key.bits < wanted.rsa_bits_min;
  if ((is_edwards && !wanted.edwards) || is_short) {
    out.push_back({Fault::certificate_key, peer.name,
                   fmt::format("{} has a key of the kind {} with {} bits, which {} does not take",
                               what, pki::name_of(leaf.key.kind), leaf.key.bits, name),
                   "have one issued for ECDSA on P-256, or RSA with 3072 bits"});
  }
}

void check_certificates(const config::Config& config, const HostFacts& facts, Findings& out) {
  for (const PeerConfig& peer : config.peers) {
    if (!peer.proof.credential || peer.proof.credential->chain.empty()) continue;
    check_times(peer, config, facts, out);
    check_identity(peer, out);
    if (!peer.product) continue;
    const auto wanted = std::ranges::find(demands, *peer.product, &Demands::product);
    if (wanted != demands.end()) check_kind(peer, *wanted, facts, out);
  }
}

}  // namespace

std::span<const FaultRow> all_faults() { return rows; }
const FaultRow& row_of(Fault fault) { return rows.at(static_cast<std::size_t>(fault)); }

std::string Finding::to_string() const {
  return fmt::format("{}{}; {}", peer.empty() ? "" : peer + ": ", message, fix);
}

std::vector<Finding> judge(const config::Config& config, const HostFacts& facts) {
  Findings out;
  check_forwarding(config, facts, out);
  check_reverse_path(config, facts, out);
  check_process(facts, out);
  check_addresses(config, facts, out);
  check_ruleset(config, facts, out);
  check_certificates(config, facts, out);
  std::ranges::stable_sort(out, {}, &Finding::fault);
  return out;
}

}  // namespace caponier::fitness
