#include "swan/ipsec_conn.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/event.h"
#include "swan/values.h"

namespace caponier::swan {

namespace {

using config::quoted;

std::string path_of(const Section& conn, std::string_view key) {
  return fmt::format("conn {}: {}", conn.name, key);
}

bool is_yes(std::string_view text) { return text == "yes" || text == "1" || text == "true"; }
bool is_no(std::string_view text) {
  return text == "no" || text == "0" || text == "false" || text == "never";
}

std::string seconds_text(base::Duration time) {
  return fmt::format("{}s", std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

/// Names that swanctl.conf can have.
std::string section_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '_' || c == '-';
    name += is_plain ? c : '-';
  }
  return name.empty() ? "conn" : name;
}

/// Understood, and without meaning here; with the reason where it matters.
struct Idle {
  std::string_view key;
  std::string_view reason;
};
constexpr std::array idle = {
    Idle{"xauth", "it is for IKEv1"},
    Idle{"xauth_identity", "it is for IKEv1"},
    Idle{"aggressive", "it is for IKEv1"},
    Idle{"aggrmode", "it is for IKEv1"},
    Idle{"modeconfig", "it is for IKEv1"},
    Idle{"modecfgpull", "it is for IKEv1"},
    Idle{"ikev1-policy", "it is for IKEv1"},
    Idle{"cisco-unity", "it is for IKEv1"},
    Idle{"dpdtimeout", "the peer is given up when requests stay without an answer"},
    Idle{"retransmit-timeout", "requests are repeated as RFC 7296 advises"},
    Idle{"retransmit-interval", "requests are repeated as RFC 7296 advises"},
    Idle{"mtu", "the path MTU is found out"},
    Idle{"nopmtudisc", "the path MTU is found out"},
    Idle{"metric", "routes stand in a table of their own"},
    Idle{"nic-offload", "packets are not carried by network cards here"},
    Idle{"overlapip", "networks of two tunnels may not overlap here"},
    Idle{"nat-keepalive", "NAT mappings are always kept alive"},
    Idle{"nflog-group", "packets are not logged by the kernel here"},
    Idle{"vti-interface", "there are no interfaces of the kernel here"},
    Idle{"vti-routing", "there are no interfaces of the kernel here"},
    Idle{"vti-shared", "there are no interfaces of the kernel here"},
    Idle{"ipsec-interface", "there are no interfaces of the kernel here"},
    Idle{"intermediate", "it is used where both sides can"},
    Idle{"narrowing", "the peer's narrower selectors are always taken"},
    Idle{"initial-contact", "it is always said, but with unique = never"},
    Idle{"failureshunt", "what a tunnel is for never leaves in clear"},
    Idle{"negotiationshunt", "what a tunnel is for waits for it"},
    Idle{"ms-dh-downgrade", "what Windows needs is done when it is seen"},
    Idle{"fake-strongswan", "nobody is told to be strongSwan"},
    Idle{"send-vendorid", "our Vendor ID is always sent"},
    Idle{"decap-dscp", "write dscp_inward = true if it is wanted"},
    Idle{"encap-dscp", "the code point of packets is copied outward"},
    Idle{"enable-tcp", "TCP is tried when UDP stays without an answer"},
    Idle{"tcp-remoteport", "TCP is tried on ports 4500 and 443"},
    Idle{"hostaddrfamily", "addresses tell their family"},
    Idle{"clientaddrfamily", "addresses tell their family"},
    Idle{"keyexchange", {}},
    Idle{"connalias", {}},
    Idle{"debug", {}},
    Idle{"leftnexthop", {}},
    Idle{"rightnexthop", {}},
    Idle{"leftallowany", {}},
    Idle{"rightallowany", {}},
    Idle{"esp", {}},
    Idle{"ah", {}},
    Idle{"phase2", {}},
};

constexpr std::array<std::string_view, 24> known_words{
    "left",         "right",         "leftid",      "rightid",     "leftsubnet",  "rightsubnet",
    "leftcert",     "rightcert",     "leftauth",    "rightauth",   "authby",      "auto",
    "ike",          "esp",           "ikelifetime", "lifetime",    "dpddelay",    "dpdaction",
    "leftsourceip", "rightsourceip", "type",        "keyingtries", "closeaction", "leftprotoport"};

}  // namespace

const Value* IpsecConn::take(std::string_view key) {
  taken_.insert(std::string{key});
  return conn_.find(key);
}

const Value* IpsecConn::take(std::initializer_list<std::string_view> keys) {
  const Value* found = nullptr;
  for (const std::string_view key : keys) {
    const Value* const value = take(key);
    if (found == nullptr) found = value;
  }
  return found;
}

std::string IpsecConn::text(std::string_view key) {
  const Value* const value = take(key);
  return value == nullptr ? std::string{} : value->text;
}

void IpsecConn::set(Section& to, std::string key, std::string text, const Value& from) {
  to.set({std::move(key), from.where, std::move(text), false, {}});
}

void IpsecConn::copy(Section& to, std::string_view ours,
                     std::initializer_list<std::string_view> theirs) {
  if (const Value* const value = take(theirs)) set(to, std::string{ours}, value->text, *value);
}

void IpsecConn::warn(const Value& value, std::string message, std::string fix) {
  report_.warn(value.where, path_of(conn_, value.key), std::move(message), std::move(fix));
}

void IpsecConn::refuse(const Value& value, config::Fault fault) {
  report_.error(value.where, path_of(conn_, value.key), fault);
}

base::Duration IpsecConn::time_of(std::initializer_list<std::string_view> keys,
                                  base::Duration otherwise) {
  const Value* const value = take(keys);
  if (value == nullptr) return otherwise;
  const auto time = parse_time(value->text);
  if (time) return *time;
  refuse(*value, time.error());
  return otherwise;
}

void IpsecConn::choose_sides() {
  const auto is_here = [&](std::string_view side) {
    const Value* const value = conn_.find(side);
    if (value == nullptr) return false;
    if (value->text.starts_with("%default")) return true;
    const auto address = base::IpAddress::parse(value->text);
    return address && std::ranges::find(options_.own, *address) != options_.own.end();
  };
  if (is_here("right") && !is_here("left")) std::swap(own_, other_);
}

void IpsecConn::write_ends(Section& to) {
  const auto write = [&](const std::string& side, const char* key) {
    const Value* const value = take(side);
    if (value == nullptr) return;
    // A leading '%' lets in others too, but names the one to call.
    const bool is_word = value->text.starts_with("%any") || value->text.starts_with("%default");
    const bool is_group = value->text.starts_with("%group") || value->text.starts_with("%opp");
    if (is_group) {
      return refuse(*value, {"opportunistic encryption of groups is not done here",
                             "name the peer, or write %any"});
    }
    const std::string text = is_word ? "%any" : value->text;
    set(to, key, !is_word && text.starts_with('%') ? text.substr(1) : text, *value);
  };
  write(own_, "local_addrs");
  write(other_, "remote_addrs");
  if (const Value* const port = own("ikeport")) set(to, "local_port", port->text, *port);
  if (const Value* const port = peers("ikeport")) set(to, "remote_port", port->text, *port);
}

void IpsecConn::write_version(Section& to) {
  const Value* const exchange = take("keyexchange");
  const Value* const ikev2 = take("ikev2");
  const bool is_old = (exchange != nullptr && exchange->text == "ikev1") ||
                      (ikev2 != nullptr && is_no(ikev2->text));
  set(to, "version", is_old ? "1" : "2",
      exchange != nullptr ? *exchange
      : ikev2 != nullptr  ? *ikev2
                          : Value{"version", conn_.where, {}, false, {}});
}

std::string IpsecConn::auth_of(bool is_local) {
  if (const Value* const auth = is_local ? own("auth") : peers("auth")) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 4> words{
        {{"secret", "psk"}, {"rsasig", "pubkey"}, {"ecdsa", "pubkey"}, {"eddsa", "pubkey"}}};
    const auto* const row =
        std::ranges::find(words, auth->text, [](const auto& one) { return one.first; });
    return row == words.end() ? auth->text : std::string{row->second};
  }
  const Value* const autheap = take("autheap");
  if (is_local && autheap != nullptr && autheap->text == "tls") return "eap-tls";
  const std::string by = text("authby");
  if (by.starts_with("psk") || by == "secret" || by == "xauthpsk") return "psk";
  if (by == "null") return "null";
  if (by == "never") return "psk";
  return "pubkey";
}

