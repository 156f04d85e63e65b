// SAs over the control interface: how they are told, begun, renewed and ended.

#include "unit/vici/desk.h"

namespace caponier::vici {
namespace {

constexpr auto established_keys =
    "uniqueid version state local-host local-port local-id remote-host remote-port remote-id "
    "initiator initiator-spi responder-spi encr-alg encr-keysize prf-alg dh-group established "
    "rekey-time child-sas";
constexpr auto child_keys =
    "name uniqueid reqid state mode protocol spi-in spi-out encr-alg encr-keysize esn bytes-in "
    "packets-in bytes-out packets-out rekey-time life-time install-time local-ts remote-ts";

/// The section of the one IKE SA that is listed, and its name.
const Element& list_one(Desk& desk, ClientId client, const Message& filter = {}) {
  desk.ask(client, "list-sas", filter);
  EXPECT_EQ(desk.events.size(), 1U);
  static const Element none;
  return desk.events.empty() ? none : only_section(desk.events.front().message);
}

struct Listening {
  explicit Listening(Desk& all) : desk(all), client(all.connect()) {
    desk.subscribe(client, "list-sa");
  }
  const Message& ike(const Message& filter = {}) {
    copy = list_one(desk, client, filter);
    return copy.section;
  }
  const Message& child() {
    static const Message none;
    copy = list_one(desk, client);
    const Message* const children = copy.section.section("child-sas");
    if (children == nullptr || children->elements.empty()) return none;
    child_name = children->elements.front().name;
    return children->elements.front().section;
  }
  std::size_t count() {
    desk.ask(client, "list-sas");
    return desk.events.size();
  }
  Desk& desk;
  ClientId client;
  Element copy;
  std::string child_name;
};

TEST(ViciSa, an_sa_is_listed_with_strongswans_keys_in_order) {
  Desk desk;
  desk.bring_up();
  Listening list{desk};
  const Message& ike = list.ike();
  EXPECT_EQ(list.copy.name, "branch");
  EXPECT_EQ(keys_of(ike), established_keys);
  EXPECT_EQ(ike.value("version"), "2");
  EXPECT_EQ(ike.value("state"), "ESTABLISHED");
  EXPECT_EQ(ike.value("local-host"), "192.0.2.1");
  EXPECT_EQ(ike.value("remote-id"), "192.0.2.2");
  EXPECT_EQ(ike.value("encr-alg"), "AES_GCM_16");
  EXPECT_EQ(ike.value("encr-keysize"), "256");
  EXPECT_EQ(ike.text("initiator-spi").size(), 16U);
  const Message& child = list.child();
  EXPECT_EQ(keys_of(child), child_keys);
  EXPECT_EQ(list.child_name, "branch-" + child.text("uniqueid"));
  EXPECT_EQ(child.value("state"), "INSTALLED");
  EXPECT_EQ(child.value("mode"), "TUNNEL");
  EXPECT_EQ(child.value("esn"), "1");
  EXPECT_EQ(child.text("spi-in").size(), 8U);
  EXPECT_EQ(child.list("remote-ts"), std::vector<std::string>{"10.2.0.0/16"});
}

TEST(ViciSa, times_are_seconds_and_go_on) {
  Desk desk;
  desk.bring_up();
  Listening list{desk};
  const long before = std::stol(list.ike().text("rekey-time"));
  const std::string installed = list.child().text("install-time");
  desk.pass(std::chrono::seconds{10});
  EXPECT_EQ(list.ike().value("established"), std::to_string(std::stol(installed) + 10));
  EXPECT_EQ(list.ike().value("rekey-time"), std::to_string(before - 10));
}

TEST(ViciSa, a_list_can_be_filtered_by_names_and_numbers) {
  Desk desk;
  desk.bring_up();
  Listening list{desk};
  const std::string id = list.ike().text("uniqueid");
  const std::string child_id = list.child().text("uniqueid");
  EXPECT_FALSE(list.ike(Message{}.add("ike-id", id)).elements.empty());
  EXPECT_FALSE(list.ike(Message{}.add("ike", "branch")).elements.empty());
  EXPECT_FALSE(
      list.ike(Message{}.add("child-id", child_id)).section("child-sas")->elements.empty());
  EXPECT_TRUE(list.ike(Message{}.add("child", "other")).section("child-sas")->elements.empty());
  for (const auto& [key, value] : {std::pair{"ike", "other"}, {"ike-id", "999"}, {"ike-id", "x"}}) {
    desk.ask(list.client, "list-sas", Message{}.add(key, value));
    EXPECT_TRUE(desk.events.empty()) << key << value;
  }
}

TEST(ViciSa, one_that_is_being_negotiated_is_connecting_to_nobody_known) {
  Desk desk;
  desk.link_is_cut = true;
  desk.ask(desk.connect(), "initiate", Message{}.add("child", "silent").add("timeout", "-1"));
  Listening list{desk};
  const Message& ike = list.ike();
  EXPECT_EQ(ike.value("state"), "CONNECTING");
  EXPECT_EQ(ike.value("remote-id"), "%any");
  EXPECT_EQ(ike.value("responder-spi"), "0000000000000000");
  EXPECT_EQ(ike.list("tasks-active"), std::vector<std::string>{"IKE_INIT"});
  EXPECT_FALSE(ike.value("established"));
}

TEST(ViciSa, the_description_is_made_anew_when_something_has_changed) {
  Desk desk;
  desk.bring_up();
  Listening list{desk};
  const std::string before = list.child().text("spi-in");
  EXPECT_EQ(desk.ask(desk.connect(), "rekey", Message{}.add("child", "branch")).value("matches"),
            "1");
  desk.ask(list.client, "list-sas");
  ASSERT_EQ(desk.events.size(), 1U);
  const Message* const children = only_section(desk.events[0].message).section.section("child-sas");
  ASSERT_FALSE(children->elements.empty());
  EXPECT_NE(children->elements.back().section.text("spi-in"), before);
}

// ---- initiate

TEST(ViciInitiate, it_answers_when_the_child_is_up) {
  Desk desk;
  const Message done = desk.ask(desk.connect(), "initiate", Message{}.add("child", "branch"));
  EXPECT_EQ(keys_of(done), "success");
  EXPECT_EQ(done.value("success"), "yes");
}

TEST(ViciInitiate, an_ike_sa_alone_can_be_meant) {
  Desk desk;
  const ClientId client = desk.connect();
  const Message which = Message{}.add("ike", "branch");
  EXPECT_EQ(desk.ask(client, "initiate", which).value("success"), "yes");
  EXPECT_EQ(desk.ask(client, "initiate", which).value("success"), "yes");
}

TEST(ViciInitiate, a_child_that_is_up_already_is_not_made_twice) {
  Desk desk;
  desk.bring_up();
  const ClientId client = desk.connect();
  const Message done = desk.ask(client, "initiate", Message{}.add("child", "branch"));
  EXPECT_EQ(done.value("errmsg"), "establishing CHILD_SA 'branch' failed");
  Listening list{desk};
  EXPECT_EQ(list.count(), 1U);
}

/// "low" and "high", under one connection on both sides.
void give_two_children(Desk& desk) {
  const auto make = [](const char* name, const char* local, const char* remote, std::string own,
                       std::string other) {
    auto peer =
        make_peer(name, local, remote, (own + ".0.0/17").c_str(), (other + ".0.0/17").c_str());
    config::ChildConfig high = peer.child();
    high.name = "high";
    high.local = config::Reach::of({base::Prefix::parse(own + ".128.0/17").value()});
    high.remote = config::Reach::of({base::Prefix::parse(other + ".128.0/17").value()});
    peer.child().name = "low";
    peer.children.push_back(high);
    for (config::ChildConfig& child : peer.children) child.start = config::Start::on_command;
    return peer;
  };
  desk.there.apply(make_config({make("back", "192.0.2.2", "192.0.2.1", "10.6", "10.5")}, false),
                   desk.now);
  desk.here.apply(make_config({make("two", "192.0.2.1", "192.0.2.2", "10.5", "10.6")}, false),
                  desk.now);
  desk.run();
}

TEST(ViciInitiate, one_child_comes_beside_another_that_is_up) {
  Desk desk;
  give_two_children(desk);
  const ClientId client = desk.connect();
  for (const char* child : {"high", "low"}) {
    const Message done = desk.ask(client, "initiate", Message{}.add("child", child));
    EXPECT_EQ(done.value("success"), "yes") << child << ": " << done.text("errmsg");
  }
  Listening list{desk};
  ASSERT_EQ(list.count(), 1U);
  EXPECT_EQ(list.ike().section("child-sas")->elements.size(), 2U);
}

TEST(ViciInitiate, what_was_begun_by_a_client_and_ended_by_the_peer_stays_away) {
  Desk desk;
  desk.bring_up();
  ASSERT_TRUE(desk.there.gateway.stop("back", std::nullopt, desk.now));
  desk.run();
  desk.pass(std::chrono::minutes{5});
  Listening list{desk};
  EXPECT_EQ(list.count(), 0U);
}

TEST(ViciInitiate, what_is_not_configured_is_named) {
  Desk desk;
  const ClientId client = desk.connect();
  const auto why = [&](const Message& request) {
    return desk.ask(client, "initiate", request).text("errmsg");
  };
  EXPECT_EQ(why({}), "missing configuration name");
  EXPECT_EQ(why(Message{}.add("child", "nope")), "CHILD_SA config 'nope' not found");
  EXPECT_EQ(why(Message{}.add("ike", "nope")), "IKE_SA config 'nope' not found");
  EXPECT_EQ(why(Message{}.add("ike", "nope").add("child", "branch")),
            "CHILD_SA config 'branch' not found");
}

TEST(ViciInitiate, its_patience_ends_after_the_time_it_names) {
  Desk desk;
  desk.link_is_cut = true;
  const ClientId client = desk.connect();
  desk.request(client, "initiate", Message{}.add("child", "silent").add("timeout", "500"));
  desk.pass(std::chrono::milliseconds{499});
  EXPECT_FALSE(desk.has_answer(client));
  desk.pass(std::chrono::milliseconds{1});
  EXPECT_EQ(desk.response(client).value("errmsg"), "CHILD_SA 'silent' not established after 500ms");
}

TEST(ViciInitiate, without_a_time_it_waits_until_the_peer_is_given_up_and_then_nobody_tries) {
  Desk desk;
  desk.link_is_cut = true;
  const ClientId client = desk.connect();
  desk.request(client, "initiate", Message{}.add("child", "silent"));
  desk.pass(std::chrono::seconds{10});
  EXPECT_FALSE(desk.has_answer(client));
  desk.pass(std::chrono::minutes{5});
  EXPECT_EQ(desk.response(client).value("errmsg"), "establishing CHILD_SA 'silent' failed");
  desk.pass(std::chrono::minutes{5});
  Listening list{desk};
  EXPECT_EQ(list.count(), 0U);
}

TEST(ViciInitiate, who_does_not_want_to_wait_is_answered_at_once) {
  Desk desk;
  desk.link_is_cut = true;
  const Message request = Message{}.add("child", "silent").add("timeout", "-1");
  EXPECT_EQ(desk.ask(desk.connect(), "initiate", request).value("success"), "yes");
}

TEST(ViciInitiate, lines_of_the_log_come_while_it_is_under_way_and_only_to_who_asks) {
  Desk desk;
  const ClientId client = desk.connect();
  const ClientId other = desk.connect();
  desk.subscribe(client, "control-log");
  desk.subscribe(other, "control-log");
  desk.ask(client, "initiate", Message{}.add("child", "branch"));
  ASSERT_FALSE(desk.events.empty());
  EXPECT_EQ(keys_of(desk.events.front().message).substr(0, 23), "group level ikesa-name ");
  std::string all;
  for (const auto& event : desk.events) all += event.message.text("msg") + "\n";
  EXPECT_NE(all.find("IKE_SA branch[1] established between 192.0.2.1[192.0.2.1]...192.0.2.2["),
            std::string::npos)
      << all;
  EXPECT_NE(all.find("CHILD_SA branch{1} established with SPIs "), std::string::npos) << all;
  EXPECT_TRUE(desk.got[other].empty());
}

TEST(ViciInitiate, silence_can_be_had) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.subscribe(client, "control-log");
  desk.ask(client, "initiate", Message{}.add("child", "branch").add("loglevel", "-1"));
  EXPECT_TRUE(desk.events.empty());
}

// ---- terminate

TEST(ViciTerminate, an_ike_sa_goes_and_does_not_come_back_by_itself) {
  Desk desk;
  desk.bring_up();
  const Message done = desk.ask(desk.connect(), "terminate", Message{}.add("ike", "branch"));
  EXPECT_EQ(keys_of(done), "success matches terminated");
  EXPECT_EQ(done.value("matches"), "1");
  EXPECT_EQ(done.value("terminated"), "1");
  desk.pass(std::chrono::minutes{10});
  Listening list{desk};
  EXPECT_EQ(list.count(), 0U);
}

TEST(ViciTerminate, the_peer_may_come_again_afterwards) {
  Desk desk;
  desk.bring_up();
  desk.ask(desk.connect(), "terminate", Message{}.add("ike", "branch"));
  ASSERT_TRUE(desk.there.gateway.up("back", desk.now));
  desk.run();
  Listening list{desk};
  EXPECT_EQ(list.ike().value("state"), "ESTABLISHED");
  EXPECT_FALSE(list.ike().value("initiator"));
}

TEST(ViciTerminate, a_child_goes_alone) {
  Desk desk;
  desk.bring_up();
  const Message done = desk.ask(desk.connect(), "terminate", Message{}.add("child", "branch"));
  EXPECT_EQ(done.value("success"), "yes");
  EXPECT_EQ(done.value("terminated"), "1");
  Listening list{desk};
  EXPECT_TRUE(list.ike().section("child-sas")->elements.empty());
  desk.pass(std::chrono::seconds{20});
  EXPECT_TRUE(list.ike().section("child-sas")->elements.empty());
}

TEST(ViciTerminate, a_child_that_has_gone_alone_can_be_had_again) {
  Desk desk;
  desk.bring_up();
  const ClientId client = desk.connect();
  desk.ask(client, "terminate", Message{}.add("child", "branch"));
  EXPECT_EQ(desk.ask(client, "initiate", Message{}.add("ike", "branch")).value("success"), "yes");
  EXPECT_EQ(desk.ask(client, "initiate", Message{}.add("child", "branch")).value("success"), "yes");
  Listening list{desk};
  EXPECT_EQ(list.child().value("state"), "INSTALLED");
}

TEST(ViciTerminate, numbers_mean_one) {
  Desk desk;
  desk.bring_up();
  Listening list{desk};
  const std::string child = list.child().text("uniqueid");
  const std::string ike = list.ike().text("uniqueid");
  const ClientId client = desk.connect();
  EXPECT_EQ(desk.ask(client, "terminate", Message{}.add("child-id", "77")).value("matches"), "0");
  EXPECT_EQ(desk.ask(client, "terminate", Message{}.add("child-id", child)).value("matches"), "1");
  EXPECT_EQ(desk.ask(client, "terminate", Message{}.add("ike-id", ike)).value("matches"), "1");
  EXPECT_EQ(list.count(), 0U);
}

TEST(ViciTerminate, nothing_and_nobody_are_told_apart) {
  Desk desk;
  const ClientId client = desk.connect();
  EXPECT_EQ(desk.ask(client, "terminate").value("errmsg"), "missing terminate selector");
  const Message done = desk.ask(client, "terminate", Message{}.add("child", "nope"));
  EXPECT_EQ(keys_of(done), "success matches terminated errmsg");
  EXPECT_EQ(done.value("matches"), "0");
  EXPECT_EQ(done.value("errmsg"), "no matching SAs to terminate found");
}

TEST(ViciTerminate, a_peer_that_does_not_answer_is_not_waited_for_longer_than_said) {
  Desk desk;
  desk.bring_up();
  desk.link_is_cut = true;
  const ClientId client = desk.connect();
  desk.request(client, "terminate", Message{}.add("ike", "branch").add("timeout", "1000"));
  EXPECT_FALSE(desk.has_answer(client));
  desk.pass(std::chrono::seconds{1});
  const Message done = desk.response(client);
  EXPECT_EQ(done.value("success"), "no");
  EXPECT_EQ(done.value("matches"), "1");
  EXPECT_EQ(done.value("terminated"), "0");
}

// ---- rekey, redirect, traps

TEST(ViciRekey, both_kinds_are_renewed_and_what_is_not_there_is_told) {
  Desk desk;
  desk.bring_up();
  const ClientId client = desk.connect();
  EXPECT_EQ(desk.ask(client, "rekey").value("errmsg"), "missing rekey selector");
  const Message none = desk.ask(client, "rekey", Message{}.add("ike", "nope"));
  EXPECT_EQ(keys_of(none), "success matches errmsg");
  EXPECT_EQ(none.value("errmsg"), "no matching SAs to rekey found");
  Listening list{desk};
  const std::string before = list.ike().text("uniqueid");
  EXPECT_EQ(desk.ask(client, "rekey", Message{}.add("ike", "branch")).value("success"), "yes");
  desk.pass(std::chrono::seconds{5});
  EXPECT_NE(list.ike().text("uniqueid"), before);
}

TEST(ViciRedirect, it_needs_a_gateway_and_somebody_to_send) {
  Desk desk;
  const ClientId client = desk.connect();
  const auto why = [&](const Message& request) {
    return desk.ask(client, "redirect", request).text("errmsg");
  };
  EXPECT_EQ(why(Message{}.add("ike", "branch")), "missing target gateway");
  EXPECT_EQ(why(Message{}.add("ike", "branch").add("gateway", "")), "unsupported gateway identity");
  EXPECT_EQ(why(Message{}.add("ike", "branch").add("gateway", "192.0.2.8")),
            "no matching SAs to redirect found");
}

TEST(ViciTraps, they_are_installed_listed_and_taken_away) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.subscribe(client, "list-policy");
  const Message traps = Message{}.add("trap", "yes");
  const auto why = [&](std::string_view command, const Message& request) {
    return desk.ask(client, command, request).text("errmsg");
  };
  EXPECT_EQ(why("install", {}), "missing configuration name");
  EXPECT_EQ(why("install", Message{}.add("child", "nope")), "configuration name not found");
  EXPECT_EQ(why("uninstall", Message{}.add("child", "nope")), "policy 'nope' not found");
  EXPECT_EQ(why("uninstall", Message{}.add("child", "branch")), "policy 'branch' not found");
  EXPECT_EQ(desk.ask(client, "install", Message{}.add("child", "branch")).value("success"), "yes");
  desk.ask(client, "list-policies", traps);
  ASSERT_EQ(desk.events.size(), 1U);
  const Element& policy = only_section(desk.events[0].message);
  EXPECT_EQ(policy.name, "branch/branch");
  EXPECT_EQ(keys_of(policy.section), "child ike mode local-ts remote-ts");
  desk.ask(client, "list-policies");
  EXPECT_TRUE(desk.events.empty());
  EXPECT_EQ(desk.ask(client, "uninstall", Message{}.add("child", "branch")).value("success"),
            "yes");
  desk.ask(client, "list-policies", traps);
  EXPECT_TRUE(desk.events.empty());
}

