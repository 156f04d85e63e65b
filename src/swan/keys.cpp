#include "swan/keys.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/event.h"

namespace caponier::swan {

namespace {

using enum Scope;
using enum KeyKind;
using enum KeyAction;

constexpr std::string_view ike1_only = "it is for IKEv1, which is not spoken here (RFC 9395)";
constexpr std::string_view mediation =
    "strongSwan's mediation extension is its own and not spoken here";
constexpr std::string_view short_hash =
    "SHA-256 cut to 96 bits is in no standard and not computed here";
constexpr std::string_view no_labels =
    "labels (RFC 9478) are the kernel's, and packets are not carried by the kernel here";
constexpr std::string_view no_compression =
    "packets are not compressed here, and the peer is not asked to";
constexpr std::string_view no_cards = "packets are not carried by network cards here";
constexpr std::string_view kernels =
    "it is for the kernel's policies, and packets are not carried by the kernel here";

// clang-format off
constexpr std::array table = {
  KeyRow{connection, "version", number, takes, {}, {}},
  KeyRow{connection, "local_addrs", list, takes, {}, {}},
  KeyRow{connection, "remote_addrs", list, takes, {}, {}},
  KeyRow{connection, "local_port", number, takes, {}, {}},
  KeyRow{connection, "remote_port", number, takes, {}, {}},
  KeyRow{connection, "proposals", list, takes, {}, {}},
  KeyRow{connection, "vips", list, takes, {}, {}},
  KeyRow{connection, "aggressive", boolean, warns, "no", ike1_only},
  KeyRow{connection, "pull", boolean, warns, "yes", ike1_only},
  KeyRow{connection, "dscp", text, takes, {}, {}},
  KeyRow{connection, "encap", boolean, takes, {}, {}},
  KeyRow{connection, "mobike", boolean, takes, {}, {}},
  KeyRow{connection, "dpd_delay", time, takes, {}, {}},
  KeyRow{connection, "dpd_timeout", time, warns, "0|0s", ike1_only},
  KeyRow{connection, "fragmentation", word, takes, {}, {}},
  KeyRow{connection, "childless", word, takes, {}, {}},
  KeyRow{connection, "send_certreq", boolean, takes, {}, {}},
  KeyRow{connection, "send_cert", word, takes, {}, {}},
  KeyRow{connection, "ocsp", word, takes, {}, {}},
  KeyRow{connection, "ppk_id", text, takes, {}, {}},
  KeyRow{connection, "ppk_required", boolean, takes, {}, {}},
  KeyRow{connection, "keyingtries", number, takes, {}, {}},
  KeyRow{connection, "unique", word, takes, {}, {}},
  KeyRow{connection, "reauth_time", time, takes, {}, {}},
  KeyRow{connection, "rekey_time", time, takes, {}, {}},
  KeyRow{connection, "over_time", time, takes, {}, {}},
  KeyRow{connection, "rand_time", time, takes, {}, {}},
  KeyRow{connection, "pools", list, takes, {}, {}},
  KeyRow{connection, "if_id_in", mark, takes, {}, {}},
  KeyRow{connection, "if_id_out", mark, takes, {}, {}},
  KeyRow{connection, "mediation", boolean, refuses, "no", mediation},
  KeyRow{connection, "mediated_by", text, refuses, {}, mediation},
  KeyRow{connection, "mediation_peer", text, refuses, {}, mediation},

  KeyRow{local, "round", number, takes, {}, {}},
  KeyRow{local, "certs", list, takes, {}, {}},
  KeyRow{local, "pubkeys", list, takes, {}, {}},
  KeyRow{local, "auth", text, takes, {}, {}},
  KeyRow{local, "id", text, takes, {}, {}},
  KeyRow{local, "eap_id", text, takes, {}, {}},
  KeyRow{local, "aaa_id", text, takes, {}, {}},
  KeyRow{local, "xauth_id", text, warns, {}, ike1_only},

  KeyRow{remote, "round", number, takes, {}, {}},
  KeyRow{remote, "certs", list, takes, {}, {}},
  KeyRow{remote, "cacerts", list, takes, {}, {}},
  KeyRow{remote, "ca_id", text, takes, {}, {}},
  KeyRow{remote, "pubkeys", list, takes, {}, {}},
  KeyRow{remote, "auth", text, takes, {}, {}},
  KeyRow{remote, "id", text, takes, {}, {}},
  KeyRow{remote, "eap_id", text, takes, {}, {}},
  KeyRow{remote, "groups", list, takes, {}, {}},
  KeyRow{remote, "cert_policy", list, takes, {}, {}},
  KeyRow{remote, "revocation", word, takes, {}, {}},

  KeyRow{object, "file", text, takes, {}, {}},
  KeyRow{object, "handle", text, takes, {}, {}},
  KeyRow{object, "slot", text, takes, {}, {}},
  KeyRow{object, "module", text, takes, {}, {}},

  KeyRow{child, "ah_proposals", list, takes, {}, {}},
  KeyRow{child, "esp_proposals", list, takes, {}, {}},
  KeyRow{child, "sha256_96", boolean, refuses, "no", short_hash},
  KeyRow{child, "local_ts", list, takes, {}, {}},
  KeyRow{child, "remote_ts", list, takes, {}, {}},
  KeyRow{child, "rekey_time", time, takes, {}, {}},
  KeyRow{child, "life_time", time, takes, {}, {}},
  KeyRow{child, "rand_time", time, takes, {}, {}},
  KeyRow{child, "rekey_bytes", bytes, takes, {}, {}},
  KeyRow{child, "life_bytes", bytes, takes, {}, {}},
  KeyRow{child, "rand_bytes", bytes, takes, {}, {}},
  KeyRow{child, "rekey_packets", number, takes, {}, {}},
  KeyRow{child, "life_packets", number, takes, {}, {}},
  KeyRow{child, "rand_packets", number, takes, {}, {}},
  KeyRow{child, "updown", text, takes, {}, {}},
  KeyRow{child, "hostaccess", boolean, takes, {}, {}},
  KeyRow{child, "mode", word, takes, {}, {}},
  KeyRow{child, "policies", boolean, warns, "yes", kernels},
  KeyRow{child, "policies_fwd_out", boolean, warns, "no", kernels},
  KeyRow{child, "dpd_action", word, takes, {}, {}},
  KeyRow{child, "ipcomp", boolean, warns, "no", no_compression},
  KeyRow{child, "inactivity", time, takes, {}, {}},
  KeyRow{child, "reqid", number, warns, "0", kernels},
  KeyRow{child, "priority", number, warns, "0", kernels},
  KeyRow{child, "interface", text, warns, {}, kernels},
  KeyRow{child, "mark_in", mark, takes, {}, {}},
  KeyRow{child, "mark_in_sa", boolean, takes, {}, {}},
  KeyRow{child, "mark_out", mark, takes, {}, {}},
  KeyRow{child, "set_mark_in", mark, takes, {}, {}},
  KeyRow{child, "set_mark_out", mark, takes, {}, {}},
  KeyRow{child, "if_id_in", mark, takes, {}, {}},
  KeyRow{child, "if_id_out", mark, takes, {}, {}},
  KeyRow{child, "label", text, refuses, {}, no_labels},
  KeyRow{child, "label_mode", text, warns, "system|simple|selinux", "there are no labels here"},
  KeyRow{child, "tfc_padding", word, takes, {}, {}},
  KeyRow{child, "replay_window", number, takes, {}, {}},
  KeyRow{child, "hw_offload", word, warns, "no|auto", no_cards},
  KeyRow{child, "per_cpu_sas", word, takes, {}, {}},
  KeyRow{child, "copy_df", boolean, takes, {}, {}},
  KeyRow{child, "copy_ecn", boolean, takes, {}, {}},
  KeyRow{child, "copy_dscp", word, takes, {}, {}},
  KeyRow{child, "icmp", boolean, takes, {}, {}},
  KeyRow{child, "start_action", word, takes, {}, {}},
  KeyRow{child, "close_action", word, takes, {}, {}},

  KeyRow{pool, "addrs", text, takes, {}, {}},

  KeyRow{authority, "cacert", text, takes, {}, {}},
  KeyRow{authority, "file", text, takes, {}, {}},
  KeyRow{authority, "handle", text, takes, {}, {}},
  KeyRow{authority, "slot", text, takes, {}, {}},
  KeyRow{authority, "module", text, takes, {}, {}},
  KeyRow{authority, "crl_uris", list, takes, {}, {}},
  KeyRow{authority, "ocsp_uris", list, takes, {}, {}},
  KeyRow{authority, "cert_uri_base", text, takes, {}, {}},

  KeyRow{secret, "secret", text, takes, {}, {}},
  KeyRow{secret, "file", text, takes, {}, {}},
  KeyRow{secret, "handle", text, takes, {}, {}},
  KeyRow{secret, "slot", text, takes, {}, {}},
  KeyRow{secret, "module", text, takes, {}, {}},
  KeyRow{secret, "pin", text, takes, {}, {}},
};
// clang-format on

/// In pools keys are attributes, in secrets "id" has any suffix.
bool has_free_keys(Scope scope, std::string_view name) {
  return scope == pool || (scope == secret && name.starts_with("id"));
}

std::vector<std::string_view> names_of(Scope scope) {
  std::vector<std::string_view> names;
  for (const KeyRow& row : table) {
    if (row.scope == scope) names.push_back(row.name);
  }
  return names;
}

bool is_idle(const KeyRow& row, std::string_view value) {
  if (row.kind == KeyKind::boolean) {
    const auto wanted = parse_boolean(row.idle);
    const auto got = parse_boolean(value);
    return got && wanted && *got == *wanted;
  }
  for (std::string_view rest = row.idle; !rest.empty();) {
    const std::size_t bar = rest.find('|');
    if (rest.substr(0, bar) == value) return true;
    if (bar == std::string_view::npos) return false;
    rest.remove_prefix(bar + 1);
  }
  return value.empty();
}

}  // namespace

std::string_view name_of(Scope scope) {
  switch (scope) {
    case connection: return "connections";
    case local: return "local authentication";
    case remote: return "remote authentication";
    case object: return "certificates";
    case child: return "children";
    case pool: return "pools";
    case authority: return "authorities";
    case secret: return "secrets";
  }
  return {};
}

std::span<const KeyRow> all_keys() { return table; }

const KeyRow* find_key(Scope scope, std::string_view name) {
  const auto* const row = std::ranges::find_if(
      table, [&](const KeyRow& one) { return one.scope == scope && one.name == name; });
  return row == table.end() ? nullptr : row;
}

Reader::Reader(const Section& section, Scope scope, std::string path, Report& report)
    : section_(section), scope_(scope), path_(std::move(path)), report_(report) {
  check_keys();
}

void Reader::check_keys() {
  for (const Value& value : section_.values) {
    const KeyRow* const row = find_key(scope_, value.key);
    if (row != nullptr) {
      check_action(*row, value);
      continue;
    }
    if (has_free_keys(scope_, value.key)) continue;
    const std::vector<std::string_view> names = names_of(scope_);
    report_.error(value.where, path_of(value.key),
                  {fmt::format("{} have no key {}", name_of(scope_), config::quoted(value.key)),
                   config::suggest(value.key, names,
                                   "see swanctl.conf(5), or remove it; strongSwan would refuse the "
                                   "whole section")});
  }
}

void Reader::check_action(const KeyRow& row, const Value& value) {
  if (row.action == takes || is_idle(row, value.joined())) return;
  if (row.kind == KeyKind::boolean && !parse_boolean(value.joined())) {
    return report_.error(value.where, path_of(row.name), parse_boolean(value.joined()).error());
  }
  if (row.action == warns) {
    return report_.warn(value.where, path_of(row.name),
                        fmt::format("has no effect: {}", row.reason));
  }
  report_.error(value.where, path_of(row.name),
                {fmt::format("this connection cannot be had: {}", row.reason),
                 fmt::format("remove {}, if both sides can do without it", row.name)});
}

config::Place Reader::place_of(std::string_view key) const {
  const Value* const value = section_.find(key);
  return value == nullptr ? section_.where : value->where;
}

std::string Reader::path_of(std::string_view key) const {
  return fmt::format("{}.{}", path_, base::printable(key));
}

void Reader::text(std::string_view key, std::string& to) {
  const Value* const value = section_.find(key);
  if (value == nullptr) return;
  if (value->is_list) {
    return fault(key, {"it is a list", "write one text"});
  }
  to = value->text;
}

void Reader::list(std::string_view key, std::vector<std::string>& to) {
  if (const Value* const value = section_.find(key)) to = value->list();
}

void Reader::fault(std::string_view key, const Fault& fault) {
  report_.error(place_of(key), path_of(key), fault);
}

void Reader::warn(std::string_view key, std::string message, std::string fix) {
  report_.warn(place_of(key), path_of(key), std::move(message), std::move(fix));
}

void Reader::refuse_section(const Section& inner, std::span<const std::string_view> known) {
  const bool is_key = find_key(scope_, inner.name) != nullptr;
  report_.error(inner.where, path_of(inner.name),
                {fmt::format("{} have no section {}", name_of(scope_), config::quoted(inner.name)),
                 is_key ? fmt::format("write {} = value", inner.name)
                        : config::suggest(inner.name, known, "see swanctl.conf(5), or remove it")});
}

}  // namespace caponier::swan
