#include "ipsec/ip_summary.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

/// Plain packets, and ones that were changed in their headers or cut.
std::vector<ByteVec> odd_packets(base::Rng& rng, std::size_t count) {
  std::vector<ByteVec> packets;
  while (packets.size() < count) {
    ByteVec packet;
    switch (rng.public_below(3)) {
      case 0: packet = v4_packet(rng.public_below(40)); break;
      case 1: packet = v6_packet(rng.public_below(40)); break;
      default: packet = syn_packet("10.1.0.5", "10.2.0.9", 1400); break;
    }
    for (std::uint64_t changes = rng.public_below(4); changes > 0; --changes) {
      packet[rng.public_below(std::min<std::size_t>(packet.size(), 60))] =
          static_cast<std::byte>(rng.public_u32());
    }
    if (rng.public_below(4) == 0) packet.resize(rng.public_below(packet.size() + 4));
    packets.push_back(std::move(packet));
  }
  return packets;
}

TEST(IpSummary, is_the_same_by_the_short_way_and_the_long_one) {
  base::SeededRng rng{1};
  std::size_t readable = 0;
  for (const ByteVec& packet : odd_packets(rng, 200'000)) {
    IpSummary fast;
    IpSummary slow;
    const bool is_fast_readable = summarize(packet, fast);
    ASSERT_EQ(is_fast_readable, summarize_any(packet, slow)) << base::to_hex(packet);
    if (!is_fast_readable) continue;
    ++readable;
    ASSERT_EQ(fast.flow, slow.flow) << base::to_hex(packet);
    ASSERT_EQ(fast.size, slow.size);
    ASSERT_EQ(fast.tos, slow.tos);
    ASSERT_EQ(fast.is_v4, slow.is_v4);
    ASSERT_EQ(fast.dont_fragment, slow.dont_fragment) << base::to_hex(packet);
    ASSERT_EQ(fast.is_syn, slow.is_syn) << base::to_hex(packet);
  }
  EXPECT_GT(readable, 50'000u);
}

TEST(FlowKey, tells_apart_what_selector_fields_tell_apart) {
  base::SeededRng rng{2};
  std::vector<std::pair<wire::PacketSelectorFields, FlowKey>> known;
  for (const ByteVec& packet : odd_packets(rng, 2000)) {
    const auto fields = wire::selector_fields(packet);
    if (fields.has_value()) known.emplace_back(*fields, FlowKey::of(*fields));
  }
  for (const auto& [fields, key] : known) {
    for (const auto& [other_fields, other_key] : known) {
      ASSERT_EQ(fields == other_fields, key == other_key);
    }
  }
}

}  // namespace
}  // namespace caponier::ipsec::test
