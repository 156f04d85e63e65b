// `debug trace` from the request to the last document.

#include <gtest/gtest.h>

#include "unit/control/desk.h"
#include "wire/ip.h"

namespace caponier::control {
namespace {

constexpr std::string_view payload = "attack at dawn!!";

base::ByteVec udp_packet(const char* from, const char* to) {
  base::ByteVec packet(28);
  wire::Ipv4Header header;
  header.total_length = static_cast<std::uint16_t>(packet.size() + payload.size());
  header.protocol = wire::ip_protocol::udp;
  header.ttl = 64;
  header.source = base::IpAddress::parse(from).value();
  header.destination = base::IpAddress::parse(to).value();
  wire::write_ipv4_header(packet, header);
  base::store_be(packet.data() + 20, std::uint16_t{1234});
  base::store_be(packet.data() + 22, std::uint16_t{53});
  base::append(packet, base::as_bytes(payload));
  return packet;
}

/// The ESP that `side` makes of a packet; empty when it drops it.
base::ByteVec protect(Desk& desk, Side& side, const char* from, const char* to) {
  ipsec::PacketBuffer buffer;
  buffer.assign(udp_packet(from, to));
  ipsec::ProtectItem item;
  item.packet = &buffer;
  side.gateway.worker(0).protect({&item, 1}, desk.now);
  side.gateway.handle_worker_news(desk.now);
  if (item.verdict != ipsec::Verdict::forward) return {};
  return base::to_vec(std::as_const(buffer).bytes());
}

base::ByteVec send_out(Desk& desk) { return protect(desk, desk.here, "10.1.0.9", "10.2.0.9"); }

void receive(Desk& desk, base::Bytes esp) {
  ipsec::PacketBuffer buffer;
  buffer.assign(esp);
  ipsec::OpenItem item;
  item.packet = &buffer;
  item.path = {{base::IpAddress::parse("192.0.2.1").value(), 0},
               {base::IpAddress::parse("192.0.2.2").value(), 0}};
  desk.here.gateway.worker(0).open({&item, 1}, desk.now);
  desk.here.gateway.handle_worker_news(desk.now);
}

struct Traced {
  explicit Traced(std::map<std::string, Json> arguments = {}, bool is_up = true) {
    if (is_up) {
      const ClientId other = desk.connect();
      desk.ask(other, request("up", {{"name", "branch"}, {"wait_ms", 10000}}));
    }
    client = desk.connect();
    Json args = Json::object();
    for (const auto& [key, value] : arguments) args[key] = value;
    EXPECT_EQ(desk.ask(client, request("trace", args))["streaming"], true);
  }
  /// Every record so far.
  std::vector<Json> records() {
    desk.pass(std::chrono::milliseconds{200});
    std::vector<Json> all;
    for (Json document = desk.next(client); !document.is_null(); document = desk.next(client)) {
      if (document.contains("trace")) all.push_back(document["trace"]);
      if (document.contains("end")) end = document["result"];
    }
    return all;
  }
  Desk desk;
  ClientId client = 0;
  Json end;
};

TEST(ControlTrace, tells_the_way_of_a_packet_that_leaves) {
  Traced traced;
  ASSERT_FALSE(send_out(traced.desk).empty());
  const auto records = traced.records();
  ASSERT_EQ(records.size(), 1u);
  const Json& record = records.front();
  EXPECT_EQ(record["direction"], "out");
  EXPECT_EQ(record["bytes"], 44);
  EXPECT_EQ(record["inner"]["source"], "10.1.0.9");
  EXPECT_EQ(record["inner"]["destination_port"], 53);
  EXPECT_EQ(record["policy"], "protect");
  EXPECT_EQ(record["peer"], "branch");
  EXPECT_EQ(record["sa"], true);
  EXPECT_EQ(record["spi"].get<std::string>().size(), 8u);
  EXPECT_EQ(record["sequence"], 1);
  EXPECT_EQ(record["crypto"], "done");
  EXPECT_EQ(record["verdict"], "forward");
  EXPECT_EQ(record["outer"]["remote"], "192.0.2.2");
}

TEST(ControlTrace, names_why_a_packet_is_dropped) {
  Traced traced{{}, false};
  EXPECT_TRUE(send_out(traced.desk).empty());
  const auto records = traced.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]["policy"], "protect");
  EXPECT_EQ(records[0]["sa"], false);
  EXPECT_EQ(records[0]["crypto"], "none");
  EXPECT_EQ(records[0]["drop"], "clear_no_sa");
  EXPECT_EQ(records[0]["meaning"], "The policy wants an SA that is not up.");
}

