// Stories of attack and recovery: floods, crashes, outages, and gateways that send one elsewhere.

#include <gtest/gtest.h>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

using base::DropReason;
using base::EventKind;

std::shared_ptr<const base::SecretBytes> crash_secret() {
  return std::make_shared<const base::SecretBytes>(
      base::as_bytes("thirty-two octets kept on disk !"));
}

TEST(Flood, honest_initiators_get_in_while_forged_requests_pour_in) {
  base::ByteVec genuine;  // outlives the world, whose link refers to it
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  w.allow({DropReason::ike_half_open_limit, DropReason::ike_bad_cookie,
           DropReason::ike_unknown_peer, DropReason::ike_rate_limited});
  Node& a = w.add();
  Node& b = w.add();
  Node& attacker = w.add();
  Tunnel tunnel = psk_tunnel();
  tunnel.b_takes_any = true;
  tunnel.named_ids = true;
  w.connect(a, b, tunnel);
  w.link(a, b).drop_if([&genuine](const Datagram& datagram) {
    if (genuine.empty()) genuine = datagram.payload;
    return false;
  });
  a.start();
  b.start();
  constexpr unsigned attempts = 100;
  unsigned successes = 0;
  std::uint64_t forged = 0;
  std::size_t half_open_most = 0;
  for (unsigned attempt = 0; attempt < attempts; ++attempt) {
    a.initiate();
    for (int burst = 0; burst < 20 && !a.is_up(); ++burst) {
      for (int i = 0; i < 50 && !genuine.empty(); ++i) {
        base::ByteVec request = genuine;
        base::store_be<std::uint64_t>(request.data(), 0x10000 + ++forged);
        // From all over the world, none of it true.
        const auto source = base::IpAddress::v4(
            0x0b000000U + static_cast<std::uint32_t>(forged * 2654435761U % 0x1000000U));
        w.inject(attacker, {Carrier::udp, {source, 500}, {b.address(), 500}, request});
      }
      w.run_for(50ms);
      half_open_most = std::max(half_open_most, b.status().half_open);
    }
    successes += a.is_up() ? 1 : 0;
    a.take_down();
    w.run_for(200ms);
  }
  EXPECT_GE(successes, attempts * 99 / 100);
  EXPECT_LE(half_open_most, 110u) << "the threshold of cookies";
  EXPECT_GE(forged, 5000u);
}

TEST(Crash, a_gateway_that_restarts_is_met_again_in_about_a_round_trip) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  w.allow({DropReason::ike_unknown_spi, DropReason::clear_no_sa, DropReason::esp_no_sa});
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.dpd = 1s;
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  b.options.crash_secrets = {crash_secret()};
  a.start();
  b.start();
  ASSERT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 10s));
  w.run_for(5s);
  b.kill();
  b.restart();
  const auto restarted = w.now();
  ASSERT_TRUE(w.run_until([&] { return a.has_event(EventKind::ike_crash_detected); }, 5s));
  const auto detected = w.now();
  EXPECT_LE(detected - restarted, 1100ms) << "the next liveness check and one round trip";
  ASSERT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 5s));
  EXPECT_LE(w.now() - detected, 100ms) << "and two round trips for the new IKE SA";
}

TEST(Crash, without_a_secret_it_takes_until_silence_is_noticed) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  w.allow({DropReason::ike_unknown_spi, DropReason::clear_no_sa, DropReason::esp_no_sa});
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.dpd = 1s;
  auto [a, b] = w.pair(tunnel);
  ASSERT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 10s));
  b.kill();
  b.restart();
  w.run_for(5s);
  EXPECT_FALSE(a.has_event(EventKind::ike_crash_detected));
  EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 120s));
}

TEST(Outage, a_lost_session_is_resumed_when_the_network_is_back) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  w.allow({DropReason::clear_no_sa, DropReason::esp_no_sa, DropReason::ike_unknown_spi,
           DropReason::ike_bad_ticket});
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.dpd = 5s;
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  a.peers.front().resumption = true;
  b.peers.front().resumption = true;
  b.peers.front().dpd = std::chrono::hours{1};
  a.start();
  b.start();
  ASSERT_TRUE(w.run_until([&] { return a.is_up(); }, 10s));
  w.link(a, b).partition();
  ASSERT_TRUE(w.run_until([&] { return !a.is_up(); }, 120s));
  const unsigned full = w.sent(a, Exchange::ike_sa_init);
  w.link(a, b).heal();
  ASSERT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 120s));
  EXPECT_GE(w.sent(a, Exchange::ike_session_resume), 1u);
  EXPECT_EQ(w.sent(a, Exchange::ike_sa_init), full);
  EXPECT_TRUE(a.has_event(EventKind::ike_resumed));
  w.run_until_idle();
  EXPECT_EQ(b.status().ike_sas, 1u);
  EXPECT_TRUE(w.is_settled());
}

TEST(Redirect, a_peer_that_is_sent_away_arrives_at_the_other_gateway) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.named_ids = true;
  Node& a = w.add();
  Node& b = w.add();
  Node& c = w.add();
  w.connect(a, b, tunnel);
  // c stands in for b: the same identity, key and networks.
  c.peers = b.peers;
  c.peers.front().local = c.address();
  b.peers.front().redirect_to = config::RedirectTarget{c.address().to_string(), c.address()};
  a.start();
  b.start();
  c.start();
  EXPECT_TRUE(w.run_until([&] { return a.is_up() && c.is_up(); }, 30s));
  EXPECT_TRUE(a.has_event(EventKind::ike_redirected));
  w.run_until_idle();
  EXPECT_EQ(a.peer().ike->path.remote.address, c.address());
  EXPECT_EQ(b.status().ike_sas, 0u);
}

TEST(Redirect, a_gateway_that_cannot_prove_the_identity_is_left_for_the_configured_one) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.named_ids = true;
  Node& a = w.add();
  Node& b = w.add();
  Node& c = w.add();
  w.connect(a, b, tunnel);
  c.peers = b.peers;
  c.peers.front().local = c.address();
  c.peers.front().psk = std::make_shared<const base::SecretBytes>(base::as_bytes("some other key"));
  b.peers.front().redirect_to = config::RedirectTarget{c.address().to_string(), c.address()};
  a.start();
  b.start();
  c.start();
  ASSERT_TRUE(w.run_until([&] { return a.has_event(EventKind::ike_auth_failed); }, 30s));
  EXPECT_FALSE(c.is_up());
  // b has come to its senses meanwhile.
  b.peers.front().redirect_to.reset();
  b.reload();
  EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 120s));
  EXPECT_EQ(a.peer().ike->path.remote.address, b.address());
}

}  // namespace
}  // namespace caponier::sim
