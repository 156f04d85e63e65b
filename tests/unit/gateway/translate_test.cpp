#include "gateway/translate.h"

#include <gtest/gtest.h>

#include "unit/gateway/peers.h"

namespace caponier::gateway {
namespace {

using namespace std::chrono_literals;
using policy::TrafficSelector;

OuterAddresses both() { return {address("192.0.2.1"), {address("192.0.2.2")}}; }

TEST(Translate, a_site_has_one_child_named_like_it_with_all_its_nets) {
  const auto connection = make_connection(site_peer(), both());
  ASSERT_TRUE(connection);
  EXPECT_EQ(connection->name, "branch");
  ASSERT_EQ(connection->children.size(), 1u);
  const ike::ChildConfig& child = connection->children.front();
  EXPECT_EQ(child.name, "branch");
  EXPECT_EQ(child.mode, policy::SaMode::tunnel);
  EXPECT_EQ(child.local.size(), 1u);
  EXPECT_EQ(child.remote.size(), 2u);
  EXPECT_EQ(child.lifetime.soft_time, base::Duration{1h});
  EXPECT_GT(*child.lifetime.hard_time, base::Duration{1h});
}

TEST(Translate, an_unnamed_side_is_called_by_its_outer_address) {
  EXPECT_EQ(make_connection(site_peer(), both())->own_rounds.front().identity,
            policy::Identity::from_address(address("192.0.2.1")));
  config::PeerConfig named = site_peer();
  named.local_id = policy::Identity::parse("@here");
  EXPECT_EQ(make_connection(named, both())->own_rounds.front().identity, *named.local_id);
}

TEST(Translate, nothing_is_made_while_a_needed_address_is_unknown) {
  EXPECT_FALSE(make_connection(site_peer(), {std::nullopt, {address("192.0.2.2")}}));
  EXPECT_FALSE(make_connection(site_peer(), {address("192.0.2.1"), {}}));
  EXPECT_FALSE(make_connection(host_peer(), {std::nullopt, {address("192.0.2.2")}}));
  EXPECT_FALSE(make_connection(host_peer(), {address("192.0.2.1"), {address("2001:db8::2")}}));
}

TEST(Translate, an_unset_local_address_matches_every_address_of_ours) {
  EXPECT_FALSE(make_connection(host_peer(), both())->local_address.has_value());
  EXPECT_EQ(make_connection(site_peer(), both())->local_address, address("192.0.2.1"));
}

TEST(Translate, a_peer_that_may_come_from_anywhere_has_no_remote_address) {
  config::PeerConfig peer = site_peer();
  peer.remote_any = true;
  peer.remote_address.reset();
  const auto connection = make_connection(peer, {address("192.0.2.1"), {}});
  ASSERT_TRUE(connection);
  EXPECT_TRUE(connection->remote_addresses.empty());
}

TEST(Translate, a_host_is_transport_mode_between_the_two_addresses) {
  const auto connection = make_connection(host_peer(), both());
  ASSERT_TRUE(connection);
  const ike::ChildConfig& child = connection->children.front();
  EXPECT_EQ(child.mode, policy::SaMode::transport);
  EXPECT_EQ(policy::to_string(child.local), "192.0.2.1/32");
  EXPECT_EQ(policy::to_string(child.remote), "192.0.2.2/32");
}

TEST(Translate, ports_of_a_host_are_protected_at_either_end_and_the_rest_passes) {
  config::PeerConfig peer = host_peer();
  peer.child().ports = {{6, 5432, 5432}, {17, 0, 0xffff}};
  const auto child = make_connection(peer, both())->children.front();
  ASSERT_EQ(child.remote.size(), 2u);
  EXPECT_EQ(child.remote[0].protocol, 6);
  EXPECT_EQ(child.remote[1].protocol, 17);
  const auto policies = make_policies(peer, both());
  ASSERT_EQ(policies.size(), 4u);
  EXPECT_EQ(policies[0].remote.front().first_port, 5432);
  EXPECT_EQ(policies[1].local.front().first_port, 5432);
  EXPECT_EQ(policies[2].remote.front().protocol, 17);
  EXPECT_EQ(policies[3].action, ipsec::PolicyAction::bypass);
}

TEST(Translate, the_nets_behind_a_site_are_routed_into_the_tunnel) {
  const auto routes = make_routes(site_peer(), both());
  ASSERT_EQ(routes.size(), 2u);
  EXPECT_EQ(routes[0].prefix, prefix("10.2.0.0/16"));
  EXPECT_FALSE(routes[0].source.has_value());
  EXPECT_EQ(routes[0].local_nets, site_peer().local_nets());
}

TEST(Translate, a_host_is_routed_from_our_outer_address) {
  const auto routes = make_routes(host_peer(), both());
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(routes[0].prefix, prefix("192.0.2.2/32"));
  EXPECT_EQ(routes[0].source, address("192.0.2.1"));
}

TEST(Translate, connections_that_differ_in_nothing_outer_are_the_same) {
  const auto one = make_connection(site_peer(), both());
  OuterAddresses moved = both();
  moved.local = address("192.0.2.77");
  EXPECT_TRUE(is_same(*one, *make_connection(site_peer(), both())));
  EXPECT_FALSE(is_same(*one, *make_connection(site_peer(), moved)));
}

TEST(Translate, a_site_to_everywhere_protects_all_but_its_own_networks) {
  config::PeerConfig peer = site_peer();
  peer.child().remote = config::Reach::of({base::Prefix::parse("0.0.0.0/0").value()});
  const auto policies = make_policies(peer, both());
  ASSERT_EQ(policies.size(), 2u);
  EXPECT_EQ(policies[0].action, ipsec::PolicyAction::bypass);
  EXPECT_EQ(policies[0].local, policies[0].remote);
  EXPECT_EQ(policies[1].action, ipsec::PolicyAction::protect);
  EXPECT_EQ(policies[1].local, policies[0].local);
  const auto rest = make_rest(peer);
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].action, ipsec::PolicyAction::bypass);
  EXPECT_EQ(rest[0].direction, ipsec::PolicyDirection::outbound);
  EXPECT_TRUE(make_rest(site_peer()).empty());
}

