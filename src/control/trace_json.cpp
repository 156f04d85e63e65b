#include <fmt/format.h>

#include "control/json.h"

namespace caponier::control {
namespace {

/// The five-tuple; for ICMP the type and code instead of ports.
Json inner_json(const wire::PacketSelectorFields& fields) {
  Json out{{"source", fields.source.to_string()},
           {"destination", fields.destination.to_string()},
           {"protocol", fields.protocol}};
  const bool is_icmp =
      fields.protocol == wire::ip_protocol::icmp || fields.protocol == wire::ip_protocol::icmpv6;
  if (fields.has_ports && is_icmp) {
    out["icmp_type"] = fields.source_port >> 8;
    out["icmp_code"] = fields.source_port & 0xff;
  } else if (fields.has_ports) {
    out["source_port"] = fields.source_port;
    out["destination_port"] = fields.destination_port;
  }
  if (fields.is_fragment) out["fragment"] = true;
  return out;
}

Json outer_json(const base::Path& path) {
  const bool has_ports = path.local.port != 0;
  return {{"local", has_ports ? path.local.to_string() : path.local.address.to_string()},
          {"remote", has_ports ? path.remote.to_string() : path.remote.address.to_string()},
          {"transport",
           !has_ports ? "native" : (path.transport == base::Transport::tcp ? "tcp" : "udp")}};
}

}  // namespace

Json trace_json(const gateway::TraceRecord& record) {
  Json out;
  out["seconds"] = base::seconds_of(record.since_start);
  out["direction"] = gateway::name_of(record.direction);
  out["bytes"] = record.size;
  out["inner"] = record.inner ? inner_json(*record.inner) : Json{};
  out["outer"] = record.outer ? outer_json(*record.outer) : Json{};
  out["policy"] = record.policy ? Json(gateway::name_of(*record.policy)) : Json{};
  out["peer"] = record.peer.empty() ? Json{} : Json(record.peer);
  out["sa"] = record.has_sa;
  out["spi"] = record.spi ? Json(fmt::format("{:08x}", record.spi->value)) : Json{};
  out["sequence"] = record.spi ? Json(record.sequence) : Json{};
  out["crypto"] = gateway::name_of(record.crypto);
  out["verdict"] = gateway::name_of(record.verdict);
  if (record.verdict == ipsec::Verdict::drop) {
    const base::DropInfo& info = base::info_of(record.drop);
    out["drop"] = info.name;
    out["meaning"] = info.sentence;
  }
  return out;
}

}  // namespace caponier::control
