// Users who come to a server: EAP, RADIUS, inner addresses.

#include <gtest/gtest.h>

#include <algorithm>

#include "gateway/turns.h"
#include "sim/sim_test.h"
#include "unit/gateway/fake_pki.h"

namespace caponier::sim {
namespace {

constexpr auto right = "a password of the simulation";

/// A server that knows alice, and alice.
struct Office {
  TestWorld w;
  Node& server;
  Node& alice;

  explicit Office(const UserAccess& access = {}, std::uint64_t seed = 1)
      : w(seed_from_env(seed)), server(w.add()), alice(w.add_user(server, access)) {
    w.serve(server);
    server.users["alice"] = right;
  }
  void open() {
    server.start();
    alice.start();
  }
  void expect_traffic() {
    const Flow& there = w.flow(alice, server, 100ms);
    const Flow& back = w.flow(server, alice, 100ms);
    EXPECT_TRUE(
        w.run_until([&] { return there.replies_arrived >= 5 && back.replies_arrived >= 5; }, 60s));
  }
};

std::size_t count(const Node& node, base::EventKind kind, std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(node.events(), [&](const auto& event) {
    return event.kind == kind && event.text.find(text) != std::string::npos;
  }));
}

TEST(Users, one_comes_by_mschapv2_gets_an_address_and_traffic_flows_both_ways) {
  Office office;
  office.open();
  office.w.run_until_idle();
  ASSERT_TRUE(office.alice.given());
  EXPECT_EQ(office.alice.given()->to_string(), "10.200.0.1");
  const auto users = office.server.peer().users;
  ASSERT_EQ(users.size(), 1u);
  EXPECT_EQ(users.front().user, "alice");
  // The client asks for everywhere, and gets what there is.
  ASSERT_EQ(office.alice.peer().children.size(), 1u);
  EXPECT_EQ(policy::to_string(office.alice.peer().children.front().sa.remote), "10.1.0.0/16");
  EXPECT_EQ(office.server.eap_conversations(), 0u);
  office.expect_traffic();
}

/// The machine by a pre-shared key of its own, then its user by EAP (RFC 4739).
void demand_machine(Office& office, const std::string& key = "what the machine has") {
  const auto secret = [](const std::string& text) {
    return std::make_shared<const base::SecretBytes>(base::as_bytes(text));
  };
  config::PeerConfig& server = office.server.peers.front();
  config::RemoteRound machine;
  machine.auth = config::Auth::psk;
  machine.id = policy::Identity::parse("pc.example");
  machine.psk = secret("what the machine has");
  config::RemoteRound user;
  user.auth = config::Auth::eap;
  server.remote_rounds = {machine, user};
  config::LocalRound ours;
  ours.auth = config::Auth::psk;
  ours.id = policy::Identity::parse("pc.example");
  ours.psk = secret(key);
  config::LocalRound then;
  then.auth = config::Auth::eap;
  office.alice.peers.front().local_rounds = {ours, then};
}

TEST(Users, a_machine_and_then_its_user_come_in_and_the_lease_is_the_users) {
  Office office;
  demand_machine(office);
  office.open();
  office.w.run_until_idle();
  ASSERT_TRUE(office.alice.given());
  const auto users = office.server.peer().users;
  ASSERT_EQ(users.size(), 1u);
  EXPECT_EQ(users.front().user, "alice");
  ASSERT_EQ(users.front().earlier_ids.size(), 1u);
  EXPECT_EQ(users.front().earlier_ids.front().to_string(), "pc.example");
  EXPECT_EQ(office.server.eap_conversations(), 0u);
  office.expect_traffic();
}

TEST(Users, a_user_without_the_machine_and_a_machine_without_the_user_stay_outside) {
  Office no_machine;
  demand_machine(no_machine);
  no_machine.alice.peers.front().local_rounds.clear();
  no_machine.open();
  no_machine.w.run_for(5s);
  EXPECT_FALSE(no_machine.alice.given());
  no_machine.alice.take_down();

  Office wrong_machine;
  demand_machine(wrong_machine, "what another machine has");
  wrong_machine.open();
  wrong_machine.w.run_for(5s);
  EXPECT_FALSE(wrong_machine.alice.given());
  wrong_machine.alice.take_down();

  Office wrong_user{{.password = "what alice remembers"}};
  demand_machine(wrong_user);
  wrong_user.open();
  wrong_user.w.run_for(5s);
  EXPECT_FALSE(wrong_user.alice.given());
  EXPECT_EQ(wrong_user.server.status().associations, 0u);
  EXPECT_GE(count(wrong_user.server, base::EventKind::ike_auth_failed, "wrong password"), 1u);
  wrong_user.alice.take_down();
}

TEST(Users, a_wrong_password_is_refused_and_both_sides_say_so) {
  Office office{{.password = "what alice remembers"}};
  office.open();
  office.w.run_for(5s);
  EXPECT_FALSE(office.alice.given());
  EXPECT_EQ(office.server.status().associations, 0u);
  EXPECT_GE(count(office.server, base::EventKind::ike_auth_failed, "wrong password"), 1u);
  EXPECT_GE(count(office.alice, base::EventKind::ike_auth_failed, "EAP with vpn.example failed"),
            1u);
  office.alice.take_down();
}

TEST(Users, a_certificate_inside_of_eap_chooses_a_group_by_its_policies) {
  const auto given = [](const std::string& says) {
    Office office;
    const auto certify = [](config::PeerConfig& peer, const std::string& name,
                            const std::string& more) {
      peer.proof.credential =
          std::make_shared<const pki::Credential>(gateway::test::fake_credential(name, more));
      peer.proof.authorities = {"ca.pem"};
    };
    config::PeerConfig& server = office.server.peers.front();
    certify(server, "vpn.example", "");
    server.server->certificates = true;
    server.server->eap = {config::EapMethod::tls};
    config::GroupConfig staff;
    staff.name = "staff";
    staff.policies = {"1.3.6.1.4.1.32473.1"};
    staff.pools = {base::Prefix::parse("10.201.0.0/24").value()};
    server.server->all_pools.push_back(staff.pools.front());
    office.server.groups = {staff};
    certify(office.alice.peers.front(), "alice", says);
    office.alice.peers.front().proof.password.reset();
    office.open();
    office.w.run_until_idle();
    return office.alice.given() ? office.alice.given()->to_string() : "none";
  };
  EXPECT_EQ(given("policy=1.3.6.1.4.1.32473.1"), "10.201.0.1");
  EXPECT_EQ(given("policy=1.3.6.1.4.1.32473.2"), "10.200.0.1");
}

TEST(Users, an_unknown_user_goes_the_way_of_a_wrong_password) {
  const auto packets_of = [](const UserAccess& access) {
    Office office{access};
    office.open();
    office.w.run_until([&] { return office.alice.has_event(base::EventKind::ike_auth_failed); },
                       5s);
    office.alice.take_down();
    office.w.run_for(5s);
    return office.w.network().sent();
  };
  EXPECT_EQ(packets_of({.user = "mallory", .password = "guess"}),
            packets_of({.user = "alice", .password = "guess"}));
}

TEST(Users, the_address_stays_when_keys_are_renewed_and_when_a_user_authenticates_anew) {
  Office office{{.ike_lifetime = 70s, .lifetime = 25s, .reauth = 120s}};
  office.open();
  office.w.run_until_idle();
  const auto given = office.alice.given();
  ASSERT_TRUE(given);
  Flow& flow = office.w.flow(office.server, office.alice, 100ms);
  office.w.run_for(10min);
  EXPECT_EQ(office.alice.given(), given);
  EXPECT_GE(flow.replies_arrived + 5, flow.requests_sent);
  EXPECT_EQ(office.server.peer().users.size(), 1u);
}

TEST(Users, a_client_that_was_killed_gets_its_address_again_and_two_get_two) {
  Office office{{.dpd = 5s}};
  office.server.users["bob"] = "bobs own";
  office.w.allow_weather();
  Node& bob = office.w.add_user(office.server, {.user = "bob", .password = "bobs own"});
  office.open();
  office.w.run_until_idle();
  bob.start();
  office.w.run_until_idle();
  const auto given = office.alice.given();
  ASSERT_TRUE(given && bob.given());
  EXPECT_NE(given, bob.given());
  office.alice.kill();
  // The server finds out that nobody is there, who has not merely moved.
  office.w.run_for(8min);
  EXPECT_EQ(office.server.peer().users.size(), 1u);
  office.alice.restart();
  office.w.run_until_idle();
  EXPECT_EQ(office.alice.given(), given);
  office.expect_traffic();
}

TEST(Users, one_behind_a_nat_moves_and_keeps_address_and_connections) {
  Office office;
  office.alice.peers.front().mobike = true;
  office.w.put_behind_nat(office.alice);
  office.open();
  office.w.run_until_idle();
  const auto given = office.alice.given();
  ASSERT_TRUE(given);
  office.expect_traffic();
  office.w.allow_weather();
  office.w.roam(office.alice, base::IpAddress::parse("192.0.2.77").value());
  office.w.run_for(30s);
  EXPECT_EQ(office.alice.given(), given);
  office.expect_traffic();
}

TEST(Users, a_radius_server_that_knows_the_user_lets_it_in) {
  Office office;
  RadiusServer& radius = office.w.add_radius(office.server);
  radius.users["alice"] = right;
  radius.delay = 30ms;
  office.server.users.clear();
  office.open();
  office.w.run_until_idle();
  EXPECT_TRUE(office.alice.given());
  EXPECT_EQ(radius.requests(), 3u);
  office.expect_traffic();
}

TEST(Users, a_radius_server_refuses_and_the_reason_is_told) {
  Office office{{.password = "what alice remembers"}};
  RadiusServer& radius = office.w.add_radius(office.server);
  radius.users["alice"] = right;
  office.open();
  office.w.run_for(3s);
  EXPECT_FALSE(office.alice.given());
  EXPECT_GE(count(office.server, base::EventKind::ike_auth_failed, "RADIUS"), 1u);
  office.alice.take_down();
}

TEST(Users, when_the_first_radius_server_is_silent_the_second_one_is_asked) {
  Office office;
  // The client repeats its request meanwhile.
  office.w.allow_weather();
  office.w.add_radius(office.server).is_silent = true;
  office.w.add_radius(office.server).users["alice"] = right;
  office.open();
  EXPECT_TRUE(office.w.run_until([&] { return office.alice.given().has_value(); }, 60s));
  EXPECT_GE(count(office.server, base::EventKind::radius_server, "does not answer"), 1u);
  office.w.run_until_idle();
}

TEST(Users, silent_radius_servers_end_the_attempt_with_their_name_and_nothing_is_left) {
  Office office;
  // The client repeats its request meanwhile.
  office.w.allow_weather();
  office.w.add_radius(office.server).is_silent = true;
  office.open();
  EXPECT_TRUE(office.w.run_until(
      [&] { return office.server.has_event(base::EventKind::ike_auth_failed); }, 2min));
  office.alice.take_down();
  office.w.run_for(1min);
  EXPECT_EQ(office.server.eap_conversations(), 0u);
  EXPECT_EQ(office.server.status().ike_sas, 0u);
}

/// So many connections in all, each begun by hand.
void add_users(Node& node, std::size_t count) {
  node.peers.front().child().start = config::Start::on_command;
  for (std::size_t i = 1; i < count; ++i) {
    config::PeerConfig more = node.peers.front();
    more.name += std::to_string(i);
    node.peers.push_back(std::move(more));
  }
}

/// Sites that bring their tunnels up one after the other; the second longest time that one takes.
base::Duration p99_of_handshakes(TestWorld& w, Node& server, std::vector<Node*>& sites) {
  std::vector<base::Duration> times;
  for (Node* site : sites) {
    const base::Instant begin = w.now();
    site->initiate();
    EXPECT_TRUE(w.run_until([&] { return site->is_up(); }, 60s)) << site->name();
    times.push_back(w.now() - begin);
  }
  EXPECT_EQ(server.status().half_open, 0u);
  std::ranges::sort(times);
  return times.at(times.size() - 2);
}

/// 100 sites beside so many users whose RADIUS servers never answer.
base::Duration p99_beside_stuck_users(std::size_t stuck) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  w.network().set_quality({.delay = 10ms, .jitter = 2ms});
  Node& server = w.add();
  w.serve(server);
  std::vector<Node*> sites;
  for (int i = 0; i < 100; ++i) {
    sites.push_back(&w.add());
    w.connect(*sites.back(), server, psk_tunnel());
    sites.back()->peers.front().child().start = config::Start::on_command;
  }
  for (int i = 0; i < 8; ++i) w.add_radius(server).is_silent = true;
  server.start();
  for (Node* site : sites) site->start();
  // All before the first loses patience and tries another way; from one address they take turns.
  constexpr std::size_t per_address = 2 * gateway::turns_per_address_max;
  std::vector<Node*> users;
  for (std::size_t i = 0; i < stuck; i += per_address) {
    users.push_back(&w.add_user(server, {}));
    add_users(*users.back(), per_address);
    users.back()->start();
    for (const config::PeerConfig& peer : users.back()->peers) {
      users.back()->initiate(peer.name);
      w.run_for(5ms);
    }
  }
  w.run_for(gateway::turn_time + 1s);
  EXPECT_EQ(server.eap_conversations(), stuck);
  const base::Duration found = p99_of_handshakes(w, server, sites);
  EXPECT_EQ(server.eap_conversations(), stuck) << "they are no longer stuck";
  for (Node* user : users) user->kill();
  w.run_for(3min);
  EXPECT_EQ(server.eap_conversations(), 0u);
  return found;
}

