#include "sim/network.h"

#include <gtest/gtest.h>

namespace caponier::sim {
namespace {

base::IpAddress address(const char* text) { return base::IpAddress::parse(text).value(); }

struct TwoHosts {
  Trace trace;
  Network network;
  HostId a, b;
  base::Instant now{1h};

  explicit TwoHosts(std::uint64_t seed)
      : network(seed, trace),
        a(network.add_host(address("192.0.2.1"))),
        b(network.add_host(address("192.0.2.2"))) {}

  void send(std::uint16_t from_port, std::uint16_t to_port, std::uint8_t content = 1) {
    network.send(a,
                 {Carrier::udp,
                  {address("192.0.2.1"), from_port},
                  {address("192.0.2.2"), to_port},
                  {std::byte{content}}},
                 now);
  }
  void send_bytes(Carrier carrier, std::size_t size, std::uint8_t content = 1) {
    network.send(a,
                 {carrier,
                  {address("192.0.2.1"), 4500},
                  {address("192.0.2.2"), 4500},
                  base::ByteVec(size, std::byte{content})},
                 now);
  }
  void send_to(const base::IpAddress& destination) {
    network.send(a, {Carrier::udp, {address("192.0.2.1"), 500}, {destination, 500}, {std::byte{1}}},
                 now);
  }
  void answer(std::uint16_t from_port, std::uint16_t to_port) {
    network.send(b,
                 {Carrier::udp,
                  {address("192.0.2.2"), from_port},
                  {address("192.0.2.1"), to_port},
                  {std::byte{2}}},
                 now);
  }
  std::vector<Datagram> arrivals() {
    std::vector<Datagram> all;
    while (const auto at = network.next_arrival()) {
      now = *at;
      if (auto arrival = network.poll_arrival(now)) all.push_back(arrival->datagram);
    }
    return all;
  }
};

TEST(SimNetwork, a_datagram_arrives_after_the_delay_of_its_link) {
  TwoHosts world{1};
  world.network.link(world.a, world.b).quality.delay = 70ms;
  const base::Instant sent = world.now;
  world.send(500, 500);
  ASSERT_EQ(world.arrivals().size(), 1u);
  EXPECT_EQ(world.now - sent, 70ms);
}

TEST(SimNetwork, loss_and_duplication_come_as_often_as_asked) {
  TwoHosts world{1};
  world.network.set_quality({.loss = 0.3, .duplicate = 0.1});
  for (int i = 0; i < 10000; ++i) world.send(500, 500);
  const std::size_t arrived = world.arrivals().size();
  EXPECT_NEAR(static_cast<double>(world.network.lost()), 3000, 200);
  EXPECT_NEAR(static_cast<double>(arrived), 7700, 250);
}

TEST(SimNetwork, reordering_lets_a_later_datagram_overtake) {
  TwoHosts world{1};
  world.network.set_quality({.reorder = 0.5});
  for (std::uint8_t i = 0; i < 100; ++i) world.send(500, 500, i);
  const auto arrived = world.arrivals();
  ASSERT_EQ(arrived.size(), 100u);
  EXPECT_FALSE(std::is_sorted(
      arrived.begin(), arrived.end(),
      [](const Datagram& x, const Datagram& y) { return x.payload[0] < y.payload[0]; }));
}

TEST(SimNetwork, a_partition_swallows_everything_until_it_heals) {
  TwoHosts world{1};
  world.network.link(world.a, world.b).partition();
  world.send(500, 500);
  world.network.link(world.a, world.b).heal();
  world.send(500, 500);
  EXPECT_EQ(world.arrivals().size(), 1u);
}

TEST(SimNetwork, a_nat_translates_answers_back_and_forgets_when_silent) {
  TwoHosts world{1};
  world.network.put_behind_nat(world.a, address("203.0.113.1"), 30s);
  world.send(500, 500);
  const auto out = world.arrivals();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].source.address, address("203.0.113.1"));
  const Datagram answer{Carrier::udp, out[0].destination, out[0].source, {}};
  world.network.send(world.b, answer, world.now);
  const auto back = world.arrivals();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].destination, (base::Endpoint{address("192.0.2.1"), 500}));
  world.now = world.now + 31s;
  world.network.send(world.b, answer, world.now);
  EXPECT_TRUE(world.arrivals().empty());
}

TEST(SimNetwork, a_rebound_nat_uses_another_port) {
  TwoHosts world{1};
  Nat& nat = world.network.put_behind_nat(world.a, address("203.0.113.1"), 30s);
  world.send(500, 500);
  nat.rebind();
  world.send(500, 500);
  const auto arrived = world.arrivals();
  ASSERT_EQ(arrived.size(), 2u);
  EXPECT_NE(arrived[0].source.port, arrived[1].source.port);
}

