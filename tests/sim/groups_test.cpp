// Users of groups, and how long they may stay: what our own configuration says, and RADIUS.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

using radius::Code;
using radius::TerminateCause;
using enum radius::AttributeType;

constexpr auto right = "a password of the simulation";

base::Prefix net(std::string_view text) { return base::Prefix::parse(text).value(); }
base::IpAddress ip(std::string_view text) { return base::IpAddress::parse(text).value(); }

config::GroupConfig group(std::string name, std::string_view networks, std::string_view pool) {
  config::GroupConfig made;
  made.name = std::move(name);
  made.networks = {net(networks)};
  made.pools = {net(pool)};
  return made;
}

/// A server with two groups: developers reach 10.1.0.0/20, the others 10.1.128.0/20.
struct Company {
  TestWorld w{seed_from_env(1)};
  Node& server = w.add();

  Company() {
    w.serve(server);
    server.groups = {group("developers", "10.1.0.0/20", "10.201.0.0/24"),
                     group("sales", "10.1.128.0/20", "10.202.0.0/24")};
    server.groups[0].members = {"alice", "*@dev.example"};
    server.groups[0].filters = {"dev"};
    server.groups[0].dns = {ip("10.1.0.53")};
    server.groups[1].members = {"bob"};
    server.groups[1].filters = {"sales"};
    // As config::load() does.
    auto& nets = users().server->all_pools;
    for (const config::GroupConfig& one : server.groups) nets.push_back(one.pools.front());
    for (const char* name : {"alice", "bob", "carol"}) server.users[name] = right;
  }
  [[nodiscard]] config::PeerConfig& users() { return server.peers.front(); }
  /// A client that wants in at once.
  Node& user(const std::string& name, const UserAccess& access = {}) {
    UserAccess own = access;
    own.user = name;
    Node& node = w.add_user(server, own);
    if (!server.is_running()) server.start();
    node.start();
    return node;
  }
  /// The same who is known by RADIUS, with this Filter-Id.
  RadiusServer& radius(const std::string& name, const std::string& filter) {
    RadiusServer& radius = w.add_radius(server);
    radius.users[name] = right;
    radius.filters = {filter};
    server.users.clear();
    return radius;
  }
  [[nodiscard]] static std::string reach(const Node& user) {
    const auto& children = user.peer().children;
    return children.empty() ? "nothing" : policy::to_string(children.front().sa.remote);
  }
  [[nodiscard]] TerminateCause cause() const {
    const auto& ended = server.sessions_ended();
    EXPECT_EQ(ended.size(), 1u);
    return ended.empty() ? TerminateCause{} : ended.front().cause;
  }
};

TEST(Groups, each_group_has_its_networks_and_its_pool) {
  Company company;
  Node& alice = company.user("alice");
  Node& bob = company.user("bob");
  Node& carol = company.user("carol");
  company.w.run_until_idle();
  EXPECT_EQ(Company::reach(alice), "10.1.0.0/20");
  EXPECT_EQ(alice.given()->to_string(), "10.201.0.1");
  EXPECT_EQ(Company::reach(bob), "10.1.128.0/20");
  EXPECT_EQ(bob.given()->to_string(), "10.202.0.1");
  // In no group: what the server has.
  EXPECT_EQ(Company::reach(carol), "10.1.0.0/16");
  EXPECT_EQ(carol.given()->to_string(), "10.200.0.1");
  std::vector<std::string> groups;
  for (const gateway::Session& one : company.server.sessions_begun()) groups.push_back(one.group);
  std::ranges::sort(groups);
  EXPECT_EQ(groups, (std::vector<std::string>{"", "developers", "sales"}));
}

TEST(Groups, each_group_is_told_its_own_dns_servers) {
  Company company;
  company.users().server->dns = {ip("10.1.0.1")};
  Node& alice = company.user("alice");
  Node& bob = company.user("bob");
  company.w.run_until_idle();
  EXPECT_EQ(alice.dns(), (std::vector{ip("10.1.0.53")}));
  EXPECT_EQ(bob.dns(), (std::vector{ip("10.1.0.1")}));
}

