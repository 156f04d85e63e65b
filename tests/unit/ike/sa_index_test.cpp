#include "ike/sa_index.h"

#include <gtest/gtest.h>

namespace caponier::ike {
namespace {

using Ids = std::vector<IkeSaId>;

TEST(IkeSaIndex, an_sa_is_found_by_its_connection_and_its_peer_while_it_lives) {
  SaIndex index;
  const auto alice = policy::Identity::parse("alice.example");
  const auto bob = policy::Identity::parse("bob.example");
  SaIndex::Entry first{index, {1}};
  first.set("clients", alice);
  {
    SaIndex::Entry second{index, {2}};
    second.set("clients", bob);
    SaIndex::Entry elsewhere{index, {3}};
    elsewhere.set("branch", alice);
    EXPECT_EQ(index.of("clients"), (Ids{{1}, {2}}));
    EXPECT_EQ(index.of("clients", alice), (Ids{{1}}));
    EXPECT_EQ(index.of("clients", bob), (Ids{{2}}));
    EXPECT_EQ(index.of("branch", alice), (Ids{{3}}));
  }
  EXPECT_EQ(index.of("clients"), (Ids{{1}}));
  EXPECT_TRUE(index.of("clients", bob).empty());
  EXPECT_TRUE(index.of("branch").empty());
}

TEST(IkeSaIndex, identities_that_are_the_same_are_found_as_the_same) {
  SaIndex index;
  const auto lower = policy::Identity::parse("alice.example");
  const auto upper = policy::Identity::parse("ALICE.Example");
  ASSERT_TRUE(policy::is_same(lower, upper));
  SaIndex::Entry entry{index, {7}};
  entry.set("clients", lower);
  EXPECT_EQ(index.of("clients", upper), (Ids{{7}}));
}

TEST(IkeSaIndex, an_sa_whose_peer_is_unknown_is_found_by_its_connection_alone) {
  SaIndex index;
  const auto alice = policy::Identity::parse("alice.example");
  SaIndex::Entry entry{index, {7}};
  entry.set("branch");
  EXPECT_EQ(index.of("branch"), (Ids{{7}}));
  EXPECT_TRUE(index.of("branch", alice).empty());
  entry.set("branch", alice);
  EXPECT_EQ(index.of("branch", alice), (Ids{{7}}));
}

TEST(IkeSaIndex, a_peer_without_an_identity_is_found_where_it_is) {
  SaIndex index;
  const base::IpAddress nat = *base::IpAddress::parse("192.0.2.1");
  const base::Endpoint first{nat, 4500};
  const base::Endpoint second{nat, 1024};
  SaIndex::Entry entry{index, {7}};
  SaIndex::Entry behind_the_same_nat{index, {8}};
  entry.set("anybody", first);
  behind_the_same_nat.set("anybody", second);
  EXPECT_EQ(index.of("anybody"), (Ids{{7}, {8}}));
  EXPECT_EQ(index.of("anybody", first), (Ids{{7}}));
  const base::Endpoint elsewhere{*base::IpAddress::parse("2001:db8::1"), 4500};
  entry.set("anybody", elsewhere);
  EXPECT_TRUE(index.of("anybody", first).empty());
  EXPECT_EQ(index.of("anybody", elsewhere), (Ids{{7}}));
}

}  // namespace
}  // namespace caponier::ike
