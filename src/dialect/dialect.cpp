#include "dialect/dialect.h"

#include <fmt/format.h>

#include "base/error.h"
#include "dialect/tunnel.h"

namespace caponier::dialect {
namespace {

Result<std::string> body_of(Tunnel& tunnel) {
  switch (tunnel.row->name.target) {
    case Target::swanctl: return swanctl(tunnel);
    case Target::libreswan: return libreswan(tunnel);
    case Target::iosxe: return iosxe(tunnel);
    case Target::asa: return asa(tunnel);
    case Target::junos: return junos(tunnel);
    case Target::fortios: return fortios(tunnel);
    case Target::panos: return panos(tunnel);
    case Target::routeros: return routeros(tunnel);
    case Target::aws: return aws(tunnel);
    case Target::azure: return azure(tunnel);
    case Target::gcp: return gcp(tunnel);
  }
  return std::string{};
}

/// What it is, whether anybody has run it, and what is to be filled in.
std::string header(const Tunnel& tunnel) {
  const TargetName& name = tunnel.row->name;
  const std::string_view mark = tunnel.row->comment;
  std::string out = fmt::format("{}The peer's side of Caponier's tunnel {}, for {}.\n", mark,
                                tunnel.name, name.product);
  out += name.verified.empty()
             ? fmt::format("{}unverified: nobody has run this on {}; read it before you use it.\n",
                           mark, name.product)
             : fmt::format("{}verified: run with {} {}.\n", mark,
                           name.product.substr(0, name.product.find(' ')), name.verified);
  out += fmt::format(
      "{}One algorithm a role, each the first of ours that it knows; do not mix in others.\n",
      mark);
  for (const Blank& blank : tunnel.blanks) {
    out += fmt::format("{}Replace {}: {}.\n", mark, blank.word, blank.meaning);
  }
  return out;
}

}  // namespace

std::expected<std::string, Refusal> export_peer(const config::PeerConfig& peer, Target target,
                                                const Situation& situation) {
  Tunnel tunnel = TRY(make_tunnel(peer, row_of(target), situation));
  const std::string body = TRY(body_of(tunnel));
  return header(tunnel) + body;
}

}  // namespace caponier::dialect
