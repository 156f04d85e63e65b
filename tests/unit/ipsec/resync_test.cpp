// RFC 4303 appendix A3: 2^32 packets or more were lost, and the receiver finds back.

#include <gtest/gtest.h>

#include "ipsec/esp_inbound.h"
#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

constexpr std::uint64_t wrap = std::uint64_t{1} << 32;

/// A tunnelled packet with its ESP trailer, unpadded.
ByteVec text_of(const ByteVec& packet) {
  ByteVec text = packet;
  while (text.size() % 4 != 2) text.push_back(std::byte{0});
  const std::size_t padding = text.size() - packet.size();
  for (std::size_t i = 0; i < padding; ++i) text[packet.size() + i] = static_cast<std::byte>(i + 1);
  text.push_back(static_cast<std::byte>(padding));
  text.push_back(std::byte{wire::ip_protocol::ipv4});
  return text;
}

struct Lost {
  explicit Lost(const Spec& spec = {}) : pair(spec) {}
  /// What B makes of a packet of that number.
  Opened receive(std::uint64_t sequence) {
    return open_one(pair.b, pair.forge_to_b(text_of(v4_packet()), sequence));
  }
  /// How many of `count` packets from `first` on B delivers.
  std::size_t delivered(std::uint64_t first, std::size_t count) {
    std::size_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      sum += receive(first + i).item.verdict == Verdict::forward ? 1U : 0U;
    }
    return sum;
  }
  Pair pair;
};

//= rfc4303#3.4.3-7 type=test
TEST(Resync, finds_a_sender_that_is_wraps_ahead_after_enough_failures) {
  Lost lost;
  ASSERT_EQ(lost.delivered(100, 10), 10u);
  const std::uint64_t ahead = 5 * wrap + 200;
  EXPECT_EQ(lost.delivered(ahead, EspInbound::resync_failures), 0u);
  EXPECT_EQ(lost.pair.b.drops()[DropReason::esp_bad_icv], EspInbound::resync_failures);
  const Opened found = lost.receive(ahead + 1000);
  EXPECT_EQ(found.item.verdict, Verdict::forward);
  EXPECT_EQ(found.packet, v4_packet());
  EXPECT_EQ(lost.delivered(ahead + 1001, 50), 50u) << "and goes on from there";
  EXPECT_EQ(lost.receive(ahead + 1000).item.drop, DropReason::esp_replay);
}

TEST(Resync, does_not_look_farther_than_its_limit) {
  Lost lost;
  ASSERT_EQ(lost.delivered(100, 1), 1u);
  const std::uint64_t ahead = (EspInbound::resync_wraps_max + 2) * wrap + 200;
  EXPECT_EQ(lost.delivered(ahead, 3 * EspInbound::resync_failures), 0u);
  EXPECT_EQ(lost.delivered(101, 10), 10u) << "the old place is still known";
}

TEST(Resync, waits_for_failures_in_a_row) {
  Lost lost;
  for (std::uint64_t i = 1; i < 4; ++i) {
    ASSERT_EQ(lost.delivered(i, 1), 1u);
    ASSERT_EQ(lost.delivered(2 * wrap + 500 * i, EspInbound::resync_failures - 1), 0u);
  }
}

TEST(Resync, does_not_happen_without_extended_sequence_numbers) {
  Spec spec;
  spec.esn = false;
  Lost lost{spec};
  ByteVec forged = lost.pair.forge_to_b(text_of(v4_packet()), 7);
  forged.back() ^= std::byte{1};
  for (std::uint32_t i = 0; i < 3 * EspInbound::resync_failures; ++i) {
    EXPECT_EQ(open_one(lost.pair.b, forged).item.drop, DropReason::esp_bad_icv);
  }
}

}  // namespace
}  // namespace caponier::ipsec::test
