#include "swan/translate.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/values.h"
#include "swan/translator.h"

namespace caponier::swan {

Origin origin_of(const Connection& connection) {
  return {connection.where, fmt::format("connections.{}", connection.name)};
}
Origin origin_of(const Connection& connection, const Child& child) {
  return {child.where, fmt::format("connections.{}.children.{}", connection.name, child.name)};
}
Origin origin_of(const Connection& connection, const Round& round) {
  return {round.where, fmt::format("connections.{}.{}", connection.name, round.name)};
}

std::vector<base::Prefix> prefixes_of(const base::IpAddress& first, const base::IpAddress& last) {
  std::vector<base::Prefix> prefixes;
  base::IpAddress at = first;
  for (;;) {
    unsigned length = at.bit_count();
    // As wide as its own low bits are zero and its end does not pass `last`.
    while (length > 0 && at.with_low_bits(length - 1, false) == at &&
           at.with_low_bits(length - 1, true) <= last) {
      --length;
    }
    prefixes.push_back({at, length});
    const base::IpAddress end = at.with_low_bits(length, true);
    const auto next = end.next();
    if (end == last || !next) return prefixes;
    at = *next;
  }
}

Document translate(const Everything& all, const Credentials& credentials,
                   const DaemonSettings& daemon, Report& report) {
  return Translator{all, credentials, daemon, report}.run();
}

void Translator::refuse(const Origin& at, std::string_view key, const Fault& fault) {
  report_.error(at.where, key.empty() ? at.path : fmt::format("{}.{}", at.path, key), fault);
}
void Translator::lack(const Origin& at, std::string_view key, const Fault& fault) {
  report_.lack(at.where, fmt::format("{}.{}", at.path, key), fault);
}
void Translator::warn(const Origin& at, std::string_view key, std::string message,
                      std::string fix) {
  report_.warn(at.where, fmt::format("{}.{}", at.path, key), std::move(message), std::move(fix));
}
void Translator::note(const Origin& at, std::string_view key, std::string message) {
  report_.note(at.where, fmt::format("{}.{}", at.path, key), std::move(message));
}

Document Translator::run() {
  document_ = daemon_.daemon;
  for (const Connection& connection : all_.connections) translate_connection(connection);
  write_servers();
  document_.append(policies_);
  for (const Authority& authority : all_.authorities) {
    const Origin at{authority.where, fmt::format("authorities.{}", authority.name)};
    if (!authority.crl_uris.empty() || !authority.ocsp_uris.empty()) {
      warn(at, "crl_uris", "revocation is asked for where certificates say, and nowhere else",
           "put the URIs into the certificates, or the CRL into a file");
    }
    if (!authority.cert_uri_base.empty()) {
      warn(at, "cert_uri_base", "certificates are not sent by hash and URL on their own",
           "add cert_url = \"http://...\" to the tunnel whose certificate is to be had there");
    }
  }
  return std::move(document_);
}

std::string Translator::free_name(std::string_view wanted) {
  const std::string base = safe_name(wanted);
  std::string name = base;
  for (unsigned i = 2; names_.contains(name) || name == "users"; ++i) {
    name = fmt::format("{}-{}", base, i);
  }
  names_.insert(name);
  return name;
}

void Translator::finish(Table& table, std::size_t errors_before) {
  if (report_.error_count() == errors_before) document_.append(table.document);
}

std::optional<base::IpAddress> Translator::fixed(const std::vector<Host>& hosts) const {
  const auto host = std::ranges::find(hosts, Host::Kind::address, &Host::kind);
  return host == hosts.end() ? std::nullopt : std::optional{host->first};
}

bool is_eap(const Round& round) { return round.auth.kind == AuthMethod::Kind::eap; }

void Translator::translate_connection(const Connection& connection) {
  const std::size_t errors = report_.error_count();
  const Origin at = origin_of(connection);
  check_connection(connection, at);
  for (const Child& child : connection.children) {
    const bool is_shunt = child.mode == Mode::pass || child.mode == Mode::drop;
    if (!is_shunt) check_child(connection, child, origin_of(connection, child));
  }
  if (report_.error_count() != errors) return;
  std::vector<const Child*> tunnels;
  for (const Child& child : connection.children) {
    if (child.mode == Mode::pass || child.mode == Mode::drop) {
      write_shunt(connection, child);
    } else {
      tunnels.push_back(&child);
    }
  }
  if (tunnels.empty()) {
    if (connection.children.empty()) {
      refuse(at, "children", {"there is no tunnel in it", "add a section to children"});
    }
    return;
  }
  if (!connection.pools.empty()) {
    servers_.push_back(&connection);
    return;
  }
  const bool is_client = !connection.vips.empty() || std::ranges::any_of(connection.local, is_eap);
  if (!is_client) {
    const std::vector<Connection> many = for_each_key(connection);
    for (const Connection& one : many) write_tunnel(one, tunnels);
    if (many.empty()) write_tunnel(connection, tunnels);
    return;
  }
  if (tunnels.size() > 1) {
    refuse(at, "children",
           {fmt::format("{} children: a client has one here", tunnels.size()),
            "put their networks into one child"});
    return;
  }
  write_client(connection, *tunnels.front());
}

void Translator::check_connection(const Connection& connection, const Origin& at) {
  if (connection.ppk_required) {
    refuse(at, "ppk_required",
           {"post-quantum preshared keys (RFC 8784) are not used here", "write ppk_required = no"});
  } else if (!connection.ppk_id.empty()) {
    warn(at, "ppk_id", "has no effect: keys are not mixed with a preshared key (RFC 8784) here");
  }
  for (const auto& [key, id] :
       {std::pair{"if_id_in", connection.if_id_in}, std::pair{"if_id_out", connection.if_id_out}}) {
    if (id.kind == Mark::Kind::none) continue;
    refuse(at, key,
           {"XFRM interfaces are the kernel's, and packets are not carried by it here",
            "remove it, and name the networks in local_ts and remote_ts"});
  }
  if (connection.local_port != 500 && connection.local_port != 0) {
    refuse(at, "local_port",
           {"one port serves all connections here",
            "write ike_port into [daemon], and remove local_port"});
  }
  if (connection.dscp != 0) warn(at, "dscp", "has no effect: IKE packets have code point 0");
  if (connection.send_cert == SendCert::never) {
    warn(at, "send_cert", "our certificate is sent all the same, when the peer asks for it");
  }
  if (!connection.send_certreq) {
    warn(at, "send_certreq", "certificates are asked for all the same");
  }
  if (connection.childless == Childless::force) {
    warn(at, "childless", "is preferred, and not enforced");
  }
  if (connection.fragmentation == Fragmentation::accept) {
    warn(at, "fragmentation", "messages are also sent in fragments");
  }
}

void Translator::check_child(const Connection& connection, const Child& child, const Origin& at) {
  const std::pair<std::string_view, const Mark*> marks[] = {
      {"mark_in", &child.mark_in},         {"mark_out", &child.mark_out},
      {"set_mark_in", &child.set_mark_in}, {"set_mark_out", &child.set_mark_out},
      {"if_id_in", &child.if_id_in},       {"if_id_out", &child.if_id_out}};
  for (const auto& [key, mark] : marks) {
    if (mark->kind == Mark::Kind::none) continue;
    refuse(at, key,
           {"marks and interfaces of the kernel say nothing here: packets are not carried by it",
            "remove it, and let local_ts and remote_ts say what goes through the tunnel"});
  }
  if (child.per_cpu_sas == PerCpu::encap) {
    warn(at, "per_cpu_sas", "each CPU has an SA, but all leave by one port");
  }
  const bool is_site = child.mode != Mode::transport && connection.vips.empty();
  const bool wants_again = child.dpd_action.start || child.close_action.start;
  if (!is_site && wants_again && !child.start_action.start && !child.start_action.trap) {
    warn(at, child.close_action.start ? "close_action" : "dpd_action",
         "a tunnel that is not started at once does not come back by itself",
         "write start_action = start");
  }
  for (const Round& round : connection.remote) {
    if (round.auth.kind != AuthMethod::Kind::any) continue;
    refuse(origin_of(connection, round), "auth",
           {"'any' leaves open how the peer proves who it is", "write pubkey or psk"});
  }
}

std::optional<std::vector<std::string>> Translator::reach_of(
    const std::vector<Selector>& selectors, const std::optional<base::IpAddress>& dynamic,
    std::string_view key, const Origin& at) {
  std::vector<std::string> reach;
  for (const Selector& selector : selectors) {
    const policy::TrafficSelector& ts = selector.ts;
    std::string suffix;
    if (ts.protocol != 0 || !ts.is_any_port()) {
      suffix = config::to_text(config::PortRule{ts.protocol, ts.first_port, ts.last_port});
      if (suffix.empty()) {
        refuse(
            at, key,
            {fmt::format("{}: such protocols and ports cannot be said here", selector.to_string()),
             "name a protocol, or tcp and udp with ports; [[policy]] says what else may not "
             "pass"});
        return std::nullopt;
      }
      suffix = fmt::format("[{}]", suffix);
    }
    std::vector<std::string> texts;
    if (selector.is_dynamic && !dynamic) {
      texts.emplace_back("dynamic");
    } else {
      const auto prefixes = selector.is_dynamic
                                ? std::vector{base::Prefix{*dynamic, dynamic->bit_count()}}
                                : prefixes_of(ts.first, ts.last);
      for (const base::Prefix& prefix : prefixes) texts.push_back(prefix.to_string());
    }
    for (const std::string& text : texts) {
      if (std::ranges::find(reach, text + suffix) == reach.end()) reach.push_back(text + suffix);
    }
  }
  return reach;
}

std::optional<std::vector<std::string>> Translator::nets_of(
    const std::vector<Selector>& selectors, const std::optional<base::IpAddress>& dynamic,
    std::string_view key, const Origin& at) {
  std::vector<std::string> nets;
  for (const Selector& selector : selectors) {
    if (selector.ts.protocol != 0 || !selector.ts.is_any_port()) {
      refuse(
          at, key,
          {fmt::format("{}: protocols and ports do not narrow a tunnel here", selector.to_string()),
           "name the networks alone; [[policy]] says what else may not pass"});
      return std::nullopt;
    }
    if (selector.is_dynamic && !dynamic) {
      refuse(at, key,
             {"dynamic stands for an address that is not known here",
              "write the address or the networks"});
      return std::nullopt;
    }
    const auto prefixes = selector.is_dynamic
                              ? std::vector{base::Prefix{*dynamic, dynamic->bit_count()}}
                              : prefixes_of(selector.ts.first, selector.ts.last);
    for (const base::Prefix& prefix : prefixes) {
      std::string text = prefix.to_string();
      if (std::ranges::find(nets, text) == nets.end()) nets.push_back(std::move(text));
    }
  }
  return nets;
}

/// The names of [[policy]] for a selector's protocol and ports.
void Translator::write_shunt(const Connection& connection, const Child& child) {
  const Origin at = origin_of(connection, child);
  if (!child.start_action.trap && !child.start_action.start) {
    return note(at, "start_action", "is not in force until somebody installs it, and left out");
  }
  const auto address_text = [](const Selector& selector) -> std::string {
    if (selector.ts.first == selector.ts.last) return selector.ts.first.to_string();
    policy::TrafficSelector bare{selector.ts.first, selector.ts.last};
    return bare.to_string();
  };
  for (const Selector& local : child.local_ts) {
    for (const Selector& remote : child.remote_ts) {
      if (!local.is_dynamic && !remote.is_dynamic &&
          local.ts.first.family() != remote.ts.first.family()) {
        continue;
      }
      const std::uint8_t protocol = local.ts.protocol != 0 ? local.ts.protocol : remote.ts.protocol;
      if (local.ts.protocol != 0 && remote.ts.protocol != 0 &&
          local.ts.protocol != remote.ts.protocol) {
        continue;
      }
      policies_.list_table("policy", at);
      policies_.add_text("name", fmt::format("{}-{}", connection.name, child.name), at);
      policies_.add_text("action", child.mode == Mode::pass ? "bypass" : "discard", at);
      if (!local.is_dynamic) policies_.add_list("local", {address_text(local)}, at);
      if (!remote.is_dynamic) policies_.add_list("remote", {address_text(remote)}, at);
      if (protocol != 0) policies_.add_text("protocol", fmt::format("{}", protocol), at);
      const auto ports = [&](std::string_view key, const policy::TrafficSelector& ts) {
        if (ts.is_any_port()) return;
        if (protocol == 1 || protocol == 58) {
          return policies_.add_list("types", {fmt::format("{}", ts.first_port >> 8)}, at);
        }
        const bool is_opaque = ts.first_port > ts.last_port;
        const bool is_one = ts.first_port == ts.last_port;
        policies_.add_list(key,
                           {is_opaque ? "opaque"
                            : is_one  ? fmt::format("{}", ts.first_port)
                                      : fmt::format("{}-{}", ts.first_port, ts.last_port)},
                           at);
      };
      ports("local_ports", local.ts);
      ports("remote_ports", remote.ts);
    }
  }
}

}  // namespace caponier::swan
