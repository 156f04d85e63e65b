// What arrives in clear from outside, and must not.

#include <gtest/gtest.h>

#include "sim/sim_test.h"
#include "wire/ip.h"

namespace caponier::sim {
namespace {

/// As if `from`, the host behind another gateway, had sent it without protection; or somebody who
/// pretends to be it.
base::ByteVec clear_packet(const base::IpAddress& from, const base::IpAddress& to) {
  base::ByteVec packet(28);
  wire::Ipv4Header header;
  header.total_length = static_cast<std::uint16_t>(packet.size());
  header.protocol = wire::ip_protocol::udp;
  header.ttl = 64;
  header.source = from;
  header.destination = to;
  wire::write_ipv4_header(packet, header);
  return packet;
}

TEST(ClearTraffic, from_behind_the_peer_is_refused_whether_the_tunnel_is_up_or_not) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(psk_tunnel());
  const auto spoofed = clear_packet(b.inner(), a.inner());
  EXPECT_FALSE(a.hear_clear(spoofed));
  a.initiate();
  w.run_until_idle();
  EXPECT_FALSE(a.hear_clear(spoofed));
  EXPECT_EQ(a.refused_clear()[base::DropReason::clear_unprotected], 2u);
  EXPECT_TRUE(a.hear_clear(clear_packet(b.address(), a.inner())));
}

TEST(ClearTraffic, is_refused_after_a_kill_and_after_the_restart) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  auto [a, b] = w.pair(tunnel);
  w.run_until_idle();
  const auto spoofed = clear_packet(b.inner(), a.inner());
  a.kill();
  EXPECT_FALSE(a.hear_clear(spoofed));
  a.restart();
  EXPECT_FALSE(a.hear_clear(spoofed));
}

TEST(ClearTraffic, passes_where_the_tunnel_is_not_wanted) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(psk_tunnel());
  const auto plain = clear_packet(b.inner(), a.inner());
  a.take_down();
  EXPECT_TRUE(a.hear_clear(plain));
  a.initiate();
  EXPECT_FALSE(a.hear_clear(plain));
  a.peers.clear();
  a.reload();
  EXPECT_TRUE(a.hear_clear(plain));
}

TEST(ClearTraffic, of_a_host_itself_is_refused) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.kind = config::PeerKind::host;
  auto [a, b] = w.pair(tunnel);
  EXPECT_FALSE(a.hear_clear(clear_packet(b.address(), a.address())));
  EXPECT_TRUE(a.hear_clear(clear_packet(b.inner(), a.inner())));
}

TEST(ClearTraffic, passes_again_after_a_shutdown) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(psk_tunnel());
  const auto plain = clear_packet(b.inner(), a.inner());
  EXPECT_FALSE(a.hear_clear(plain));
  a.shutdown();
  EXPECT_TRUE(a.hear_clear(plain));
}

//= rfc4301#5-2 rfc4301#5.2-2 type=test
TEST(ClearTraffic, that_no_policy_names_passes_or_not_as_configured) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(psk_tunnel());
  const auto foreign = clear_packet(*base::IpAddress::parse("203.0.113.9"), a.inner());
  EXPECT_TRUE(a.hear_clear(foreign));
  a.unmatched = config::Unmatched::discard;
  a.reload();
  EXPECT_FALSE(a.hear_clear(foreign));
  EXPECT_EQ(a.refused_clear()[base::DropReason::clear_unmatched], 1u);
  a.initiate();
  w.run_until_idle();
  Flow& flow = w.flow(b, a, 100ms);
  w.run_for(1s);
  flow.running = false;
  w.run_for(1s);
  EXPECT_EQ(flow.requests_sent, flow.replies_arrived);
  a.unmatched = config::Unmatched::pass;
  a.reload();
  EXPECT_TRUE(a.hear_clear(foreign));
  a.unmatched = config::Unmatched::discard;
  a.reload();
  a.shutdown();
  EXPECT_TRUE(a.hear_clear(foreign));
}

}  // namespace
}  // namespace caponier::sim
