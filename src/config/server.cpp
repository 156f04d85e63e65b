// [server] and [group.NAME]: what users are given, and who knows them.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/event.h"
#include "config/durations.h"
#include "config/peer.h"
#include "config/words.h"

namespace caponier::config {

namespace {

constexpr std::uint16_t radius_port = 1812;
constexpr std::uint16_t accounting_port = 1813;
constexpr std::uint16_t coa_port = 3799;  // RFC 5176 s2.1

Parsed<base::Endpoint> parse_radius_endpoint(std::string_view text, std::uint16_t otherwise) {
  return parse_endpoint(text, otherwise, "a RADIUS server");
}

/// true: the servers that know the users, one port higher; or others.
void read_accounting(Section& section, const Node& table, RadiusConfig& radius) {
  const Entry* const entry = table.find("radius_accounting");
  if (entry == nullptr) return;
  if (entry->value.kind == NodeKind::array) {
    for (const auto& one : section.list("radius_accounting", [](std::string_view text) {
           return parse_radius_endpoint(text, accounting_port);
         })) {
      radius.accounting.push_back(one.value);
    }
    return;
  }
  const auto yes = section.boolean("radius_accounting");
  if (!yes || !yes->value) return;
  if (radius.servers.empty()) {
    section.note(
        yes->where, "radius_accounting",
        {"there are no RADIUS servers to tell", "name them: radius_accounting = [\"10.1.0.5\"]"});
  }
  for (const base::Endpoint& server : radius.servers) {
    radius.accounting.push_back({server.address, static_cast<std::uint16_t>(server.port + 1)});
  }
}

/// Where RADIUS servers may ask, and which.
void read_coa(Section& section, RadiusConfig& radius) {
  if (const auto at = section.text("radius_coa", [](std::string_view text) {
        return parse_radius_endpoint(text, coa_port);
      })) {
    radius.coa = at->value;
  }
  for (const auto& client : section.list("radius_coa_clients", parse_address)) {
    radius.coa_clients.push_back(client.value);
  }
  if (!section.has("radius_coa_clients")) {
    for (const auto* servers : {&radius.servers, &radius.accounting}) {
      for (const base::Endpoint& server : *servers) {
        auto& clients = radius.coa_clients;
        if (std::ranges::find(clients, server.address) == clients.end()) {
          clients.push_back(server.address);
        }
      }
    }
  }
  if (section.has("radius_coa_clients") && !section.has("radius_coa")) {
    section.note(section.place_of("radius_coa_clients"), "radius_coa_clients",
                 {"nobody listens to them", "add radius_coa = \"10.1.0.1\", an address of ours"});
  } else if (radius.coa && radius.coa_clients.empty()) {
    section.note(section.place_of("radius_coa"), "radius_coa",
                 {"nobody may ask there", "add radius_coa_clients = [\"10.1.0.5\"]"});
  }
}

void read_radius(Section& section, const Node& table, PeerDraft& draft, ServerConfig& server,
                 Secrets& secrets) {
  RadiusConfig radius;
  for (const auto& one : section.list("radius", [](std::string_view text) {
         return parse_radius_endpoint(text, radius_port);
       })) {
    radius.servers.push_back(one.value);
    server.radius_servers.push_back(one.value.to_string());
  }
  read_accounting(section, table, radius);
  using std::chrono::minutes;
  read_duration(section, "radius_interim", minutes{1}, std::chrono::days{1}, radius.interim);
  read_coa(section, radius);
  const std::string_view key = !radius.servers.empty()      ? "radius"
                               : !radius.accounting.empty() ? "radius_accounting"
                                                            : "radius_coa";
  if (radius.servers.empty() && radius.accounting.empty() && !radius.coa) return;
  const auto reference = section.text("radius_secret", [](std::string_view text) {
    return parse_secret_reference(text, "radius");
  });
  if (!reference) {
    if (!section.has("radius_secret")) {
      section.note(section.place_of(key), key,
                   {"the secret shared with the RADIUS server is missing",
                    "add radius_secret = \"@radius\""});
    }
    return;
  }
  const auto secret = secrets.password(reference->value);
  if (!secret) return section.note(reference->where, "radius_secret", secret.error());
  radius.secret = *secret;
  draft.radius = std::move(radius);
}

/// "tls://dns.example.org", "https://dns.example.org/dns-query", "quic://dns.example.org:8853".
Parsed<wire::EncryptedDns> parse_encrypted_dns(std::string_view text) {
  const auto bad = [&] {
    return std::unexpected{
        Fault{fmt::format("{} names no encrypted DNS", quoted(text)),
              "write \"tls://dns.example.org\", \"https://dns.example.org/dns-query\" or "
              "\"quic://dns.example.org\""}};
  };
  wire::EncryptedDns dns;
  std::string_view rest = text;
  const auto is = [&](std::string_view scheme) {
    if (!rest.starts_with(scheme)) return false;
    rest.remove_prefix(scheme.size());
    return true;
  };
  if (is("tls://")) {
    dns.protocols = {"dot"};
  } else if (is("quic://")) {
    dns.protocols = {"doq"};
  } else if (is("https://")) {
    dns.protocols = {"h2"};
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos || rest.size() - slash > 200) return bad();
    dns.doh_path = std::string{rest.substr(slash)} + "{?dns}";
    rest = rest.substr(0, slash);
  } else {
    return bad();
  }
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    const auto port = parse_port_range(rest.substr(colon + 1));
    if (!port || port->first != port->last || port->first == 0) return bad();
    dns.port = port->first;
    rest = rest.substr(0, colon);
  }
  if (!is_name(rest)) return bad();
  dns.name = rest;
  return dns;
}

