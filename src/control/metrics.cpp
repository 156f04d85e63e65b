#include "control/metrics.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/event.h"
#include "control/metrics_compat.h"
#include "control/metrics_writer.h"
#include "policy/product.h"

namespace caponier::control {
namespace {

using gateway::PeerState;
using gateway::PeerStatus;

bool is_up(const PeerStatus& peer) {
  return peer.state == PeerState::up || peer.state == PeerState::idle || !peer.users.empty();
}

std::string name_of_product(const ike::IkeSaInfo& sa) {
  const policy::ProductRow* const row = policy::find(sa.product);
  return row == nullptr ? "" : std::string{row->name};
}

std::string_view nat_of(const ike::IkeSaInfo& sa) {
  if (sa.local_behind_nat && sa.remote_behind_nat) return "both";
  if (sa.local_behind_nat) return "local";
  return sa.remote_behind_nat ? "remote" : "none";
}

void write_peers(MetricsWriter& out, const gateway::Status& status) {
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    out.family(name, "gauge", help);
    for (const PeerStatus& peer : status.peers) out.sample({{"peer", peer.name}}, value(peer));
  };
  each("caponier_peer_wanted",
       "Whether the tunnel shall be up: 0 when a person has said that it "
       "shall not, or when it waits for the peer or for traffic.",
       [](const PeerStatus& peer) { return peer.state != PeerState::off ? 1 : 0; });
  each("caponier_peer_up", "Whether the tunnel is negotiated; of a server, whether any user is in.",
       [](const PeerStatus& peer) { return is_up(peer) ? 1 : 0; });
  each("caponier_peer_passing", "Whether it is up and traffic has passed lately.",
       [](const PeerStatus& peer) { return peer.state == PeerState::up ? 1 : 0; });
  each("caponier_peer_state_seconds", "How long it has been in its present state.",
       [&](const PeerStatus& peer) { return base::seconds_of(status.now - peer.since); });
  each("caponier_peer_failed_attempts", "Failed attempts since it was last up.",
       [](const PeerStatus& peer) { return peer.attempts; });
  out.family("caponier_peer_round_trip_seconds", "gauge",
             "From our last request of IKE to its answer.");
  for (const PeerStatus& peer : status.peers) {
    if (!peer.ike || !peer.ike->last_round_trip) continue;
    out.sample({{"peer", peer.name}}, base::seconds_of(*peer.ike->last_round_trip));
  }
  out.family("caponier_peer_info", "gauge", "What the tunnel was negotiated with; always 1.");
  for (const PeerStatus& peer : status.peers) {
    if (!peer.ike || !peer.ike->suite) continue;
    const ike::IkeSaInfo& sa = *peer.ike;
    const std::string esp =
        peer.children.empty() ? "" : policy::to_string(peer.children.front().sa.suite);
    out.sample({{"peer", peer.name},
                {"remote", sa.path.remote.to_string()},
                {"ike", policy::to_string(*sa.suite)},
                {"esp", esp},
                {"nat", nat_of(sa)},
                {"product", name_of_product(sa)}},
               1);
  }
  out.family("caponier_users", "gauge", "Users who are in.");
  for (const PeerStatus& peer : status.peers) {
    if (peer.kind != config::PeerKind::server) continue;
    out.sample({{"peer", peer.name}}, peer.users.size());
  }
}

/// Several SAs of a child stand beside each other while keys are renewed; the smallest counts.
void write_mtus(MetricsWriter& out, const gateway::Status& status) {
  out.family("caponier_tunnel_mtu_bytes", "gauge",
             "The largest packet that the tunnel takes in one piece.");
  for (const PeerStatus& peer : status.peers) {
    std::map<std::string, std::size_t> smallest;
    for (const gateway::ChildStatus& child : peer.children) {
      const auto at = smallest.try_emplace(child.sa.name, child.inner_mtu).first;
      at->second = std::min(at->second, child.inner_mtu);
    }
    for (const auto& [name, mtu] : smallest) {
      out.sample({{"peer", peer.name}, {"child", name}}, mtu);
    }
  }
}

void write_traffic(MetricsWriter& out, const gateway::Traffic& traffic) {
  const auto each = [&](std::string_view name, std::string_view help,
                        std::uint64_t ipsec::SaCounters::* counter) {
    out.family(name, "counter", help);
    for (const gateway::PeerTraffic& peer : traffic.peers) {
      for (const gateway::ChildTraffic& child : peer.children) {
        out.sample({{"peer", peer.name}, {"child", child.name}}, child.total.*counter);
      }
    }
  };
  each("caponier_rx_bytes_total", "Inner bytes that came out of the tunnel.",
       &ipsec::SaCounters::bytes_in);
  each("caponier_tx_bytes_total", "Inner bytes that went into the tunnel.",
       &ipsec::SaCounters::bytes_out);
  each("caponier_rx_packets_total", "Packets that came out of the tunnel.",
       &ipsec::SaCounters::packets_in);
  each("caponier_tx_packets_total", "Packets that went into the tunnel.",
       &ipsec::SaCounters::packets_out);
}

void write_drops(MetricsWriter& out, const base::DropCounters& drops) {
  out.family("caponier_drops_total", "counter",
             "Packets and IKE messages that were discarded, by reason.");
  for (std::size_t i = 0; i < base::drop_reason_count; ++i) {
    out.sample({{"reason", base::drop_table[i].name}}, drops[static_cast<base::DropReason>(i)]);
  }
}

void write_host(MetricsWriter& out, const gateway::Status& status, const Daemon& daemon) {
  const Usage usage = daemon.usage();
  out.family("caponier_info", "gauge", "The version; always 1.");
  out.sample({{"version", CAPONIER_VERSION}}, 1);
  out.family("caponier_uptime_seconds", "gauge", "How long the daemon has been running.");
  out.sample({}, base::seconds_of(status.now - usage.started));
  out.family("caponier_cpu_seconds_total", "counter",
             "CPU time of the daemon, of all its threads.");
  out.sample({}, base::seconds_of(usage.cpu));
  out.family("caponier_worker_cpu_seconds_total", "counter",
             "CPU time of each worker of the data plane.");
  for (std::size_t i = 0; i < usage.workers.size(); ++i) {
    out.sample({{"worker", std::to_string(i)}}, base::seconds_of(usage.workers[i]));
  }
  out.family("caponier_ike_sas", "gauge", "IKE SAs in any state.");
  out.sample({}, status.ike_sas);
  out.family("caponier_half_open_ike_sas", "gauge", "IKE SAs whose peer has proved nothing yet.");
  out.sample({}, status.half_open);
  out.family("caponier_child_sas", "gauge", "Child SAs of the data plane.");
  out.sample({}, status.associations);
  out.family("caponier_expiry_timestamp_seconds", "gauge",
             "When a certificate or CRL of ours ends, in seconds since 1970.");
  for (const pki::Expiry& end : daemon.expiries()) {
    out.sample({{"name", base::printable(end.name)}}, end.not_after.value);
  }
}

void write_leases(MetricsWriter& out, const gateway::Gateway& gateway) {
  std::size_t held = 0;
  std::size_t kept = 0;
  for (const gateway::LeaseStatus& lease : gateway.leases()) ++(lease.is_held ? held : kept);
  out.family("caponier_leases", "gauge",
             "Inner addresses of users who are in (held), and that are kept for others (kept).");
  out.sample({{"state", "held"}}, held);
  out.sample({{"state", "kept"}}, kept);
}

}  // namespace

std::string to_metrics(const gateway::Gateway& gateway, const Daemon& daemon, base::Instant now,
                       bool compat) {
  MetricsWriter out;
  const gateway::Status status = gateway.status(now);
  base::DropCounters drops = status.drops;
  drops.add(daemon.drops());
  write_host(out, status, daemon);
  write_peers(out, status);
  write_mtus(out, status);
  write_traffic(out, gateway.traffic());
  write_drops(out, drops);
  write_leases(out, gateway);
  if (compat) write_compat_metrics(out, gateway, daemon, now);
  return out.finish();
}

}  // namespace caponier::control