TEST(ViciTraps, one_is_installed_beside_a_child_that_is_up_and_alone) {
  Desk desk;
  give_two_children(desk);
  const ClientId client = desk.connect();
  desk.subscribe(client, "list-policy");
  desk.ask(client, "initiate", Message{}.add("child", "low"));
  EXPECT_EQ(desk.ask(client, "install", Message{}.add("child", "low")).value("success"), "yes");
  desk.ask(client, "list-policies", Message{}.add("trap", "yes"));
  ASSERT_EQ(desk.events.size(), 1U);
  EXPECT_EQ(only_section(desk.events[0].message).name, "two/low");
}

// ---- Counters

TEST(ViciCounters, messages_are_counted_for_all_and_for_each_connection_until_reset) {
  Desk desk;
  const ClientId client = desk.connect();
  const Message none = desk.ask(client, "get-counters", Message{}.add("name", "branch"));
  EXPECT_EQ(keys_of(none), "counters success errmsg");
  EXPECT_EQ(none.value("errmsg"), "no counters found for this connection");
  desk.bring_up();
  desk.ask(client, "rekey", Message{}.add("child", "branch"));
  const Message one = desk.ask(client, "get-counters", Message{}.add("name", "branch"));
  const Message& counters = *one.section("counters")->section("branch");
  EXPECT_EQ(keys_of(counters).substr(0, 60),
            "ike-rekey-init ike-rekey-resp child-rekey invalid invalid-sp");
  EXPECT_EQ(counters.elements.size(), 21U);
  EXPECT_EQ(counters.value("ike-init-out-req"), "1");
  EXPECT_EQ(counters.value("ike-init-in-resp"), "1");
  EXPECT_EQ(counters.value("ike-auth-out-req"), "1");
  EXPECT_EQ(counters.value("create-child-out-req"), "1");
  EXPECT_EQ(counters.value("child-rekey"), "1");
  EXPECT_EQ(
      desk.ask(client, "get-counters").section("counters")->section("")->text("ike-init-out-req"),
      "1");
  EXPECT_EQ(desk.ask(client, "reset-counters", Message{}.add("all", "yes")).value("success"),
            "yes");
  const Message all = desk.ask(client, "get-counters", Message{}.add("all", "yes"));
  EXPECT_TRUE(all.section("counters")->elements.empty());
}

