#include "config/peer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "base/event.h"
#include "config/durations.h"
#include "config/policy_section.h"
#include "config/words.h"

namespace caponier::config {

namespace {

using Example = std::string_view;

constexpr KeySpec required(std::string_view name, Example example) { return {name, true, example}; }
constexpr KeySpec optional(std::string_view name, Example example) {
  return {name, false, example};
}

constexpr std::array common_keys = {
    required("remote", "\"203.0.113.9\""),
    required("psk", "\"@NAME\""),
    optional("cert", "\"certs/gw.pem\""),
    optional("key", "\"certs/gw.key\""),
    optional("key_passphrase", "\"@gw.key\""),
    optional("ca", "[\"ca/ca.pem\"]"),
    optional("crl", "[\"crl/ca.crl\"]"),
    optional("revocation", "\"strict\""),
    optional("hash_and_url", "[\"http://certs.example.org/\"]"),
    optional("cert_url", "\"http://certs.example.org/gw.der\""),
    optional("peer_key", "\"cv1:...\""),
    optional("local", "\"198.51.100.1\""),
    optional("local_id", "\"gw.example.org\""),
    optional("remote_id", "\"branch.example.org\""),
    optional("remote_port", "500"),
    optional("ike", "[\"aes256gcm16-prfsha384-x25519\"]"),
    optional("esp", "[\"aes256gcm16\"]"),
    optional("ah", "[\"sha256\"]"),
    optional("compat", "\"legacy\""),
    optional("encap", "\"auto\""),
    optional("tcp", "\"fallback\""),
    optional("start", "true"),
    optional("pfp", "[\"remote_address\"]"),
    optional("per_cpu_sas", "true"),
    optional("dpd", "\"30s\""),
    optional("keepalive", "\"20s\""),
    optional("lifetime", "\"1h\""),
    optional("lifetime_bytes", "\"100G\""),
    optional("lifetime_packets", "1000000000"),
    optional("ike_lifetime", "\"8h\""),
    optional("reauth", "\"24h\""),
    optional("auth_lifetime", "\"24h\""),
    optional("replay_window", "4096"),
    optional("retry_min", "\"1s\""),
    optional("retry_max", "\"1m\""),
    optional("fragmentation", "true"),
    optional("fragment_size", "1280"),
    optional("auth", "\"psk\""),
    optional("remote_auth", "\"psk\""),
    optional("local_rounds", "[{auth = \"pubkey\"}, {auth = \"eap\"}]"),
    optional("remote_rounds", "[{auth = \"pubkey\"}, {auth = \"pubkey\"}]"),
    optional("peer", "\"windows\""),
    optional("childless", "\"allow\""),
    optional("unique", "\"replace\""),
    optional("redirect", "true"),
    optional("redirect_to", "\"gw2.example.org\""),
    optional("resumption", "true"),
    optional("crash_detection", "true"),
    optional("mtu", "1500"),
    optional("fragment", "\"before\""),
    optional("clamp_mss", "true"),
    optional("df", "\"copy\""),
    optional("dscp", "\"copy\""),
    optional("dscp_inward", "true"),
    optional("ecn", "true"),
    optional("ttl", "64"),
    optional("flow_label", "\"copy\""),
    optional("tfc_padding", "1400"),
    optional("dummy_packets", "\"100ms\""),
    optional("updown", "\"/etc/caponier/updown\""),
    optional("hostaccess", "true"),
    optional("inactivity", "\"10m\""),
};

constexpr std::array site_keys = {
    required("local_nets", "[\"10.1.0.0/16\"]"),
    required("remote_nets", "[\"10.2.0.0/16\"]"),
    optional("mobike", "true"),
    optional("mode", "\"beet\""),
    optional("after_close", "\"trap\""),
    optional("after_loss", "\"start\""),
    optional("children", "a table for each: [site.NAME.children.CHILD]"),
};

/// Of a site's, those that each of several children may have for itself.
constexpr std::array<std::string_view, 28> child_key_names = {"esp",
                                                              "ah",
                                                              "compat",
                                                              "start",
                                                              "pfp",
                                                              "per_cpu_sas",
                                                              "lifetime",
                                                              "lifetime_bytes",
                                                              "lifetime_packets",
                                                              "replay_window",
                                                              "fragment",
                                                              "clamp_mss",
                                                              "df",
                                                              "dscp",
                                                              "dscp_inward",
                                                              "ecn",
                                                              "ttl",
                                                              "flow_label",
                                                              "tfc_padding",
                                                              "dummy_packets",
                                                              "updown",
                                                              "hostaccess",
                                                              "inactivity",
                                                              "local_nets",
                                                              "remote_nets",
                                                              "mode",
                                                              "after_close",
                                                              "after_loss"};

constexpr std::array client_keys = {
    optional("user", "\"alice\""),
    optional("password", "\"@alice\""),
    optional("eap_server", "\"radius.example.org\""),
    optional("remote_nets", "[\"10.1.0.0/16\"]"),
    optional("mobike", "true"),
};

constexpr std::array server_keys = {
    required("name", "\"vpn.example.org\""),
    required("pool", "[\"10.9.0.0/24\"]"),
    optional("local_nets", "[\"10.1.0.0/16\"]"),
    optional("addresses", "[\"10.1.0.1\"]"),
    optional("dns", "[\"10.1.0.53\"]"),
    optional("wins", "[\"10.1.0.44\"]"),
    optional("domains", "[\"example.org\"]"),
    optional("dns_encrypted", "[\"tls://dns.example.org\"]"),
    optional("certificates", "true"),
    optional("passwords", "true"),
    optional("eap", "[\"ttls\", \"peap\", \"mschapv2\"]"),
    optional("radius", "[\"10.1.0.5\"]"),
    optional("radius_secret", "\"@radius\""),
    optional("radius_accounting", "true"),
    optional("radius_interim", "\"10m\""),
    optional("radius_coa", "\"10.1.0.1:3799\""),
    optional("radius_coa_clients", "[\"10.1.0.5\"]"),
    optional("others", "\"refuse\""),
    optional("session_timeout", "\"12h\""),
    optional("idle_timeout", "\"30m\""),
    optional("mobike", "true"),
};

/// What a server has no use for: its users come from anywhere.
constexpr std::array<std::string_view, 10> not_servers = {
    "remote", "psk", "local_id",    "remote_id", "remote_port",
    "start",  "pfp", "per_cpu_sas", "auth",      "remote_auth"};

constexpr std::array host_keys = {
    optional("ports", "[\"tcp/5432\"]"),
};

constexpr std::array daemon_keys = {
    optional("listen", "[\"198.51.100.1\"]"),
    optional("ike_port", "500"),
    optional("natt_port", "4500"),
    optional("window", "4"),
    optional("tcp_ports", "[4500, 443]"),
    optional("tun", "\"caponier%d\""),
    optional("workers", "4"),
    optional("pin_workers", "true"),
    optional("clear_side", "\"packet\""),
    optional("clear_interfaces", "[\"lan0\"]"),
    optional("outer_side", "\"xdp\""),
    optional("outer_interfaces", "[\"eth0\"]"),
    optional("mtu", "1400"),
    optional("redirect_to", "\"gw2.example.org\""),
    optional("redirect_above", "1000"),
    optional("half_open_max", "1024"),
    optional("cookie_threshold", "100"),
    optional("puzzle_threshold", "512"),
    optional("expiry_warning", "\"28d\""),
    optional("vici", "\"/run/charon.vici\""),
    optional("metrics", "\"127.0.0.1:9814\""),
    optional("compat_metrics", "true"),
    optional("filelog", "\"/var/log/charon.log\""),
    optional("filelog_time", "\"%b %e %T\""),
    optional("audit", "true"),
    optional("unmatched", "\"discard\""),
};

constexpr std::array unmatched_words = {
    Word<Unmatched>{"pass", Unmatched::pass},
    Word<Unmatched>{"discard", Unmatched::discard},
};

constexpr std::array debug_keys = {
    optional("allow_key_export", "true"),
};

std::vector<KeySpec> schema_of(PeerKind kind) {
  std::vector<KeySpec> schema{common_keys.begin(), common_keys.end()};
  switch (kind) {
    case PeerKind::site: schema.insert(schema.end(), site_keys.begin(), site_keys.end()); break;
    case PeerKind::host: schema.insert(schema.end(), host_keys.begin(), host_keys.end()); break;
    case PeerKind::client:
      schema.insert(schema.end(), client_keys.begin(), client_keys.end());
      break;
    case PeerKind::server:
      std::erase_if(schema, [](const KeySpec& key) {
        return std::ranges::find(not_servers, key.name) != not_servers.end();
      });
      schema.insert(schema.begin(), server_keys.begin(), server_keys.end());
      break;
  }
  return schema;
}

std::string title_of(PeerKind kind, std::string_view name) {
  switch (kind) {
    case PeerKind::site: return fmt::format("[site.{}]", base::printable(name));
    case PeerKind::host: return fmt::format("[host.{}]", base::printable(name));
    case PeerKind::client: return fmt::format("[client.{}]", base::printable(name));
    case PeerKind::server: break;
  }
  return "[server]";
}

struct RemoteOrNet {
  Remote remote;
  std::optional<base::Prefix> net;
  friend bool operator==(const RemoteOrNet& a, const RemoteOrNet& b) {
    return a.remote.text == b.remote.text && a.net == b.net;
  }
};

Parsed<RemoteOrNet> parse_remote_or_net(std::string_view text) {
  if (text.find('/') != std::string_view::npos) {
    return RemoteOrNet{{std::string{text}, {}, true}, TRY(parse_prefix(text))};
  }
  return RemoteOrNet{TRY(parse_remote(text)), {}};
}

/// The first that can be reached is where we go; a peer may come from all of them.
void read_remotes(Section& section, PeerDraft& draft) {
  PeerConfig& peer = draft.peer;
  bool is_reachable = false;
  for (auto& [value, where] : section.list("remote", parse_remote_or_net)) {
    if (!draft.remote) draft.remote = where;
    if (value.net) {
      peer.remote_within.push_back(*value.net);
    } else if (value.remote.any || (is_reachable && !value.remote.address)) {
      section.note(where, "remote",
                   {value.remote.any ? "\"any\" leaves nothing for others to add"
                                     : "only the first may be a name",
                    "write addresses and networks behind the first"});
    } else if (is_reachable) {
      peer.remote_more.push_back(*value.remote.address);
    } else {
      is_reachable = true;
      peer.remote = std::move(value.remote.text);
      peer.remote_address = value.remote.address;
    }
  }
  if (is_reachable || peer.remote_within.empty()) return;
  peer.remote = "any";
  peer.remote_any = true;
}

void read_remote(Section& section, const Node& table, PeerDraft& draft) {
  PeerConfig& peer = draft.peer;
  const Entry* const entry = table.find("remote");
  if (entry != nullptr && entry->value.kind == NodeKind::array) {
    read_remotes(section, draft);
  } else if (auto remote = section.text("remote", parse_remote)) {
    draft.remote = remote->where;
    peer.remote = std::move(remote->value.text);
    peer.remote_address = remote->value.address;
    peer.remote_any = remote->value.any;
  }
  if (const auto local = section.text("local", parse_address)) {
    draft.local = local->where;
    peer.local = local->value;
  }
  constexpr std::int64_t port_max = 0xffff;
  if (const auto port = section.integer("remote_port", 1, port_max)) {
    peer.remote_port = static_cast<std::uint16_t>(*port);
  }
}

void read_identities(Section& section, PeerDraft& draft, const PkiFiles& files) {
  auto local_id = section.text(
      "local_id", [&](std::string_view text) { return parse_own_identity(text, files); });
  auto remote_id = section.text(
      "remote_id", [&](std::string_view text) { return parse_peer_identity(text, files); });
  draft.ids_known = local_id.has_value() == section.has("local_id") &&
                    remote_id.has_value() == section.has("remote_id");
  if (local_id) draft.peer.local_id = std::move(local_id->value);
  // No default: an identity that a NAT or a missing name falsifies would only get in the way, and
  // whoever holds the pre-shared key could assert any.
  if (remote_id) draft.peer.remote_id = std::move(remote_id->value);
}

void read_psk(Section& section, PeerDraft& draft, Secrets& secrets) {
  const auto reference = section.text(
      "psk", [&](std::string_view text) { return parse_secret_reference(text, draft.peer.name); });
  if (!reference) return;
  if (const HeldKeys* const held = secrets.held()) {
    draft.peer.psk_fingerprint = held->find(draft.peer.name).psk_fingerprint;
    if (draft.peer.psk_fingerprint.empty()) {
      section.note(reference->where, "psk", changed_meanwhile());
    }
    return;
  }
  const auto& psk = secrets.get(reference->value);
  if (psk) {
    draft.peer.psk = *psk;
  } else {
    section.note(reference->where, "psk", psk.error());
  }
}

void read_lifetimes(Section& section, PeerConfig& peer) {
  using std::chrono::days;
  using std::chrono::minutes;
  using std::chrono::seconds;
  read_duration(section, "ike_lifetime", seconds{10}, days{30}, peer.ike_lifetime);
  read_duration(section, "reauth", seconds{10}, days{365}, peer.reauth);
  read_duration(section, "auth_lifetime", minutes{1}, days{365}, peer.auth_lifetime);
}

void read_timing(Section& section, PeerConfig& peer) {
  using std::chrono::days;
  using std::chrono::seconds;
  read_duration(section, "dpd", seconds{1}, days{1}, peer.dpd);
  read_duration(section, "keepalive", seconds{1}, days{1}, peer.keepalive);
  read_lifetimes(section, peer);
}

void read_retry(Section& section, PeerConfig& peer) {
  using std::chrono::days;
  using std::chrono::seconds;
  read_duration(section, "retry_min", seconds{1}, days{1}, peer.retry_min);
  read_duration(section, "retry_max", seconds{1}, days{1}, peer.retry_max);
  if (peer.retry_min <= peer.retry_max) return;
  const bool is_min = section.has("retry_min");
  const std::string_view key = is_min ? "retry_min" : "retry_max";
  section.note(section.place_of(key), key,
               {fmt::format("retry_min ({}) is above retry_max ({})", to_text(peer.retry_min),
                            to_text(peer.retry_max)),
                "raise retry_max, or lower retry_min"});
}

Parsed<RedirectTarget> parse_redirect_target(std::string_view text) {
  auto remote = TRY(parse_remote(text));
  if (remote.any) {
    return std::unexpected{Fault{"\"any\" is no gateway", "write an address or a name"}};
  }
  return RedirectTarget{std::move(remote.text), remote.address};
}

void read_recovery(Section& section, PeerConfig& peer) {
  if (const auto redirect = section.boolean("redirect")) peer.redirect = redirect->value;
  if (auto to = section.text("redirect_to", parse_redirect_target)) {
    peer.redirect_to = std::move(to->value);
  }
  if (const auto resumption = section.boolean("resumption")) peer.resumption = resumption->value;
  if (const auto detection = section.boolean("crash_detection")) {
    peer.crash_detection = detection->value;
  }
}

/// What strangers may cost, and where they are sent.
void read_defence(Section& section, DaemonConfig& daemon) {
  constexpr std::int64_t count_max = 1'000'000;
  const auto read = [&](std::string_view key, std::int64_t min, std::optional<std::size_t>& to) {
    if (const auto count = section.integer(key, min, count_max)) {
      to = static_cast<std::size_t>(*count);
    }
  };
  read("half_open_max", 1, daemon.half_open_max);
  read("cookie_threshold", 0, daemon.cookie_threshold);
  read("puzzle_threshold", 0, daemon.puzzle_threshold);
  read_duration(section, "expiry_warning", base::Duration{0}, std::chrono::days{3650},
                daemon.expiry_warning);
  if (auto to = section.text("redirect_to", parse_redirect_target)) {
    daemon.redirect_to = std::move(to->value);
  }
  const auto above = section.integer("redirect_above");
  if (!above) return;
  if (!section.has("redirect_to")) {
    section.note(above->where, "redirect_above",
                 {"nobody is redirected without redirect_to",
                  "add redirect_to = \"gw2.example.org\", or take redirect_above away"});
    return;
  }
  if (above->value < 0 || above->value > count_max) {
    section.note(above->where, "redirect_above",
                 {fmt::format("{} is outside 0 to {}", above->value, count_max),
                  "write a number of IKE SAs, or 0 to redirect always"});
    return;
  }
  daemon.redirect_above = static_cast<std::size_t>(above->value);
}

void read_interfaces(Section& section, std::string_view key, std::vector<std::string>& to) {
  for (auto& name : section.list(key, parse_interface_name)) to.push_back(std::move(name.value));
}

/// "auto" has no way to know which firewall rules of the host packet sockets would pass by.
void read_clear_side(Section& section, DaemonConfig& daemon) {
  constexpr std::array<Word<ClearSide>, 3> words{
      {{"auto", ClearSide::tun}, {"tun", ClearSide::tun}, {"packet", ClearSide::packet}}};
  read_word(section, "clear_side", words, daemon.clear_side);
  read_interfaces(section, "clear_interfaces", daemon.clear_interfaces);
  if (daemon.clear_side == ClearSide::packet && !section.has("clear_interfaces")) {
    section.errors().add(section.place_of("clear_side"),
                         "clear_side: \"packet\" needs clear_interfaces",
                         "name the interfaces of the networks behind us: clear_interfaces = "
                         "[\"lan0\"]");
  }
}

void read_outer_side(Section& section, DaemonConfig& daemon) {
  constexpr std::array<Word<OuterSide>, 3> words{
      {{"socket", OuterSide::socket}, {"xdp", OuterSide::xdp}, {"auto", OuterSide::automatic}}};
  read_word(section, "outer_side", words, daemon.outer_side);
  read_interfaces(section, "outer_interfaces", daemon.outer_interfaces);
  if (daemon.outer_side != OuterSide::socket && !section.has("outer_interfaces")) {
    section.errors().add(section.place_of("outer_side"),
                         fmt::format("outer_side: \"{}\" needs outer_interfaces",
                                     daemon.outer_side == OuterSide::xdp ? "xdp" : "auto"),
                         "name the interfaces towards the peers: outer_interfaces = [\"eth0\"]");
  }
}

}  // namespace

std::vector<KeySpec> child_schema() {
  std::vector<KeySpec> schema = schema_of(PeerKind::site);
  std::erase_if(schema, [](const KeySpec& key) {
    return std::ranges::find(child_key_names, key.name) == child_key_names.end();
  });
  for (KeySpec& key : schema) key.required = false;
  return schema;
}

PeerDraft read_peer(PeerKind kind, const Entry& entry, Secrets& secrets, PkiFiles& files,
                    Errors& errors) {
  PeerDraft draft;
  PeerConfig& peer = draft.peer;
  peer.name = entry.key;
  peer.kind = kind;
  peer.where = entry.value.where;
  std::vector<KeySpec> schema = schema_of(kind);
  if (entry.value.find("children") != nullptr) {
    for (KeySpec& key : schema) {
      if (key.name == "local_nets" || key.name == "remote_nets") key.required = false;
    }
  }
  const std::string psk_example = fmt::format("\"@{}\"", peer.name);
  if (const auto psk = std::ranges::find(schema, "psk", &KeySpec::name); psk != schema.end()) {
    if (is_name(peer.name)) psk->example = psk_example;
    const AuthPair auth = auth_of(kind, entry.value);
    // Rounds say themselves what they need.
    psk->required = (auth.own == Auth::psk && !has_local_rounds(entry.value)) ||
                    (auth.peers == Auth::psk && !has_remote_rounds(entry.value));
  }
  Section section{entry.value, title_of(kind, entry.key), schema, errors};
  if (kind == PeerKind::server) {
    peer.name = "users";
    peer.remote = "any";
    peer.remote_any = true;
  }
  peer.child().name = peer.name;
  read_remote(section, entry.value, draft);
  read_identities(section, draft, files);
  read_psk(section, draft, secrets);
  const auto written = section.text("compat", parse_compat);
  const policy::Compat compat = written ? written->value : policy::Compat::none;
  peer.ike =
      read_offers(section, "ike", wire::ProtocolId::ike, compat, policy::default_ike_offers());
  if (const auto encap = section.text("encap", parse_encap)) peer.encap = encap->value;
  if (const auto tcp = section.text("tcp", parse_tcp)) peer.tcp = tcp->value;
  read_retry(section, peer);
  read_timing(section, peer);
  read_exchange(section, entry.value, peer);
  if (kind == PeerKind::server) read_server(section, entry.value, draft, secrets, files);
  read_proof(section, entry.value, draft, secrets, files);
  if (const auto product = section.text("peer", parse_product)) peer.product = product->value;
  read_recovery(section, peer);
  // RFC 791 and RFC 8200 s5 promise no less to whoever may not send fragments.
  constexpr std::int64_t mtu_min = 576;
  constexpr std::int64_t mtu_max = 9000;
  if (const auto mtu = section.integer("mtu", mtu_min, mtu_max)) {
    peer.mtu = static_cast<std::uint16_t>(*mtu);
  }
  read_child(section, entry.value, peer, compat, peer.child(), draft.children.front());
  if (kind == PeerKind::site) read_children(section, entry.value, compat, draft, errors);
  const auto is_ah = [](const ChildConfig& child) { return !child.ah.empty(); };
  if (std::ranges::any_of(peer.children, is_ah)) peer.tcp = Tcp::never;
  if (const auto mobike = section.boolean("mobike")) peer.mobike = mobike->value;
  return draft;
}

void read_daemon(const Node& table, DaemonDraft& draft, Errors& errors) {
  constexpr std::int64_t port_max = 0xffff;
  constexpr std::int64_t mtu_min = 576;
  constexpr std::int64_t mtu_max = 9000;
  DaemonConfig& daemon = draft.daemon;
  Section section{table, "[daemon]", daemon_keys, errors};
  draft.listen = section.list("listen", [](std::string_view text) -> Parsed<base::IpAddress> {
    const auto address = base::IpAddress::parse(text);
    if (address && address->is_unspecified()) {
      return std::unexpected{Fault{fmt::format("{} is no address of its own", quoted(text)),
                                   "leave out listen to listen on every address"}};
    }
    return parse_address(text);
  });
  for (const auto& address : draft.listen) daemon.listen.push_back(address.value);
  const auto ike_port = section.integer("ike_port", 1, port_max);
  const auto natt_port = section.integer("natt_port", 1, port_max);
  constexpr std::int64_t window_max = 64;
  const auto window = section.integer("window", 1, window_max);
  if (window) daemon.window = static_cast<unsigned>(*window);
  if (ike_port) daemon.ike_port = static_cast<std::uint16_t>(*ike_port);
  if (natt_port) daemon.natt_port = static_cast<std::uint16_t>(*natt_port);
  if (daemon.ike_port == daemon.natt_port) {
    const Entry* entry = table.find(natt_port ? "natt_port" : "ike_port");
    errors.add(entry->value.where, "ike_port and natt_port are the same",
               "write two different ports, such as 500 and 4500");
  }
  if (section.has("tcp_ports")) {
    daemon.tcp_ports.clear();
    for (const std::int64_t port : section.integers("tcp_ports", 1, port_max)) {
      daemon.tcp_ports.push_back(static_cast<std::uint16_t>(port));
    }
  }
  if (auto tun = section.text("tun", parse_tun_name)) daemon.tun = std::move(tun->value);
  if (const auto workers = section.integer("workers", 1, workers_max)) {
    daemon.workers = static_cast<unsigned>(*workers);
  }
  if (const auto pin = section.boolean("pin_workers")) daemon.pin_workers = pin->value;
  read_clear_side(section, daemon);
  read_outer_side(section, daemon);
  if (const auto metrics = section.text("metrics", [](std::string_view text) {
        return parse_endpoint(text, metrics_port, "where metrics are served");
      })) {
    daemon.metrics = metrics->value;
  }
  if (const auto compat = section.boolean("compat_metrics")) daemon.compat_metrics = compat->value;
  if (auto vici = section.text("vici", parse_socket_path)) daemon.vici = std::move(vici->value);
  if (auto log = section.text("filelog", parse_log_path)) daemon.filelog = std::move(log->value);
  if (auto form = section.text("filelog_time", parse_time_form)) {
    daemon.filelog_time = std::move(form->value);
  }
  if (const auto audit = section.boolean("audit")) daemon.audit = audit->value;
  read_word(section, "unmatched", unmatched_words, daemon.unmatched);
  read_defence(section, daemon);
  if (const auto mtu = section.integer("mtu", mtu_min, mtu_max)) {
    daemon.mtu = static_cast<unsigned>(*mtu);
    draft.mtu = table.find("mtu")->value.where;
  }
}

void read_debug(const Node& table, DaemonDraft& draft, Errors& errors) {
  Section section{table, "[debug]", debug_keys, errors};
  if (const auto allow = section.boolean("allow_key_export")) {
    draft.daemon.allow_key_export = allow->value;
  }
}

}  // namespace caponier::config
