// Scripts that are told of tunnels, and tunnels that end for want of traffic.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

std::string value_of(const gateway::RunUpdown& run, std::string_view name) {
  const auto found =
      std::ranges::find_if(run.environment, [&](const auto& pair) { return pair.first == name; });
  return found == run.environment.end() ? "(none)" : found->second;
}

std::vector<std::string> verbs_of(const Node& node) {
  std::vector<std::string> verbs;
  for (const gateway::RunUpdown& run : node.scripts()) verbs.push_back(value_of(run, "PLUTO_VERB"));
  return verbs;
}

using Verbs = std::vector<std::string>;

std::pair<Node&, Node&> scripted_pair(World& w, const Tunnel& tunnel) {
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  a.peers.front().child().updown = "/etc/updown of a";
  a.peers.front().child().hostaccess = true;
  a.start();
  b.start();
  return {a, b};
}

TEST(Updown, a_script_hears_of_the_tunnel_and_of_its_end) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.named_ids = true;
  auto [a, b] = scripted_pair(w, tunnel);
  w.run_for(10s);
  ASSERT_EQ(verbs_of(a), Verbs{"up-client"});
  const gateway::RunUpdown up = a.scripts().front();
  EXPECT_EQ(up.command, "/etc/updown of a");
  EXPECT_EQ(value_of(up, "PLUTO_CONNECTION"), a.peers.front().child().name);
  EXPECT_EQ(value_of(up, "PLUTO_ME"), "192.0.2.1");
  EXPECT_EQ(value_of(up, "PLUTO_PEER"), "192.0.2.2");
  EXPECT_EQ(value_of(up, "PLUTO_MY_CLIENT"), "10.1.0.0/16");
  EXPECT_EQ(value_of(up, "PLUTO_PEER_CLIENT"), "10.2.0.0/16");
  EXPECT_EQ(value_of(up, "PLUTO_MY_PROTOCOL"), "0");
  EXPECT_EQ(value_of(up, "PLUTO_PROTO"), "esp");
  EXPECT_EQ(value_of(up, "PLUTO_HOST_ACCESS"), "1");
  EXPECT_EQ(value_of(up, "PLUTO_REQID"), "1");
  a.take_down();
  w.run_for(10s);
  EXPECT_EQ(verbs_of(a), (Verbs{"up-client", "down-client"}));
  EXPECT_EQ(a.scripts().back().queue, up.queue);
  EXPECT_TRUE(b.scripts().empty());
}

TEST(Updown, neither_a_rekey_nor_a_new_authentication_is_an_end) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.lifetime = 20s;
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  a.peers.front().child().updown = "/bin/true";
  a.peers.front().ike_lifetime = 50s;
  a.peers.front().reauth = 3min;
  a.start();
  b.start();
  w.run_for(10min);
  EXPECT_TRUE(a.has_event(base::EventKind::child_rekeyed));
  EXPECT_TRUE(a.has_event(base::EventKind::ike_rekeyed));
  EXPECT_TRUE(a.has_event(base::EventKind::ike_reauthenticating));
  EXPECT_EQ(verbs_of(a), Verbs{"up-client"});
}

TEST(Updown, a_peer_that_is_gone_is_an_end_and_its_return_a_beginning) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  auto [a, b] = scripted_pair(w, tunnel);
  w.run_for(10s);
  b.kill();
  ASSERT_TRUE(w.run_until([&] { return !a.is_up(); }, 10min));
  b.restart();
  ASSERT_TRUE(w.run_until([&] { return a.is_up(); }, 10min));
  EXPECT_EQ(verbs_of(a), (Verbs{"up-client", "down-client", "up-client"}));
}

TEST(Updown, a_daemon_that_ends_says_so_at_once_even_when_the_peer_is_silent) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  auto [a, b] = scripted_pair(w, tunnel);
  w.run_for(10s);
  b.kill();
  a.shutdown();
  EXPECT_EQ(verbs_of(a), (Verbs{"up-client", "down-client"}));
}

