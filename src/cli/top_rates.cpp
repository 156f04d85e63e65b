#include "cli/top_rates.h"

#include <algorithm>
#include <tuple>

namespace caponier::cli {
namespace {

/// Of a shorter time, one packet more or less would make a storm.
constexpr std::uint64_t time_us_min = 1000;

std::uint64_t increase(std::uint64_t before, std::uint64_t after) {
  return after >= before ? after - before : after;
}

TunnelRates rates_of(const TunnelName& name, const TunnelCounters& before,
                     const TunnelCounters& after, double seconds) {
  const auto rate = [&](std::uint64_t TunnelCounters::* counter, double factor) {
    return factor * static_cast<double>(increase(before.*counter, after.*counter)) / seconds;
  };
  return {name,
          rate(&TunnelCounters::packets_in, 1),
          rate(&TunnelCounters::bytes_in, 8),
          rate(&TunnelCounters::packets_out, 1),
          rate(&TunnelCounters::bytes_out, 8),
          rate(&TunnelCounters::drops, 1)};
}

/// Equal ones in the order of their names.
void sort_by_traffic(std::vector<TunnelRates>& tunnels) {
  const auto key = [](const TunnelRates& tunnel) {
    return std::tuple<double, double, const TunnelName&>{-(tunnel.bits_in + tunnel.bits_out),
                                                         -(tunnel.packets_in + tunnel.packets_out),
                                                         tunnel.name};
  };
  std::ranges::sort(tunnels,
                    [&](const TunnelRates& a, const TunnelRates& b) { return key(a) < key(b); });
}

TunnelCounters counters_of(const Json& child) {
  TunnelCounters counters{count(child, "packets_in"), count(child, "bytes_in"),
                          count(child, "packets_out"), count(child, "bytes_out"), 0};
  for (const auto& [reason, value] : at(child, "drops").items()) {
    counters.drops += count(at(child, "drops"), reason.c_str());
  }
  return counters;
}

}  // namespace

Snapshot snapshot_of(const Json& traffic) {
  Snapshot snapshot;
  snapshot.clock_us = count(traffic, "clock_us");
  snapshot.started_us = count(traffic, "started_us");
  snapshot.cpu_us = count(traffic, "cpu_us");
  for (const Json& worker : at(traffic, "workers")) {
    snapshot.worker_cpu_us.push_back(count(worker, "cpu_us"));
  }
  for (const Json& peer : at(traffic, "peers")) {
    for (const Json& child : at(peer, "children")) {
      snapshot.tunnels[{text(peer, "name"), text(child, "name")}] = counters_of(child);
    }
  }
  for (const auto& [reason, value] : at(traffic, "drops").items()) {
    snapshot.drops[reason] = count(at(traffic, "drops"), reason.c_str());
  }
  return snapshot;
}

std::optional<Rates> rates_between(const Snapshot& before, const Snapshot& after) {
  Snapshot none;
  none.clock_us = none.started_us = after.started_us;
  const Snapshot& base = before.started_us == after.started_us ? before : none;
  if (after.clock_us < base.clock_us + time_us_min) return std::nullopt;
  const auto elapsed_us = static_cast<double>(after.clock_us - base.clock_us);
  Rates rates;
  rates.seconds = elapsed_us / 1e6;
  rates.uptime_seconds = static_cast<double>(increase(after.started_us, after.clock_us)) / 1e6;
  const auto percent = [&](std::uint64_t from, std::uint64_t to) {
    return 100 * static_cast<double>(increase(from, to)) / elapsed_us;
  };
  rates.cpu_percent = percent(base.cpu_us, after.cpu_us);
  for (std::size_t i = 0; i < after.worker_cpu_us.size(); ++i) {
    const std::uint64_t from = i < base.worker_cpu_us.size() ? base.worker_cpu_us[i] : 0;
    rates.worker_cpu_percent.push_back(percent(from, after.worker_cpu_us[i]));
  }
  for (const auto& [name, counters] : after.tunnels) {
    const auto old = base.tunnels.find(name);
    const TunnelRates& tunnel = rates.tunnels.emplace_back(rates_of(
        name, old == base.tunnels.end() ? TunnelCounters{} : old->second, counters, rates.seconds));
    rates.total.packets_in += tunnel.packets_in;
    rates.total.bits_in += tunnel.bits_in;
    rates.total.packets_out += tunnel.packets_out;
    rates.total.bits_out += tunnel.bits_out;
  }
  sort_by_traffic(rates.tunnels);
  for (const auto& [reason, counter] : after.drops) {
    const auto old = base.drops.find(reason);
    const auto more = increase(old == base.drops.end() ? 0 : old->second, counter);
    if (more == 0) continue;
    rates.drops.emplace_back(reason, static_cast<double>(more) / rates.seconds);
    rates.total.drops += rates.drops.back().second;
  }
  std::ranges::sort(rates.drops, [](const auto& a, const auto& b) {
    return std::tie(b.second, a.first) < std::tie(a.second, b.first);
  });
  return rates;
}

}  // namespace caponier::cli
