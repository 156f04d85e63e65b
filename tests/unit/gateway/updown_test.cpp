#include "gateway/updown.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace caponier::gateway {
namespace {

base::IpAddress address(std::string_view text) { return base::IpAddress::parse(text).value(); }

policy::TrafficSelector range(std::string_view first, std::string_view last) {
  return {address(first), address(last)};
}

/// A tunnel between two networks of each family.
struct Scene {
  config::PeerConfig peer;
  ike::IkeSaInfo ike;
  ike::ChildSaInfo child;
  policy::Identity local_id = policy::Identity::parse("gw.example.org");
  std::vector<base::IpAddress> dns;

  Scene() {
    peer.name = "branch";
    peer.child().updown = "/etc/updown";
    ike.id = {7};
    ike.path.local.address = address("192.0.2.1");
    ike.path.remote.address = address("192.0.2.2");
    ike.remote_id = policy::Identity::parse("peer.example.org");
    child.name = "net";
    child.local = {range("10.1.0.0", "10.1.255.255")};
    child.remote = {range("10.2.0.0", "10.2.255.255")};
  }
  [[nodiscard]] std::vector<RunUpdown> runs() const {
    return make_updown({peer, peer.child(), ike, child, local_id, dns, nullptr, 5});
  }
};

std::string value_of(const RunUpdown& run, std::string_view name) {
  const auto found =
      std::ranges::find_if(run.environment, [&](const auto& pair) { return pair.first == name; });
  return found == run.environment.end() ? "(none)" : found->second;
}

TEST(Updown, what_strongswans_scripts_read_is_there) {
  const auto runs = Scene{}.runs();
  ASSERT_EQ(runs.size(), 1u);
  const RunUpdown& run = runs.front();
  EXPECT_EQ(run.connection, "branch");
  EXPECT_EQ(value_of(run, "PLUTO_VERB"), "up-client");
  EXPECT_EQ(value_of(run, "PLUTO_CONNECTION"), "net");
  EXPECT_EQ(value_of(run, "PLUTO_REQID"), "5");
  EXPECT_EQ(value_of(run, "PLUTO_UNIQUEID"), "7");
  EXPECT_EQ(value_of(run, "PLUTO_MY_ID"), "gw.example.org");
  EXPECT_EQ(value_of(run, "PLUTO_PEER_ID"), "peer.example.org");
  EXPECT_EQ(value_of(run, "PLUTO_MY_PORT"), "0");
  EXPECT_EQ(value_of(run, "PLUTO_PEER_PORT"), "0");
  for (const char* name : {"PLUTO_XAUTH_ID", "PLUTO_MY_SOURCEIP", "PLUTO_PEER_SOURCEIP",
                           "PLUTO_UDP_ENC", "PLUTO_HOST_ACCESS", "PLUTO_DNS4_1"}) {
    EXPECT_EQ(value_of(run, name), "(none)") << name;
  }
  EXPECT_EQ(value_of(as_down(run), "PLUTO_VERB"), "down-client");
}

TEST(Updown, each_pair_of_one_family_is_a_run) {
  Scene scene;
  scene.child.local.push_back(range("2001:db8:1::", "2001:db8:1::ffff"));
  scene.child.remote.push_back(range("2001:db8:2::5", "2001:db8:2::5"));
  scene.child.remote.push_back(range("10.3.0.4", "10.3.0.9"));
  const auto runs = scene.runs();
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(value_of(runs[1], "PLUTO_PEER_CLIENT"), "10.3.0.0/28");
  EXPECT_EQ(value_of(runs[2], "PLUTO_VERB"), "up-client-v6");
  EXPECT_EQ(value_of(runs[2], "PLUTO_PEER_CLIENT"), "2001:db8:2::5/128");
}

TEST(Updown, our_own_address_is_a_host_and_ports_are_told) {
  Scene scene;
  scene.child.local = {range("192.0.2.1", "192.0.2.1")};
  scene.child.local.front().protocol = 6;
  scene.child.local.front().first_port = scene.child.local.front().last_port = 443;
  const auto run = scene.runs().front();
  EXPECT_EQ(value_of(run, "PLUTO_VERB"), "up-host");
  EXPECT_EQ(value_of(run, "PLUTO_MY_PROTOCOL"), "6");
  EXPECT_EQ(value_of(run, "PLUTO_MY_PORT"), "443");
  EXPECT_EQ(value_of(as_down(run), "PLUTO_VERB"), "down-host");
}

TEST(Updown, a_type_of_icmp_is_our_port_and_its_code_the_peers) {
  Scene scene;
  for (policy::TrafficSelector* ts : {&scene.child.local.front(), &scene.child.remote.front()}) {
    ts->protocol = 1;
    ts->first_port = ts->last_port = 3U << 8U | 4U;
  }
  const auto run = scene.runs().front();
  EXPECT_EQ(value_of(run, "PLUTO_MY_PORT"), "3");
  EXPECT_EQ(value_of(run, "PLUTO_PEER_PORT"), "4");
}

TEST(Updown, inner_addresses_and_dns_servers_are_numbered_by_family) {
  Scene scene;
  scene.peer.kind = config::PeerKind::client;
  scene.ike.inner = {address("10.9.0.7"), address("2001:db8::7"), address("10.9.0.8")};
  scene.dns = {address("2001:db8::53"), address("10.9.0.53")};
  scene.child.udp_encap = true;
  scene.ike.path.remote.port = 4500;
  const auto run = scene.runs().front();
  EXPECT_EQ(value_of(run, "PLUTO_MY_SOURCEIP"), "10.9.0.7");
  EXPECT_EQ(value_of(run, "PLUTO_MY_SOURCEIP4_2"), "10.9.0.8");
  EXPECT_EQ(value_of(run, "PLUTO_MY_SOURCEIP6_1"), "2001:db8::7");
  EXPECT_EQ(value_of(run, "PLUTO_DNS4_1"), "10.9.0.53");
  EXPECT_EQ(value_of(run, "PLUTO_DNS6_1"), "2001:db8::53");
  EXPECT_EQ(value_of(run, "PLUTO_UDP_ENC"), "4500");
}

TEST(Updown, what_a_peer_calls_itself_is_no_more_than_a_value) {
  EXPECT_EQ(environment_value("C=CH, O=Example Ltd., CN=gw"), "C=CH, O=Example Ltd., CN=gw");
  EXPECT_EQ(environment_value("$(reboot)`id`;a\nb\"c'd\\e"), "__reboot__id__a_b_c_d_e");
  EXPECT_EQ(environment_value("-rf"), "_rf");
  EXPECT_EQ(environment_value(std::string(5000, 'x')).size(), 1024u);
  Scene scene;
  const std::string evil = "a$(touch x)@b";
  scene.ike.remote_id =
      policy::Identity{wire::IdType::rfc822_addr, base::to_vec(base::as_bytes(evil))};
  scene.ike.user = "`user`";
  const auto run = scene.runs().front();
  EXPECT_EQ(value_of(run, "PLUTO_PEER_ID"), "a__touch x_@b");
  EXPECT_EQ(value_of(run, "PLUTO_XAUTH_ID"), "_user_");
}

TEST(Updown, very_many_selectors_are_not_run_for) {
  Scene scene;
  scene.child.local.assign(20, scene.child.local.front());
  scene.child.remote.assign(20, scene.child.remote.front());
  EXPECT_EQ(scene.runs().size(), updown_pairs_max);
}

}  // namespace
}  // namespace caponier::gateway
