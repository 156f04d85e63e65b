#include "gateway/groups.h"

#include <gtest/gtest.h>

namespace caponier::gateway {
namespace {

config::GroupConfig group(std::string name) {
  config::GroupConfig made;
  made.name = std::move(name);
  return made;
}

struct Scene {
  config::Config config;
  config::PeerConfig server;

  Scene() {
    server.server.emplace();
    server.server->pools = {*base::Prefix::parse("10.9.0.0/24")};
    server.server->all_pools = server.server->pools;
    server.child().local = config::Reach::of({*base::Prefix::parse("10.0.0.0/8")});
  }
  std::string group_of(std::string_view user, const policy::UserGrant& grant = {}) const {
    const auto* const found = find_group(config.groups, user, grant);
    return found == nullptr ? "" : found->name;
  }
};

TEST(Groups, a_user_is_in_the_first_that_names_it) {
  Scene s;
  s.config.groups = {group("one"), group("two"), group("all")};
  s.config.groups[0].members = {"alice"};
  s.config.groups[1].members = {"alice", "*@example.org"};
  s.config.groups[2].members = {"*"};
  EXPECT_EQ(s.group_of("alice"), "one");
  EXPECT_EQ(s.group_of("bob@example.org"), "two");
  EXPECT_EQ(s.group_of("@example.org"), "all");
  EXPECT_EQ(s.group_of("mallory@example.org.evil"), "all");
}

TEST(Groups, radius_and_certificates_name_it_too) {
  Scene s;
  s.config.groups = {group("filter"), group("unit"), group("policy")};
  s.config.groups[0].filters = {"staff"};
  s.config.groups[1].units = {"Engineering"};
  s.config.groups[2].policies = {"1.3.6.1.4.1.32473.1"};
  policy::UserGrant grant;
  EXPECT_EQ(s.group_of("alice", grant), "");
  grant.certificate_policies = {"1.3.6.1.4.1.32473.1"};
  EXPECT_EQ(s.group_of("alice", grant), "policy");
  grant.units = {"Sales", "Engineering"};
  EXPECT_EQ(s.group_of("alice", grant), "unit");
  grant.classes = {base::to_vec(base::as_bytes("staff"))};
  EXPECT_EQ(s.group_of("alice", grant), "filter");
  EXPECT_EQ(s.group_of("alice", {.filters = {"staff"},
                                 .classes = {},
                                 .units = {},
                                 .certificate_policies = {},
                                 .framed = {},
                                 .dns = {},
                                 .session_timeout = {},
                                 .idle_timeout = {},
                                 .interim_interval = {}}),
            "filter");
}

TEST(Groups, what_a_group_does_not_say_is_the_servers) {
  Scene s;
  s.config.groups = {group("one")};
  s.config.groups[0].members = {"alice"};
  s.config.groups[0].networks = {*base::Prefix::parse("10.1.0.0/16")};
  const auto terms = terms_of(s.config, s.server, "alice", {});
  ASSERT_TRUE(terms);
  EXPECT_EQ(terms->group, "one");
  EXPECT_EQ(terms->networks, s.config.groups[0].networks);
  EXPECT_EQ(terms->pools, s.server.server->pools);
  const auto others = terms_of(s.config, s.server, "bob", {});
  ASSERT_TRUE(others);
  EXPECT_EQ(others->networks, s.server.local_nets());
}

TEST(Groups, others_are_refused_where_that_is_configured) {
  Scene s;
  s.server.server->refuses_others = true;
  EXPECT_FALSE(terms_of(s.config, s.server, "bob", {}));
}

}  // namespace
}  // namespace caponier::gateway
