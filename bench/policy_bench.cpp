#include "bench/policy_bench.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "base/rng.h"
#include "bench/report.h"
#include "ipsec/flow_cache.h"
#include "ipsec/spd.h"
#include "wire/ip_packet.h"
#include "wire/udp.h"

namespace caponier::bench {
namespace {

using base::IpAddress;
using ipsec::Policy;
using policy::TrafficSelector;

/// More flows than the cache has places, so that none is found again.
constexpr std::size_t flow_count = 2 * ipsec::FlowCache::places_max;
constexpr std::size_t passes = 4;
constexpr std::array<std::size_t, 3> counts = {1, 100, 10'000};
constexpr double growth_max = 2;

enum class Shape { sites, pairs, ranges };
constexpr std::array shapes = {Shape::sites, Shape::pairs, Shape::ranges};

std::string_view name_of(Shape shape) {
  switch (shape) {
    case Shape::sites: return "a network of each peer's";
    case Shape::pairs: return "a pair of networks, tcp or udp, a port";
    case Shape::ranges: return "overlapping ranges of addresses and ports";
  }
  return {};
}

std::uint32_t below(base::Rng& rng, std::uint64_t limit) {
  return static_cast<std::uint32_t>(rng.public_below(limit));
}

TrafficSelector net(std::uint32_t address, unsigned length) {
  return TrafficSelector::from_prefix(
      {IpAddress::v4(address).with_low_bits(length, false), length});
}

Policy make_policy(Shape shape, std::uint32_t number, base::Rng& rng) {
  Policy policy;
  TrafficSelector local = net(0x0a000000, 16);
  TrafficSelector remote = net(0x0b000000 + (number << 8), 24);
  if (shape == Shape::pairs) {
    local = net(0x0a000000 + (below(rng, 1 << 16) << 8), 24);
    remote = net(0xac100000 + (below(rng, 1 << 12) << 8), 24);
    local.protocol = remote.protocol = rng.public_below(2) == 0 ? 6 : 17;
    remote.first_port = remote.last_port = static_cast<std::uint16_t>(1 + below(rng, 1000));
  } else if (shape == Shape::ranges) {
    const std::uint32_t first = below(rng, 1 << 24);
    remote.first = IpAddress::v4(0x0b000000 + first);
    remote.last = IpAddress::v4(0x0b000000 + first + below(rng, 1 << 13));
    if (rng.public_below(2) == 0) {
      remote.protocol = 17;
      remote.first_port = static_cast<std::uint16_t>(below(rng, 0x8000));
      remote.last_port = static_cast<std::uint16_t>(remote.first_port + below(rng, 0x4000));
    }
  }
  policy.local = {local};
  policy.remote = {remote};
  return policy;
}

std::uint32_t pick(const TrafficSelector& selector, base::Rng& rng) {
  const std::uint64_t span = selector.last.v4_value() - selector.first.v4_value() + 1ULL;
  return selector.first.v4_value() + below(rng, span);
}

std::uint16_t pick_port(const TrafficSelector& selector, base::Rng& rng) {
  return static_cast<std::uint16_t>(selector.first_port +
                                    below(rng, selector.last_port - selector.first_port + 1ULL));
}

/// UDP or TCP from anywhere to anywhere that some policy names.
base::ByteVec make_packet(const std::vector<Policy>& policies, base::Rng& rng) {
  const Policy& policy = policies[below(rng, policies.size())];
  const TrafficSelector& local = policy.local.front();
  const TrafficSelector& remote = policy.remote.front();
  const std::uint8_t protocol = remote.protocol == 6 ? 6 : 17;
  base::ByteVec packet = wire::make_ip_packet(
      {IpAddress::v4(pick(local, rng)), IpAddress::v4(pick(remote, rng)), protocol}, 40);
  base::store_be(packet.data() + 20, pick_port(local, rng));
  base::store_be(packet.data() + 22, pick_port(remote, rng));
  return packet;
}

/// Nanoseconds for one of `flow_count` things done `passes` times over.
template <class Work>
Spread measure(unsigned repetitions, Work work) {
  std::vector<double> values;
  for (unsigned i = 0; i < repetitions; ++i) {
    const double begin = cpu_seconds();
    for (std::size_t pass = 0; pass < passes; ++pass) {
      for (std::size_t flow = 0; flow < flow_count; ++flow) work(flow);
    }
    values.push_back((cpu_seconds() - begin) * 1e9 / (passes * flow_count));
  }
  return spread_of(std::move(values));
}

struct Figures {
  Spread index;   ///< the index alone
  Spread cold;    ///< a packet whose flow is not in the cache, from its bytes on
  Spread cached;  ///< and one whose flow is
};

Figures measure_shape(Shape shape, std::size_t count, unsigned repetitions) {
  base::SeededRng rng{count};
  std::vector<Policy> policies;
  for (std::uint32_t i = 0; i < count; ++i) policies.push_back(make_policy(shape, i, rng));
  std::vector<base::ByteVec> packets;
  std::vector<wire::PacketSelectorFields> fields;
  for (std::size_t i = 0; i < flow_count; ++i) {
    packets.push_back(make_packet(policies, rng));
    fields.push_back(*wire::selector_fields(packets.back()));
  }
  ipsec::Spd spd{{}};
  const double begin = cpu_seconds();
  spd.set(policies);
  show(fmt::format("{:>6} policies: build", count), (cpu_seconds() - begin) * 1e3, "ms");
  show(fmt::format("{:>6} policies: copies in the index", count),
       static_cast<double>(spd.indexed_copies()), "");

  std::size_t found = 0;
  ipsec::FlowCache cache;
  const auto decide = [&](std::size_t flow) {
    ipsec::IpSummary summary;
    if (!ipsec::summarize(packets[flow], summary)) return;
    if (const ipsec::Flow* known = cache.find(summary.flow, spd.generation())) {
      found += known->entry != nullptr ? 1 : 0;
      return;
    }
    const auto packet = wire::selector_fields(packets[flow]);
    const ipsec::Flow fresh{spd.match_outbound(*packet), nullptr};
    found += fresh.entry != nullptr ? 1 : 0;
    cache.insert(summary.flow, spd.generation(), fresh);
  };
  Figures figures;
  figures.index = measure(repetitions, [&](std::size_t flow) {
    found += spd.match_outbound(fields[flow]) != nullptr ? 1 : 0;
  });
  figures.cold = measure(repetitions, decide);
  figures.cached = measure(repetitions, [&](std::size_t flow) { decide(flow % 64); });
  if (found == 0) fmt::print("nothing matched: these figures mean nothing\n");
  return figures;
}

}  // namespace

void policies(unsigned repetitions) {
  for (const Shape shape : shapes) {
    heading(fmt::format("Policy lookup: {}", name_of(shape)));
    std::optional<Figures> first;
    for (const std::size_t count : counts) {
      const Figures figures = measure_shape(shape, count, repetitions);
      if (!first) first = figures;
      show(fmt::format("{:>6} policies: the index alone", count), figures.index, "ns");
      show(fmt::format("{:>6} policies: a packet of a new flow", count), figures.cold, "ns");
      show(fmt::format("{:>6} policies: a packet of a known flow", count), figures.cached, "ns");
      if (count == counts.front()) continue;
      const double growth = figures.cold.median / first->cold.median;
      show(fmt::format("{:>6} policies: growth of a new flow's cost", count), growth, "x",
           "at most 2", growth <= growth_max);
      show(fmt::format("{:>6} policies: growth of the index's cost", count),
           figures.index.median / first->index.median, "x");
    }
  }
}

}  // namespace caponier::bench