TEST(SimNetwork, esp_without_ports_does_not_pass_a_nat) {
  TwoHosts world{1};
  world.network.put_behind_nat(world.a, address("203.0.113.1"), 30s);
  world.network.send(
      world.a, {Carrier::esp, {address("192.0.2.1"), 0}, {address("192.0.2.2"), 0}, {}}, world.now);
  EXPECT_TRUE(world.arrivals().empty());
}

TEST(SimNetwork, each_direction_of_a_link_may_have_its_own_loss) {
  TwoHosts world{1};
  world.network.link(world.a, world.b).set_one_way(world.a, {.loss = 1});
  world.send(500, 500);
  EXPECT_TRUE(world.arrivals().empty());
  world.answer(500, 500);
  EXPECT_EQ(world.arrivals().size(), 1u);
}

TEST(SimNetwork, a_packet_larger_than_the_mtu_is_lost) {
  TwoHosts world{1};
  world.network.link(world.a, world.b).mtu = 576;
  world.send_bytes(Carrier::udp, 576 - 28);
  world.send_bytes(Carrier::esp, 576 - 20);
  EXPECT_EQ(world.arrivals().size(), 2u);
  world.send_bytes(Carrier::udp, 576 - 27);
  world.send_bytes(Carrier::esp, 576 - 19);
  EXPECT_TRUE(world.arrivals().empty());
  world.send_bytes(Carrier::tcp, 1000);
  EXPECT_EQ(world.arrivals().size(), 1u) << "TCP cuts a message to fit";
}

TEST(SimNetwork, a_link_may_block_a_port_or_a_protocol) {
  TwoHosts world{1};
  Link& link = world.network.link(world.a, world.b);
  link.blocked_ports = {500};
  world.send(500, 500);
  EXPECT_TRUE(world.arrivals().empty());
  world.send(4500, 4500);
  EXPECT_EQ(world.arrivals().size(), 1u);
  link.blocks_udp = true;
  link.blocks_esp = true;
  world.send(4500, 4500);
  world.send_bytes(Carrier::esp, 100);
  EXPECT_TRUE(world.arrivals().empty());
  world.send_bytes(Carrier::tcp, 100);
  EXPECT_EQ(world.arrivals().size(), 1u);
  link.blocks_tcp = true;
  world.send_bytes(Carrier::tcp, 100);
  EXPECT_TRUE(world.arrivals().empty());
}

TEST(SimNetwork, tcp_loses_and_reorders_nothing_on_a_bad_link) {
  TwoHosts world{1};
  world.network.set_quality({.loss = 0.5, .duplicate = 0.5, .reorder = 0.5, .jitter = 50ms});
  for (std::uint8_t i = 0; i < 100; ++i) world.send_bytes(Carrier::tcp, 1, i);
  const auto arrived = world.arrivals();
  ASSERT_EQ(arrived.size(), 100u);
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(arrived[i].payload[0], std::byte(i));
}

TEST(SimNetwork, a_host_is_reached_at_each_interface_that_is_up) {
  TwoHosts world{1};
  const auto second = address("198.51.100.2");
  world.network.add_address(world.b, second);
  EXPECT_EQ(world.network.addresses(world.b).size(), 2u);
  world.send_to(second);
  EXPECT_EQ(world.arrivals().size(), 1u);
  world.network.set_interface(world.b, second, false);
  EXPECT_EQ(world.network.addresses(world.b), std::vector{address("192.0.2.2")});
  world.send_to(second);
  EXPECT_TRUE(world.arrivals().empty());
}

TEST(SimNetwork, a_nat_that_goes_away_leaves_the_host_at_its_own_address) {
  TwoHosts world{1};
  world.network.put_behind_nat(world.a, address("203.0.113.1"), 30s);
  world.send(500, 500);
  EXPECT_EQ(world.arrivals().at(0).source.address, address("203.0.113.1"));
  world.network.remove_nat(world.a);
  world.send(500, 500);
  EXPECT_EQ(world.arrivals().at(0).source.address, address("192.0.2.1"));
}

TEST(SimNetwork, the_same_seed_leaves_the_same_trace_and_another_does_not) {
  const auto run = [](std::uint64_t seed) {
    TwoHosts world{seed};
    world.network.set_quality({.loss = 0.3, .duplicate = 0.2, .reorder = 0.2, .jitter = 9ms});
    for (int i = 0; i < 100; ++i) world.send(500, 500);
    (void)world.arrivals();
    return world.trace.hash();
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

}  // namespace
}  // namespace caponier::sim