// ---- Events

TEST(ViciEvents, up_and_down_are_told_with_the_sas_they_are_about) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.subscribe(client, "ike-updown");
  desk.subscribe(client, "child-updown");
  desk.bring_up();
  ASSERT_EQ(desk.got[client].size(), 2U);
  const Desk::Got ike_up = desk.next(client);
  EXPECT_EQ(ike_up.name, "ike-updown");
  EXPECT_EQ(keys_of(ike_up.message), "up branch");
  EXPECT_EQ(ike_up.message.section("branch")->value("state"), "ESTABLISHED");
  EXPECT_EQ(ike_up.message.section("branch")->section("child-sas"), nullptr);
  const Desk::Got child_up = desk.next(client);
  EXPECT_EQ(child_up.name, "child-updown");
  const Message* const children = child_up.message.section("branch")->section("child-sas");
  ASSERT_NE(children, nullptr);
  EXPECT_EQ(children->elements.size(), 1U);
  EXPECT_EQ(children->elements[0].section.value("bytes-in"), "0");

  desk.ask(desk.connect(), "terminate", Message{}.add("ike", "branch"));
  std::map<std::string, Message> down;
  while (!desk.got[client].empty()) {
    Desk::Got got = desk.next(client);
    EXPECT_FALSE(got.message.value("up"));
    EXPECT_EQ(got.message.section("branch")->value("state"), "DELETING");
    EXPECT_TRUE(got.message.section("branch")->value("encr-alg"));
    down.emplace(got.name, got.message);
  }
  EXPECT_EQ(down.size(), 2U);
  EXPECT_EQ(down["child-updown"].section("branch")->section("child-sas")->elements.size(), 1U);
}

