#include "swan/connection.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "swan/keys.h"

namespace caponier::swan {

namespace {

constexpr std::array<Choice<Fragmentation>, 9> fragmentation_words{{
    {"yes", Fragmentation::yes},
    {"accept", Fragmentation::accept},
    {"force", Fragmentation::force},
    {"no", Fragmentation::no},
    {"true", Fragmentation::yes},
    {"1", Fragmentation::yes},
    {"enabled", Fragmentation::yes},
    {"false", Fragmentation::no},
    {"0", Fragmentation::no},
}};
constexpr std::array<Choice<Childless>, 4> childless_words{{
    {"allow", Childless::allow},
    {"prefer", Childless::prefer},
    {"force", Childless::force},
    {"never", Childless::never},
}};
constexpr std::array<Choice<SendCert>, 5> send_cert_words{{
    {"ifasked", SendCert::if_asked},
    {"always", SendCert::always},
    {"never", SendCert::never},
    {"yes", SendCert::always},
    {"no", SendCert::never},
}};
constexpr std::array<Choice<Ocsp>, 4> ocsp_words{{
    {"reply", Ocsp::reply},
    {"never", Ocsp::never},
    {"request", Ocsp::request},
    {"both", Ocsp::both},
}};
constexpr std::array<Choice<Unique>, 4> unique_words{{
    {"no", Unique::no},
    {"never", Unique::never},
    {"keep", Unique::keep},
    {"replace", Unique::replace},
}};
constexpr std::array<Choice<Revocation>, 3> revocation_words{{
    {"relaxed", Revocation::relaxed},
    {"ifuri", Revocation::if_uri},
    {"strict", Revocation::strict},
}};
constexpr std::array<Choice<Mode>, 7> mode_words{{
    {"tunnel", Mode::tunnel},
    {"transport", Mode::transport},
    {"transport_proxy", Mode::transport_proxy},
    {"beet", Mode::beet},
    {"iptfs", Mode::iptfs},
    {"pass", Mode::pass},
    {"drop", Mode::drop},
}};
constexpr std::array<Choice<CopyDscp>, 4> dscp_words{{
    {"out", CopyDscp::out},
    {"in", CopyDscp::in},
    {"yes", CopyDscp::yes},
    {"no", CopyDscp::no},
}};
constexpr std::array<Choice<PerCpu>, 3> per_cpu_words{{
    {"no", PerCpu::no},
    {"yes", PerCpu::yes},
    {"encap", PerCpu::encap},
}};
constexpr std::array<Choice<std::string_view>, 5> offload_words{{
    {"no", "no"},
    {"yes", "yes"},
    {"auto", "auto"},
    {"crypto", "crypto"},
    {"packet", "packet"},
}};
/// The older words still count.
constexpr std::array<Choice<Actions>, 9> action_words{{
    {"none", {false, false}},
    {"clear", {false, false}},
    {"trap", {true, false}},
    {"start", {false, true}},
    {"trap|start", {true, true}},
    {"start|trap", {true, true}},
    {"restart", {false, true}},
    {"route", {true, false}},
    {"hold", {true, false}},
}};

bool has_prefix(const Section& section, std::string_view prefix) {
  return section.name.starts_with(prefix);
}

template <class T>
void fill_limits(Reader& in, std::string_view what, Limits<T>& limits) {
  if (!in.has(fmt::format("life_{}", what))) limits.life = limits.rekey + limits.rekey / 10;
  if (!in.has(fmt::format("rand_{}", what))) {
    limits.rand = limits.life > limits.rekey ? limits.life - limits.rekey : T{};
  }
}

void read_limits(Reader& in, Child& child) {
  in.time("rekey_time", child.times.rekey);
  in.time("life_time", child.times.life);
  in.time("rand_time", child.times.rand);
  fill_limits(in, "time", child.times);
  in.bytes("rekey_bytes", child.bytes.rekey);
  in.bytes("life_bytes", child.bytes.life);
  in.bytes("rand_bytes", child.bytes.rand);
  fill_limits(in, "bytes", child.bytes);
  in.bytes("rekey_packets", child.packets.rekey);
  in.bytes("life_packets", child.packets.life);
  in.bytes("rand_packets", child.packets.rand);
  fill_limits(in, "packets", child.packets);
}

void read_proposals(Reader& in, std::string_view key, wire::ProtocolId protocol, Proposals& to,
                    bool has_default) {
  const Value* const value = in.section().find(key);
  if (value == nullptr && !has_default) return;
  auto parsed = parse_proposals(
      value == nullptr ? std::vector<std::string>{"default"} : value->list(), protocol);
  if (!parsed) return in.fault(key, parsed.error());
  to = *std::move(parsed);
  for (const std::string& word : to.dropped) in.warn(key, word);
  for (const std::string& word : to.weak) {
    in.warn(key, word, "leave it out, here and there, as soon as the other side can do better");
  }
}

void read_marks(Reader& in, Child& child) {
  in.mark("mark_in", child.mark_in);
  in.mark("mark_out", child.mark_out);
  in.mark("set_mark_in", child.set_mark_in);
  in.mark("set_mark_out", child.set_mark_out);
  in.boolean("mark_in_sa", child.mark_in_sa);
  in.mark("if_id_in", child.if_id_in);
  in.mark("if_id_out", child.if_id_out);
}

void read_treatment(Reader& in, Child& child) {
  in.parse("tfc_padding", child.tfc_padding, [](std::string_view text) -> Parsed<std::uint32_t> {
    if (text == "mtu") return tfc_to_mtu;
    const auto number = parse_number(text, 0xffff);
    if (number) return static_cast<std::uint32_t>(*number);
    return std::unexpected{Fault{fmt::format("{} is no length", config::quoted(text)),
                                 "write a number of octets, or mtu"}};
  });
  in.number("replay_window", child.replay_window);
  in.word("per_cpu_sas", per_cpu_words, child.per_cpu_sas);
  in.boolean("copy_df", child.copy_df);
  in.boolean("copy_ecn", child.copy_ecn);
  in.word("copy_dscp", dscp_words, child.copy_dscp);
  in.boolean("icmp", child.icmp);
  std::string_view offload = "no";
  in.word("hw_offload", offload_words, offload);
  child.hw_offload = offload;
}

Child read_child(const Section& section, const std::string& path, Report& report) {
  Reader in{section, Scope::child, path, report};
  Child child;
  child.name = section.name;
  child.where = section.where;
  for (const Section& inner : section.sections) in.refuse_section(inner, {});
  read_proposals(in, "ah_proposals", wire::ProtocolId::ah, child.ah, false);
  read_proposals(in, "esp_proposals", wire::ProtocolId::esp, child.esp, child.ah.offers.empty());
  in.boolean("sha256_96", child.sha256_96);
  in.each("local_ts", child.local_ts, parse_selector);
  in.each("remote_ts", child.remote_ts, parse_selector);
  read_limits(in, child);
  in.text("updown", child.updown);
  in.boolean("hostaccess", child.hostaccess);
  in.word("mode", mode_words, child.mode);
  in.boolean("policies", child.policies);
  in.boolean("policies_fwd_out", child.policies_fwd_out);
  in.word("dpd_action", action_words, child.dpd_action);
  in.word("start_action", action_words, child.start_action);
  in.word("close_action", action_words, child.close_action);
  in.boolean("ipcomp", child.ipcomp);
  in.time("inactivity", child.inactivity);
  in.number("reqid", child.reqid);
  in.number("priority", child.priority);
  in.text("interface", child.interface);
  in.text("label", child.label);
  in.text("label_mode", child.label_mode);
  read_marks(in, child);
  read_treatment(in, child);
  if (child.mode == Mode::transport_proxy || child.mode == Mode::iptfs) {
    in.fault("mode", {child.mode == Mode::iptfs ? "IP-TFS (RFC 9347) is not spoken here"
                                                : "this mode of Mobile IPv6 is not spoken here",
                      "write tunnel, on both sides"});
  }
  return child;
}

Object read_object(const Section& section, const std::string& path, Report& report) {
  Reader in{section, Scope::object, path, report};
  Object object;
  object.where = section.where;
  in.text("file", object.file);
  in.text("handle", object.handle);
  in.text("slot", object.slot);
  in.text("module", object.module);
  if (object.file.empty() == object.handle.empty()) {
    in.refuse({object.file.empty() ? "it names neither a file nor a handle"
                                   : "it names both a file and a handle",
               "write file = /PATH for a file, or handle = CKA_ID for an object of a token"});
  }
  return object;
}

Round read_round(const Section& section, const std::string& path, bool is_local, Report& report) {
  Reader in{section, is_local ? Scope::local : Scope::remote, path, report};
  Round round;
  round.name = section.name;
  round.where = section.where;
  round.is_local = is_local;
  in.number("round", round.order);
  in.parse("auth", round.auth, parse_auth);
  in.parse("id", round.id, parse_who);
  in.text("eap_id", round.eap_id);
  in.text("aaa_id", round.aaa_id);
  in.text("xauth_id", round.xauth_id);
  in.list("certs", round.certs);
  in.list("pubkeys", round.pubkeys);
  if (!is_local) {
    in.list("cacerts", round.cacerts);
    in.parse("ca_id", round.ca_id, parse_who);
    in.list("groups", round.groups);
    in.list("cert_policy", round.cert_policy);
    in.word("revocation", revocation_words, round.revocation);
  }
  for (const Section& inner : section.sections) {
    const std::string inner_path = fmt::format("{}.{}", path, inner.name);
    if (has_prefix(inner, "cert") && !has_prefix(inner, "cert_policy")) {
      round.cert_objects.push_back(read_object(inner, inner_path, report));
    } else if (!is_local && has_prefix(inner, "cacert")) {
      round.cacert_objects.push_back(read_object(inner, inner_path, report));
    } else {
      constexpr std::array<std::string_view, 2> known{"cert", "cacert"};
      in.refuse_section(inner, known);
    }
  }
  if (round.auth.kind == AuthMethod::Kind::xauth) {
    in.fault("auth", {"XAuth is for IKEv1, which is not spoken here (RFC 9395)",
                      "write eap-mschapv2 on both sides, with IKEv2"});
  }
  return round;
}

/// Those of the same number stay in the order of the file.
void put_in_order(std::vector<Round>& rounds) {
  std::multimap<std::uint64_t, Round> sorted;
  for (Round& round : rounds) sorted.emplace(round.order, std::move(round));
  rounds.clear();
  for (auto& [order, round] : sorted) rounds.push_back(std::move(round));
}

void read_sections(Reader& in, Connection& connection) {
  for (const Section& inner : in.section().sections) {
    const std::string path = fmt::format("{}.{}", in.path(), inner.name);
    if (inner.name == "children") {
      for (const Value& value : inner.values) {
        in.report().error(
            value.where, fmt::format("{}.{}", path, value.key),
            {"children holds sections, no values", fmt::format("write {} {{ ... }}", value.key)});
      }
      for (const Section& child : inner.sections) {
        connection.children.push_back(
            read_child(child, fmt::format("{}.{}", path, child.name), in.report()));
      }
    } else if (has_prefix(inner, "local")) {
      connection.local.push_back(read_round(inner, path, true, in.report()));
    } else if (has_prefix(inner, "remote")) {
      connection.remote.push_back(read_round(inner, path, false, in.report()));
    } else {
      constexpr std::array<std::string_view, 3> known{"children", "local", "remote"};
      in.refuse_section(inner, known);
    }
  }
  for (std::vector<Round>* const rounds : {&connection.local, &connection.remote}) {
    put_in_order(*rounds);
    if (!rounds->empty()) continue;
    Round round;
    round.is_local = rounds == &connection.local;
    round.name = round.is_local ? "local" : "remote";
    round.where = in.section().where;
    rounds->push_back(std::move(round));
  }
}

void read_lifetimes(Reader& in, Connection& connection) {
  in.time("reauth_time", connection.reauth_time);
  in.time("rekey_time", connection.rekey_time);
  in.time("over_time", connection.over_time);
  in.time("rand_time", connection.rand_time);
  // Who authenticates anew has new keys as well.
  if (connection.reauth_time > base::Duration{} && !in.has("rekey_time")) {
    connection.rekey_time = {};
  }
  if (!in.has("over_time")) {
    connection.over_time = std::max(connection.rekey_time, connection.reauth_time) / 10;
  }
  if (!in.has("rand_time")) connection.rand_time = connection.over_time;
}

void read_exchange(Reader& in, Connection& connection) {
  in.list("vips", connection.vips);
  in.boolean("aggressive", connection.aggressive);
  in.boolean("pull", connection.pull);
  in.parse("dscp", connection.dscp, parse_dscp);
  in.boolean("encap", connection.encap);
  in.boolean("mobike", connection.mobike);
  in.time("dpd_delay", connection.dpd_delay);
  in.time("dpd_timeout", connection.dpd_timeout);
  in.word("fragmentation", fragmentation_words, connection.fragmentation);
  in.word("childless", childless_words, connection.childless);
  in.boolean("send_certreq", connection.send_certreq);
  in.word("send_cert", send_cert_words, connection.send_cert);
  in.word("ocsp", ocsp_words, connection.ocsp);
  in.text("ppk_id", connection.ppk_id);
  in.boolean("ppk_required", connection.ppk_required);
  in.number("keyingtries", connection.keyingtries);
  in.word("unique", unique_words, connection.unique);
  in.list("pools", connection.pools);
  in.mark("if_id_in", connection.if_id_in);
  in.mark("if_id_out", connection.if_id_out);
}

}  // namespace

std::optional<Connection> read_connection(const Section& section, const std::string& path,
                                          Report& report) {
  const std::size_t errors = report.error_count();
  Reader in{section, Scope::connection, path, report};
  Connection connection;
  connection.name = section.name;
  connection.where = section.where;
  in.number("version", connection.version);
  if (connection.version == 1) {
    in.fault("version", {"IKEv1 is not spoken here: it is obsolete (RFC 9395)",
                         "write version = 2 on both sides; all else may stay"});
  } else if (connection.version > 2) {
    in.fault("version",
             {fmt::format("there is no IKEv{}", connection.version), "write version = 2"});
  }
  in.each("local_addrs", connection.local_addrs, parse_host);
  in.each("remote_addrs", connection.remote_addrs, parse_host);
  in.number("local_port", connection.local_port);
  in.number("remote_port", connection.remote_port);
  read_proposals(in, "proposals", wire::ProtocolId::ike, connection.proposals, true);
  read_exchange(in, connection);
  read_lifetimes(in, connection);
  read_sections(in, connection);
  if (report.error_count() != errors) return std::nullopt;
  return connection;
}

}  // namespace caponier::swan
