#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unit/control/desk.h"

namespace caponier::control {
namespace {

int code_of(const Json& document) {
  return document.contains("error") ? document["error"]["code"].get<int>() : 0;
}

std::string fix_of(const Json& document) { return document["error"]["fix"].get<std::string>(); }

void bring_up(Desk& desk) {
  const ClientId client = desk.connect();
  const Json answer = desk.ask(client, request("up", {{"name", "branch"}, {"wait_ms", 10000}}));
  ASSERT_TRUE(answer["ok"].get<bool>()) << answer.dump();
}

TEST(ControlProtocol, what_is_not_a_request_is_refused_and_the_client_stays) {
  Desk desk;
  const ClientId client = desk.connect();
  for (const char* line : {"hello", "[]", "{}", "{\"v\":2,\"verb\":\"status\"}", "{\"v\":1}",
                           "{\"v\":1,\"verb\":7}", "{\"v\":1,\"verb\":\"status\",\"args\":[]}",
                           "{\"v\":1,\"verb\":\"status\",\"args\":{\"nam\":\"x\"}}",
                           "{\"v\":1,\"verb\":\"status\",\"args\":{\"name\":7}}",
                           "{\"v\":1,\"verb\":\"ping\",\"args\":{\"name\":\"x\",\"count\":0}}",
                           "{\"v\":1,\"verb\":\"ping\",\"args\":{\"name\":\"x\",\"count\":-1}}",
                           "{\"v\":1,\"verb\":\"up\"}"}) {
    EXPECT_EQ(code_of(desk.ask(client, line)), 2) << line;
  }
  EXPECT_FALSE(desk.is_closed(client));
  EXPECT_TRUE(desk.ask(client, request("version"))["ok"].get<bool>());
}

TEST(ControlProtocol, an_unknown_verb_gets_a_suggestion) {
  Desk desk;
  const Json answer = desk.ask(desk.connect(), request("statsu"));
  EXPECT_EQ(code_of(answer), 2);
  EXPECT_NE(fix_of(answer).find("'status'"), std::string::npos);
}

TEST(ControlProtocol, a_request_may_come_in_pieces_and_several_in_one) {
  Desk desk;
  const ClientId client = desk.connect();
  const std::string line = request("version") + "\n";
  for (const char c : line) desk.send(client, {&c, 1});
  EXPECT_EQ(desk.documents[client].size(), 1U);
  desk.send(client, line + "\n" + line + line.substr(0, 5));
  EXPECT_EQ(desk.documents[client].size(), 3U);
  desk.send(client, line.substr(5));
  EXPECT_EQ(desk.documents[client].size(), 4U);
}

TEST(ControlProtocol, a_line_beyond_the_limit_ends_the_connection_after_a_word) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.send(client, std::string(request_size_max, ' '));
  EXPECT_FALSE(desk.is_closed(client));
  desk.send(client, "x");
  EXPECT_EQ(code_of(desk.next(client)), 2);
  EXPECT_TRUE(desk.is_closed(client));
  desk.send(client, "\n" + request("version") + "\n");
  EXPECT_TRUE(desk.documents[client].empty());
}

TEST(ControlProtocol, deep_nesting_is_just_an_error) {
  Desk desk;
  const ClientId client = desk.connect();
  EXPECT_EQ(code_of(desk.ask(client, std::string(60000, '['))), 2);
}

TEST(ControlProtocol, more_clients_than_the_limit_are_turned_away) {
  Desk desk;
  for (std::size_t i = 0; i < clients_max; ++i) ASSERT_NE(desk.connect(), 0U);
  EXPECT_EQ(desk.connect(), 0U);
  desk.server.disconnect(1);
  EXPECT_NE(desk.connect(), 0U);
}

TEST(ControlProtocol, a_client_that_does_not_read_is_cut_off) {
  Desk desk;
  const ClientId client = desk.connect();
  const ClientId follower = desk.connect();
  desk.ask(follower, request("log", {{"follow", true}}));
  desk.acknowledges = false;
  const std::string line = request("status", {{"name", "branch"}}) + "\n";
  for (std::size_t i = 0; i < 3 * client_backlog_max / 4000 && !desk.is_closed(client); ++i) {
    desk.send(client, line);
  }
  ASSERT_TRUE(desk.is_closed(client));
  EXPECT_TRUE(desk.closed[client]) << "what waits must not hold it open";
  EXPECT_FALSE(desk.is_closed(follower));
}

TEST(ControlPermission, a_reader_may_look_but_not_change) {
  Desk desk;
  const ClientId reader = desk.connect(false);
  EXPECT_TRUE(desk.ask(reader, request("status"))["ok"].get<bool>());
  EXPECT_TRUE(desk.ask(reader, request("log"))["ok"].get<bool>());
  for (const char* verb : {"up", "down", "ping"}) {
    EXPECT_EQ(code_of(desk.ask(reader, request(verb, {{"name", "branch"}}))), 7) << verb;
  }
  for (const char* verb : {"reload", "keys", "capture", "trace"}) {
    EXPECT_EQ(code_of(desk.ask(reader, request(verb))), 7) << verb;
  }
  EXPECT_EQ(desk.reloads, 0);
}

TEST(ControlStatus, every_configured_peer_is_there_up_or_down) {
  Desk desk;
  const Json result = desk.ask(desk.connect(), request("status"))["result"];
  ASSERT_EQ(result["peers"].size(), 2U);
  EXPECT_EQ(result["peers"][0]["name"], "berlin");
  EXPECT_EQ(result["peers"][1]["name"], "branch");
  EXPECT_TRUE(result["peers"][1]["ike"].is_null());
  EXPECT_EQ(result["drops"]["io_send_failed"], 3) << "the drivers' drops are counted in";
  EXPECT_FALSE(result.contains("drop_table"));
}

TEST(ControlStatus, one_peer_comes_with_every_counter) {
  Desk desk;
  bring_up(desk);
  const Json result = desk.ask(desk.connect(), request("status", {{"name", "branch"}}))["result"];
  ASSERT_EQ(result["peers"].size(), 1U);
  const Json& peer = result["peers"][0];
  EXPECT_EQ(peer["state"], "idle");
  EXPECT_EQ(peer["remote_endpoint"], "192.0.2.2:4500") << "RFC 4555 s3.3";
  EXPECT_EQ(peer["transport"], "udp");
  EXPECT_EQ(peer["nat"], "none");
  EXPECT_EQ(peer["crypto"], "aes256-gcm x25519");
  EXPECT_EQ(peer["ike"]["state"], "established");
  ASSERT_EQ(peer["children"].size(), 1U);
  EXPECT_EQ(peer["children"][0]["mode"], "tunnel");
  EXPECT_EQ(peer["children"][0]["local"][0], "10.1.0.0/16");
  EXPECT_EQ(peer["children"][0]["bytes_in"], 0);
  EXPECT_EQ(result["drop_table"].size(), base::drop_reason_count);
}

TEST(ControlStatus, an_unknown_name_gets_a_suggestion) {
  Desk desk;
  const ClientId client = desk.connect();
  for (const char* verb : {"status", "up", "down", "log", "ping", "redirect"}) {
    Json arguments{{"name", "brunch"}};
    if (verb == std::string_view{"redirect"}) arguments["to"] = "192.0.2.7";
    const Json answer = desk.ask(client, request(verb, arguments));
    EXPECT_EQ(code_of(answer), 8) << verb;
    EXPECT_NE(fix_of(answer).find("'branch'"), std::string::npos) << verb;
  }
}

TEST(ControlUp, without_waiting_answers_at_once) {
  Desk desk;
  desk.link_is_cut = true;
  const Json answer = desk.ask(desk.connect(), request("up", {{"name", "branch"}}));
  EXPECT_EQ(answer["result"]["state"], "connecting");
}

TEST(ControlUp, waits_until_the_tunnel_is_negotiated) {
  Desk desk;
  const Json answer =
      desk.ask(desk.connect(), request("up", {{"name", "branch"}, {"wait_ms", 5000}}));
  EXPECT_EQ(answer["result"]["state"], "idle");
}

TEST(ControlUp, the_wait_ends_with_a_timeout) {
  Desk desk;
  desk.link_is_cut = true;
  const ClientId client = desk.connect();
  EXPECT_TRUE(desk.ask(client, request("up", {{"name", "branch"}, {"wait_ms", 5000}})).is_null());
  desk.pass(std::chrono::milliseconds{4999});
  EXPECT_TRUE(desk.documents[client].empty());
  desk.pass(std::chrono::milliseconds{1});
  const Json answer = desk.next(client);
  EXPECT_EQ(code_of(answer), 5);
}

TEST(ControlUp, a_refusal_by_the_peer_ends_the_wait_with_its_own_code) {
  Desk desk;
  auto wrong = make_peer("back", "192.0.2.2", "192.0.2.1", "10.2.0.0/16", "10.1.0.0/16");
  wrong.child().start = config::Start::on_command;
  wrong.psk = std::make_shared<const base::SecretBytes>(base::as_bytes("quite another secret"));
  desk.there.apply(make_config({wrong}, false), desk.now);
  const Json answer =
      desk.ask(desk.connect(), request("up", {{"name", "branch"}, {"wait_ms", 5000}}));
  EXPECT_EQ(code_of(answer), 4);
  EXPECT_NE(answer["error"]["message"].get<std::string>().find("AUTHENTICATION_FAILED"),
            std::string::npos);
}

TEST(ControlUp, a_second_request_has_to_wait_its_turn) {
  Desk desk;
  desk.link_is_cut = true;
  const ClientId client = desk.connect();
  desk.ask(client, request("up", {{"name", "branch"}, {"wait_ms", 5000}}));
  EXPECT_EQ(code_of(desk.ask(client, request("status"))), 2);
  EXPECT_EQ(desk.ask(client, request("stop"))["end"], true);
  EXPECT_TRUE(desk.ask(client, request("status"))["ok"].get<bool>());
}

TEST(ControlDown, takes_the_wish_back) {
  Desk desk;
  bring_up(desk);
  const Json answer = desk.ask(desk.connect(), request("down", {{"name", "branch"}}));
  EXPECT_EQ(answer["result"]["state"], "off");
}

TEST(ControlRedirect, sends_a_peer_that_has_initiated_to_another_gateway) {
  Desk desk;
  ASSERT_TRUE(desk.there.gateway.up("back", desk.now));
  desk.run();
  desk.pass(std::chrono::seconds{5});
  ASSERT_EQ(desk.here.gateway.status(desk.now).ike_sas, 1U);
  const ClientId client = desk.connect();
  for (const char* to : {"any", "", "not a name"}) {
    const Json answer = desk.ask(client, request("redirect", {{"name", "branch"}, {"to", to}}));
    EXPECT_EQ(code_of(answer), 2) << to;
  }
  const Json answer =
      desk.ask(client, request("redirect", {{"name", "branch"}, {"to", "192.0.2.77"}}));
  EXPECT_EQ(answer["result"]["to"], "192.0.2.77") << answer.dump();
  EXPECT_EQ(desk.here.gateway.status(desk.now).ike_sas, 0U) << "it has left";
  const gateway::PeerStatus moved = desk.there.gateway.status(desk.now).peers.front();
  ASSERT_TRUE(moved.ike);
  EXPECT_EQ(moved.ike->path.remote.address, *base::IpAddress::parse("192.0.2.77"));
}

TEST(ControlRedirect, needs_an_established_peer_that_follows) {
  Desk desk;
  const ClientId client = desk.connect();
  const std::string line = request("redirect", {{"name", "branch"}, {"to", "gw2.example.org"}});
  EXPECT_EQ(code_of(desk.ask(client, line)), 5);
  bring_up(desk);
  const Json answer = desk.ask(client, line);
  EXPECT_EQ(code_of(answer), 4) << "we have initiated";
  EXPECT_NE(fix_of(answer).find("initiated"), std::string::npos);
  EXPECT_EQ(code_of(desk.ask(desk.connect(false), line)), 7);
}

TEST(ControlLogout, ends_users_and_never_a_peer_of_that_name) {
  Desk desk;
  bring_up(desk);
  const ClientId client = desk.connect();
  const Json answer = desk.ask(client, request("logout", {{"user", "192.0.2.2"}}));
  EXPECT_EQ(answer["result"]["ended"], 0) << answer.dump();
  EXPECT_EQ(desk.here.gateway.status(desk.now).ike_sas, 1U);
  EXPECT_EQ(code_of(desk.ask(client, request("logout", Json::object()))), 2);
  EXPECT_EQ(code_of(desk.ask(desk.connect(false), request("logout", {{"user", "alice"}}))), 7);
}

TEST(ControlPing, measures_as_often_as_asked) {
  Desk desk;
  bring_up(desk);
  const ClientId client = desk.connect();
  const Json head = desk.ask(client, request("ping", {{"name", "branch"}, {"count", 3}}));
  EXPECT_EQ(head["streaming"], true);
  desk.pass(std::chrono::seconds{3});
  for (int seq = 1; seq <= 3; ++seq) {
    const Json answer = desk.next(client);
    EXPECT_EQ(answer["ping"]["seq"], seq) << answer.dump();
    EXPECT_TRUE(answer["ping"]["rtt_ms"].is_number());
  }
  const Json end = desk.next(client);
  EXPECT_EQ(end["end"], true);
  EXPECT_EQ(end["result"]["received"], 3);
  EXPECT_FALSE(desk.server.poll_deadline().has_value());
}

TEST(ControlPing, a_lost_answer_is_told_and_not_waited_for_for_ever) {
  Desk desk;
  bring_up(desk);
  desk.link_is_cut = true;
  const ClientId client = desk.connect();
  desk.ask(client, request("ping", {{"name", "branch"}, {"count", 1}}));
  desk.pass(std::chrono::seconds{3});
  EXPECT_TRUE(desk.next(client)["ping"]["rtt_ms"].is_null());
  EXPECT_EQ(desk.next(client)["result"]["received"], 0);
}

TEST(ControlPing, needs_an_established_peer) {
  Desk desk;
  EXPECT_EQ(code_of(desk.ask(desk.connect(), request("ping", {{"name", "branch"}}))), 5);
}

TEST(ControlLog, shows_the_latest_events_of_one_peer) {
  Desk desk;
  bring_up(desk);
  const ClientId client = desk.connect();
  const Json all = desk.ask(client, request("log"))["result"]["events"];
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.back()["caponier_peer"], "branch");
  EXPECT_EQ(desk.ask(client, request("log", {{"name", "berlin"}}))["result"]["events"].size(), 0U);
  const Json two = desk.ask(client, request("log", {{"lines", 2}}))["result"]["events"];
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two.back(), all.back());
}