TEST(Groups, nobody_reaches_the_networks_of_another_group) {
  Company company;
  // The server's host inside, 10.1.0.1, is a developers' one.
  Node& alice = company.user("alice");
  Node& bob = company.user("bob");
  company.w.run_until_idle();
  const Flow& allowed = company.w.flow(alice, company.server, 100ms);
  const Flow& forbidden = company.w.flow(bob, company.server, 100ms);
  // Bob's client asks for an SA for it again and again, until everybody leaves.
  company.w.allow({base::DropReason::clear_no_policy, base::DropReason::clear_no_sa,
                   base::DropReason::clear_queue_full, base::DropReason::ike_duplicate});
  company.w.run_for(20s);
  EXPECT_GE(allowed.replies_arrived, 150u);
  EXPECT_EQ(forbidden.requests_arrived, 0u);
  // ... ever more seldom, is told so, and does not keep what is of no use.
  std::size_t tellings = 0;
  for (const base::Event& event : bob.events()) {
    if (event.text.find("traffic to 10.1.0.1 is not let through") != std::string::npos) ++tellings;
  }
  EXPECT_GE(tellings, 2u);
  EXPECT_LE(tellings, 8u);
  EXPECT_LE(bob.peer().children.size(), 2u);
}

TEST(Groups, who_is_in_none_is_refused_where_that_is_configured) {
  Company company;
  company.users().server->refuses_others = true;
  Node& alice = company.user("alice");
  Node& carol = company.user("carol");
  company.w.run_for(5s);
  EXPECT_TRUE(alice.given());
  EXPECT_FALSE(carol.given());
  EXPECT_EQ(company.server.peer().users.size(), 1u);
  const auto names_it = [](const base::Event& event) {
    return event.kind == base::EventKind::ike_auth_failed &&
           event.text.find("no group has this user") != std::string::npos;
  };
  EXPECT_TRUE(std::ranges::any_of(company.server.events(), names_it));
  carol.take_down();
}

TEST(Groups, radius_names_the_group_of_a_user) {
  Company company;
  company.radius("dave", "sales");
  Node& dave = company.user("dave");
  company.w.run_until_idle();
  EXPECT_EQ(Company::reach(dave), "10.1.128.0/20");
  EXPECT_EQ(dave.given()->to_string(), "10.202.0.1");
}

TEST(Groups, the_address_is_kept_for_who_leaves_and_comes_again) {
  Company company;
  Node& alice = company.user("alice");
  company.w.run_until_idle();
  const auto given = alice.given();
  alice.take_down();
  company.w.run_until_idle();
  EXPECT_EQ(company.server.status().associations, 0u);
  Node& another = company.user("eve@dev.example");
  company.server.users["eve@dev.example"] = right;
  company.server.reload();
  company.w.run_until_idle();
  EXPECT_NE(another.given(), given);
  alice.initiate();
  company.w.run_until_idle();
  EXPECT_EQ(alice.given(), given);
}

// ---- Sessions

TEST(SessionsInTheWorld, a_session_timeout_ends_it_at_the_right_time) {
  Company company;
  company.users().server->session_timeout = 20min;
  Node& alice = company.user("alice", {.reauth = 7min});
  company.w.run_until_idle();
  const base::Instant since = company.server.sessions_begun().front().since;
  company.w.run_for(since + 20min - company.w.now() - 1s);
  // Authenticating anew, twice by now, has not prolonged it.
  EXPECT_EQ(company.server.sessions_begun().size(), 1u);
  EXPECT_TRUE(company.server.sessions_ended().empty());
  alice.peers.front().child().start = config::Start::on_command;
  company.w.run_for(2s);
  EXPECT_EQ(company.cause(), TerminateCause::session_timeout);
}

TEST(SessionsInTheWorld, who_is_idle_for_too_long_is_ended_and_traffic_puts_that_off) {
  Company company;
  company.users().server->idle_timeout = 5min;
  Node& alice = company.user("alice", {.starts = false});
  alice.initiate();
  company.w.run_until_idle();
  Flow& flow = company.w.flow(alice, company.server, 10s);
  company.w.run_for(20min);
  EXPECT_TRUE(company.server.sessions_ended().empty());
  flow.running = false;
  company.w.run_for(4min);
  EXPECT_TRUE(company.server.sessions_ended().empty());
  company.w.run_for(2min);
  EXPECT_EQ(company.cause(), TerminateCause::idle_timeout);
}

