// Packets that come before the SA that we are about to install.

#include <gtest/gtest.h>

#include "unit/ipsec/header_packets.h"
#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

/// ESP behind an IPv4 header of 24 octets.
ByteVec in_ipv4_with_options(const ByteVec& esp) {
  const ByteVec model = with_v4_options({148, 4, 0, 0});
  ByteVec packet{model.begin(), model.begin() + 24};
  packet[9] = std::byte{50};
  packet.insert(packet.end(), esp.begin(), esp.end());
  base::store_be(&packet[2], static_cast<std::uint16_t>(packet.size()));
  base::store_be<std::uint16_t>(&packet[10], 0);
  base::store_be(&packet[10], wire::internet_checksum(Bytes{packet}.first(24)));
  return packet;
}

/// A has an SA, and has sent on it, of which B knows the SPI alone.
class Early {
 public:
  explicit Early(EngineLimits limits = {}, Spec first = {}) : pair{first, limits}, second{first} {
    second.id = 2;
    EXPECT_TRUE(pair.a.install(install_for_a(second), {}).has_value());
  }
  void expect() { pair.b.expect({spi_to_b(second)}); }
  void install(Instant now = {}) {
    EXPECT_TRUE(pair.b.install(install_for_b(second), now).has_value());
  }
  /// The verdict of B.
  Verdict send(std::size_t size = 40, Instant now = {}) {
    const Protected sent = protect_one(pair.a, udp_packet("10.1.0.5", "10.2.0.9", size));
    return open_all(pair.b, {sent.esp}, path, now, 0, sent.item.protocol, sent.item.is_whole)
        .front()
        .item.verdict;
  }
  /// What B has held and can open now: the sizes of UDP payloads.
  std::vector<std::size_t> take() {
    std::vector<std::size_t> sizes;
    PacketBuffer buffer{buffer_size};
    OpenItem item;
    item.packet = &buffer;
    while (pair.b.take_early({&item, 1}) == 1) {
      EXPECT_EQ(item.path, path);
      pair.b.open({&item, 1}, {});
      EXPECT_EQ(item.verdict, Verdict::forward);
      sizes.push_back(buffer.size() - 28);
      buffer.resize(0);
    }
    return sizes;
  }
  std::uint64_t dropped() { return pair.b.drops()[DropReason::esp_no_sa]; }

  Pair pair;
  Spec second;
  base::Path path{{ip("198.51.100.1"), 4500}, {ip("192.0.2.1"), 4500}};
};

TEST(EarlyPackets, are_opened_in_their_order_when_the_sa_is_there) {
  Early early;
  early.expect();
  for (const std::size_t size : {10U, 20U, 30U}) EXPECT_EQ(early.send(size), Verdict::held);
  EXPECT_FALSE(early.pair.b.has_released());
  EXPECT_TRUE(early.take().empty());
  early.install();
  EXPECT_TRUE(early.pair.b.has_released());
  EXPECT_EQ(early.take(), (std::vector<std::size_t>{10, 20, 30}));
  EXPECT_FALSE(early.pair.b.has_released());
  EXPECT_EQ(early.send(), Verdict::forward);
  EXPECT_EQ(early.pair.b.counters({2})->packets_in, 4u);
  EXPECT_EQ(early.dropped(), 0u);
}

TEST(EarlyPackets, of_ah_and_of_whole_esp_wait_as_they_came) {
  Spec ah;
  ah.protocol = policy::SaProtocol::ah;
  ah.suite = {crypto::EncrId::null, 0, crypto::IntegId::hmac_sha2_256_128};
  Early early{{}, ah};
  early.expect();
  EXPECT_EQ(early.send(10), Verdict::held);
  early.install();
  EXPECT_EQ(early.take(), std::vector<std::size_t>{10});

  Early with_options;
  with_options.expect();
  const ByteVec esp = protect_one(with_options.pair.a, udp_packet("10.1.0.5", "10.2.0.9", 10)).esp;
  const ByteVec whole = in_ipv4_with_options(esp);
  EXPECT_EQ(open_all(with_options.pair.b, {whole}, with_options.path, {}, 0,
                     policy::SaProtocol::esp, true)
                .front()
                .item.verdict,
            Verdict::held);
  with_options.install();
  EXPECT_EQ(with_options.take(), std::vector<std::size_t>{10});
}

TEST(EarlyPackets, of_an_spi_that_nobody_was_told_are_dropped_at_once) {
  Early early;
  EXPECT_EQ(early.send(), Verdict::drop);
  EXPECT_EQ(early.dropped(), 1u);
}

TEST(EarlyPackets, of_an_sa_that_does_not_come_are_dropped) {
  Early early;
  early.expect();
  EXPECT_EQ(early.send(), Verdict::held);
  early.pair.b.expect({spi_to_b(early.second), false});
  EXPECT_EQ(early.dropped(), 1u);
  EXPECT_EQ(early.send(), Verdict::drop);
  early.install();
  EXPECT_TRUE(early.take().empty());
}

TEST(EarlyPackets, wait_for_a_second) {
  Early early;
  early.expect();
  EXPECT_EQ(early.send(40, at_seconds(5)), Verdict::held);
  ASSERT_TRUE(early.pair.b.poll_deadline().has_value());
  EXPECT_EQ(early.pair.b.poll_deadline()->at, at_seconds(6));
  early.pair.b.handle_deadline(at_seconds(6));
  EXPECT_EQ(early.dropped(), 1u);
  EXPECT_FALSE(early.pair.b.poll_deadline().has_value());
  EXPECT_EQ(early.send(20, at_seconds(7)), Verdict::held) << "the answer may still come";
  early.install(at_seconds(7));
  EXPECT_EQ(early.take(), std::vector<std::size_t>{20});
}

TEST(EarlyPackets, have_limits) {
  EngineLimits limits;
  Early many{limits};
  many.expect();
  for (std::size_t i = 0; i < limits.early_packets_max; ++i) {
    ASSERT_EQ(many.send(), Verdict::held) << i;
  }
  EXPECT_EQ(many.send(), Verdict::drop);
  many.install();
  EXPECT_EQ(many.take().size(), limits.early_packets_max);

  limits.early_bytes_max = 2500;
  Early large{limits};
  large.expect();
  EXPECT_EQ(large.send(1200), Verdict::held);
  EXPECT_EQ(large.send(1200), Verdict::drop);
  EXPECT_EQ(large.send(900), Verdict::held);
  large.install();
  EXPECT_EQ(large.take(), (std::vector<std::size_t>{1200, 900}));
  EXPECT_EQ(large.dropped(), 1u);
}

TEST(EarlyPackets, too_large_for_the_callers_buffer_are_a_named_drop) {
  Early early;
  early.expect();
  EXPECT_EQ(early.send(1000), Verdict::held);
  early.install();
  PacketBuffer small{100};
  OpenItem item;
  item.packet = &small;
  EXPECT_EQ(early.pair.b.take_early({&item, 1}), 0u);
  EXPECT_EQ(early.dropped(), 1u);
}

}  // namespace
}  // namespace caponier::ipsec::test