/// Users find nobody at what is not in the networks that they reach.
void read_own_addresses(Section& section, const std::vector<base::Prefix>& local_nets,
                        ServerConfig& server) {
  for (const auto& address : section.list("addresses", parse_address)) {
    const bool is_within = std::ranges::any_of(
        local_nets, [&](const base::Prefix& net) { return net.contains(address.value); });
    const bool is_second = std::ranges::any_of(server.addresses, [&](const auto& other) {
      return other.family() == address.value.family();
    });
    if (!is_within) {
      section.note(address.where, "addresses",
                   {fmt::format("{} is not within local_nets", address.value.to_string()),
                    "name the address of this host in there"});
    } else if (is_second) {
      section.note(address.where, "addresses",
                   {"there is one of this family already", "name one of each"});
    }
    server.addresses.push_back(address.value);
  }
}

Parsed<EapMethod> parse_eap_method(std::string_view text) {
  if (text == "tls") return EapMethod::tls;
  if (text == "mschapv2") return EapMethod::mschapv2;
  if (text == "ttls") return EapMethod::ttls;
  if (text == "peap") return EapMethod::peap;
  return std::unexpected{Fault{fmt::format("{} is no EAP method of ours", quoted(text)),
                               "write \"tls\", \"mschapv2\", \"ttls\" or \"peap\""}};
}

/// After `certificates` and `passwords`.
void read_eap(Section& section, ServerConfig& server) {
  for (const auto& method : section.list("eap", parse_eap_method)) {
    server.eap.push_back(method.value);
    const bool is_tls = method.value == EapMethod::tls;
    if (is_tls ? server.certificates : server.passwords) continue;
    section.note(method.where, "eap",
                 is_tls ? Fault{"\"tls\" is by certificates, which are switched off",
                                "take certificates = false away"}
                        : Fault{"this method is by passwords, which our users do not have",
                                "add passwords = true"});
  }
}

}  // namespace

