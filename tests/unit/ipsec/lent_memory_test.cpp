// Packets that are opened where a driver has received them.

#include <gtest/gtest.h>

#include <array>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

constexpr std::size_t begin = 256;
constexpr std::byte untouched{0xa5};

/// `esp` opened within a frame of a driver's.
OpenItem open_in(Engine& engine, PacketBuffer& buffer, base::MutBytes frame, Bytes esp) {
  base::copy_into(frame.subspan(begin), esp);
  buffer.place(begin, esp.size());
  OpenItem item;
  item.packet = &buffer;
  engine.open({&item, 1}, {});
  return item;
}

TEST(LentMemory, holds_a_packet_that_is_opened_in_place) {
  Pair pair;
  std::array<std::byte, 2048> frame;
  frame.fill(untouched);
  PacketBuffer buffer{base::MutBytes{frame}};
  for (const std::size_t size : {0, 100, 1300}) {
    const ByteVec packet = v4_packet(size);
    const Protected sent = protect_one(pair.a, packet);
    const OpenItem got = open_in(pair.b, buffer, frame, sent.esp);
    ASSERT_EQ(got.verdict, Verdict::forward) << size;
    const Bytes opened = std::as_const(buffer).bytes();
    EXPECT_EQ(base::to_vec(opened), packet);
    EXPECT_GE(opened.data(), &frame[begin]);
    EXPECT_LE(opened.data() + opened.size(), frame.data() + begin + sent.esp.size());
  }
  EXPECT_EQ(frame[begin - 1], untouched);
  EXPECT_EQ(frame.back(), untouched);
}

TEST(LentMemory, has_room_for_the_headers_that_transport_mode_puts_back) {
  Spec spec;
  spec.mode = policy::SaMode::transport;
  spec.path = {{ip("192.0.2.1"), 0}, {ip("198.51.100.1"), 0}};
  spec.a_nets = {prefix("192.0.2.1")};
  spec.b_nets = {prefix("198.51.100.1")};
  Pair pair{spec};
  std::array<std::byte, 2048> frame{};
  PacketBuffer buffer{base::MutBytes{frame}};
  const ByteVec packet = udp_packet("192.0.2.1", "198.51.100.1", 200);
  const Protected sent = protect_one(pair.a, packet);
  ASSERT_EQ(open_in(pair.b, buffer, frame, sent.esp).verdict, Verdict::forward);
  EXPECT_EQ(base::to_vec(std::as_const(buffer).bytes()), packet);
}

TEST(LentMemory, is_not_given_back) {
  std::array<std::byte, 1024> frame{};
  {
    PacketBuffer buffer{base::MutBytes{frame}};
    const PacketBuffer moved = std::move(buffer);
  }
  PacketBuffer again{base::MutBytes{frame}};
  again.place(0, frame.size());
  EXPECT_EQ(again.bytes().data(), frame.data());
}

}  // namespace
}  // namespace caponier::ipsec::test
