#include "gateway/address_pools.h"

#include <gtest/gtest.h>

#include <map>

namespace caponier::gateway {
namespace {

using base::IpAddress;
using Type = wire::ConfigAttributeType;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

struct Pools {
  AddressPools pools;
  config::PeerConfig server;
  policy::UserGrant grant;
  std::vector<IpAddress> own;

  explicit Pools(std::vector<std::string> nets) {
    server.kind = config::PeerKind::server;
    server.server.emplace();
    for (const std::string& net : nets) {
      server.server->pools.push_back(*base::Prefix::parse(net));
      server.server->all_pools = server.server->pools;
    }
  }

  ike::LeaseReply ask(std::uint64_t sa, const std::string& identity,
                      std::vector<wire::ConfigAttribute> asked) {
    ike::LeaseRequest request;
    request.sa = {sa};
    request.request = sa;
    request.identity = identity;
    request.asked = std::move(asked);
    request.grant = grant;
    config::Config config;
    auto terms = *terms_of(config, server, identity, grant);
    terms.own = own;
    return pools.lease(request, terms);
  }
  /// Empty when there is none.
  std::string get(std::uint64_t sa, const std::string& identity, std::string_view wished = {}) {
    base::ByteVec value;
    if (!wished.empty()) value = base::to_vec(ip(wished).bytes());
    const auto reply =
        ask(sa, identity, {{static_cast<std::uint16_t>(Type::internal_ip4_address), value}});
    return reply.addresses.empty() ? "" : reply.addresses.front().to_string();
  }
};

TEST(AddressPools, each_has_its_own_and_the_ends_of_the_network_are_nobodys) {
  Pools p{{"10.9.0.0/30"}};
  EXPECT_EQ(p.get(1, "alice"), "10.9.0.1");
  EXPECT_EQ(p.get(2, "bob"), "10.9.0.2");
  EXPECT_EQ(p.get(3, "carol"), "");
  EXPECT_EQ(p.pools.in_use(), 2u);
}

TEST(AddressPools, who_comes_again_gets_the_same) {
  Pools p{{"10.9.0.0/24"}};
  EXPECT_EQ(p.get(1, "alice"), "10.9.0.1");
  p.pools.end({1});
  EXPECT_EQ(p.get(2, "bob"), "10.9.0.2");
  EXPECT_EQ(p.get(3, "alice"), "10.9.0.1");
}

TEST(AddressPools, a_second_device_of_a_user_has_another) {
  Pools p{{"10.9.0.0/24"}};
  EXPECT_EQ(p.get(1, "alice"), "10.9.0.1");
  EXPECT_EQ(p.get(2, "alice"), "10.9.0.2");
}

TEST(AddressPools, who_names_his_own_shares_it_with_himself_and_nobody_elses) {
  Pools p{{"10.9.0.0/24"}};
  EXPECT_EQ(p.get(1, "alice"), "10.9.0.1");
  EXPECT_EQ(p.get(2, "alice", "10.9.0.1"), "10.9.0.1");  // authenticates anew
  EXPECT_EQ(p.get(3, "bob", "10.9.0.1"), "10.9.0.2");
  p.pools.end({1});
  EXPECT_EQ(p.get(4, "bob", "10.9.0.1"), "10.9.0.3") << "alice is still there";
  EXPECT_EQ(p.pools.in_use(), 3u);
}

TEST(AddressPools, a_wish_for_what_is_free_is_granted_within_the_pool) {
  Pools p{{"10.9.0.0/24"}};
  EXPECT_EQ(p.get(1, "alice", "10.9.0.77"), "10.9.0.77");
  EXPECT_EQ(p.get(2, "bob", "10.8.0.77"), "10.9.0.1");
  EXPECT_EQ(p.get(3, "carol", "10.9.0.255"), "10.9.0.2");
}

TEST(AddressPools, what_is_kept_for_the_absent_goes_to_others_when_nothing_else_is_left) {
  Pools p{{"10.9.0.0/30"}};
  EXPECT_EQ(p.get(1, "alice"), "10.9.0.1");
  EXPECT_EQ(p.get(2, "bob"), "10.9.0.2");
  p.pools.end({2});
  p.pools.end({1});
  EXPECT_EQ(p.get(3, "carol"), "10.9.0.2") << "bob has been away for longer";
  EXPECT_EQ(p.get(4, "bob"), "10.9.0.1");
  EXPECT_EQ(p.get(5, "alice"), "");
}

TEST(AddressPools, a_successor_holds_what_it_has_taken_over) {
  Pools p{{"10.9.0.0/30"}};
  EXPECT_EQ(p.get(1, "alice"), "10.9.0.1");
  p.pools.move({1}, {2});
  p.pools.end({1});
  EXPECT_EQ(p.pools.in_use(), 1u);
  p.pools.end({2});
  EXPECT_EQ(p.pools.in_use(), 0u);
}

TEST(AddressPools, gives_both_families_with_what_goes_with_them) {
  Pools p{{"10.9.0.0/24", "fd09::/112"}};
  p.server.server->dns = {ip("10.1.0.53"), ip("fd01::53")};
  p.server.server->domains = {"example.org"};
  p.server.child().local =
      config::Reach::of({*base::Prefix::parse("10.1.0.0/16"), *base::Prefix::parse("::/0")});
  const auto of = [](Type type) { return static_cast<std::uint16_t>(type); };
  const auto reply = p.ask(1, "alice",
                           {{of(Type::internal_ip4_address), {}},
                            {of(Type::internal_ip6_address), {}},
                            {of(Type::internal_ip4_subnet), {}},
                            {of(Type::internal_ip6_subnet), {}},
                            {of(Type::internal_dns_domain), {}}});
  EXPECT_EQ(reply.addresses, (std::vector{ip("10.9.0.1"), ip("fd09::1")}));
  std::vector<std::pair<std::uint16_t, std::string>> got;
  for (const auto& one : reply.attributes) got.emplace_back(one.type, base::to_hex(one.value));
  const std::vector<std::pair<std::uint16_t, std::string>> expected{
      {of(Type::internal_ip4_address), "0a090001"},
      {of(Type::internal_ip4_dns), "0a010035"},
      {of(Type::internal_ip4_subnet), "0a010000ffff0000"},
      {of(Type::internal_ip6_address), "fd09000000000000000000000000000180"},
      {of(Type::internal_ip6_dns), "fd010000000000000000000000000053"},
      {of(Type::internal_dns_domain), base::to_hex(base::as_bytes("example.org"))}};
  EXPECT_EQ(got, expected);
}

TEST(AddressPools, those_who_are_away_are_remembered_up_to_a_limit) {
  Pools p{{"10.8.0.0/14"}};
  for (std::uint64_t i = 1; i <= kept_leases_max + 2; ++i) {
    ASSERT_NE(p.get(i, std::to_string(i)), "");
    p.pools.end({i});
  }
  EXPECT_EQ(p.pools.kept(), kept_leases_max);
  EXPECT_EQ(p.pools.in_use(), 0u);
}

TEST(AddressPools, a_large_pool_is_given_out_to_the_last) {
  Pools p{{"10.9.0.0/20"}};
  for (std::uint64_t i = 1; i <= 4094; ++i) EXPECT_NE(p.get(i, std::to_string(i)), "");
  EXPECT_EQ(p.get(5000, "late"), "");
}

TEST(AddressPools, what_was_kept_is_given_again_and_every_change_is_told) {
  Pools p{{"10.9.0.0/24"}};
  p.pools.restore({{ip("10.9.0.7"), "alice"}, {ip("10.9.0.8"), "bob"}});
  EXPECT_FALSE(p.pools.poll_change());
  EXPECT_EQ(p.get(1, "alice"), "10.9.0.7");
  EXPECT_EQ(p.get(2, "carol"), "10.9.0.1");
  const auto first = p.pools.poll_change();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->address, ip("10.9.0.1"));
  EXPECT_EQ(first->user, "carol");
  EXPECT_EQ(p.pools.poll_change()->user, "alice");
  EXPECT_FALSE(p.pools.poll_change());
}

TEST(AddressPools, only_what_nobody_has_is_released) {
  Pools p{{"10.9.0.0/24"}};
  p.pools.restore({{ip("10.9.0.7"), "alice"}});
  EXPECT_EQ(p.pools.release(ip("10.9.0.9")), ReleaseOutcome::unknown);
  EXPECT_EQ(p.get(1, "alice"), "10.9.0.7");
  EXPECT_EQ(p.pools.release(ip("10.9.0.7")), ReleaseOutcome::held);
  p.pools.end({1});
  while (p.pools.poll_change()) {
  }
  EXPECT_EQ(p.pools.release(ip("10.9.0.7")), ReleaseOutcome::released);
  EXPECT_EQ(p.pools.poll_change()->user, "");
  EXPECT_TRUE(p.pools.list().empty());
}

TEST(AddressPools, an_address_of_radius_goes_before_unless_another_device_has_it) {
  Pools p{{"10.9.0.0/24"}};
  p.grant.framed = {ip("10.8.0.1"), ip("10.9.0.7")};
  EXPECT_EQ(p.get(1, "alice"), "10.9.0.7");
  EXPECT_EQ(p.get(2, "alice", "10.9.0.7"), "10.9.0.7");  // it authenticates anew
  EXPECT_EQ(p.get(3, "alice"), "10.9.0.1");
  EXPECT_EQ(p.get(4, "bob"), "10.9.0.2");
}

TEST(AddressPools, the_server_itself_and_wins_are_told_to_those_who_ask) {
  Pools p{{"10.9.0.0/24", "2001:db8:9::/112"}};
  p.server.server->wins = {ip("10.1.0.44")};
  p.own = {ip("10.1.0.1"), ip("2001:db8:1::1")};
  const auto number = [](Type type) { return static_cast<std::uint16_t>(type); };
  const std::vector<wire::ConfigAttribute> addresses{{number(Type::internal_ip4_address), {}},
                                                     {number(Type::internal_ip6_address), {}}};
  EXPECT_EQ(p.ask(1, "alice", addresses).attributes.size(), 2u);
  auto asked = addresses;
  for (const Type type :
       {Type::ms_internal_ip4_server, Type::ms_internal_ip6_server, Type::internal_ip4_nbns}) {
    asked.push_back({number(type), {}});
  }
  std::map<std::uint16_t, std::string> told;
  for (const auto& one : p.ask(2, "bob", asked).attributes) {
    told[one.type] = base::to_hex(one.value);
  }
  EXPECT_EQ(told[23456], "0a010001");
  EXPECT_EQ(told[23457], "20010db8000100000000000000000001");
  EXPECT_EQ(told[4], "0a01002c");
}

TEST(AddressPools, encrypted_dns_is_told_to_those_who_ask) {
  Pools p{{"10.9.0.0/24"}};
  p.server.server->dns = {ip("10.1.0.53"), ip("fd00::53")};
  wire::EncryptedDns dns;
  dns.name = "dns.example.org";
  dns.protocols = {"dot"};
  p.server.server->dns_encrypted = {dns};
  const auto given = [&](std::vector<wire::ConfigAttribute> asked) {
    std::vector<wire::EncryptedDns> all;
    for (const auto& one : p.ask(1, "alice", std::move(asked)).attributes) {
      if (one.type != static_cast<std::uint16_t>(Type::encdns_ip4)) continue;
      all.push_back(*wire::EncryptedDns::decode(one.value, base::Family::v4));
    }
    return all;
  };
  const wire::ConfigAttribute address{static_cast<std::uint16_t>(Type::internal_ip4_address), {}};
  EXPECT_TRUE(given({address}).empty());
  dns.addresses = {ip("10.1.0.53")};
  EXPECT_EQ(given({address, {static_cast<std::uint16_t>(Type::encdns_ip4), {}}}), std::vector{dns});
}

}  // namespace
}  // namespace caponier::gateway