namespace {

void append_new(std::vector<base::Prefix>& to, const base::Prefix& net) {
  if (std::ranges::find(to, net) == to.end()) to.push_back(net);
}

void read_networks(Section& section, PeerDraft& draft, ServerConfig& server) {
  ChildDraft& child = draft.children.front();
  std::vector<base::Prefix> networks;
  child.local_nets = section.list("local_nets", parse_prefix);
  for (const auto& net : child.local_nets) networks.push_back(net.value);
  child.remote_nets = section.list("pool", parse_prefix);
  for (const auto& net : child.remote_nets) server.pools.push_back(net.value);
  server.all_pools = server.pools;
  if (!section.has("local_nets")) {
    for (const base::Prefix& pool : server.pools) {
      append_new(networks, *base::Prefix::parse(pool.address.is_v4() ? "0.0.0.0/0" : "::/0"));
    }
  }
  draft.peer.child().local = Reach::of(networks);
  draft.peer.child().remote = Reach::of_itself();
}

}  // namespace

void read_server(Section& section, const Node& table, PeerDraft& draft, Secrets& secrets,
                 PkiFiles& files) {
  PeerConfig& peer = draft.peer;
  ServerConfig server;
  if (auto name = section.text("name", parse_identity)) peer.local_id = std::move(name->value);
  read_networks(section, draft, server);
  read_own_addresses(section, peer.local_nets(), server);
  for (const auto& address : section.list("dns", parse_address))
    server.dns.push_back(address.value);
  for (const auto& address : section.list("wins", parse_address)) {
    if (!address.value.is_v4()) {
      section.note(address.where, "wins", {"NetBIOS has no IPv6", "name an IPv4 address"});
    }
    server.wins.push_back(address.value);
  }
  for (auto& domain : section.list("domains", [](std::string_view text) -> Parsed<std::string> {
         if (is_name(text)) return std::string{text};
         return std::unexpected{Fault{"no domain", "write it as \"example.org\""}};
       })) {
    server.domains.push_back(std::move(domain.value));
  }
  for (auto& dns : section.list("dns_encrypted", parse_encrypted_dns)) {
    if (server.dns.empty()) {
      section.note(dns.where, "dns_encrypted",
                   {"it is not said where these servers are", "add dns = [\"10.1.0.53\"]"});
    }
    dns.value.priority = static_cast<std::uint16_t>(server.dns_encrypted.size() + 1);
    server.dns_encrypted.push_back(std::move(dns.value));
  }
  if (const auto yes = section.boolean("certificates")) server.certificates = yes->value;
  if (const auto yes = section.boolean("passwords")) server.passwords = yes->value;
  read_eap(section, server);
  read_radius(section, table, draft, server, secrets);
  constexpr std::array<Word<bool>, 2> others{{{"default", false}, {"refuse", true}}};
  read_word(section, "others", others, server.refuses_others);
  using std::chrono::days;
  using std::chrono::minutes;
  read_duration(section, "session_timeout", minutes{1}, days{365}, server.session_timeout);
  read_duration(section, "idle_timeout", minutes{1}, days{365}, server.idle_timeout);
  if (!section.has("ca") && server.certificates) {
    auto added = files.add("ca/ca.pem", PkiFiles::Use::anchor);
    if (added) {
      peer.proof.authorities.push_back(std::move(*added));
    } else {
      section.note(section.where(), "ca", added.error());
    }
    if (files.has("crl/ca.crl")) (void)files.add("crl/ca.crl", PkiFiles::Use::crl);
  }
  if (!server.certificates && !server.passwords && server.radius_servers.empty()) {
    section.errors().add(section.where(), "[server]: nobody can come in",
                         "write passwords = true, name radius servers, or take certificates = "
                         "false away");
  }
  // A user's phone is no reason to end what the same user's laptop has.
  if (!section.has("unique")) peer.exchange.unique = Unique::never;
  peer.server = std::move(server);
}

