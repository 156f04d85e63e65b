// Packets that go through the engine together: what one leaves behind for the next.

#include <gtest/gtest.h>

#include "ipsec/engine_parts.h"
#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

using base::DropReason;

Bytes esp_text(ByteVec& packet) {
  while ((packet.size() + 2) % 4 != 0) packet.push_back(std::byte{0});
  packet.push_back(std::byte{0});
  packet.push_back(std::byte{4});
  return packet;
}

TEST(Burst, what_a_flow_may_not_is_refused_to_each_of_its_packets_and_to_no_other) {
  Pair pair;
  std::vector<ByteVec> arriving;
  std::uint64_t sequence = 0;
  for (const std::string_view destination :
       {"10.2.0.9", "10.9.0.9", "10.9.0.9", "10.9.0.9", "10.2.0.9", "10.2.0.9"}) {
    ByteVec packet = udp_packet("10.1.0.5", destination, 10);
    arriving.push_back(pair.forge_to_b(esp_text(packet), ++sequence));
  }
  const auto got = open_all(pair.b, arriving, {}, {});
  for (const std::size_t i : {0u, 4u, 5u}) EXPECT_EQ(got[i].item.verdict, Verdict::forward) << i;
  for (const std::size_t i : {1u, 2u, 3u}) {
    EXPECT_EQ(got[i].item.verdict, Verdict::drop) << i;
    EXPECT_EQ(got[i].item.drop, DropReason::esp_selector) << i;
  }
  EXPECT_EQ(pair.b.drops()[DropReason::esp_selector], 3u);
}

TEST(Burst, a_flow_goes_on_behind_a_packet_of_it_that_was_dropped) {
  Pair pair;
  const ByteVec packet = v4_packet();
  const ByteVec esp = protect_one(pair.a, packet).esp;
  const ByteVec next = protect_one(pair.a, packet).esp;
  const auto got = open_all(pair.b, {esp, esp, next}, {}, {});
  EXPECT_EQ(got[0].packet, packet);
  EXPECT_EQ(got[1].item.drop, DropReason::esp_replay);
  EXPECT_EQ(got[2].packet, packet);
}

TEST(Burst, packets_of_one_flow_share_what_was_found_for_the_first) {
  Pair pair;
  ByteVec foreign = udp_packet("10.1.0.5", "10.9.0.9", 10);
  const auto sent =
      protect_all(pair.a, {v4_packet(), v4_packet(), foreign, foreign, v4_packet()}, {});
  for (const std::size_t i : {0u, 1u, 4u}) EXPECT_EQ(sent[i].item.verdict, Verdict::forward) << i;
  for (const std::size_t i : {2u, 3u}) {
    EXPECT_EQ(sent[i].item.drop, DropReason::clear_no_policy) << i;
  }
}

struct Witness {
  std::vector<BurstStage>& seen;
  void passed(BurstStage stage) { seen.push_back(stage); }
};

TEST(Burst, whoever_watches_sees_each_stage_once) {
  base::SeededRng rng{1};
  const crypto::NullProvider null{nullptr};
  EngineParts parts{{}, rng, null};
  PacketBuffer buffer;
  std::vector<BurstStage> seen;
  ProtectItem leaving;
  leaving.packet = &buffer;
  parts.outbound.run({&leaving, 1}, {}, Witness{seen});
  OpenItem arriving;
  arriving.packet = &buffer;
  parts.inbound.run({&arriving, 1}, {}, Witness{seen});
  using enum BurstStage;
  EXPECT_EQ(seen, (std::vector{parse, policy, headers, crypto, count, parse, association, headers,
                               crypto, unwrap, policy}));
}

}  // namespace
}  // namespace caponier::ipsec::test
