// The server as clients see it: packets, streams, limits.

#include "unit/vici/desk.h"

namespace caponier::vici {
namespace {

using namespace std::string_literals;

TEST(ViciServer, a_command_is_answered_octet_by_octet) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.send(client, "\0\0\0\11\0\7version"s);
  const Desk::Got got = desk.next(client);
  EXPECT_EQ(got.type, PacketType::cmd_response);
  EXPECT_EQ(keys_of(got.message), "daemon version sysname release machine");
  EXPECT_EQ(got.octets.substr(0, 21), "\3\6daemon\0\11caponierd\3\7"s);
}

TEST(ViciServer, a_command_may_come_in_pieces_and_several_in_one) {
  Desk desk;
  const ClientId client = desk.connect();
  const std::string packet = make_packet(PacketType::cmd_request, "version");
  for (const char octet : packet) desk.send(client, {&octet, 1});
  EXPECT_EQ(desk.got[client].size(), 1U);
  desk.send(client, packet + packet + packet.substr(0, 5));
  EXPECT_EQ(desk.got[client].size(), 3U);
  desk.send(client, packet.substr(5));
  EXPECT_EQ(desk.got[client].size(), 4U);
}

TEST(ViciServer, an_unknown_command_and_an_unknown_event_are_told) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.request(client, "nonsense");
  EXPECT_EQ(desk.next(client).type, PacketType::cmd_unknown);
  desk.send(client, make_packet(PacketType::event_register, "nonsense"));
  EXPECT_EQ(desk.next(client).type, PacketType::event_unknown);
  desk.send(client, make_packet(PacketType::event_unregister, "nonsense"));
  EXPECT_EQ(desk.next(client).type, PacketType::event_unknown);
}

TEST(ViciServer, every_documented_event_can_be_had_and_left) {
  Desk desk;
  const ClientId client = desk.connect();
  for (const char* name :
       {"log", "control-log", "list-sa", "list-policy", "list-conn", "list-cert", "list-authority",
        "ike-updown", "ike-rekey", "ike-update", "child-updown", "child-rekey", "alert"}) {
    for (const PacketType type : {PacketType::event_register, PacketType::event_unregister}) {
      desk.send(client, make_packet(type, name));
      EXPECT_EQ(desk.next(client).type, PacketType::event_confirm) << name;
    }
  }
}

TEST(ViciServer, a_malformed_message_is_refused_with_its_place_and_the_client_stays) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.send(client, make_packet(PacketType::cmd_request, "stats", "\3\1a\0\5x"s));
  const Desk::Got got = desk.next(client);
  EXPECT_EQ(got.message.value("success"), "no");
  EXPECT_EQ(got.message.value("errmsg"), "malformed message: truncated at octet 0");
  EXPECT_EQ(keys_of(desk.ask(client, "version")), "daemon version sysname release machine");
}

TEST(ViciServer, what_is_no_packet_ends_the_connection) {
  for (const std::string& octets : {"\0\0\0\0"s, "\0\0\0\1\11"s, "\0\0\0\2\0\5"s, "\xff\0\0\0"s,
                                    "\0\0\0\1\1"s, "\0\0\0\1\5"s}) {
    Desk desk;
    const ClientId client = desk.connect();
    desk.send(client, octets);
    EXPECT_TRUE(desk.is_closed(client));
    desk.send(client, make_packet(PacketType::cmd_request, "version"));
    EXPECT_TRUE(desk.got[client].empty());
  }
}

TEST(ViciServer, more_clients_than_the_limit_are_turned_away) {
  Desk desk;
  for (std::size_t i = 0; i < clients_max; ++i) ASSERT_NE(desk.connect(), 0U);
  EXPECT_EQ(desk.connect(), 0U);
  desk.server.disconnect(1);
  EXPECT_NE(desk.connect(), 0U);
}

TEST(ViciServer, a_stream_is_its_events_and_then_the_response) {
  Desk desk;
  const ClientId client = desk.connect();
  const Message end = desk.stream(client, "list-conns", "list-conn");
  EXPECT_TRUE(end.elements.empty());
  ASSERT_EQ(desk.events.size(), 2U);
  EXPECT_EQ(desk.events[0].name, "list-conn");
  EXPECT_EQ(only_section(desk.events[0].message).name, "branch");
  EXPECT_EQ(only_section(desk.events[1].message).name, "silent");
}

TEST(ViciServer, who_has_not_registered_gets_the_response_alone) {
  Desk desk;
  const ClientId client = desk.connect();
  EXPECT_TRUE(desk.ask(client, "list-conns").elements.empty());
  EXPECT_TRUE(desk.events.empty());
}

TEST(ViciServer, another_client_gets_nothing_of_a_stream_that_is_not_its_own) {
  Desk desk;
  const ClientId first = desk.connect();
  const ClientId second = desk.connect();
  desk.subscribe(second, "list-conn");
  desk.stream(first, "list-conns", "list-conn");
  EXPECT_TRUE(desk.got[second].empty());
}