void IpsecConn::write_round(Section& to, bool is_local, const std::string& auth) {
  const std::string& side = is_local ? own_ : other_;
  const auto side_key = [&](std::string_view key) { return take(side + std::string{key}); };
  Section& round = to.open(is_local ? "local" : "remote", conn_.where);
  const Value* const said = side_key("auth") != nullptr ? side_key("auth") : take("authby");
  set(round, "auth", auth, said != nullptr ? *said : Value{"auth", conn_.where, {}, false, {}});
  if (const Value* const id = side_key("id")) {
    const bool is_from_cert = id->text == "%fromcert" || id->text == "%none" || id->text == "%cert";
    const bool is_bare = id->text.starts_with('%') && id->text != "%any" && !is_from_cert;
    if (!is_from_cert) set(round, "id", is_bare ? id->text.substr(1) : id->text, *id);
  }
  if (const Value* const cert = side_key("cert")) {
    if (cert->text.starts_with("%smartcard")) {
      refuse(*cert, {"certificates of smart cards are named by their PKCS #11 URI here",
                     "write cert = \"pkcs11:...\" into the tunnel by hand"});
    } else if (is_libreswan()) {
      refuse(*cert,
             {fmt::format("certificate {} is in the NSS database, which is not read here",
                          quoted(cert->text)),
              fmt::format("export it: pk12util -o {0}.p12 -n {0} -d sql:/var/lib/ipsec/nss, and "
                          "name the file in cert and key",
                          base::printable(cert->text))});
    } else {
      set(round, "certs", cert->text, *cert);
    }
  }
  for (const std::string_view key : {"rsasigkey", "ecdsakey", "eddsakey", "sigkey", "pubkey"}) {
    const Value* const value = side_key(key);
    if (value == nullptr || value->text == "%cert" || value->text == "%none") continue;
    if (is_libreswan() && key != "pubkey") {
      refuse(*value, {"this form of a raw key is libreswan's own",
                      "ipsec showhostkey --pem prints the key; write pubkeys or peer_key with it"});
    } else {
      set(round, "pubkeys", value->text, *value);
    }
  }
  if (const Value* const ca = side_key("ca");
      ca != nullptr && !is_local && ca->text != "%same" && ca->text != "%any") {
    set(round, "ca_id", ca->text, *ca);
  }
  if (!is_local) {
    if (const Value* const groups = side_key("groups")) set(round, "groups", groups->text, *groups);
    if (const Value* const policy = side_key("certpolicy")) {
      set(round, "cert_policy", policy->text, *policy);
    }
    const std::string_view strict = setup_.text_of("strictcrlpolicy").empty()
                                        ? setup_.text_of("crl-strict")
                                        : setup_.text_of("strictcrlpolicy");
    if (is_yes(strict)) round.set("revocation", "strict");
    if (strict == "ifuri") round.set("revocation", "ifuri");
  }
}

