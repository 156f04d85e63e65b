// Connections as charon logs them when they are loaded, so that the two can be compared.

#include <fmt/format.h>

#include "policy/algorithm_names.h"
#include "swan/connection.h"

namespace caponier::swan {

namespace {

class Lines {
 public:
  void add(unsigned depth, std::string_view key, const std::string& value) {
    text_ += std::string(std::size_t{depth} + 1, ' ') + fmt::format("{} = {}\n", key, value);
  }
  void add(unsigned depth, std::string_view key, const std::string& value, bool is_set) {
    add(depth, key, is_set ? value : "(null)");
  }
  void title(unsigned depth, const std::string& words) {
    text_ += std::string(std::size_t{depth} + 1, ' ') + words + ":\n";
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string flag(bool value) { return value ? "1" : "0"; }
std::string seconds(base::Duration time) {
  return fmt::format("{}", std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

std::string text_of(const Actions& actions) {
  if (actions.trap && actions.start) return "trap|start";
  return actions.trap ? "trap" : actions.start ? "start" : "none";
}

std::string text_of(const Mark& mark) {
  switch (mark.kind) {
    case Mark::Kind::none: return "0/0";
    case Mark::Kind::unique: return "%unique";
    case Mark::Kind::unique_dir: return "%unique-dir";
    case Mark::Kind::same: return "%same";
    case Mark::Kind::fixed: break;
  }
  return fmt::format("{}/{}", mark.value, mark.mask);
}

std::string interface_text(const Mark& id) {
  if (id.kind == Mark::Kind::unique) return "%unique";
  if (id.kind == Mark::Kind::unique_dir) return "%unique-dir";
  return fmt::format("{}", id.value);
}

std::string text_of(const Proposals& proposals) {
  std::string text;
  for (const policy::Offer& offer : proposals.offers) {
    text += (text.empty() ? "" : ", ") + to_text(offer);
  }
  return text;
}

std::string text_of(const std::vector<Selector>& selectors) {
  std::string text;
  for (const Selector& selector : selectors) {
    text += (text.empty() ? "" : " ") + selector.to_string();
  }
  return text;
}

std::string text_of(const std::vector<Host>& hosts) {
  std::string text;
  for (const Host& host : hosts) {
    text += (text.empty() ? "" : ", ") + (host.kind == Host::Kind::any ? "%any" : host.text);
  }
  return text;
}

std::string text_of(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

std::string_view mode_text(Mode mode) {
  switch (mode) {
    case Mode::tunnel: return "TUNNEL";
    case Mode::transport: return "TRANSPORT";
    case Mode::transport_proxy: return "TRANSPORT_PROXY";
    case Mode::beet: return "BEET";
    case Mode::iptfs: return "IPTFS";
    case Mode::pass: return "PASS";
    case Mode::drop: return "DROP";
  }
  return {};
}

std::string_view dscp_text(CopyDscp copy) {
  switch (copy) {
    case CopyDscp::out: return "out";
    case CopyDscp::in: return "in";
    case CopyDscp::yes: return "yes";
    case CopyDscp::no: return "no";
  }
  return {};
}

std::string_view unique_text(Unique unique) {
  switch (unique) {
    case Unique::no: return "UNIQUE_NO";
    case Unique::never: return "UNIQUE_NEVER";
    case Unique::keep: return "UNIQUE_KEEP";
    case Unique::replace: return "UNIQUE_REPLACE";
  }
  return {};
}

std::string_view send_cert_text(SendCert send) {
  switch (send) {
    case SendCert::if_asked: return "CERT_SEND_IF_ASKED";
    case SendCert::always: return "CERT_ALWAYS_SEND";
    case SendCert::never: return "CERT_NEVER_SEND";
  }
  return {};
}

std::string_view revocation_text(Revocation revocation) {
  switch (revocation) {
    case Revocation::relaxed: return "relaxed";
    case Revocation::if_uri: return "ifuri";
    case Revocation::strict: return "strict";
  }
  return {};
}

std::string class_text(const AuthMethod& auth) {
  switch (auth.kind) {
    case AuthMethod::Kind::any: return "any";
    case AuthMethod::Kind::pubkey: return "public key";
    case AuthMethod::Kind::psk: return "pre-shared key";
    case AuthMethod::Kind::eap: return "EAP";
    case AuthMethod::Kind::null: return "null";
    case AuthMethod::Kind::xauth: return "XAuth";
  }
  return {};
}

template <class T, class Text>
void add_limits(Lines& out, std::string_view unit, const Limits<T>& limits, Text text) {
  out.add(3, fmt::format("rekey_{}", unit), text(limits.rekey));
  out.add(3, fmt::format("life_{}", unit), text(limits.life));
  out.add(3, fmt::format("rand_{}", unit), text(limits.rand));
}

void add_child(Lines& out, const Child& child) {
  const auto count = [](std::uint64_t value) { return fmt::format("{}", value); };
  out.title(2, fmt::format("child {}", child.name));
  add_limits(out, "time", child.times, seconds);
  add_limits(out, "bytes", child.bytes, count);
  add_limits(out, "packets", child.packets, count);
  out.add(3, "updown", child.updown, !child.updown.empty());
  out.add(3, "hostaccess", flag(child.hostaccess));
  out.add(3, "ipcomp", flag(child.ipcomp));
  out.add(3, "mode", std::string{mode_text(child.mode)});
  out.add(3, "policies", flag(child.policies));
  out.add(3, "policies_fwd_out", flag(child.policies_fwd_out));
  out.add(3, "dpd_action", text_of(child.dpd_action));
  out.add(3, "start_action", text_of(child.start_action));
  out.add(3, "close_action", text_of(child.close_action));
  out.add(3, "reqid", count(child.reqid));
  out.add(3, "tfc", fmt::format("{}", static_cast<std::int32_t>(child.tfc_padding)));
  out.add(3, "priority", count(child.priority));
  out.add(3, "interface", child.interface, !child.interface.empty());
  out.add(3, "if_id_in", interface_text(child.if_id_in));
  out.add(3, "if_id_out", interface_text(child.if_id_out));
  out.add(3, "mark_in", text_of(child.mark_in));
  out.add(3, "mark_in_sa", flag(child.mark_in_sa));
  out.add(3, "mark_out", text_of(child.mark_out));
  out.add(3, "set_mark_in", text_of(child.set_mark_in));
  out.add(3, "set_mark_out", text_of(child.set_mark_out));
  out.add(3, "label", child.label, !child.label.empty());
  out.add(3, "label_mode", child.label_mode);
  out.add(3, "inactivity", seconds(child.inactivity));
  out.add(3, "proposals", text_of(child.ah.offers.empty() ? child.esp : child.ah));
  out.add(3, "local_ts", text_of(child.local_ts));
  out.add(3, "remote_ts", text_of(child.remote_ts));
  out.add(3, "hw_offload", child.hw_offload);
  out.add(3, "sha256_96", flag(child.sha256_96));
  out.add(3, "copy_df", flag(child.copy_df));
  out.add(3, "copy_ecn", flag(child.copy_ecn));
  out.add(3, "copy_dscp", std::string{dscp_text(child.copy_dscp)});
  out.add(3, "replay_window", count(child.replay_window));
}

void add_round(Lines& out, const Round& round) {
  out.title(2, round.is_local ? "local" : "remote");
  out.add(3, "class", class_text(round.auth));
  if (!round.auth.eap.empty()) out.add(3, "eap-type", round.auth.eap);
  if (!round.auth.constraints.empty()) out.add(3, "constraints", round.auth.constraints);
  if (round.id.kind != Who::Kind::any) out.add(3, "id", round.id.text);
  if (!round.eap_id.empty()) out.add(3, "eap_id", round.eap_id);
  if (!round.aaa_id.empty()) out.add(3, "aaa_id", round.aaa_id);
  const auto list = [&](std::string_view key, const std::vector<std::string>& items) {
    if (!items.empty()) out.add(3, key, text_of(items));
  };
  list("certs", round.certs);
  list("cacerts", round.cacerts);
  list("pubkeys", round.pubkeys);
  list("groups", round.groups);
  list("cert_policy", round.cert_policy);
  if (round.revocation != Revocation::relaxed) {
    out.add(3, "revocation", std::string{revocation_text(round.revocation)});
  }
}

void add_ike(Lines& out, const Connection& connection) {
  const auto number = [](std::uint64_t value) { return fmt::format("{}", value); };
  out.add(2, "version", number(connection.version));
  out.add(2, "local_addrs", text_of(connection.local_addrs));
  out.add(2, "remote_addrs", text_of(connection.remote_addrs));
  out.add(2, "local_port", number(connection.local_port));
  out.add(2, "remote_port", number(connection.remote_port));
  out.add(2, "send_certreq", flag(connection.send_certreq));
  out.add(2, "send_cert", std::string{send_cert_text(connection.send_cert)});
  out.add(2, "ppk_id", connection.ppk_id, !connection.ppk_id.empty());
  out.add(2, "ppk_required", flag(connection.ppk_required));
  out.add(2, "mobike", flag(connection.mobike));
  out.add(2, "aggressive", flag(connection.aggressive));
  out.add(2, "dscp", fmt::format("0x{:02x}", connection.dscp));
  out.add(2, "encap", flag(connection.encap));
  out.add(2, "dpd_delay", seconds(connection.dpd_delay));
  out.add(2, "dpd_timeout", seconds(connection.dpd_timeout));
  out.add(2, "fragmentation", number(static_cast<unsigned>(connection.fragmentation)));
  out.add(2, "childless", number(static_cast<unsigned>(connection.childless)));
  out.add(2, "unique", std::string{unique_text(connection.unique)});
  out.add(2, "keyingtries", number(connection.keyingtries));
  out.add(2, "reauth_time", seconds(connection.reauth_time));
  out.add(2, "rekey_time", seconds(connection.rekey_time));
  out.add(2, "over_time", seconds(connection.over_time));
  out.add(2, "rand_time", seconds(connection.rand_time));
  if (!connection.vips.empty()) out.add(2, "vips", text_of(connection.vips));
  if (!connection.pools.empty()) out.add(2, "pools", text_of(connection.pools));
  out.add(2, "if_id_in", interface_text(connection.if_id_in));
  out.add(2, "if_id_out", interface_text(connection.if_id_out));
  out.add(2, "proposals", text_of(connection.proposals));
}

}  // namespace

std::string to_text(const Connection& connection) {
  Lines out;
  out.title(0, fmt::format("conn {}", connection.name));
  for (const Child& child : connection.children) add_child(out, child);
  add_ike(out, connection);
  for (const Round& round : connection.local) add_round(out, round);
  for (const Round& round : connection.remote) add_round(out, round);
  return out.take();
}

}  // namespace caponier::swan
