#include "control/json.h"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/totals.h"
#include "policy/proposal.h"

namespace caponier::control {
namespace {

constexpr std::size_t expiries_shown_max = 256;

Json seconds_json(base::Duration duration) {
  // Milliseconds are all anybody can use, and keep the number short.
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<double>(milliseconds) / 1000.0;
}

Json ago_json(const std::optional<base::Instant>& at, base::Instant now) {
  return at ? seconds_json(now - *at) : Json{};
}

Json list_json(const policy::TrafficSelectors& selectors) {
  Json out = Json::array();
  for (const policy::TrafficSelector& selector : selectors) out.push_back(selector.to_string());
  return out;
}

std::string_view name_of(config::PeerKind kind) {
  switch (kind) {
    case config::PeerKind::site: return "site";
    case config::PeerKind::host: return "host";
    case config::PeerKind::server: return "server";
    case config::PeerKind::client: return "client";
  }
  return "unknown";
}

std::string_view nat_text(const ike::IkeSaInfo& ike) {
  if (ike.local_behind_nat) return ike.remote_behind_nat ? "both" : "local";
  return ike.remote_behind_nat ? "remote" : "none";
}

/// "aes256-gcm x25519".
std::string short_crypto(const policy::IkeSuite& suite) {
  const crypto::KeInfo* ke = crypto::find(suite.ke);
  return fmt::format("{} {}", crypto::to_string(suite.cipher), ke == nullptr ? "?" : ke->name);
}

void add_product(Json& out, const ike::IkeSaInfo& ike) {
  const policy::ProductRow* const row = policy::find(ike.product);
  out["product"] = row == nullptr ? Json{} : Json(row->word);
  out["product_name"] = row == nullptr ? Json{} : Json(row->name);
  out["product_configured"] = ike.is_product_configured;
}

/// What the peer has proved before the identity it counts as (RFC 4739); hardly anybody has any.
void add_earlier_ids(Json& out, const ike::IkeSaInfo& ike) {
  for (const policy::Identity& id : ike.earlier_ids) out["earlier_ids"].push_back(id.to_string());
}

Json ike_json(const ike::IkeSaInfo& ike, base::Instant now) {
  Json out;
  out["state"] = ike::name_of(ike.state);
  out["role"] = ike.initiator ? "initiator" : "responder";
  out["spi_i"] = fmt::format("{:016x}", ike.spi_i.value);
  out["spi_r"] = fmt::format("{:016x}", ike.spi_r.value);
  out["suite"] = ike.suite ? Json(policy::to_string(*ike.suite)) : Json{};
  out["remote_id"] = ike.remote_id ? Json(ike.remote_id->to_string()) : Json{};
  add_earlier_ids(out, ike);
  add_product(out, ike);
  out["local_behind_nat"] = ike.local_behind_nat;
  out["remote_behind_nat"] = ike.remote_behind_nat;
  out["established_seconds"] = ago_json(ike.established_at, now);
  return out;
}

void add_counters(Json& out, const ipsec::SaCounters& counters) {
  out["packets_in"] = counters.packets_in;
  out["bytes_in"] = counters.bytes_in;
  out["packets_out"] = counters.packets_out;
  out["bytes_out"] = counters.bytes_out;
}

Json child_json(const gateway::ChildStatus& child, base::Instant now) {
  const ipsec::SaCounters& counters = child.counters;
  Json out;
  out["name"] = child.sa.name;
  out["mode"] = policy::name_of(child.sa.mode);
  out["protocol"] = policy::name_of(child.sa.protocol);
  out["suite"] = policy::to_string(child.sa.suite);
  out["spi_in"] = fmt::format("{:08x}", child.sa.spi_in.value);
  out["spi_out"] = fmt::format("{:08x}", child.sa.spi_out.value);
  out["udp_encap"] = child.sa.udp_encap;
  out["local"] = list_json(child.sa.local);
  out["remote"] = list_json(child.sa.remote);
  out["established_seconds"] = seconds_json(now - child.sa.established_at);
  out["inner_mtu_bytes"] = child.inner_mtu;
  if (child.sa.resource) out["worker"] = child.sa.resource->value;
  add_counters(out, counters);
  out["last_in_seconds"] = ago_json(counters.last_in, now);
  out["last_out_seconds"] = ago_json(counters.last_out, now);
  out["drops"] = drops_json(counters.drops);
  return out;
}

void add_totals(Json& out, const gateway::PeerStatus& peer, base::Instant now) {
  ipsec::SaCounters sum;
  for (const gateway::ChildStatus& child : peer.children) gateway::add(sum, child.counters);
  add_counters(out, sum);
  out["last_in_seconds"] = ago_json(sum.last_in, now);
  out["last_out_seconds"] = ago_json(sum.last_out, now);
}

Json addresses_json(const std::vector<base::IpAddress>& addresses) {
  Json out = Json::array();
  for (const base::IpAddress& address : addresses) out.push_back(address.to_string());
  return out;
}

Json users_json(const gateway::PeerStatus& peer, base::Instant now) {
  Json out = Json::array();
  for (const ike::IkeSaInfo& ike : peer.users) {
    Json& user = out.emplace_back();
    user["user"] = ike.user.empty() ? Json{} : Json(base::printable(ike.user));
    user["identity"] = ike.remote_id ? Json(ike.remote_id->to_string()) : Json{};
    add_earlier_ids(user, ike);
    user["inner"] = addresses_json(ike.inner);
    add_product(user, ike);
    user["remote_endpoint"] = ike.path.remote.to_string();
    user["nat"] = nat_text(ike);
    user["established_seconds"] = ago_json(ike.established_at, now);
    const auto session = peer.sessions.find(ike.id);
    if (session == peer.sessions.end()) continue;
    const gateway::Session& at = session->second;
    user["group"] = at.group.empty() ? Json{} : Json(at.group);
    user["ends_in_seconds"] = at.until ? Json(base::seconds_of(*at.until - now)) : Json{};
  }
  return out;
}

std::int64_t microseconds(base::Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

std::string dump(const Json& document) {
  return document.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Json drops_json(const base::DropCounters& drops) {
  Json out = Json::object();
  for (std::size_t i = 0; i < base::drop_reason_count; ++i) {
    const auto count = drops[static_cast<base::DropReason>(i)];
    if (count != 0) out[std::string{base::drop_table[i].name}] = count;
  }
  return out;
}

Json drop_table_json(const base::DropCounters& drops) {
  Json out = Json::array();
  for (std::size_t i = 0; i < base::drop_reason_count; ++i) {
    const base::DropInfo& info = base::drop_table[i];
    out.push_back({{"name", info.name},
                   {"count", drops[static_cast<base::DropReason>(i)]},
                   {"unit", info.unit},
                   {"meaning", info.sentence}});
  }
  return out;
}

Json peer_json(const gateway::PeerStatus& peer, base::Instant now) {
  Json out;
  out["name"] = peer.name;
  out["kind"] = name_of(peer.kind);
  out["state"] = gateway::name_of(peer.state);
  out["since_seconds"] = seconds_json(now - peer.since);
  out["note"] = peer.note;
  out["why"] = peer.diagnosis ? Json{{"code", explain::text_of(peer.diagnosis->code)},
                                     {"cause", peer.diagnosis->cause}}
                              : Json{};
  out["remote"] = peer.remote;
  out["local_endpoint"] = peer.ike ? Json(peer.ike->path.local.to_string()) : Json{};
  out["remote_endpoint"] = peer.ike ? Json(peer.ike->path.remote.to_string()) : Json{};
  const bool is_on_stream = peer.ike && peer.ike->path.transport == base::Transport::tcp;
  out["transport"] = peer.ike ? Json(is_on_stream ? "tcp" : "udp") : Json{};
  out["nat"] = peer.ike ? Json(nat_text(*peer.ike)) : Json{};
  out["crypto"] = peer.ike && peer.ike->suite ? Json(short_crypto(*peer.ike->suite)) : Json{};
  const auto round_trip = peer.ike ? peer.ike->last_round_trip : std::nullopt;
  out["rtt_ms"] = round_trip ? Json(base::seconds_of(*round_trip) * 1000.0) : Json{};
  add_totals(out, peer, now);
  out["attempts_failed"] = peer.attempts;
  out["next_attempt_seconds"] =
      peer.next_attempt ? seconds_json(std::max(base::Duration{}, *peer.next_attempt - now))
                        : Json{};
  out["ike"] = peer.ike ? ike_json(*peer.ike, now) : Json{};
  Json& children = out["children"] = Json::array();
  for (const gateway::ChildStatus& child : peer.children) {
    children.push_back(child_json(child, now));
  }
  if (peer.kind == config::PeerKind::server) out["users"] = users_json(peer, now);
  if (peer.kind == config::PeerKind::client) {
    out["inner"] = addresses_json(peer.ike ? peer.ike->inner : std::vector<base::IpAddress>{});
  }
  return out;
}

Json status_json(const gateway::Status& status, const Daemon& daemon, std::string_view name) {
  base::DropCounters drops = status.drops;
  drops.add(daemon.drops());
  Json out;
  Json& peers = out["peers"] = Json::array();
  for (const gateway::PeerStatus& peer : status.peers) {
    if (name.empty() || peer.name == name) peers.push_back(peer_json(peer, status.now));
  }
  out["half_open"] = status.half_open;
  out["drops"] = drops_json(drops);
  const auto of_drivers = daemon.worker_drops();
  Json& workers = out["workers"] = Json::array();
  for (std::size_t i = 0; i < status.worker_drops.size(); ++i) {
    base::DropCounters own = status.worker_drops[i];
    if (i < of_drivers.size()) own.add(of_drivers[i]);
    workers.push_back({{"worker", i}, {"drops", drops_json(own)}});
  }
  out["notes"] = daemon.notes();
  Json& expiries = out["expiries"] = Json::array();
  for (const pki::Expiry& end : daemon.expiries()) {
    if (expiries.size() == expiries_shown_max) break;
    expiries.push_back({{"name", base::printable(end.name)}, {"not_after", end.not_after.value}});
  }
  if (!name.empty()) out["drop_table"] = drop_table_json(drops);
  return out;
}

Json traffic_json(const gateway::Traffic& traffic, const Daemon& daemon, base::Instant now) {
  const Usage usage = daemon.usage();
  Json out;
  out["clock_us"] = microseconds(now.since_origin);
  out["started_us"] = microseconds(usage.started.since_origin);
  out["cpu_us"] = microseconds(usage.cpu);
  Json& workers = out["workers"] = Json::array();
  for (std::size_t i = 0; i < usage.workers.size(); ++i) {
    workers.push_back({{"worker", i}, {"cpu_us", microseconds(usage.workers[i])}});
  }
  Json& peers = out["peers"] = Json::array();
  for (const gateway::PeerTraffic& peer : traffic.peers) {
    Json children = Json::array();
    for (const gateway::ChildTraffic& child : peer.children) {
      Json& entry = children.emplace_back();
      entry["name"] = child.name;
      entry["associations"] = child.associations;
      add_counters(entry, child.total);
      entry["drops"] = drops_json(child.total.drops);
    }
    peers.push_back({{"name", peer.name}, {"children", std::move(children)}});
  }
  base::DropCounters drops = traffic.drops;
  drops.add(daemon.drops());
  out["drops"] = drops_json(drops);
  return out;
}

Json diff_json(const config::ConfigDiff& diff) {
  return {{"added", diff.added},
          {"changed", diff.changed},
          {"removed", diff.removed},
          {"policies_changed", diff.policies_changed},
          {"restart_needed", diff.daemon_changed}};
}

Json errors_json(const std::vector<config::ConfigError>& errors) {
  Json out = Json::array();
  for (const config::ConfigError& error : errors) {
    out.push_back({{"file", error.where.file},
                   {"line", error.where.line},
                   {"column", error.where.column},
                   {"message", error.message},
                   {"fix", error.fix}});
  }
  return out;
}

}  // namespace caponier::control