TEST(ViciServer, a_long_list_waits_for_its_client_and_delays_no_other) {
  constexpr std::size_t peers = 4000;
  Desk desk{peers};
  desk.acknowledges = false;
  const ClientId slow = desk.connect();
  desk.subscribe(slow, "list-conn");
  desk.request(slow, "list-conns");
  const std::size_t given = desk.got[slow].size();
  EXPECT_GT(given, 100U);
  EXPECT_LT(given, peers);
  EXPECT_FALSE(desk.is_closed(slow));
  desk.acknowledges = true;
  const ClientId quick = desk.connect();
  EXPECT_EQ(keys_of(desk.ask(quick, "version")), "daemon version sysname release machine");
  desk.server.handle_written(slow, client_backlog_max);
  desk.run();
  EXPECT_EQ(desk.got[slow].size(), peers + 3);
  EXPECT_EQ(desk.got[slow].back().type, PacketType::cmd_response);
  EXPECT_LE(desk.largest_turn, list_octets_per_turn_max + 64 * 1024);
}

TEST(ViciServer, the_next_command_waits_for_the_end_of_the_list) {
  Desk desk{1000};
  const ClientId client = desk.connect();
  desk.subscribe(client, "list-conn");
  const std::string list = make_packet(PacketType::cmd_request, "list-conns");
  desk.send(client, list + make_packet(PacketType::cmd_request, "version"));
  ASSERT_EQ(desk.got[client].size(), 1002U + 2U);
  EXPECT_EQ(desk.got[client].back().message.text("sysname"), "Linux");
}

TEST(ViciServer, who_sends_without_end_while_a_command_is_under_way_is_cut) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.link_is_cut = true;
  desk.request(client, "initiate", Message{}.add("child", "silent"));
  const std::string more =
      make_packet(PacketType::cmd_request, "version", std::string(60000, '\0'));
  for (std::size_t sent = 0; sent <= input_size_max; sent += more.size()) {
    EXPECT_FALSE(desk.is_closed(client));
    desk.send(client, more);
  }
  EXPECT_TRUE(desk.is_closed(client));
}

TEST(ViciServer, who_does_not_take_events_is_cut_and_others_get_theirs) {
  Desk desk;
  const ClientId deaf = desk.connect();
  desk.subscribe(deaf, "log");
  const ClientId client = desk.connect();
  desk.subscribe(client, "log");
  desk.acknowledges = false;
  const std::string text(60000, 'x');
  std::size_t told = 0;
  while (!desk.is_closed(deaf) && told < 1000) {
    desk.server.handle_event({base::EventKind::local_fault, "", text, {}});
    desk.run();
    desk.server.handle_written(client, text.size() + 100);
    ++told;
  }
  EXPECT_TRUE(desk.closed[deaf]);
  EXPECT_LE(told, client_backlog_max / text.size() + 1);
  EXPECT_FALSE(desk.is_closed(client));
  EXPECT_EQ(desk.got[client].size(), told);
}

TEST(ViciServer, a_client_that_goes_while_it_waits_leaves_nothing) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.link_is_cut = true;
  desk.request(client, "initiate", Message{}.add("child", "silent").add("timeout", "1000"));
  desk.server.disconnect(client);
  desk.pass(std::chrono::seconds{5});
  EXPECT_TRUE(desk.got[client].empty());
}

// ---- What is told of the whole

TEST(ViciServer, statistics_have_their_sections_in_order) {
  Desk desk;
  desk.now = desk.now + std::chrono::seconds{150};
  const Message stats = desk.ask(desk.connect(), "stats");
  EXPECT_EQ(keys_of(stats), "uptime workers queues scheduled ikesas plugins mallinfo");
  EXPECT_EQ(stats.section("uptime")->value("running"), "2 minutes");
  EXPECT_EQ(stats.section("uptime")->value("since"), "Nov 22 22:08:12 2026");
  EXPECT_EQ(stats.section("ikesas")->value("total"), "0");
  EXPECT_EQ(stats.section("ikesas")->value("half-open"), "0");
  EXPECT_EQ(stats.section("mallinfo")->value("used"), "60");
}

TEST(ViciServer, algorithms_are_grouped_and_named_as_strongswan_does) {
  Desk desk;
  const Message all = desk.ask(desk.connect(), "get-algorithms");
  EXPECT_EQ(keys_of(all), "encryption integrity aead prf dh");
  EXPECT_TRUE(all.section("aead")->value("AES_GCM_16"));
  EXPECT_TRUE(all.section("prf")->value("PRF_HMAC_SHA2_256"));
  EXPECT_TRUE(all.section("dh")->value("CURVE_25519"));
}

TEST(ViciServer, a_reload_that_fails_says_why) {
  Desk desk;
  const ClientId client = desk.connect();
  EXPECT_EQ(desk.ask(client, "reload-settings").value("success"), "yes");
  desk.reload_result = std::unexpected{std::string{"line 3 is wrong"}};
  const Message refused = desk.ask(client, "reload-settings");
  EXPECT_EQ(refused.value("success"), "no");
  EXPECT_EQ(refused.value("errmsg"), "line 3 is wrong");
  EXPECT_EQ(desk.reloads, 2);
}

