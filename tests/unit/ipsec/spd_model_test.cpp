// The indexed SPD against the brute-force model: ten million pairs of a packet and a policy set.

#include <gtest/gtest.h>

#include <array>

#include "base/rng.h"
#include "ipsec/spd.h"
#include "unit/ipsec/spd_model.h"

namespace caponier::ipsec::test {
namespace {

using policy::TrafficSelector;
using policy::TrafficSelectors;

/// Values from small domains, so that policies overlap and packets match.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : rng_(seed) {}

  std::uint64_t below(std::uint64_t limit) { return rng_.public_below(limit); }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  base::IpAddress address(base::Family family) {
    const auto low = static_cast<std::uint32_t>(below(256));
    if (family == base::Family::v4) {
      // Both ends of the space are there too.
      if (one_in(32))
        return one_in(2) ? base::IpAddress::lowest(family) : base::IpAddress::highest(family);
      return base::IpAddress::v4(0x0a000000U + (low & 0xf0U) * 0x1000U + (low & 0xfU));
    }
    if (one_in(32))
      return one_in(2) ? base::IpAddress::lowest(family) : base::IpAddress::highest(family);
    std::array<std::byte, 16> raw{std::byte{0x20}, std::byte{0x01}};
    raw[low & 1 ? 7 : 8] = static_cast<std::byte>(low >> 4);
    raw[15] = static_cast<std::byte>(low & 0xf);
    return base::IpAddress::from_bytes(raw);
  }
  std::uint8_t protocol() {
    constexpr std::array<std::uint8_t, 7> known = {1, 6, 17, 47, 58, 135, 132};
    return known[below(known.size())];
  }
  std::uint16_t port() {
    if (one_in(16)) return one_in(2) ? std::uint16_t{0} : std::uint16_t{0xffff};
    return static_cast<std::uint16_t>(one_in(2) ? below(24) : below(4) << 8);
  }

  TrafficSelector selector(base::Family family) {
    TrafficSelector ts = TrafficSelector::any(family);
    if (!one_in(6)) {
      ts.first = address(family);
      ts.last = one_in(3) ? ts.first : address(family);
      if (ts.last < ts.first && !one_in(20)) std::swap(ts.first, ts.last);
    }
    if (one_in(2)) ts.protocol = protocol();
    switch (below(6)) {
      case 0: ts.first_port = 0xffff, ts.last_port = 0; break;  // OPAQUE
      case 1: ts.first_port = ts.last_port = port(); break;
      case 2:
        ts.first_port = port();
        ts.last_port = port();
        if (ts.last_port < ts.first_port && !one_in(20)) std::swap(ts.first_port, ts.last_port);
        break;
      default: break;
    }
    return ts;
  }
  TrafficSelectors selectors() {
    TrafficSelectors all(1 + (one_in(4) ? below(3) : 0));
    for (auto& ts : all) ts = selector(one_in(3) ? base::Family::v6 : base::Family::v4);
    return all;
  }
  Policy policy() {
    Policy policy;
    policy.action = static_cast<PolicyAction>(below(3));
    policy.local = selectors();
    policy.remote = selectors();
    policy.direction = static_cast<PolicyDirection>(one_in(3) ? below(3) : 0);
    return policy;
  }
  wire::PacketSelectorFields packet() {
    const auto family = one_in(3) ? base::Family::v6 : base::Family::v4;
    wire::PacketSelectorFields packet;
    packet.source = address(family);
    packet.destination = address(family);
    packet.protocol = protocol();
    packet.is_fragment = one_in(4);
    packet.is_first_fragment = packet.is_fragment && one_in(2);
    packet.has_ports = packet.protocol != 47 && (!packet.is_fragment || packet.is_first_fragment);
    if (!packet.has_ports) return packet;
    packet.source_port = packet.destination_port = port();
    const bool has_one_value =
        packet.protocol == 1 || packet.protocol == 58 || packet.protocol == 135;
    if (!has_one_value) packet.destination_port = port();
    return packet;
  }

 private:
  base::SeededRng rng_;
};

std::optional<std::size_t> place_of(const SpdEntry* entry) {
  if (entry == nullptr) return std::nullopt;
  return std::stoul(entry->policy.connection);
}

/// How many packets were compared, in both directions each, and how many of them matched.
struct Tally {
  std::uint64_t pairs = 0;
  std::uint64_t matches = 0;
};

void compare(Dice& dice, std::size_t count, std::size_t packets, const SpdLimits& limits,
             Tally& tally) {
  std::vector<Policy> policies;
  for (std::size_t i = 0; i < count; ++i) {
    policies.push_back(dice.policy());
    policies.back().connection = std::to_string(i);
  }
  Spd spd{limits};
  spd.set(policies);
  const SpdModel model{std::move(policies)};
  for (std::size_t i = 0; i < packets; ++i) {
    const auto packet = dice.packet();
    const auto out = model.outbound(packet);
    ASSERT_EQ(place_of(spd.match_outbound(packet)), out);
    ASSERT_EQ(place_of(spd.match_inbound(packet)), model.inbound(packet));
    tally.pairs += count;
    tally.matches += out.has_value() ? 1 : 0;
  }
}

//= rfc4301#4.4.1-15 type=test
TEST(SpdModel, ten_million_pairs_of_packet_and_policy_are_decided_as_by_brute_force) {
  Dice dice{4301};
  Tally tally;
  while (tally.pairs < 10'000'000) {
    compare(dice, 1 + dice.below(8), 100, {}, tally);
    compare(dice, 1 + dice.below(200), 200, {}, tally);
    if (HasFatalFailure()) return;
  }
  for (int i = 0; i < 3; ++i) compare(dice, 3000, 1000, {}, tally);
  EXPECT_GT(tally.matches, 20'000u);
}

TEST(SpdModel, holds_where_the_index_has_too_little_room) {
  Dice dice{7};
  Tally tally;
  for (const SpdLimits& limits : {SpdLimits{0, 16}, SpdLimits{50, 16}, SpdLimits{1 << 18, 0},
                                  SpdLimits{1 << 18, 1}, SpdLimits{200, 2}}) {
    for (int i = 0; i < 40; ++i) compare(dice, 1 + dice.below(150), 100, limits, tally);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(tally.matches, 5'000u);
}

}  // namespace
}  // namespace caponier::ipsec::test
