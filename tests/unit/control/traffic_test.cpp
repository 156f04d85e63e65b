// What `traffic` tells, and that it outlives the SAs that carried it.

#include <gtest/gtest.h>

#include "unit/control/desk.h"
#include "wire/ip_packet.h"
#include "wire/udp.h"

namespace caponier::control {
namespace {

constexpr std::size_t packet_size = 28 + 100;

void bring(Desk& desk, const char* verb) {
  const Json answer = desk.ask(desk.connect(), request(verb, {{"name", "branch"}}));
  ASSERT_TRUE(answer["ok"].get<bool>()) << answer.dump();
  desk.pass(std::chrono::seconds{5});
}

void send_out(Desk& desk, const char* to) {
  ipsec::PacketBuffer buffer;
  buffer.assign(wire::make_udp_packet({base::IpAddress::parse("10.1.0.9").value(), 1000},
                                      {base::IpAddress::parse(to).value(), 2000},
                                      base::ByteVec(100)));
  ipsec::ProtectItem item;
  item.packet = &buffer;
  desk.here.gateway.worker(0).protect({&item, 1}, desk.now);
  desk.here.gateway.handle_worker_news(desk.now);
}

Json traffic(Desk& desk) { return desk.ask(desk.connect(false), request("traffic"))["result"]; }

TEST(ControlTraffic, tells_the_daemons_clock_and_what_it_has_used) {
  Desk desk;
  desk.pass(std::chrono::seconds{7});
  const Json result = traffic(desk);
  EXPECT_EQ(result["started_us"], 3'600'000'000);
  EXPECT_EQ(result["clock_us"], 3'607'000'000);
  EXPECT_EQ(result["cpu_us"], 2'000'000);
  EXPECT_EQ(result["workers"][0]["cpu_us"], 1'000'000);
  EXPECT_EQ(result["drops"]["io_send_failed"], 3) << "the drivers' drops are counted in";
}

TEST(ControlTraffic, lists_every_peer_and_the_children_that_have_had_an_sa) {
  Desk desk;
  EXPECT_EQ(traffic(desk)["peers"].size(), 2U);
  EXPECT_TRUE(traffic(desk)["peers"][1]["children"].empty());
  bring(desk, "up");
  send_out(desk, "10.2.0.9");
  const Json result = traffic(desk);
  EXPECT_EQ(result["peers"][0]["name"], "berlin");
  EXPECT_TRUE(result["peers"][0]["children"].empty());
  ASSERT_EQ(result["peers"][1]["children"].size(), 1U);
  const Json& child = result["peers"][1]["children"][0];
  EXPECT_EQ(child["name"], "branch");
  EXPECT_EQ(child["associations"], 1);
  EXPECT_EQ(child["packets_out"], 1);
  EXPECT_EQ(child["bytes_out"], packet_size);
  EXPECT_EQ(child["packets_in"], 0);
}

TEST(ControlTraffic, what_an_sa_has_carried_stays_when_it_is_gone) {
  Desk desk;
  bring(desk, "up");
  send_out(desk, "10.2.0.9");
  bring(desk, "down");
  Json child = traffic(desk)["peers"][1]["children"][0];
  EXPECT_EQ(child["associations"], 0);
  EXPECT_EQ(child["packets_out"], 1);
  bring(desk, "up");
  send_out(desk, "10.2.0.9");
  send_out(desk, "10.2.0.9");
  child = traffic(desk)["peers"][1]["children"][0];
  EXPECT_EQ(child["associations"], 1);
  EXPECT_EQ(child["packets_out"], 3);
  EXPECT_EQ(child["bytes_out"], 3 * packet_size);
}

TEST(ControlTraffic, a_peer_that_is_no_longer_configured_is_forgotten) {
  Desk desk;
  bring(desk, "up");
  send_out(desk, "10.2.0.9");
  const auto before = desk.here.gateway.config();
  desk.here.apply(make_config({before->peers.front()}, true), desk.now);
  desk.pass(std::chrono::seconds{5});
  EXPECT_EQ(traffic(desk)["peers"].size(), 1U);
  desk.here.apply(before, desk.now);
  desk.pass(std::chrono::seconds{1});
  EXPECT_TRUE(traffic(desk)["peers"][1]["children"].empty());
}

TEST(ControlTraffic, drops_without_an_sa_are_the_gateways) {
  Desk desk;
  send_out(desk, "10.77.0.9");
  EXPECT_EQ(traffic(desk)["drops"]["clear_no_policy"], 1);
}

}  // namespace
}  // namespace caponier::control