TEST(ViciServer, connections_are_listed_with_strongswans_keys_in_order) {
  Desk desk;
  desk.stream(desk.connect(), "list-conns", "list-conn", Message{}.add("ike", "branch"));
  ASSERT_EQ(desk.events.size(), 1U);
  const Message& conn = only_section(desk.events[0].message).section;
  EXPECT_EQ(keys_of(conn),
            "local_addrs remote_addrs version reauth_time rekey_time unique dpd_delay local-1 "
            "remote-1 children");
  EXPECT_EQ(conn.list("remote_addrs"), std::vector<std::string>{"192.0.2.2"});
  EXPECT_EQ(keys_of(*conn.section("remote-1")), "class groups cert_policy certs cacerts");
  EXPECT_EQ(conn.section("local-1")->value("class"), "pre-shared key");
  const Message& child = *conn.section("children")->section("branch");
  EXPECT_EQ(keys_of(child),
            "mode rekey_time rekey_bytes rekey_packets dpd_action close_action local-ts remote-ts");
  EXPECT_EQ(child.value("mode"), "TUNNEL");
  EXPECT_EQ(child.list("local-ts"), std::vector<std::string>{"10.1.0.0/16"});
}

TEST(ViciServer, pools_of_the_store_are_told) {
  Desk desk;
  const Message pools = desk.ask(desk.connect(), "get-pools", Message{}.add("leases", "yes"));
  ASSERT_NE(pools.section("rw"), nullptr);
  EXPECT_EQ(keys_of(*pools.section("rw")), "base size online offline leases");
  EXPECT_EQ(pools.section("rw")->value("size"), "254");
}

// ---- The store

TEST(ViciServer, what_is_loaded_goes_to_the_store_and_its_answer_comes_back) {
  Desk desk;
  const ClientId client = desk.connect();
  for (const char* command :
       {"load-conn", "unload-conn", "load-cert", "load-key", "unload-key", "load-token",
        "load-shared", "unload-shared", "load-authority", "unload-authority", "load-pool",
        "unload-pool", "flush-certs", "clear-creds"}) {
    desk.fake.refusal.clear();
    desk.fake.more = Message{}.add("id", "abc");
    const Message done = desk.ask(client, command, Message{}.add("name", "x"));
    EXPECT_EQ(keys_of(done), "success id") << command;
    EXPECT_EQ(done.value("success"), "yes");
    ASSERT_FALSE(desk.fake.calls.empty());
    EXPECT_EQ(desk.fake.calls.back(), command);
    desk.fake.refusal = "no such thing";
    const Message refused = desk.ask(client, command);
    EXPECT_EQ(refused.value("success"), "no");
    EXPECT_EQ(refused.value("errmsg"), "no such thing");
  }
}

TEST(ViciServer, names_of_what_is_loaded_come_as_lists) {
  Desk desk;
  const ClientId client = desk.connect();
  EXPECT_EQ(desk.ask(client, "get-conns").list("conns").size(), 2U);
  EXPECT_EQ(desk.ask(client, "get-keys").list("keys").front(), "00ff");
  EXPECT_EQ(desk.ask(client, "get-shared").list("keys").front(), "ike-one");
  EXPECT_EQ(desk.ask(client, "get-authorities").list("authorities").front(), "ca");
  desk.stream(client, "list-authorities", "list-authority");
  EXPECT_EQ(desk.events.size(), 1U);
  desk.stream(client, "list-certs", "list-cert", Message{}.add("flag", "CA"));
  ASSERT_EQ(desk.events.size(), 1U);
  EXPECT_EQ(desk.events[0].message.value("data"), "der");
  desk.ask(client, "list-certs", Message{}.add("flag", "NONE"));
  EXPECT_TRUE(desk.events.empty());
}

TEST(ViciServer, a_command_that_needs_what_was_loaded_has_it_settled_first) {
  Desk desk;
  const ClientId client = desk.connect();
  static_cast<void>(desk.ask(client, "load-conn", Message{}.add_section("one", {})));
  static_cast<void>(desk.ask(client, "get-conns"));
  EXPECT_EQ(desk.settled, 0);
  for (const char* command :
       {"initiate", "install", "uninstall", "list-conns", "list-policies", "get-pools"}) {
    const int before = desk.settled;
    static_cast<void>(desk.ask(client, command));
    EXPECT_EQ(desk.settled, before + 1) << command;
  }
}

TEST(ViciServer, what_a_client_has_loaded_counts_when_it_goes) {
  Desk desk;
  const ClientId loads = desk.connect();
  const ClientId looks = desk.connect();
  static_cast<void>(desk.ask(loads, "load-shared", Message{}.add("id", "one")));
  static_cast<void>(desk.ask(looks, "get-conns"));
  desk.server.disconnect(looks);
  EXPECT_EQ(desk.settled, 0);
  desk.server.disconnect(loads);
  EXPECT_EQ(desk.settled, 1);
}

}  // namespace
}  // namespace caponier::vici