TEST(Translate, a_policy_of_the_file_becomes_one_of_the_engine) {
  config::PolicyConfig policy;
  policy.action = config::PolicyAction::protect;
  policy.peer = "branch";
  policy.direction = config::PolicyDirection::inbound;
  policy.local = {TrafficSelector::any(base::Family::v4)};
  policy.remote = {TrafficSelector::any(base::Family::v6)};
  const ipsec::Policy made = make_policy(policy);
  EXPECT_EQ(made.action, ipsec::PolicyAction::protect);
  EXPECT_EQ(made.connection, "branch");
  EXPECT_EQ(made.child, "branch");
  EXPECT_EQ(made.direction, ipsec::PolicyDirection::inbound);
  EXPECT_EQ(made.local, policy.local);
  EXPECT_EQ(made.remote, policy.remote);
}

TEST(Translate, a_product_that_has_no_esn_or_no_fragments_is_offered_none) {
  config::PeerConfig peer = site_peer();
  peer.child().esp = policy::default_esp_offers();
  for (const auto& offer : make_connection(peer, both())->children.front().offers) {
    EXPECT_EQ(offer.esn.size(), 2u);
  }
  peer.product = policy::Product::cloudflare;
  const auto connection = make_connection(peer, both());
  EXPECT_EQ(connection->product, policy::Product::cloudflare);
  EXPECT_TRUE(connection->fragmentation);
  for (const auto& offer : connection->children.front().offers) {
    EXPECT_EQ(offer.esn, std::vector<bool>{false});
  }
  // What is demanded stays.
  for (auto& offer : peer.child().esp) offer.esn = {true};
  EXPECT_EQ(make_connection(peer, both())->children.front().offers.front().esn,
            std::vector<bool>{true});
  peer.product = policy::Product::mikrotik;
  EXPECT_FALSE(make_connection(peer, both())->fragmentation);
}

}  // namespace
}  // namespace caponier::gateway
