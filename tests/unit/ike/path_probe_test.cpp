// Probing the path with an INFORMATIONAL of a chosen size.

#include <gtest/gtest.h>

#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

constexpr std::size_t headers = 20 + 8 + 4;  ///< IPv4, UDP, and on port 4500 the marker

std::size_t ip_size(const Datagram& datagram, std::uint16_t port) {
  return datagram.message.size() + headers - (port == 4500 ? 0 : 4);
}

class PathProbe : public ::testing::Test {
 protected:
  void SetUp() override {
    pair.initiate_a();
    pair.run();
    ASSERT_TRUE(pair.is_up());
    pair.sent.clear();
    pair.a.record.transmits.clear();
  }
  void probe(std::size_t size) {
    pair.command_a(ProbePath{pair.a.live().front()->id, size, ++number});
  }
  /// Loses whatever is larger as an IP packet.
  void narrow(std::size_t mtu) {
    pair.filter = [mtu](const Datagram& datagram) {
      return ip_size(datagram, datagram.path.local.port) <= mtu;
    };
  }
  [[nodiscard]] std::size_t first_size() const {
    return ip_size(pair.sent.front(), pair.sent.front().path.local.port);
  }

  Pair pair;
  std::uint64_t number = 0;
};

TEST_F(PathProbe, is_one_packet_of_that_size_with_dont_fragment_and_tells_what_was_carried) {
  for (const std::size_t size : {600U, 1280U, 1500U, 9000U}) {
    pair.sent.clear();
    pair.a.record.transmits.clear();
    probe(size);
    pair.run();
    ASSERT_EQ(pair.a.record.transmits.size(), 1u);
    EXPECT_TRUE(pair.a.record.transmits.front().dont_fragment);
    const PathProbed& told = pair.a.record.probes.back();
    EXPECT_EQ(told.probe, number);
    EXPECT_TRUE(told.carried);
    EXPECT_EQ(told.size, first_size());
    EXPECT_LE(told.size, size);
    EXPECT_GT(told.size + 16, size);
  }
  EXPECT_EQ(pair.b.state(), IkeState::established);
}

TEST_F(PathProbe, that_is_lost_is_repeated_small_and_in_one_piece_and_the_ike_sa_lives) {
  narrow(1300);
  probe(1500);
  pair.advance(30s);
  ASSERT_EQ(pair.a.record.probes.size(), 1u);
  EXPECT_FALSE(pair.a.record.probes.front().carried);
  EXPECT_EQ(pair.a.record.probes.front().size, first_size());
  std::size_t large = 0;
  for (const Transmit& transmit : pair.a.record.transmits) large += transmit.dont_fragment ? 1 : 0;
  EXPECT_EQ(large, 1u);
  EXPECT_EQ(pair.a.record.transmits.size(), 2u);
  EXPECT_LT(pair.a.record.transmits.back().datagram.size(), 150u);
  EXPECT_EQ(pair.a.state(), IkeState::established);
  // The window is free again.
  probe(1300);
  pair.run();
  EXPECT_TRUE(pair.a.record.probes.back().carried);
}

TEST_F(PathProbe, works_from_the_responder_too) {
  pair.command_b(ProbePath{pair.b.live().front()->id, 1400, 9});
  pair.run();
  ASSERT_EQ(pair.b.record.probes.size(), 1u);
  EXPECT_TRUE(pair.b.record.probes.front().carried);
}

TEST_F(PathProbe, smaller_than_its_own_headers_is_refused) {
  probe(20);
  ASSERT_EQ(pair.a.record.probes.size(), 1u);
  EXPECT_EQ(pair.a.record.probes.front().size, 0u);
  EXPECT_FALSE(pair.a.record.probes.front().carried);
}

TEST_F(PathProbe, of_an_unknown_child_is_ignored) {
  pair.command_a(ProbePath{{12345}, 1400, 1});
  pair.run();
  EXPECT_TRUE(pair.a.record.probes.empty());
}

TEST_F(PathProbe, that_only_the_answer_to_was_lost_is_answered_again) {
  pair.filter = [lost = false](const Datagram& datagram) mutable {
    return datagram.to_b || std::exchange(lost, true);
  };
  probe(1400);
  pair.advance(30s);
  ASSERT_EQ(pair.a.record.probes.size(), 1u);
  EXPECT_FALSE(pair.a.record.probes.front().carried);
  EXPECT_EQ(pair.a.state(), IkeState::established);
  EXPECT_EQ(pair.b.state(), IkeState::established);
}

TEST(PathProbeWithout, ike_fragmentation_works_as_well) {
  Pair pair;
  ConnectionConfig lax = make_connection(end_a, end_b);
  lax.fragmentation = false;
  pair.a.set(std::move(lax));
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.a.record.transmits.clear();
  pair.command_a(ProbePath{pair.a.live().front()->id, 1400, 1});
  pair.run();
  ASSERT_EQ(pair.a.record.probes.size(), 1u);
  EXPECT_TRUE(pair.a.record.probes.front().carried);
  EXPECT_EQ(pair.a.record.transmits.size(), 1u);
}

}  // namespace
}  // namespace caponier::ike::test
