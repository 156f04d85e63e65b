#include "sim/streams.h"

#include <gtest/gtest.h>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

/// Two gateways without tunnels: what they are sent is counted as malformed, and so seen.
struct Wired {
  TestWorld w{1};
  Node& a = w.add();
  Node& b = w.add();
  base::Path at_a{{a.address(), 40000}, {b.address(), 4500}, base::Transport::tcp};
  base::Path at_b{at_a.remote, at_a.local, base::Transport::tcp};

  Wired() {
    w.allow({base::DropReason::ike_malformed});
    a.start();
    b.start();
  }
  void send(Node& node, const base::Path& path) {
    w.streams().send(node, path, base::ByteVec(8), true);
    w.run_for(10s);
  }
  [[nodiscard]] std::uint64_t arrived(const Node& node) const {
    return node.status().drops[base::DropReason::ike_malformed];
  }
};

TEST(SimStreams, the_first_message_opens_a_stream_that_carries_both_ways) {
  Wired wired;
  wired.send(wired.a, wired.at_a);
  EXPECT_EQ(wired.arrived(wired.b), 1u);
  wired.send(wired.b, wired.at_b);
  EXPECT_EQ(wired.arrived(wired.a), 1u);
  EXPECT_EQ(wired.w.streams().count(), 1u);
}

TEST(SimStreams, only_the_end_that_chose_the_port_opens_one) {
  Wired wired;
  wired.send(wired.b, wired.at_b);
  EXPECT_EQ(wired.w.streams().count(), 0u);
  wired.w.streams().send(wired.a, wired.at_a, base::ByteVec(8), false);
  EXPECT_EQ(wired.w.streams().count(), 0u) << "ESP opens none";
}

TEST(SimStreams, none_is_opened_to_a_closed_port_or_where_tcp_is_blocked) {
  Wired wired;
  wired.at_a.remote.port = 443;
  wired.send(wired.a, wired.at_a);
  EXPECT_EQ(wired.w.streams().count(), 0u);
  wired.at_a.remote.port = 4500;
  wired.w.link(wired.a, wired.b).blocks_tcp = true;
  wired.send(wired.a, wired.at_a);
  EXPECT_EQ(wired.w.streams().count(), 0u);
}

TEST(SimStreams, a_partition_cuts_it_at_the_next_message) {
  Wired wired;
  wired.send(wired.a, wired.at_a);
  wired.w.link(wired.a, wired.b).partition();
  EXPECT_EQ(wired.w.streams().count(), 1u);
  wired.send(wired.b, wired.at_b);
  EXPECT_EQ(wired.w.streams().count(), 0u);
}

TEST(SimStreams, it_ends_with_either_process_or_when_it_is_closed) {
  Wired wired;
  wired.send(wired.a, wired.at_a);
  wired.b.kill();
  EXPECT_EQ(wired.w.streams().count(), 0u);
  wired.b.restart();
  wired.send(wired.a, wired.at_a);
  EXPECT_EQ(wired.w.streams().count(), 1u);
  wired.w.streams().close(wired.a, wired.at_a);
  EXPECT_EQ(wired.w.streams().count(), 0u);
}

TEST(SimStreams, a_nat_that_forgets_cuts_it) {
  Wired wired;
  Nat& nat = wired.w.put_behind_nat(wired.a);
  wired.send(wired.a, wired.at_a);
  EXPECT_EQ(wired.arrived(wired.b), 1u);
  nat.rebind();
  wired.send(wired.a, wired.at_a);
  EXPECT_EQ(wired.arrived(wired.b), 1u);
  EXPECT_EQ(wired.w.streams().count(), 0u);
}

}  // namespace
}  // namespace caponier::sim