TEST(ViciEvents, a_rekey_tells_old_and_new_and_no_down) {
  Desk desk;
  desk.bring_up();
  const ClientId client = desk.connect();
  for (const char* name : {"ike-updown", "child-updown", "ike-rekey", "child-rekey"}) {
    desk.subscribe(client, name);
  }
  desk.ask(desk.connect(), "rekey", Message{}.add("child", "branch"));
  desk.pass(std::chrono::seconds{40});
  ASSERT_EQ(desk.got[client].size(), 1U);
  const Desk::Got child = desk.next(client);
  EXPECT_EQ(child.name, "child-rekey");
  const Message* const both =
      child.message.section("branch")->section("child-sas")->section("branch");
  ASSERT_NE(both, nullptr);
  EXPECT_EQ(keys_of(*both), "old new");
  EXPECT_EQ(both->section("old")->value("state"), "REKEYED");
  EXPECT_EQ(both->section("new")->value("state"), "INSTALLED");
  EXPECT_EQ(both->section("new")->value("reqid"), both->section("old")->value("reqid"));

  desk.ask(desk.connect(), "rekey", Message{}.add("ike", "branch"));
  desk.pass(std::chrono::seconds{40});
  ASSERT_EQ(desk.got[client].size(), 1U);
  const Desk::Got ike = desk.next(client);
  EXPECT_EQ(ike.name, "ike-rekey");
  EXPECT_EQ(keys_of(*ike.message.section("branch")), "old new");
}

TEST(ViciEvents, the_log_has_group_level_and_thread) {
  Desk desk;
  const ClientId client = desk.connect();
  desk.subscribe(client, "log");
  desk.server.handle_event({base::EventKind::host_unfit, "", "something", {}});
  desk.run();
  const Desk::Got line = desk.next(client);
  EXPECT_EQ(line.name, "log");
  EXPECT_EQ(keys_of(line.message), "group level thread msg");
  EXPECT_EQ(line.message.value("group"), "KNL");
  EXPECT_EQ(line.message.value("msg"), "something");
}

}  // namespace
}  // namespace caponier::vici