TEST(ControlLog, the_history_is_bounded) {
  Desk desk;
  for (std::size_t i = 0; i < event_history_max + 5; ++i) {
    desk.server.handle_event(
        {static_cast<std::int64_t>(i), {base::EventKind::child_up, "branch", "up", {}}});
  }
  const Json events =
      desk.ask(desk.connect(), request("log", {{"lines", event_history_max}}))["result"]["events"];
  ASSERT_EQ(events.size(), event_history_max);
  EXPECT_EQ(events.front()["unix_us"], 5);
}

TEST(ControlLog, a_follower_hears_what_concerns_it_until_it_stops) {
  Desk desk;
  const ClientId client = desk.connect();
  const Json head =
      desk.ask(client, request("log", {{"name", "branch"}, {"follow", true}, {"lines", 0}}));
  EXPECT_EQ(head["streaming"], true);
  EXPECT_TRUE(head["result"]["events"].empty());
  desk.server.handle_event({1, {base::EventKind::child_up, "berlin", "not mine", {}}});
  desk.server.handle_event({2, {base::EventKind::child_up, "branch", "mine", {}}});
  desk.run();
  EXPECT_EQ(desk.next(client)["event"]["message"], "mine");
  EXPECT_EQ(desk.ask(client, request("stop"))["end"], true);
  desk.server.handle_event({3, {base::EventKind::child_up, "branch", "too late", {}}});
  desk.run();
  EXPECT_TRUE(desk.documents[client].empty());
}

