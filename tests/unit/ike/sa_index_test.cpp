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
  first.set("clients", &alice);
  {
    SaIndex::Entry second{index, {2}};
    second.set("clients", &bob);
    SaIndex::Entry elsewhere{index, {3}};
    elsewhere.set("branch", &alice);
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
  entry.set("clients", &lower);
  EXPECT_EQ(index.of("clients", upper), (Ids{{7}}));
}

TEST(IkeSaIndex, an_sa_whose_peer_is_unknown_is_found_by_its_connection_alone) {
  SaIndex index;
  const auto alice = policy::Identity::parse("alice.example");
  SaIndex::Entry entry{index, {7}};
  entry.set("branch", nullptr);
  EXPECT_EQ(index.of("branch"), (Ids{{7}}));
  EXPECT_TRUE(index.of("branch", alice).empty());
  entry.set("branch", &alice);
  EXPECT_EQ(index.of("branch", alice), (Ids{{7}}));
}

}  // namespace
}  // namespace caponier::ike