TEST(Updown, each_user_has_an_address_in_it_and_scripts_of_its_own_order) {
  TestWorld w{seed_from_env(1)};
  Node& server = w.add();
  w.serve(server);
  server.peers.front().child().updown = "/bin/true";
  server.users = {{"alice", UserAccess{}.password}, {"bob", UserAccess{}.password}};
  UserAccess first;
  UserAccess second;
  second.user = "bob";
  Node& alice = w.add_user(server, first);
  Node& bob = w.add_user(server, second);
  alice.peers.front().child().updown = "/bin/true";
  server.start();
  alice.start();
  bob.start();
  ASSERT_TRUE(w.run_until([&] { return alice.is_up() && bob.is_up(); }, 1min));
  ASSERT_EQ(server.scripts().size(), 2u);
  const auto of = [&](const std::string& user) {
    return *std::ranges::find_if(server.scripts(), [&](const gateway::RunUpdown& run) {
      return value_of(run, "PLUTO_XAUTH_ID") == user || value_of(run, "PLUTO_PEER_ID") == user;
    });
  };
  ASSERT_TRUE(alice.given());
  EXPECT_EQ(value_of(of("alice"), "PLUTO_PEER_SOURCEIP"), alice.given()->to_string());
  EXPECT_EQ(value_of(of("alice"), "PLUTO_PEER_SOURCEIP4_1"), alice.given()->to_string());
  EXPECT_EQ(value_of(of("alice"), "PLUTO_PEER_CLIENT"), alice.given()->to_string() + "/32");
  EXPECT_EQ(value_of(of("alice"), "PLUTO_MY_SOURCEIP"), "(none)");
  EXPECT_NE(of("alice").queue, of("bob").queue);
  ASSERT_EQ(alice.scripts().size(), 1u);
  EXPECT_EQ(value_of(alice.scripts().front(), "PLUTO_MY_SOURCEIP"), alice.given()->to_string());
}

TEST(Inactivity, a_tunnel_without_traffic_ends_and_the_next_packet_brings_it_back) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  a.peers.front().child().inactivity = 30s;
  a.start();
  b.start();
  ASSERT_TRUE(w.run_until([&] { return a.has_event(base::EventKind::child_up); }, 10s));
  w.run_for(25s);
  EXPECT_EQ(a.peer().children.size(), 1u);
  w.run_for(10s);
  EXPECT_TRUE(a.peer().children.empty());
  EXPECT_TRUE(b.peer().children.empty());
  EXPECT_TRUE(a.has_event(base::EventKind::child_idle));
  w.run_for(5min);
  EXPECT_TRUE(a.peer().children.empty());
  Flow& flow = w.flow(a, b, 1s);
  w.run_for(10s);
  EXPECT_EQ(a.peer().children.size(), 1u);
  EXPECT_GT(flow.replies_arrived, 0u);
}

TEST(Inactivity, traffic_keeps_a_tunnel_across_rekeys) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.lifetime = 40s;
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  a.peers.front().child().inactivity = 30s;
  a.start();
  b.start();
  w.flow(a, b, 25s);
  w.run_for(10min);
  EXPECT_FALSE(a.has_event(base::EventKind::child_idle));
  EXPECT_EQ(a.peer().children.size(), 1u);
}

TEST(Inactivity, a_rekey_alone_is_no_traffic) {
  TestWorld w{seed_from_env(1)};
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.lifetime = 20s;
  Node& a = w.add();
  Node& b = w.add();
  w.connect(a, b, tunnel);
  a.peers.front().child().inactivity = 60s;
  a.start();
  b.start();
  w.run_for(70s);
  EXPECT_TRUE(a.has_event(base::EventKind::child_rekeyed));
  EXPECT_TRUE(a.peer().children.empty());
}

}  // namespace
}  // namespace caponier::sim