TEST(Users, a_thousand_stuck_radius_calls_do_not_slow_the_handshakes_of_others) {
  const base::Duration alone = p99_beside_stuck_users(0);
  const base::Duration beside = p99_beside_stuck_users(1000);
  EXPECT_LT(beside - alone, 5ms) << base::seconds_of(alone) << " s alone, "
                                 << base::seconds_of(beside) << " s beside";
}

TEST(Users, conversations_have_a_limit_for_all_and_for_each_address) {
  struct Case {
    std::size_t all, per_address;
  };
  for (const Case& one : {Case{5, 64}, Case{64, 5}}) {
    TestWorld w{seed_from_env(1)};
    w.allow_weather();
    w.allow({base::DropReason::ike_half_open_limit});
    Node& server = w.add();
    w.serve(server);
    w.add_radius(server).is_silent = true;
    server.options.ike_limits.auth_pending_max = one.all;
    server.options.ike_limits.auth_pending_per_address_max = one.per_address;
    server.start();
    Node& users = w.add_user(server, {});
    add_users(users, 8);
    users.start();
    for (const config::PeerConfig& peer : users.peers) users.initiate(peer.name);
    w.run_for(3s);
    EXPECT_EQ(server.eap_conversations(), 5u);
    EXPECT_GE(count(server, base::EventKind::ike_auth_failed,
                    "too many are being authenticated: 5, 5 of them from there"),
              3u);
    users.kill();
    w.run_for(3min);
    EXPECT_EQ(server.eap_conversations(), 0u);
  }
}