namespace {

constexpr std::array group_keys = {
    KeySpec{"members", false, "[\"alice\", \"*@example.org\"]"},
    KeySpec{"filters", false, "[\"staff\"]"},
    KeySpec{"units", false, "[\"Engineering\"]"},
    KeySpec{"policies", false, "[\"1.3.6.1.4.1.32473.1\"]"},
    KeySpec{"networks", false, "[\"10.1.2.0/24\"]"},
    KeySpec{"pool", false, "[\"10.9.1.0/24\"]"},
    KeySpec{"dns", false, "[\"10.1.2.53\"]"},
};
constexpr std::size_t groups_max = 1024;

Parsed<std::string> parse_word(std::string_view text) {
  if (!text.empty() && text.size() <= 253) return std::string{text};
  return std::unexpected{Fault{"it is empty or too long", "write 1 to 253 characters"}};
}

Parsed<std::string> parse_oid(std::string_view text) {
  const bool is_dotted = !text.empty() && text.find("..") == std::string_view::npos &&
                         text.find('.') != std::string_view::npos && text.front() != '.' &&
                         text.back() != '.' &&
                         text.find_first_not_of("0123456789.") == std::string_view::npos;
  if (is_dotted) return std::string{text};
  return std::unexpected{Fault{fmt::format("{} is no object identifier", quoted(text)),
                               "write it in numbers: \"1.3.6.1.4.1.32473.1\""}};
}

void read_words(Section& section, std::string_view key, std::vector<std::string>& to) {
  for (auto& word : section.list(key, parse_word)) to.push_back(std::move(word.value));
}

}  // namespace

GroupDraft read_group(const Entry& entry, Errors& errors) {
  GroupDraft draft;
  GroupConfig& group = draft.group;
  group.name = entry.key;
  group.where = entry.value.where;
  Section section{entry.value, fmt::format("[group.{}]", base::printable(entry.key)), group_keys,
                  errors};
  read_words(section, "members", group.members);
  read_words(section, "filters", group.filters);
  read_words(section, "units", group.units);
  for (auto& oid : section.list("policies", parse_oid)) {
    group.policies.push_back(std::move(oid.value));
  }
  draft.networks = section.list("networks", parse_prefix);
  for (const auto& net : draft.networks) group.networks.push_back(net.value);
  draft.pools = section.list("pool", parse_prefix);
  for (const auto& net : draft.pools) group.pools.push_back(net.value);
  for (const auto& address : section.list("dns", parse_address)) {
    group.dns.push_back(address.value);
  }
  const bool names_anybody = section.has("members") || section.has("filters") ||
                             section.has("units") || section.has("policies");
  if (!names_anybody) {
    errors.add(group.where, fmt::format("{}: nobody is in it", section.title()),
               "add members = [\"alice\"], or filters, units or policies");
  }
  return draft;
}

void join_groups(std::vector<GroupDraft>& groups, std::vector<PeerDraft>& peers, Errors& errors) {
  if (groups.empty()) return;
  const auto server =
      std::ranges::find_if(peers, [](const PeerDraft& draft) { return !!draft.peer.server; });
  if (server == peers.end()) {
    return errors.add(groups.front().group.where, "groups are of users, who come to a [server]",
                      "add a [server], or take the groups away");
  }
  if (groups.size() > groups_max) {
    errors.add(groups.back().group.where, fmt::format("there are more than {} groups", groups_max),
               "let one group have several members");
  }
  const auto reachable = server->peer.local_nets();
  for (GroupDraft& draft : groups) {
    for (const auto& net : draft.networks) {
      const bool is_within = std::ranges::any_of(reachable, [&](const base::Prefix& outer) {
        return outer.length <= net.value.length && outer.contains(net.value.address);
      });
      if (is_within) continue;
      errors.add(
          net.where,
          fmt::format("networks: {} is not within local_nets of [server]", net.value.to_string()),
          "add it there, or narrow it");
    }
    for (auto& pool : draft.pools) {
      auto& known = server->children.front().remote_nets;
      const auto same = std::ranges::find(known, pool.value, &Located<base::Prefix>::value);
      append_new(server->peer.server->all_pools, pool.value);
      if (same == known.end()) known.push_back(pool);
    }
  }
}

}  // namespace caponier::config
