#include "gateway/capture.h"

#include <gtest/gtest.h>

#include "unit/gateway/peers.h"
#include "wire/ip.h"

namespace caponier::gateway {
namespace {

using namespace std::chrono_literals;

const base::Path path{{address("192.0.2.1"), 4500}, {address("192.0.2.2"), 4500}};
const base::ByteVec payload(20, std::byte{7});

std::size_t count_blocks(Capture& capture) {
  std::size_t count = 0;
  while (capture.poll()) ++count;
  return count;
}

TEST(Capture, a_switched_off_capture_gives_nothing) {
  Capture capture{8, 0ns};
  EXPECT_FALSE(capture.is_on());
  EXPECT_FALSE(capture.poll().has_value());
}

TEST(Capture, switching_on_starts_a_file_with_its_head) {
  Capture capture{8, 0ns};
  capture.set(true);
  const auto head = capture.poll();
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(base::load_be<std::uint32_t>(head->data()), 0x0a0d0d0au);
  capture.set(false);
  capture.set(true);
  EXPECT_EQ(count_blocks(capture), 1u);
}

TEST(Capture, the_oldest_packets_are_lost_first) {
  Capture capture{3, 0ns};
  capture.set(true);
  (void)capture.poll();
  for (int i = 0; i < 10; ++i) {
    capture.add_udp(path, wire::PcapngDirection::outbound, payload, base::Instant{1s});
  }
  EXPECT_EQ(count_blocks(capture), 3u);
}

TEST(Capture, native_esp_is_an_ip_packet_of_protocol_50_in_the_right_direction) {
  Capture capture{3, 0ns};
  capture.set(true);
  (void)capture.poll();
  capture.add_esp(path, wire::PcapngDirection::inbound, payload, base::Instant{1s});
  const auto block = capture.poll();
  ASSERT_TRUE(block.has_value());
  constexpr std::size_t packet_at = 28;
  const auto ip = wire::Ipv4View::checked(base::Bytes{*block}.subspan(packet_at));
  ASSERT_TRUE(ip.has_value());
  EXPECT_EQ(ip->protocol(), wire::ip_protocol::esp);
  EXPECT_EQ(ip->source(), address("192.0.2.2"));
  EXPECT_TRUE(base::equal(ip->payload(), payload));
}

}  // namespace
}  // namespace caponier::gateway