class UsersInBadWeather : public testing::TestWithParam<std::uint64_t> {};

TEST_P(UsersInBadWeather, loss_repetition_and_reordering_let_users_in_all_the_same) {
  Office office{{.ike_lifetime = 5min, .lifetime = 2min, .reauth = 7min}, GetParam()};
  office.w.allow_weather();
  office.w.network().set_quality(
      {.loss = 0.15, .duplicate = 0.05, .reorder = 0.1, .delay = 20ms, .jitter = 10ms});
  const bool by_radius = GetParam() % 2 == 0;
  if (by_radius) office.w.add_radius(office.server).users["alice"] = right;
  office.open();
  EXPECT_TRUE(office.w.run_until([&] { return office.alice.is_up(); }, 10min));
  const auto given = office.alice.given();
  Flow& flow = office.w.flow(office.server, office.alice, 1s);
  office.w.run_for(20min);
  office.w.network().set_quality({});
  office.w.run_for(2min);
  EXPECT_EQ(office.alice.given(), given);
  const auto before = flow.replies_arrived;
  office.w.run_for(1min);
  EXPECT_GE(flow.replies_arrived, before + 55);
  flow.running = false;
}

INSTANTIATE_TEST_SUITE_P(Seeds, UsersInBadWeather, testing::Range<std::uint64_t>(1, 25));

TEST(Canary, a_user_without_the_key_of_eap_would_be_noticed) {
  World w{1};
  Node& server = w.add();
  w.serve(server);
  server.users["alice"] = right;
  Node& alice = w.add_user(server, {});
  w.faults.hides_auth = true;
  server.start();
  alice.start();
  w.run_for(2s);
  EXPECT_TRUE(w.violations().take(Broken::unproven_peer));
}

}  // namespace
}  // namespace caponier::sim