TEST(ControlTrace, tells_the_way_of_packets_that_arrive) {
  Traced traced;
  base::ByteVec esp = protect(traced.desk, traced.desk.there, "10.2.0.9", "10.1.0.9");
  ASSERT_FALSE(esp.empty());
  receive(traced.desk, esp);
  receive(traced.desk, esp);
  esp.back() ^= std::byte{1};
  base::store_be(esp.data() + 4, std::uint32_t{7});
  receive(traced.desk, esp);
  base::store_be(esp.data(), std::uint32_t{0xffffffff});
  receive(traced.desk, esp);
  const auto records = traced.records();
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0]["direction"], "in");
  EXPECT_EQ(records[0]["verdict"], "forward");
  EXPECT_EQ(records[0]["policy"], "protect");
  EXPECT_EQ(records[0]["inner"]["source"], "10.2.0.9");
  EXPECT_EQ(records[0]["outer"]["transport"], "native");
  EXPECT_EQ(records[1]["drop"], "esp_replay");
  EXPECT_EQ(records[1]["crypto"], "none");
  EXPECT_EQ(records[2]["drop"], "esp_bad_icv");
  EXPECT_EQ(records[2]["crypto"], "failed");
  EXPECT_EQ(records[2]["sequence"], 7);
  EXPECT_TRUE(records[2]["inner"].is_null());
  EXPECT_EQ(records[3]["drop"], "esp_no_sa");
  EXPECT_EQ(records[3]["spi"], "ffffffff");
  EXPECT_EQ(records[3]["sa"], false);
}

TEST(ControlTrace, shows_one_packet_of_as_many_as_are_asked_for) {
  Traced traced{{{"sample", 3}}};
  for (int i = 0; i < 9; ++i) send_out(traced.desk);
  const auto records = traced.records();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1]["sequence"], 4);
}

TEST(ControlTrace, shows_only_the_peer_that_is_asked_for) {
  Traced traced{{{"name", "berlin"}}};
  send_out(traced.desk);
  protect(traced.desk, traced.desk.here, "10.1.0.9", "10.9.0.9");
  const auto records = traced.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]["peer"], "berlin");
  EXPECT_EQ(records[0]["drop"], "clear_no_sa");
}

TEST(ControlTrace, ends_after_so_many_packets) {
  Traced traced{{{"count", 2}}};
  for (int i = 0; i < 5; ++i) send_out(traced.desk);
  EXPECT_EQ(traced.records().size(), 2u);
  EXPECT_EQ(traced.end["packets"], 2);
}

TEST(ControlTrace, holds_no_more_than_its_limit_and_counts_the_rest) {
  Traced traced;
  const std::size_t limit = gateway::GatewayOptions{}.trace_records_max;
  for (std::size_t i = 0; i < limit + 10; ++i) send_out(traced.desk);
  EXPECT_EQ(traced.records().size(), limit);
  traced.desk.send(traced.client, request("stop") + "\n");
  traced.records();
  EXPECT_EQ(traced.end["lost"], 10);
}

TEST(ControlTrace, never_holds_the_payload) {
  Traced traced;
  receive(traced.desk, protect(traced.desk, traced.desk.there, "10.2.0.9", "10.1.0.9"));
  send_out(traced.desk);
  for (const Json& record : traced.records()) {
    EXPECT_EQ(record.dump().find("attack"), std::string::npos);
  }
}

TEST(ControlTrace, is_one_at_a_time_and_ends_with_its_client) {
  Traced traced;
  EXPECT_EQ(traced.desk.ask(traced.desk.connect(), request("trace"))["error"]["code"], 1);
  traced.desk.server.disconnect(traced.client);
  send_out(traced.desk);
  EXPECT_FALSE(traced.desk.here.gateway.poll_trace().has_value());
  EXPECT_EQ(traced.desk.ask(traced.desk.connect(), request("trace"))["streaming"], true);
}

TEST(ControlStatus, tells_drops_by_worker_and_what_the_host_lacks) {
  Desk desk;
  send_out(desk);
  desk.host_notes = {"the host lacks something"};
  const Json result = desk.ask(desk.connect(), request("status"))["result"];
  ASSERT_EQ(result["workers"].size(), 1u);
  EXPECT_EQ(result["workers"][0]["drops"]["clear_no_sa"], 1);
  EXPECT_EQ(result["workers"][0]["drops"]["io_send_failed"], 3);
  EXPECT_EQ(result["notes"][0], "the host lacks something");
}

}  // namespace
}  // namespace caponier::control
