// Clients with an address of the server's, and the server that gives it to them.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "swan/translator.h"

namespace caponier::swan {

namespace {

using Method = AuthMethod::Kind;

bool is_everything(const std::vector<std::string>& nets) {
  return std::ranges::all_of(
      nets, [](const std::string& net) { return net == "0.0.0.0/0" || net == "::/0"; });
}

const Pool* find_pool(const Everything& all, std::string_view name) {
  const auto found = std::ranges::find(all.pools, name, &Pool::name);
  return found == all.pools.end() ? nullptr : &*found;
}

/// What two connections of one server must share.
bool is_same_server(const Connection& a, const Connection& b) {
  return a.local.front().id == b.local.front().id &&
         a.local.front().certs == b.local.front().certs && a.pools == b.pools;
}

}  // namespace

void Translator::write_client(const Connection& connection, const Child& child) {
  const std::size_t errors = report_.error_count();
  const Origin at = origin_of(connection, child);
  Table table{connection, {}, free_name(connection.name), origin_of(connection)};
  table.document.comment(fmt::format("{} of {}", at.path, connection.where.to_string()));
  table.document.table(fmt::format("client.{}", table.name), table.at);
  add_ends(table);
  add_identities(table, false);
  add_proof(table, Kind::client);
  const bool own_is_dynamic = std::ranges::all_of(child.local_ts, &Selector::is_dynamic);
  if (!own_is_dynamic) {
    warn(at, "local_ts", "what goes through the tunnel has the address that the server gives");
  }
  const auto nets = nets_of(child.remote_ts, fixed(connection.remote_addrs), "remote_ts", at);
  if (nets && !is_everything(*nets)) table.document.add_list("remote_nets", *nets, at);
  const bool asks_for_one = std::ranges::any_of(connection.vips, [](const std::string& vip) {
    return vip != "0.0.0.0" && vip != "::" && vip != "%config" && vip != "%config4" &&
           vip != "%config6" && vip != "%any";
  });
  if (asks_for_one) warn(table.at, "vips", "the address is the server's choice");
  if (connection.vips.empty()) {
    warn(table.at, "vips", "an address is asked for, as users do here");
  }
  add_offers(table, {&child});
  add_start(table, child, at);
  add_exchange(table);
  if (!connection.mobike) table.document.add("mobike", "false", table.at);
  add_ike_lifetimes(table);
  add_child_lifetimes(table, child, at);
  add_treatment(table, child, at);
  add_rounds(table, fmt::format("client.{}", table.name));
  finish(table, errors);
}

void Translator::write_servers() {
  if (servers_.empty()) return;
  std::vector<const Connection*> together;
  for (const Connection* const connection : servers_) {
    if (is_same_server(*servers_.front(), *connection)) {
      together.push_back(connection);
      continue;
    }
    refuse(origin_of(*connection), "pools",
           {fmt::format("users come to one server here, and that is connections.{}",
                        servers_.front()->name),
            "let both have the same certificate and pools, and tell users apart by [group.NAME]"});
  }
  write_server(together);
}

void Translator::write_server(const std::vector<const Connection*>& connections) {
  const std::size_t errors = report_.error_count();
  const Connection& first = *connections.front();
  const Child& child = first.children.front();
  const Origin at = origin_of(first, child);
  Table table{first, {}, "server", origin_of(first)};
  table.document.comment(fmt::format("{} of {}", table.at.path, first.where.to_string()));
  table.document.table("server", table.at);
  const Round& own = first.local.front();
  if (own.auth.kind != Method::pubkey) {
    refuse(origin_of(first, own), "auth",
           {"a server of users proves itself by a certificate here",
            "write auth = pubkey and certs = FILE, on this side"});
  }
  const auto name = identity_text(own.id, origin_of(first, own), "id");
  if (!name) {
    refuse(origin_of(first, own), "id",
           {"a server of users needs a name", "write id = vpn.example.org, as its certificate"});
  } else {
    table.document.add_text("name", *name, table.at);
  }
  if (first.local.size() == 1) add_own_key(table, own);
  add_pools(table, first);
  add_methods(table, connections);
  const auto nets = nets_of(child.local_ts, fixed(first.local_addrs), "local_ts", at);
  if (nets && !is_everything(*nets)) table.document.add_list("local_nets", *nets, at);
  if (!std::ranges::all_of(child.remote_ts, &Selector::is_dynamic)) {
    refuse(at, "remote_ts",
           {"users have the address that they are given, and nothing else",
            "write remote_ts = dynamic"});
  }
  add_offers(table, {&child});
  add_exchange(table);
  if (!first.mobike) table.document.add("mobike", "false", table.at);
  add_ike_lifetimes(table);
  add_child_lifetimes(table, child, at);
  add_treatment(table, child, at);
  add_rounds(table, "server");
  add_groups(table, connections);
  finish(table, errors);
}

void Translator::add_pools(Table& table, const Connection& connection) {
  std::vector<std::string> ranges;
  std::vector<std::string> dns;
  for (const std::string& name : connection.pools) {
    const Pool* const pool = find_pool(all_, name);
    if (pool == nullptr) {
      lack(table.at, "pools",
           {fmt::format("there is no pool {}", config::quoted(name)),
            fmt::format("add a section {} with addrs to pools", name)});
      continue;
    }
    for (const base::Prefix& prefix : prefixes_of(pool->first, pool->last)) {
      ranges.push_back(prefix.to_string());
    }
    for (const Pool::Attribute& attribute : pool->attributes) {
      const Origin at{pool->where, fmt::format("pools.{}", pool->name)};
      if (attribute.type == "dns") {
        dns.insert(dns.end(), attribute.values.begin(), attribute.values.end());
      } else if (attribute.type == "split_include" || attribute.type == "subnet") {
        note(at, attribute.type, "users are told the networks of local_ts");
      } else {
        warn(at, attribute.type, "is not given to users");
      }
    }
  }
  if (dns.empty()) dns = daemon_.dns;
  table.document.add_list("pool", ranges, table.at);
  if (!dns.empty()) table.document.add_list("dns", dns, table.at);
}

void Translator::add_methods(Table& table, const std::vector<const Connection*>& connections) {
  UserMethods methods;
  for (const Connection* const connection : connections) {
    if (connection->remote.size() > 1 && connections.size() > 1) {
      refuse(origin_of(*connection, connection->remote.back()), "round",
             {"all users of one server go through the same rounds here",
              "keep one connection with the rounds that all of them have"});
    }
    for (const Round& round : connection->remote) add_method(table, *connection, round, methods);
  }
  auto& [eap, certificates, passwords, radius, has_trust] = methods;
  table.document.add("certificates", certificates ? "true" : "false", table.at);
  if (passwords) {
    table.document.add("passwords", "true", table.at);
    add_passwords(table);
  }
  if (!eap.empty()) table.document.add_list("eap", eap, table.at);
  if (!radius) return;
  if (!daemon_.radius || daemon_.radius->servers.empty() || !daemon_.radius->secret) {
    return lack(table.at, "remote.auth",
                {"no RADIUS server is known",
                 "name it in strongswan.conf: charon.plugins.eap-radius.servers"});
  }
  table.document.add_list("radius", daemon_.radius->servers, table.at);
  table.document.add_text("radius_secret", "@radius", table.at);
  table.document.secrets.emplace("radius", daemon_.radius->secret);
  if (daemon_.radius->accounting) table.document.add("radius_accounting", "true", table.at);
}

void Translator::add_method(Table& table, const Connection& connection, const Round& peers,
                            UserMethods& methods) {
  const Origin at = origin_of(connection, peers);
  const std::string& method = peers.auth.eap;
  check_constraints(table, peers);
  if (peers.id.kind != Who::Kind::any && connection.remote.size() == 1) {
    warn(at, "id", "users are who they prove to be, whatever their identity looks like");
  }
  const bool has_certificate =
      peers.auth.kind == Method::pubkey || (peers.auth.kind == Method::eap && method == "tls");
  if (has_certificate) {
    methods.certificates = true;
    if (!std::exchange(methods.has_trust, true)) {
      add_trust(table, peers);
      if (connection.remote.size() == 1) add_revocation(table, peers);
    }
  }
  if (peers.auth.kind == Method::pubkey) return;
  if (peers.auth.kind != Method::eap) {
    refuse(at, "auth",
           {"users prove themselves by a certificate or by EAP here",
            "write auth = pubkey or auth = eap-mschapv2"});
  } else if (method == "radius") {
    methods.radius = true;
  } else if (method == "tls" || method == "mschapv2" || method == "ttls" || method == "peap") {
    methods.eap.push_back(method);
    if (method != "tls") methods.passwords = true;
  } else {
    refuse(at, "auth",
           {fmt::format("{} is not offered to users here",
                        method.empty() ? "whichever method of EAP" : method),
            "write eap-mschapv2, eap-tls, eap-ttls, eap-peap or eap-radius"});
  }
}

void Translator::add_passwords(Table& table) {
  for (const Secret& secret : credentials_.secrets()) {
    const Origin at{secret.where, fmt::format("secrets.{}", secret.name)};
    if (secret.kind == Secret::Kind::ntlm) {
      warn(at, "secret", "a hash of a password lets nobody in here",
           "write the password into a section eap-NAME");
    }
    if (secret.kind != Secret::Kind::eap && secret.kind != Secret::Kind::xauth) continue;
    for (const Who& owner : secret.owners) {
      if (owner.kind == Who::Kind::any || owner.text.find('/') != std::string::npos ||
          owner.text.starts_with('.')) {
        warn(at, "id", fmt::format("{} cannot be a user's name here", config::quoted(owner.text)));
        continue;
      }
      table.document.users.emplace(owner.text, secret.value);
    }
  }
}

void Translator::add_groups(Table& table, const std::vector<const Connection*>& connections) {
  bool has_groups = false;
  Document groups;
  for (const Connection* const connection : connections) {
    const Round& peers = connection->remote.back();
    const Origin at = origin_of(*connection, peers);
    for (const std::string& group : peers.groups) {
      has_groups = true;
      groups.table(fmt::format("group.{}", free_name(group)), at);
      groups.add_list("filters", {group}, at);
    }
    if (!peers.cert_policy.empty()) {
      has_groups = true;
      groups.table(fmt::format("group.{}", free_name(connection->name)), at);
      groups.add_list("policies", peers.cert_policy, at);
    }
  }
  if (!has_groups) return;
  table.document.add_text("others", "refuse", table.at);
  table.document.append(groups);
}

}  // namespace caponier::swan