void IpsecConn::write_rounds(Section& to) {
  const std::string local = auth_of(true);
  const std::string remote = auth_of(false);
  write_round(to, true, local);
  write_round(to, false, remote);
  const auto second = [&](bool is_local) {
    const Value* const auth = take((is_local ? own_ : other_) + "auth2");
    const Value* const id = take((is_local ? own_ : other_) + "id2");
    if (auth == nullptr) return;
    Section& round = to.open(is_local ? "local-2" : "remote-2", auth->where);
    set(round, "auth", auth->text, *auth);
    if (id != nullptr) set(round, "id", id->text, *id);
  };
  second(true);
  second(false);
  if (text("authby").starts_with("xauth")) {
    Section& round = to.open("local-2", conn_.where);
    set(round, "auth", "xauth", *conn_.find("authby"));
  }
  // Whoever is asked for a user's name by EAP is on one side alone.
  const bool is_user = local.starts_with("eap");
  Section& eap_round = to.open(is_user ? "local" : "remote");
  if (const Value* const id = take("eap_identity")) {
    const bool is_asked = id->text == "%identity" || id->text == "%any";
    set(eap_round, "eap_id", is_asked ? "%any" : id->text, *id);
  }
  if (const Value* const name = own("username")) set(to.open("local"), "eap_id", name->text, *name);
  if (const Value* const id = take("aaa_identity")) {
    set(to.open("local"), "aaa_id", id->text, *id);
  }
}

