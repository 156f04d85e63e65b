// The keys of a tunnel between networks or hosts.

#include <algorithm>

#include <fmt/format.h>

#include "swan/translator.h"

namespace caponier::swan {

namespace {

constexpr base::Duration lifetime_min = std::chrono::seconds{10};
constexpr base::Duration lifetime_max = std::chrono::days{30};

std::string_view unique_text(Unique unique) {
  switch (unique) {
    case Unique::no: return "no";
    case Unique::never: return "never";
    case Unique::keep: return "keep";
    case Unique::replace: return "replace";
  }
  return {};
}

std::vector<std::string> texts_of(const Proposals& proposals) {
  std::vector<std::string> all;
  for (const policy::Offer& offer : proposals.offers) all.push_back(to_text(offer));
  return all;
}

bool is_whole_host(const std::vector<Selector>& selectors,
                   const std::optional<base::IpAddress>& address) {
  return selectors.size() == 1 &&
         (selectors.front().is_dynamic || (address && selectors.front().ts.first == *address &&
                                           selectors.front().ts.last == *address));
}

bool is_reachable(const Host& host) {
  return host.kind == Host::Kind::address || host.kind == Host::Kind::name;
}

/// As `remote` has them: where we go first, then where else, then from where the peer may come.
std::vector<std::string> remotes_of(const Connection& connection) {
  std::vector<std::string> all;
  const auto first = std::ranges::find_if(connection.remote_addrs, is_reachable);
  if (first != connection.remote_addrs.end()) all.push_back(first->text);
  const auto add = [&](std::string text) {
    if (std::ranges::find(all, text) == all.end()) all.push_back(std::move(text));
  };
  for (const Host& host : connection.remote_addrs) {
    if (host.kind == Host::Kind::address) add(host.first.to_string());
  }
  for (const Host& host : connection.remote_addrs) {
    if (host.kind == Host::Kind::any && all.empty()) return {"any"};
    if (host.kind == Host::Kind::any) {
      add("0.0.0.0/0");
      add("::/0");
    }
    if (host.kind != Host::Kind::range) continue;
    for (const base::Prefix& net : prefixes_of(host.first, host.last)) add(net.to_string());
  }
  return all;
}

/// Instead of the script that comes with strongSwan or libreswan, which are perhaps no longer
/// there.
constexpr std::string_view updown_program = "/usr/libexec/caponier/updown";

/// Empty: the program is not named by its path.
std::string own_updown(std::string_view command) {
  constexpr std::string_view wrapper = "ipsec ";
  constexpr std::string_view script = "_updown";
  const bool is_wrapped = command.starts_with(wrapper);
  const std::string_view plain = is_wrapped ? command.substr(wrapper.size()) : command;
  const std::size_t end = std::min(plain.find(' '), plain.size());
  const std::string_view program = plain.substr(0, end);
  const std::string_view name = program.substr(program.find_last_of('/') + 1);
  const bool is_theirs = name == script && (is_wrapped || program.starts_with('/'));
  if (is_theirs) return std::string{updown_program} + std::string{plain.substr(end)};
  return program.starts_with('/') && !is_wrapped ? std::string{command} : std::string{};
}

}  // namespace

void Translator::write_tunnel(const Connection& connection,
                              const std::vector<const Child*>& children) {
  const std::size_t errors = report_.error_count();
  const Child& child = *children.front();
  const bool is_one = children.size() == 1;
  const Origin at = is_one ? origin_of(connection, child) : origin_of(connection);
  Table table{connection, {}, free_name(connection.name), origin_of(connection)};
  const bool is_host = is_one && child.mode == Mode::transport;
  const auto user = std::ranges::find_if(connection.remote, is_eap);
  if (user != connection.remote.end()) {
    refuse(origin_of(connection, *user), "auth",
           {"users get an address here, and this connection has none for them",
            "add a pool: pools = NAME"});
  }
  table.document.comment(fmt::format("{} of {}", at.path, connection.where.to_string()));
  table.document.table(fmt::format("{}.{}", is_host ? "host" : "site", table.name), table.at);
  add_ends(table);
  add_identities(table, false);
  add_proof(table, is_host ? Kind::host : Kind::site);
  if (is_host) {
    const bool whole = is_whole_host(child.local_ts, fixed(connection.local_addrs)) &&
                       is_whole_host(child.remote_ts, fixed(connection.remote_addrs));
    const auto& ts = child.remote_ts.front().ts;
    const bool narrows = child.local_ts.front().ts.protocol != 0 || ts.protocol != 0 ||
                         !child.local_ts.front().ts.is_any_port() || !ts.is_any_port();
    if (!whole || narrows) {
      refuse(at, "mode",
             {"transport mode is between the two hosts, for all of their traffic",
              "write local_ts = dynamic and remote_ts = dynamic, or mode = tunnel"});
    }
  } else if (is_one) {
    add_nets(table, child, at);
  }
  add_offers(table, children);
  if (is_one) add_start(table, child, at);
  if (is_one && !is_host) add_after(table, child, at);
  add_exchange(table);
  if (!is_host && !connection.mobike) table.document.add("mobike", "false", table.at);
  add_ike_lifetimes(table);
  if (is_one) {
    add_child_lifetimes(table, child, at);
    add_treatment(table, child, at);
  }
  add_rounds(table, fmt::format("{}.{}", is_host ? "host" : "site", table.name));
  if (!is_one) {
    for (const Child* const one : children) write_child(table, *one);
  }
  finish(table, errors);
}

void Translator::write_child(Table& table, const Child& child) {
  const Origin at = origin_of(table.connection, child);
  if (child.mode == Mode::transport) {
    refuse(at, "mode",
           {"a tunnel with several children has none in transport mode here",
            "give it a connection of its own"});
    return;
  }
  table.document.table(fmt::format("site.{}.children.{}", table.name, safe_name(child.name)), at);
  add_nets(table, child, at);
  add_child_offers(table, child, at);
  add_start(table, child, at);
  add_after(table, child, at);
  add_child_lifetimes(table, child, at);
  add_treatment(table, child, at);
}

void Translator::add_ends(Table& table) {
  const Connection& connection = table.connection;
  const std::vector<std::string> remotes = remotes_of(connection);
  if (remotes.size() == 1 && remotes.front().find('/') == std::string::npos) {
    table.document.add_text("remote", remotes.front(), table.at);
  } else {
    table.document.add_list("remote", remotes, table.at);
  }
  for (const Host& host : connection.remote_addrs) {
    if (host.kind != Host::Kind::name || host.text == remotes.front()) continue;
    warn(
        table.at, "remote_addrs",
        fmt::format("{} is left out: only the first may be a name here", config::quoted(host.text)),
        "write its address");
  }
  if (connection.remote_port != 500) {
    table.document.add("remote_port", fmt::format("{}", connection.remote_port), table.at);
  }
  if (connection.local_addrs.size() > 1) {
    warn(
        table.at, "local_addrs",
        "the peer is answered at all of our addresses, and called from the one that the route uses",
        "write the one that is meant");
  } else if (const auto local = fixed(connection.local_addrs)) {
    table.document.add_text("local", local->to_string(), table.at);
  } else if (connection.local_addrs.front().kind != Host::Kind::any) {
    warn(table.at, "local_addrs", "our address is the one the route to the peer uses");
  }
}

std::optional<std::string> Translator::identity_text(const Who& who, const Origin& at,
                                                     std::string_view key) {
  if (who.kind == Who::Kind::any) return std::nullopt;
  if (who.kind == Who::Kind::regex) {
    refuse(at, key,
           {fmt::format("{}: such patterns cannot be configured here", config::quoted(who.text)),
            "write one identity, *.example.org, *@example.org or a distinguished name with \"*\""});
    return std::nullopt;
  }
  std::optional<policy::IdentityPattern> pattern = who.pattern;
  if (who.kind == Who::Kind::name || who.kind == Who::Kind::name_pattern) {
    const auto name = credentials_.pki() == nullptr
                          ? std::expected<policy::IdentityPattern, std::string>{std::unexpected{
                                "no certificates"}}
                          : credentials_.pki()->name_pattern(who.text);
    if (!name) {
      refuse(at, key,
             {fmt::format("{}: {}", config::quoted(who.text), name.error()),
              "write a distinguished name such as \"C=CH, O=Example, CN=gw\""});
      return std::nullopt;
    }
    // strongSwan has no ", *" at the end; what it has is said in the same way here.
    return who.text;
  }
  std::string text = pattern->to_string();
  if (const policy::Identity* const one = pattern->only()) {
    const bool is_hex = one->type == wire::IdType::key_id;
    if (is_hex) text = "keyid:" + base::to_hex(one->data);
    if (policy::Identity::parse(text) != *one) {
      refuse(at, key,
             {fmt::format("{}: identities of this kind cannot be configured here",
                          config::quoted(who.text)),
              "write an address, a name, user@host or keyid:"});
      return std::nullopt;
    }
  }
  return text;
}

void Translator::add_identities(Table& table, bool is_anybody) {
  const Round& own = table.connection.local.front();
  const Round& peers = table.connection.remote.front();
  if (own.auth.kind != AuthMethod::Kind::null) {
    if (const auto id = identity_text(own.id, origin_of(table.connection, own), "id")) {
      table.document.add_text("local_id", *id, table.at);
    }
  }
  if (is_anybody || peers.auth.kind == AuthMethod::Kind::null) return;
  if (const auto id = identity_text(peers.id, origin_of(table.connection, peers), "id")) {
    table.document.add_text("remote_id", *id, table.at);
  }
}

void Translator::add_nets(Table& table, const Child& child, const Origin& at) {
  const auto local = reach_of(child.local_ts, fixed(table.connection.local_addrs), "local_ts", at);
  const auto remote =
      reach_of(child.remote_ts, fixed(table.connection.remote_addrs), "remote_ts", at);
  if (!local || !remote) return;
  table.document.add_list("local_nets", *local, at);
  table.document.add_list("remote_nets", *remote, at);
  if (child.mode == Mode::beet) table.document.add_text("mode", "beet", at);
}

void Translator::add_offers(Table& table, const std::vector<const Child*>& children) {
  table.document.add_list("ike", texts_of(table.connection.proposals), table.at);
  bool is_weak = !table.connection.proposals.weak.empty();
  for (const Child* const child : children) {
    if (children.size() == 1) add_child_offers(table, *child, origin_of(table.connection, *child));
    is_weak = is_weak || !child->esp.weak.empty() || !child->ah.weak.empty();
  }
  if (is_weak) table.document.add_text("compat", "legacy", table.at);
}

void Translator::add_child_offers(Table& table, const Child& child, const Origin& at) {
  if (child.ah.offers.empty()) {
    table.document.add_list("esp", texts_of(child.esp), at);
    return;
  }
  table.document.add_list("ah", texts_of(child.ah), at);
  if (!child.esp.offers.empty()) warn(at, "esp_proposals", "are not offered beside those of AH");
}

void Translator::add_start(Table& table, const Child& child, const Origin& at) {
  const bool is_anybody = std::ranges::none_of(table.connection.remote_addrs, [](const Host& host) {
    return host.kind == Host::Kind::address || host.kind == Host::Kind::name;
  });
  const Actions& start = child.start_action;
  if (is_anybody) {
    if (start.start || start.trap) {
      warn(at, "start_action", "nobody is known who could be called; the peer may come");
    }
  } else if (start.start) {
    table.document.add("start", "true", at);
  } else if (start.trap) {
    table.document.add_text("start", "trap", at);
  } else {
    table.document.add("start", "false", at);
  }
}

void Translator::add_after(Table& table, const Child& child, const Origin& at) {
  // One that is started comes again in any case.
  if (child.start_action.start) return;
  const auto add = [&](std::string_view key, const Actions& actions) {
    if (actions.start) {
      table.document.add_text(key, "start", at);
    } else if (actions.trap && !child.start_action.trap) {
      table.document.add_text(key, "trap", at);
    }
  };
  add("after_close", child.close_action);
  add("after_loss", child.dpd_action);
}

void Translator::add_exchange(Table& table) {
  const Connection& connection = table.connection;
  Document& out = table.document;
  // Without "always", strongSwan sends native ESP unless there is a NAT.
  out.add_text("encap", connection.encap ? "always" : "native", table.at);
  if (connection.dpd_delay > base::Duration{}) {
    out.add_text("dpd",
                 toml_time(std::min<base::Duration>(connection.dpd_delay, std::chrono::days{1})),
                 table.at);
  }
  if (daemon_.keepalive) out.add_text("keepalive", toml_time(*daemon_.keepalive), table.at);
  if (connection.fragmentation == Fragmentation::no) {
    out.add("fragmentation", "false", table.at);
  } else if (daemon_.fragment_size) {
    out.add("fragment_size", fmt::format("{}", *daemon_.fragment_size), table.at);
  }
  if (connection.childless == Childless::never) out.add_text("childless", "never", table.at);
  if (connection.childless == Childless::prefer || connection.childless == Childless::force) {
    out.add_text("childless", "prefer", table.at);
  }
  out.add_text("unique", unique_text(connection.unique), table.at);
}

void Translator::add_ike_lifetimes(Table& table) {
  const Connection& connection = table.connection;
  const auto lifetime = [&](std::string_view key, std::string_view theirs, base::Duration time) {
    if (time < lifetime_min || time > lifetime_max) {
      warn(table.at, theirs,
           fmt::format("becomes {}", toml_time(std::clamp(time, lifetime_min, lifetime_max))));
    }
    table.document.add_text(key, toml_time(std::clamp(time, lifetime_min, lifetime_max)), table.at);
  };
  if (connection.rekey_time > base::Duration{}) {
    lifetime("ike_lifetime", "rekey_time", connection.rekey_time);
  } else {
    // Never, as far as that can be said.
    table.document.add_text("ike_lifetime", toml_time(lifetime_max), table.at);
  }
  if (connection.reauth_time > base::Duration{}) {
    lifetime("reauth", "reauth_time", connection.reauth_time);
  }
  if (connection.rand_time != std::max(connection.rekey_time, connection.reauth_time) / 10) {
    note(table.at, "rand_time", "keys are replaced up to a tenth earlier, by chance");
  }
}

void Translator::add_child_lifetimes(Table& table, const Child& child, const Origin& at) {
  Document& out = table.document;
  const base::Duration time =
      child.times.rekey > base::Duration{} ? child.times.rekey : child.times.life;
  const base::Duration taken =
      time > base::Duration{} ? std::clamp(time, lifetime_min, lifetime_max) : lifetime_max;
  if (time > base::Duration{} && taken != time) {
    warn(at, "rekey_time", fmt::format("becomes {}", toml_time(taken)));
  }
  out.add_text("lifetime", toml_time(taken), at);
  const bool is_usual = child.times.life == child.times.rekey + child.times.rekey / 10 &&
                        child.times.rand == child.times.life - child.times.rekey;
  if (!is_usual) {
    note(at, "life_time",
         "keys are replaced up to a tenth before rekey_time, and stop working a quarter after it");
  }
  constexpr std::uint64_t bytes_min = std::uint64_t{1} << 20;
  constexpr std::uint64_t packets_min = 1000;
  if (child.bytes.rekey > 0) {
    const std::uint64_t bytes = std::max(child.bytes.rekey, bytes_min);
    if (bytes != child.bytes.rekey) warn(at, "rekey_bytes", "becomes 1M");
    out.add_text("lifetime_bytes", fmt::format("{}K", (bytes + 1023) / 1024), at);
  }
  if (child.packets.rekey > 0) {
    const std::uint64_t packets = std::max(child.packets.rekey, packets_min);
    if (packets != child.packets.rekey) warn(at, "rekey_packets", "becomes 1000");
    out.add("lifetime_packets", fmt::format("{}", packets), at);
  }
}

void Translator::add_treatment(Table& table, const Child& child, const Origin& at) {
  Document& out = table.document;
  if (child.replay_window == 0) {
    out.add("replay_window", "0", at);
  } else if (child.replay_window > 32) {
    out.add("replay_window", fmt::format("{}", std::min(child.replay_window, 65536U)), at);
  }
  if (!child.copy_df) out.add_text("df", "clear", at);
  if (!child.copy_ecn) out.add("ecn", "false", at);
  if (child.copy_dscp == CopyDscp::in || child.copy_dscp == CopyDscp::no) out.add("dscp", "0", at);
  if (child.copy_dscp == CopyDscp::in || child.copy_dscp == CopyDscp::yes) {
    out.add("dscp_inward", "true", at);
  }
  if (child.tfc_padding == tfc_to_mtu) {
    out.add_text("tfc_padding", "mtu", at);
  } else if (child.tfc_padding > 0) {
    out.add("tfc_padding", fmt::format("{}", std::min(child.tfc_padding, 9000U)), at);
  }
  if (child.per_cpu_sas != PerCpu::no) out.add("per_cpu_sas", "true", at);
  add_company(table, child, at);
}

void Translator::add_company(Table& table, const Child& child, const Origin& at) {
  if (child.inactivity > base::Duration{}) {
    table.document.add_text(
        "inactivity", toml_time(std::min<base::Duration>(child.inactivity, lifetime_max)), at);
  }
  if (child.updown.empty()) return;
  const std::string command = own_updown(child.updown);
  if (command.empty()) {
    warn(at, "updown",
         fmt::format("{} is not run: it is not named by its path", config::quoted(child.updown)),
         "write the program's path from the root");
    return;
  }
  if (command != child.updown) note(at, "updown", fmt::format("our own is run: {}", command));
  table.document.add_text("updown", command, at);
  if (child.hostaccess) table.document.add("hostaccess", "true", at);
}

}  // namespace caponier::swan