TEST(ControlReload, tells_what_changed) {
  Desk desk;
  desk.reload_result = config::ConfigDiff{{"new"}, {}, {"old"}, true, true};
  const Json result = desk.ask(desk.connect(), request("reload"))["result"];
  EXPECT_EQ(result["added"][0], "new");
  EXPECT_EQ(result["removed"][0], "old");
  EXPECT_EQ(result["restart_needed"], true);
  EXPECT_EQ(result["policies_changed"], true);
}

TEST(ControlReload, every_error_comes_with_its_place) {
  Desk desk;
  desk.reload_result = std::unexpected{std::vector<config::ConfigError>{
      {{"caponier.toml", 3, 1}, "unknown key 'remot'", "did you mean 'remote'?"}}};
  const Json answer = desk.ask(desk.connect(), request("reload"));
  EXPECT_EQ(code_of(answer), 3);
  EXPECT_EQ(answer["error"]["errors"][0]["line"], 3);
  EXPECT_NE(answer["error"]["message"].get<std::string>().find("caponier.toml:3:1"),
            std::string::npos);
}

TEST(ControlKeys, are_given_only_when_the_configuration_allows_it) {
  Desk closed{false};
  const Json refused = closed.ask(closed.connect(), request("keys"));
  EXPECT_EQ(code_of(refused), 7);
  EXPECT_NE(fix_of(refused).find("allow_key_export = true under [debug]"), std::string::npos);
  Desk open{true};
  bring_up(open);
  const Json given = open.ask(open.connect(), request("keys"));
  EXPECT_NE(given["result"]["esp_sa"].get<std::string>().find("IPv4"), std::string::npos);
}