void IpsecConn::tell_rest() {
  for (const Value& value : conn_.values) {
    if (taken_.contains(value.key)) continue;
    const auto* const row = std::ranges::find(idle, value.key, &Idle::key);
    if (row == idle.end()) {
      warn(value, "is not understood",
           config::suggest(value.key, known_words, "look at what it does, and whether it matters"));
    } else if (!row->reason.empty()) {
      report_.note(value.where, path_of(conn_, value.key),
                   fmt::format("has no effect: {}", row->reason));
    }
  }
}

void IpsecConn::write(Section& root) {
  const Value* const how = conn_.find("auto");
  if (how != nullptr && how->text == "ignore") {
    return report_.note(how->where, path_of(conn_, "auto"), "is never loaded, and left out");
  }
  choose_sides();
  const std::string name = section_name(conn_.name);
  Section& to = root.open("connections").open(name, conn_.where);
  write_version(to);
  write_ends(to);
  write_rounds(to);
  write_ike(to);
  Section& child = to.open("children", conn_.where).open(name, conn_.where);
  write_child(to, child);
  write_lifetimes(to, child);
  write_proposals(to, child);
  write_addresses(root, to);
  tell_rest();
}

void IpsecConn::write_lifetimes(Section& to, Section& child) {
  using std::chrono::hours;
  using std::chrono::minutes;
  const bool libreswan = is_libreswan();
  const base::Duration ike = time_of({"ikelifetime"}, libreswan ? hours{8} : hours{3});
  const base::Duration own_time = time_of({"lifetime", "keylife", "salifetime", "ipsec-lifetime"},
                                          libreswan ? hours{8} : hours{1});
  const base::Duration margin = time_of({"margintime", "rekeymargin"}, minutes{9});
  std::uint64_t fuzz = 100;
  if (const Value* const value = take("rekeyfuzz")) {
    std::string_view digits = value->text;
    if (digits.ends_with('%')) digits.remove_suffix(1);
    const auto number = parse_number(digits, 1000);
    if (number) {
      fuzz = *number;
    } else {
      refuse(*value, number.error());
    }
  }
  const base::Duration rand = margin / 100 * static_cast<std::int64_t>(fuzz);
  const Value* const rekey = take("rekey");
  const bool replaces = rekey == nullptr || !is_no(rekey->text);
  const auto soft = [&](base::Duration life) { return life > margin ? life - margin : life / 2; };
  child.set("rekey_time", seconds_text(replaces ? soft(own_time) : base::Duration{}));
  child.set("life_time", seconds_text(own_time));
  child.set("rand_time", seconds_text(std::min(rand, own_time / 2)));
  const Value* const reauth = take("reauth");
  const bool authenticates = reauth == nullptr ? !libreswan : is_yes(reauth->text);
  to.set("rekey_time", seconds_text(replaces && !authenticates ? soft(ike) : base::Duration{}));
  if (replaces && authenticates) to.set("reauth_time", seconds_text(soft(ike)));
  to.set("over_time", seconds_text(margin));
  to.set("rand_time", seconds_text(std::min(rand, ike / 2)));
  write_limits(child);
}

void IpsecConn::write_limits(Section& child) {
  const auto limit = [&](std::initializer_list<std::string_view> keys, std::string_view margin_key,
                         std::string_view unit) {
    const Value* const value = take(keys);
    const Value* const margin_value = take(margin_key);
    if (value == nullptr) return;
    const auto life = parse_bytes(value->text);
    if (!life) return refuse(*value, life.error());
    const auto margin = margin_value == nullptr ? Parsed<std::uint64_t>{*life / 10}
                                                : parse_bytes(margin_value->text);
    if (!margin) return refuse(*margin_value, margin.error());
    set(child, fmt::format("life_{}", unit), fmt::format("{}", *life), *value);
    set(child, fmt::format("rekey_{}", unit),
        fmt::format("{}", *life > *margin ? *life - *margin : *life), *value);
  };
  limit({"lifebytes", "ipsec-max-bytes"}, "marginbytes", "bytes");
  limit({"lifepackets", "ipsec-max-packets"}, "marginpackets", "packets");
}

}  // namespace caponier::swan
