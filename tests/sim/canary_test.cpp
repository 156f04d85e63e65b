// Every checker is seen to fail on a run that is broken on purpose.

#include <gtest/gtest.h>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

Tunnel started_by_a() {
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  return tunnel;
}

TEST(Canary, a_repeated_iv_is_found) {
  TestWorld w{1};
  w.faults.repeats_iv = true;
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  w.flow(a, b, 100ms);
  w.run_for(1s);
  w.finish();
  EXPECT_TRUE(w.violations().take(Broken::repeated_iv));
}

TEST(Canary, a_repeated_sequence_number_is_found) {
  TestWorld w{1};
  w.allow({base::DropReason::esp_replay});
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  w.flow(a, b, 100ms);
  w.run_for(1s);
  w.resend_last_esp(a);
  w.run_for(1s);
  EXPECT_TRUE(w.violations().take(Broken::repeated_sequence));
}

TEST(Canary, a_packet_delivered_twice_is_found) {
  TestWorld w{1};
  w.network().set_quality({.duplicate = 1});
  w.allow_weather();
  Tunnel tunnel = started_by_a();
  tunnel.replay_window = 0;
  auto [a, b] = w.pair(tunnel);
  w.run_until_idle();
  w.flow(a, b, 100ms);
  w.run_for(1s);
  w.finish();
  EXPECT_TRUE(w.violations().take(Broken::delivered_twice));
}

TEST(Canary, clear_text_on_a_link_is_found) {
  TestWorld w{1};
  w.faults.leaves_text_clear = true;
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  w.flow(a, b, 100ms);
  w.run_for(1s);
  w.finish();
  EXPECT_TRUE(w.violations().take(Broken::clear_on_link));
}

TEST(Canary, an_undeclared_drop_is_found) {
  TestWorld w{1};
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  w.inject(a, {Carrier::udp, {a.address(), 500}, {b.address(), 500}, {std::byte{1}}});
  w.run_for(1s);
  w.finish();
  EXPECT_TRUE(w.violations().take(Broken::undeclared_drop));
}

TEST(Canary, an_error_event_is_found) {
  TestWorld w{1};
  w.allow_weather();
  Node& a = w.add();
  Node& b = w.add();
  a.options.engine_limits.associations_max = 0;
  w.connect(a, b, started_by_a());
  a.start();
  b.start();
  w.run_for(10s);
  w.finish();
  EXPECT_TRUE(w.violations().take(Broken::error_event));
}

TEST(Canary, a_leaked_sa_is_found) {
  TestWorld w{1};
  w.pair(started_by_a());
  w.run_until_idle();
  w.check_no_sas();
  EXPECT_TRUE(w.violations().take(Broken::leaked_sa));
}

TEST(Canary, unmatched_spis_are_found) {
  TestWorld w{1};
  w.allow_weather();
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  b.kill();
  b.restart();
  EXPECT_FALSE(w.spis_match());
}

TEST(Canary, a_world_that_does_not_come_to_rest_is_found) {
  TestWorld w{1};
  w.allow_weather();
  auto [a, b] = w.pair(started_by_a());
  w.link(a, b).partition();
  w.run_until_idle();
  EXPECT_TRUE(w.violations().take(Broken::no_quiescence));
}

TEST(Canary, an_altered_and_a_misdelivered_packet_are_found) {
  Violations violations;
  PacketLedger ledger{violations};
  const auto here = base::IpAddress::parse("10.1.0.1").value();
  const auto there = base::IpAddress::parse("10.2.0.1").value();
  base::ByteVec packet = ledger.make(here, there, 0, false, 32);
  EXPECT_FALSE(ledger.on_delivered(here, packet));
  EXPECT_TRUE(violations.take(Broken::misdelivered));
  packet.back() ^= std::byte{1};
  EXPECT_FALSE(ledger.on_delivered(there, packet));
  EXPECT_TRUE(violations.take(Broken::altered));
}

}  // namespace
}  // namespace caponier::sim