TEST(ControlCapture, streams_packets_and_ends_with_the_keys) {
  Desk desk;
  const ClientId client = desk.connect();
  EXPECT_EQ(desk.ask(client, request("capture", {{"seconds", 2}}))["streaming"], true);
  EXPECT_EQ(code_of(desk.ask(desk.connect(), request("capture"))), 1) << "one at a time";
  bring_up(desk);
  desk.pass(std::chrono::seconds{2});
  const Json first = desk.next(client);
  // A pcapng section header block begins with 0a0d0d0a.
  EXPECT_TRUE(first["capture"].get<std::string>().starts_with("Cg0NC")) << first.dump();
  Json last = first;
  while (!desk.documents[client].empty()) last = desk.next(client);
  EXPECT_EQ(last["end"], true);
  EXPECT_TRUE(last["keys"]["ikev2_decryption_table"].is_string());
}

TEST(ControlCapture, ends_when_its_client_leaves) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.ask(client, request("capture"));
  desk.server.disconnect(client);
  bring_up(desk);
  const ClientId next = desk.connect();
  EXPECT_EQ(desk.ask(next, request("capture"))["streaming"], true);
  desk.send(next, request("stop") + "\n");
  std::string captured;
  while (!desk.documents[next].empty()) {
    const Json document = desk.next(next);
    if (document.contains("capture")) captured += document["capture"].get<std::string>();
  }
  EXPECT_LT(captured.size(), 200U) << "nothing of the time in between";
}

TEST(EventText, is_one_line_with_time_severity_and_peer) {
  const StampedEvent event{1'769'860'800'123'456,
                           {base::EventKind::ike_established, "branch", "IKE SA is up", {}}};
  EXPECT_EQ(to_line(event), "2026-01-31 12:00:00.123 notice branch: IKE SA is up");
  const Json document = Json::parse(to_json(event));
  EXPECT_EQ(document["time"], "2026-01-31T12:00:00.123Z");
  EXPECT_EQ(document["caponier_event"], "ike.established");
  EXPECT_EQ(document["priority"], 5);
}

TEST(EventText, survives_bytes_that_are_no_text) {
  const StampedEvent event{0, {base::EventKind::ike_failed, "branch", "\xff\xfe", {}}};
  EXPECT_TRUE(Json::accept(to_json(event)));
}

}  // namespace
}  // namespace caponier::control
