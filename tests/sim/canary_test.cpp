// Every checker is seen to fail on a run that is broken on purpose.

#include <gtest/gtest.h>

#include <functional>
#include <vector>

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

TEST(Canary, a_peer_that_nobody_has_authenticated_is_found) {
  TestWorld w{1};
  w.faults.hides_auth = true;
  w.pair(started_by_a());
  w.run_until_idle();
  EXPECT_TRUE(w.violations().take(Broken::unproven_peer));
}

TEST(Canary, an_auth_value_that_only_one_end_computed_is_no_proof) {
  Violations violations;
  AuthTwin twin{violations};
  TestWorld w{1};
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  const gateway::Status status = a.status();
  const Seen seen{{a.id(), 1}, a.name(), status, a.options, a.peers};
  const base::ByteVec octets(28, std::byte{0x20});
  twin.on_request(seen.process, status.peers.at(0).ike->id, octets, octets);
  twin.check(seen);
  EXPECT_TRUE(violations.take(Broken::unproven_peer));
}

struct Tampered {
  gateway::Status status;
  gateway::GatewayOptions options;
  std::vector<config::PeerConfig> peers;
};

/// A checker's verdict on a healthy gateway that is shown otherwise than it is.
Violations judge(const std::function<void(Tampered&)>& tamper) {
  Violations violations;
  StateChecker checker{violations};
  TestWorld w{1};
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  Tampered shown{a.status(), a.options, a.peers};
  const Process process{a.id(), 1};
  checker.check({process, a.name(), shown.status, shown.options, shown.peers});
  EXPECT_TRUE(violations.list().empty());
  tamper(shown);
  checker.check({process, a.name(), shown.status, shown.options, shown.peers});
  return violations;
}

TEST(Canary, a_reserved_spi_is_found) {
  EXPECT_TRUE(judge([](Tampered& t) {
                t.status.peers.at(0).children.at(0).sa.spi_in = base::Spi{255};
              }).has(Broken::bad_spi));
}

TEST(Canary, an_spi_used_for_two_sas_is_found) {
  EXPECT_TRUE(judge([](Tampered& t) {
                t.status.peers.at(0).children.at(0).sa.id = policy::ChildSaId{99};
              }).has(Broken::bad_spi));
  EXPECT_TRUE(judge([](Tampered& t) {
                t.status.peers.at(0).ike->id = ike::IkeSaId{99};
              }).has(Broken::bad_spi));
}

TEST(Canary, selectors_wider_than_the_policy_are_found) {
  EXPECT_TRUE(judge([](Tampered& t) {
                t.peers.at(0).child().remote =
                    config::Reach::of({*base::Prefix::parse("10.2.0.0/17")});
              }).has(Broken::wide_selectors));
}

TEST(Canary, an_exceeded_limit_is_found) {
  const auto is_found = [](const std::function<void(Tampered&)>& tamper) {
    return judge(tamper).has(Broken::limit_exceeded);
  };
  EXPECT_TRUE(is_found([](Tampered& t) { t.options.ike_limits.ike_sas_max = 0; }));
  EXPECT_TRUE(is_found([](Tampered& t) { t.options.engine_limits.associations_max = 0; }));
  EXPECT_TRUE(is_found([](Tampered& t) { t.options.ike_limits.children_per_ike_max = 0; }));
  EXPECT_TRUE(is_found([](Tampered& t) { t.status.half_open = 1025; }));
  EXPECT_TRUE(is_found([](Tampered& t) { t.status.peers.at(0).ike->waiting = 257; }));
}

TEST(Canary, ends_that_do_not_hold_the_same_are_found) {
  TestWorld w{1};
  w.allow_weather();
  auto [a, b] = w.pair(started_by_a());
  w.run_until_idle();
  EXPECT_EQ(w.disagreement(a, b), "");
  gateway::PeerStatus at_a = a.peer();
  const gateway::PeerStatus at_b = b.peer();
  EXPECT_EQ(difference(at_a, at_b), "");
  at_a.ike->spi_r.value ^= 1;
  EXPECT_NE(difference(at_a, at_b), "");
  at_a = a.peer();
  at_a.children.push_back(at_a.children.front());
  EXPECT_NE(difference(at_a, at_b), "");
  at_a = a.peer();
  at_a.children.front().sa.spi_in.value ^= 1;
  EXPECT_NE(difference(at_a, at_b), "");
  at_a.ike.reset();
  EXPECT_NE(difference(at_a, at_b), "");
  b.kill();
  EXPECT_NE(w.disagreement(a, b), "");
  b.restart();
  EXPECT_NE(w.disagreement(a, b), "");
}

}  // namespace
}  // namespace caponier::sim
