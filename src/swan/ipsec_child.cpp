// What a conn says of its tunnel.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "swan/ipsec_conn.h"
#include "swan/values.h"

namespace caponier::swan {

namespace {

using config::quoted;

/// "17/1701", "udp/l2tp", "tcp", "%any": as behind a network in brackets.
std::string restriction_of(std::string_view protoport) {
  const std::size_t slash = protoport.find('/');
  std::string_view protocol = protoport.substr(0, slash);
  std::string_view port = slash == std::string_view::npos ? "" : protoport.substr(slash + 1);
  if (protocol == "%any") protocol = "";
  if (port == "%any" || port == "any") port = "";
  if (port == "%opaque") port = "opaque";
  if (protocol.empty() && port.empty()) return {};
  return fmt::format("[{}{}{}]", protocol, port.empty() ? "" : "/", port);
}

/// "{10.1.0.0/24 10.1.1.0/24}" of libreswan, or with commas.
std::string as_list(std::string_view text) {
  std::string list;
  for (const char c : text) {
    if (c == '{' || c == '}') continue;
    list += c == ' ' || c == '\t' ? ',' : c;
  }
  return list;
}

struct Move {
  std::string_view ours;
  std::string_view theirs;
  std::string_view libreswans;
};
/// What only has another name.
constexpr std::array child_moves = {
    Move{"ipcomp", "compress", ""},
    Move{"inactivity", "inactivity", ""},
    Move{"reqid", "reqid", ""},
    Move{"replay_window", "replay_window", "replay-window"},
    Move{"policies", "installpolicy", ""},
    Move{"priority", "priority", ""},
    Move{"mark_in", "mark_in", "mark-in"},
    Move{"mark_out", "mark_out", "mark-out"},
    Move{"sha256_96", "sha256_96", "sha2-truncbug"},
    Move{"label", "sec-label", "policy-label"},
};

}  // namespace

void IpsecConn::write_ike(Section& to) {
  copy(to, "dpd_delay", {"dpddelay"});
  const bool has_dpd = conn_.find("dpdaction") != nullptr && text("dpdaction") != "none";
  if (to.find("dpd_delay") == nullptr && has_dpd && !is_libreswan()) to.set("dpd_delay", "30s");
  if (!is_libreswan() && !has_dpd && to.find("dpd_delay") != nullptr) to.set("dpd_delay", "0s");
  copy(to, "fragmentation", {"fragmentation"});
  copy(to, "dscp", {"ikedscp"});
  if (const Value* const mobike = take("mobike")) {
    set(to, "mobike", mobike->text, *mobike);
  } else if (is_libreswan()) {
    to.set("mobike", "no");
  }
  if (const Value* const encap = take({"forceencaps", "encapsulation"})) {
    const bool is_auto = encap->text == "auto";
    if (encap->key == "encapsulation" && encap->text == "no") {
      warn(*encap, "becomes native: ESP in UDP where there is a NAT",
           "write encap = \"never\" if a NAT is an attack");
    }
    set(to, "encap", is_auto ? "no" : encap->text, *encap);
  }
  if (const Value* const tries = take("keyingtries")) {
    const bool is_forever = tries->text == "%forever" || tries->text == "0";
    set(to, "keyingtries", is_forever ? "0" : tries->text, *tries);
  }
  if (const Value* const send = own("sendcert")) set(to, "send_cert", send->text, *send);
  if (const Value* const send = peers("sendcert"); send != nullptr && send->text == "never") {
    set(to, "send_certreq", "no", *send);
  }
  if (const Value* const ppk = take("ppk")) {
    const bool insists = ppk->text == "insist" || ppk->text == "yes";
    if (insists) set(to, "ppk_required", ppk->text == "insist" ? "yes" : "no", *ppk);
  }
  copy(to, "ppk_id", {"ppk-ids"});
  const std::string_view unique = setup_.text_of("uniqueids");
  if (unique.empty() || unique == "yes" || unique == "replace") {
    to.set("unique", "replace");
  } else {
    to.set("unique", std::string{unique});
  }
}

void IpsecConn::write_selectors(Section& child, bool is_local) {
  const auto side_key = [&](std::string_view key) {
    return take((is_local ? own_ : other_) + std::string{key});
  };
  const Value* const one = side_key("subnet");
  const Value* const within = side_key("subnetwithin");
  const Value* const several = side_key("subnets");
  const Value* const ports = side_key("protoport");
  const Value* const nets = one != nullptr ? one : within != nullptr ? within : several;
  if (nets == nullptr && ports == nullptr) return;
  const std::string restriction = ports == nullptr ? "" : restriction_of(ports->text);
  std::string selectors;
  for (const std::string& net : split_list(nets == nullptr ? "dynamic" : as_list(nets->text))) {
    if (net.starts_with("vhost:") || net.starts_with("vnet:")) {
      warn(*nets, "becomes dynamic: the peer has the address that it is given, or its own");
      selectors += (selectors.empty() ? "" : ",") + std::string{"dynamic"} + restriction;
      continue;
    }
    const bool has_own = net.find('[') != std::string::npos;
    const bool is_dynamic = net.starts_with("%dynamic");
    selectors += (selectors.empty() ? "" : ",") + (is_dynamic ? "dynamic" + net.substr(8) : net) +
                 (has_own ? "" : restriction);
  }
  set(child, is_local ? "local_ts" : "remote_ts", selectors, nets == nullptr ? *ports : *nets);
}

void IpsecConn::write_actions(Section& child) {
  const Value* const how = take("auto");
  const std::string word = how == nullptr ? "" : how->text;
  if (word == "start" || word == "up" || word == "keep") set(child, "start_action", "start", *how);
  if (word == "route" || word == "ondemand") set(child, "start_action", "trap", *how);
  for (const auto& [ours, theirs] :
       {std::pair{"dpd_action", "dpdaction"}, std::pair{"close_action", "closeaction"}}) {
    const Value* const action = take(theirs);
    if (action == nullptr) continue;
    const bool is_trap = action->text == "hold";
    const bool is_start = action->text.starts_with("restart");
    set(child, ours, is_trap ? "trap" : is_start ? "start" : "none", *action);
  }
}

void IpsecConn::write_child(Section& to, Section& child) {
  write_selectors(child, true);
  write_selectors(child, false);
  write_actions(child);
  for (const Move& move : child_moves) {
    const Value* const value =
        move.libreswans.empty() ? take(move.theirs) : take({move.theirs, move.libreswans});
    if (value != nullptr && !(value->text == "no" && move.ours == "label")) {
      set(child, std::string{move.ours}, value->text, *value);
    }
  }
  if (const Value* const mark = take("mark")) {
    set(child, "mark_in", mark->text, *mark);
    set(child, "mark_out", mark->text, *mark);
  }
  if (const Value* const tfc = take("tfc")) {
    set(child, "tfc_padding", tfc->text == "%mtu" ? "mtu" : tfc->text, *tfc);
  }
  const Value* const script = own("updown") != nullptr ? own("updown") : take("updown");
  if (script != nullptr && script->text != "%disabled") {
    set(child, "updown", script->text, *script);
  }
  // The same as that script, as the product says itself.
  if (const Value* const firewall = own("firewall");
      firewall != nullptr && script == nullptr && firewall->text == "yes") {
    set(child, "updown", "ipsec _updown iptables", *firewall);
  }
  if (const Value* const access = own("hostaccess")) {
    set(child, "hostaccess", access->text, *access);
  }
  static_cast<void>(peers("firewall"));
  static_cast<void>(peers("hostaccess"));
  if (const Value* const type = take("type")) {
    const bool is_pass = type->text == "passthrough" || type->text == "pass";
    const bool is_drop = type->text == "drop" || type->text == "reject";
    if (type->text == "reject") warn(*type, "becomes drop: nobody is told");
    set(child, "mode", is_pass ? "pass" : is_drop ? "drop" : type->text, *type);
    if ((is_pass || is_drop) && child.find("start_action") != nullptr) {
      set(child, "start_action", "trap", *type);
    }
  }
  static_cast<void>(to);
}

void IpsecConn::write_proposals(Section& to, Section& child) {
  const auto translated = [&](const Value& value) {
    if (is_libreswan()) return libreswan_proposals(value.text);
    if (value.text.ends_with('!')) return value.text.substr(0, value.text.size() - 1);
    // Without '!' charon takes its own as well.
    return value.text + ",default";
  };
  if (const Value* const ike = take("ike")) set(to, "proposals", translated(*ike), *ike);
  const Value* const kind = take("phase2");
  const Value* const authentication = take("auth");
  const bool is_ah = (kind != nullptr && kind->text == "ah") || conn_.find("ah") != nullptr ||
                     (authentication != nullptr && authentication->text == "ah");
  const Value* const esp = take({is_ah ? "ah" : "esp", "phase2alg"});
  std::string text = esp == nullptr ? std::string{} : translated(*esp);
  if (is_libreswan() && !text.empty()) {
    const std::string esn = this->text("esn");
    std::string with_esn;
    for (const std::string& one : split_list(text)) {
      with_esn += (with_esn.empty() ? "" : ",") + one +
                  (esn == "no"    ? "-noesn"
                   : esn == "yes" ? "-esn"
                                  : "-esn-noesn");
    }
    text = with_esn;
  }
  static_cast<void>(take("esn"));
  const Value* const pfs = take("pfs");
  if (pfs != nullptr && pfs->text == "no" && is_libreswan()) {
    report_.note(pfs->where, fmt::format("conn {}: pfs", conn_.name),
                 "keys are replaced without a key exchange of their own");
  }
  const Value from = esp != nullptr ? *esp : Value{"esp", conn_.where, {}, false, {}};
  if (!text.empty()) set(child, is_ah ? "ah_proposals" : "esp_proposals", text, from);
  if (text.empty() && is_ah) set(child, "ah_proposals", "default", from);
}

void IpsecConn::write_addresses(Section& root, Section& to) {
  if (const Value* const source = own("sourceip")) {
    const bool is_any = source->text.starts_with("%config") || source->text == "%modeconfig" ||
                        source->text == "%modecfg";
    set(to, "vips", source->text == "%config6" ? "::" : is_any ? "0.0.0.0" : source->text, *source);
  } else if (const Value* const client = own("modecfgclient");
             client != nullptr && client->text == "yes") {
    set(to, "vips", "0.0.0.0", *client);
  }
  for (const std::string_view key : {"modecfgserver", "modecfgclient"}) {
    static_cast<void>(own(key));
    static_cast<void>(peers(key));
  }
  const Value* const given =
      peers("sourceip") != nullptr ? peers("sourceip") : peers("addresspool");
  const Value* dns = peers("dns");
  if (dns == nullptr) dns = take({"modecfgdns", "modecfgdns1"});
  static_cast<void>(take({"modecfgdomains", "modecfgbanner"}));
  if (given == nullptr) return;
  if (given->text.starts_with('%')) {
    return refuse(*given, {fmt::format("{}: addresses come from a range here", given->text),
                           "write the range: rightsourceip=10.9.0.0/24"});
  }
  std::string names;
  unsigned number = 0;
  for (const std::string& range : split_list(given->text)) {
    const std::string name =
        fmt::format("{}{}", to.name, ++number > 1 ? fmt::format("-{}", number) : std::string{});
    Section& pool = root.open("pools").open(name, given->where);
    set(pool, "addrs", range, *given);
    if (dns != nullptr) set(pool, "dns", as_list(dns->text), *dns);
    names += (names.empty() ? "" : ",") + name;
  }
  set(to, "pools", names, *given);
}

}  // namespace caponier::swan