TEST(SessionsInTheWorld, authenticating_anew_keeps_lease_and_session_and_is_accounted_for_once) {
  Company company;
  RadiusServer& radius = company.radius("dave", "dev");
  company.server.radius->accounting = {{radius.endpoint().address, radius_accounting_port}};
  Node& dave = company.user("dave", {.reauth = 3min});
  company.w.run_until_idle();
  const auto given = dave.given();
  company.w.run_for(30min);
  EXPECT_EQ(dave.given(), given);
  EXPECT_EQ(company.server.sessions_begun().size(), 1u);
  EXPECT_TRUE(company.server.sessions_ended().empty());
  EXPECT_GE(radius.requests(), 20u) << "it has authenticated anew";
  EXPECT_EQ(std::ranges::count(radius.accounted(), 1u), 1);
  EXPECT_EQ(std::ranges::count(radius.accounted(), 2u), 0);
  EXPECT_GE(std::ranges::count(radius.accounted(), 3u), 2);
  dave.take_down();
  company.w.run_until_idle();
  EXPECT_EQ(std::ranges::count(radius.accounted(), 2u), 1);
  EXPECT_EQ(company.cause(), TerminateCause::user_request);
}

TEST(SessionsInTheWorld, radius_says_how_long_a_session_may_last) {
  Company company;
  RadiusServer& radius = company.radius("dave", "dev");
  radius.session_timeout_seconds = 600;
  (void)company.user("dave");
  company.w.run_until_idle();
  const base::Instant since = company.server.sessions_begun().front().since;
  company.w.run_for(since + 10min - company.w.now() - 1s);
  EXPECT_TRUE(company.server.sessions_ended().empty());
  company.w.run_for(2s);
  EXPECT_EQ(company.cause(), TerminateCause::session_timeout);
}

TEST(SessionsInTheWorld, radius_ends_a_session_and_no_other) {
  Company company;
  RadiusServer& radius = company.radius("dave", "dev");
  radius.users["erin"] = right;
  Node& dave = company.user("dave", {.starts = false});
  Node& erin = company.user("erin");
  dave.initiate();
  company.w.run_until_idle();
  radius.ask(company.server.address(), Code::disconnect_request,
             [](auto& out) { out.add_text(user_name, "dave"); });
  company.w.run_for(1s);
  EXPECT_EQ(radius.answers(), std::vector{Code::disconnect_ack});
  EXPECT_EQ(company.cause(), TerminateCause::admin_reset);
  EXPECT_TRUE(erin.is_up());
  // Nobody of that name is in any more, unless the client comes again by itself.
  dave.take_down();
  company.w.run_until_idle();
  radius.ask(company.server.address(), Code::disconnect_request,
             [](auto& out) { out.add_text(user_name, "dave"); });
  company.w.run_for(1s);
  EXPECT_EQ(radius.answers().back(), Code::disconnect_nak);
}

TEST(SessionsInTheWorld, radius_changes_the_time_that_is_left) {
  Company company;
  RadiusServer& radius = company.radius("dave", "dev");
  (void)company.user("dave");
  company.w.run_until_idle();
  company.w.run_for(1min);
  radius.ask(company.server.address(), Code::coa_request, [](auto& out) {
    out.add_text(user_name, "dave");
    out.add_u32(session_timeout, 300);
  });
  company.w.run_for(1s);
  EXPECT_EQ(radius.answers(), std::vector{Code::coa_ack});
  const base::Instant since = company.server.sessions_begun().front().since;
  company.w.run_for(since + 300s - company.w.now() - 1s);
  EXPECT_TRUE(company.server.sessions_ended().empty());
  company.w.run_for(2s);
  EXPECT_EQ(company.cause(), TerminateCause::session_timeout);
}

TEST(SessionsInTheWorld, a_change_to_a_group_with_other_networks_is_refused_and_changes_nothing) {
  Company company;
  RadiusServer& radius = company.radius("dave", "dev");
  Node& dave = company.user("dave");
  company.w.run_until_idle();
  radius.ask(company.server.address(), Code::coa_request, [](auto& out) {
    out.add_text(user_name, "dave");
    out.add_text(filter_id, "sales");
  });
  company.w.run_for(1s);
  EXPECT_EQ(radius.answers(), std::vector{Code::coa_nak});
  EXPECT_EQ(Company::reach(dave), "10.1.0.0/20");
  // What its server does then: the user comes again, and is what the server says now.
  radius.filters = {"sales"};
  radius.ask(company.server.address(), Code::disconnect_request,
             [](auto& out) { out.add_text(user_name, "dave"); });
  EXPECT_TRUE(company.w.run_until([&] { return Company::reach(dave) == "10.1.128.0/20"; }, 30s));
}

}  // namespace
}  // namespace caponier::sim
