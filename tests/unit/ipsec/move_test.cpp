// Packets that are under way while the outer addresses of an SA change.

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

const base::Path old_path{{ip("192.0.2.1"), 4500}, {ip("198.51.100.1"), 4500}};
const base::Path new_path{{ip("192.0.2.99"), 4500}, {ip("198.51.100.1"), 4500}};

base::Path reversed(const base::Path& path) { return {path.remote, path.local}; }

TEST(Move, outbound_traffic_takes_the_new_path_at_once) {
  Pair pair;
  EXPECT_EQ(protect_one(pair.a, v4_packet()).item.path, old_path);
  pair.a.move({{1}, new_path, true, false});
  const auto batch = protect_all(pair.a, {v4_packet(), v4_packet()}, {});
  for (const Protected& packet : batch) {
    EXPECT_EQ(packet.item.path, new_path);
    EXPECT_TRUE(packet.item.udp_encap);
  }
}

TEST(Move, what_left_before_the_move_still_arrives_after_it) {
  for (const bool receiver_moves : {true, false}) {
    Pair pair;
    const ByteVec before = protect_one(pair.a, v4_packet(40)).esp;
    pair.a.move({{1}, new_path, false, false});
    if (receiver_moves) pair.b.move({{1}, reversed(new_path), false, false});
    const ByteVec after = protect_one(pair.a, v4_packet(50)).esp;
    EXPECT_EQ(open_one(pair.b, after, reversed(new_path)).item.verdict, Verdict::forward);
    EXPECT_EQ(open_one(pair.b, before, reversed(old_path)).item.verdict, Verdict::forward)
        << "late, and from the old address";
    EXPECT_EQ(open_one(pair.b, before, reversed(new_path)).item.drop, DropReason::esp_replay);
  }
}

TEST(Move, encapsulation_may_change_under_way_in_either_direction) {
  Pair pair;
  const ByteVec in_udp = protect_one(pair.a, v4_packet(40)).esp;
  pair.b.move({{1}, reversed(new_path), true, true});
  base::Path native = reversed(old_path);
  native.local.port = native.remote.port = 0;
  EXPECT_EQ(open_one(pair.b, in_udp, native).item.verdict, Verdict::forward);
  pair.b.move({{1}, reversed(new_path), false, false});
  const ByteVec next = protect_one(pair.a, v4_packet(40)).esp;
  EXPECT_EQ(open_one(pair.b, next, reversed(new_path)).item.verdict, Verdict::forward);
}

TEST(Move, a_move_says_whether_the_peer_is_followed) {
  Pair pair;
  base::Path elsewhere = reversed(old_path);
  elsewhere.remote.port = 61000;
  const auto moves_after = [&](bool peer_behind_nat) {
    pair.b.move({{1}, reversed(old_path), true, peer_behind_nat});
    (void)open_one(pair.b, protect_one(pair.a, v4_packet()).esp, elsewhere);
    return notices_of<PeerMoved>(pair.b).size();
  };
  EXPECT_EQ(moves_after(false), 0u);
  EXPECT_EQ(moves_after(true), 1u);
  EXPECT_EQ(moves_after(false), 0u);
}

TEST(Move, sequence_numbers_and_limits_go_on) {
  Pair pair;
  const auto sequence_of = [](const Protected& packet) {
    return base::load_be<std::uint32_t>(packet.esp.data() + 4);
  };
  const auto first = sequence_of(protect_one(pair.a, v4_packet()));
  pair.a.move({{1}, new_path, true, true});
  EXPECT_EQ(sequence_of(protect_one(pair.a, v4_packet())), first + 1);
  EXPECT_EQ(pair.a.counters({1})->packets_out, 2u);
}

}  // namespace
}  // namespace caponier::ipsec::test
