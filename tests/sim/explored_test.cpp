// What the explorer found, by name.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sim/explored_pair.h"

namespace caponier::sim {
namespace {

std::size_t first_of(const ExploredPair& pair, std::string_view what) {
  const auto found = std::ranges::find_if(
      pair.wire, [&](const OnWire& message) { return message.describe().starts_with(what); });
  EXPECT_NE(found, pair.wire.end()) << what;
  return static_cast<std::size_t>(found - pair.wire.begin());
}

void deliver(ExploredPair& pair, std::string_view what) {
  const std::size_t index = first_of(pair, what);
  ASSERT_LT(index, pair.wire.size());
  pair.deliver(index);
}

void lose(ExploredPair& pair, std::string_view what) {
  const std::size_t index = first_of(pair, what);
  ASSERT_LT(index, pair.wire.size());
  pair.lose(index);
}

enum class Probe : std::uint8_t { none, from_a, both };

/// In order, until nothing happens any more.
void run(ExploredPair& pair, Probe probe) {
  const base::Instant end = pair.now + 10min;
  const auto has_something = [&] {
    pair.drop_unreachable();
    if (pair.wire.empty()) return pair.pass_time(end);
    pair.deliver(0);
    return true;
  };
  while (has_something()) {
    if (probe == Probe::none) continue;
    EXPECT_EQ(pair.probe(true), "");
    if (probe == Probe::from_a) continue;
    EXPECT_EQ(pair.probe(false), "");
  }
}

void expect_one_pair(ExploredPair& pair) {
  ASSERT_EQ(pair.a.sas().size(), 1u);
  ASSERT_EQ(pair.b.sas().size(), 1u);
  EXPECT_EQ(pair.a.sas().front().spi_i, pair.b.sas().front().spi_i);
  EXPECT_EQ(pair.a.association_count(), 1u);
  EXPECT_EQ(pair.b.association_count(), 1u);
  EXPECT_EQ(pair.probe(true), "");
  EXPECT_EQ(pair.probe(false), "");
}

/// B has A's new SA when it authenticates anew itself; A does not know yet that it has.
void authenticate_anew_at_both(ExploredPair& pair) {
  pair.a.command(ike::Reauthenticate{pair.a.connection(), {}});
  deliver(pair, "a>b IKE_SA_INIT request");
  deliver(pair, "b>a IKE_SA_INIT response");
  deliver(pair, "a>b IKE_AUTH request");
  pair.b.command(ike::Reauthenticate{pair.b.connection(), {}});
  deliver(pair, "b>a IKE_SA_INIT request");
}

TEST(ExploredTwins, an_sa_that_ends_sends_no_more_once_its_twin_does) {
  ExploredPair pair{{}};
  authenticate_anew_at_both(pair);
  deliver(pair, "a>b IKE_SA_INIT response");
  deliver(pair, "b>a IKE_AUTH request");
  deliver(pair, "b>a IKE_AUTH response");
  run(pair, Probe::both);
  expect_one_pair(pair);
}

TEST(ExploredTwins, an_sa_is_not_deleted_before_its_twin_sends) {
  ExploredPair pair{{}};
  authenticate_anew_at_both(pair);
  deliver(pair, "b>a IKE_AUTH response");
  deliver(pair, "a>b IKE_SA_INIT response");
  deliver(pair, "b>a IKE_AUTH request");
  lose(pair, "a>b IKE_AUTH response");
  run(pair, Probe::from_a);
  expect_one_pair(pair);
}

// With these dice A gives up the SA that B made, while B deletes the other one for it.
TEST(ExploredTwins, the_ends_choose_differently_and_who_deletes_first_has_decided) {
  PairSetup setup;
  setup.dice_b = 3;
  ExploredPair pair{setup};
  authenticate_anew_at_both(pair);
  deliver(pair, "a>b IKE_SA_INIT response");
  deliver(pair, "b>a IKE_AUTH request");
  deliver(pair, "b>a IKE_AUTH response");
  deliver(pair, "a>b IKE_AUTH response");
  const auto made_by_b_goes = [](const ike::IkeSaInfo& sa) {
    return !sa.initiator && sa.is_replaced;
  };
  ASSERT_TRUE(std::ranges::any_of(pair.a.sas(), made_by_b_goes));
  while (pair.a.sas().size() > 1) {
    if (pair.wire.empty()) {
      ASSERT_TRUE(pair.pass_time(pair.now + 1min));
    } else {
      pair.deliver(0);
    }
  }
  EXPECT_FALSE(pair.a.sas().front().is_replaced) << "it stays";
  run(pair, Probe::both);
  expect_one_pair(pair);
}

TEST(ExploredMobility, a_rekey_whose_answer_is_lost_is_told_of_the_move_on_the_old_sa) {
  for (const bool b_is_initiator : {false, true}) {
    PairSetup setup;
    setup.mobile = PairSetup::Mobile::b;
    setup.b_is_initiator = b_is_initiator;
    ExploredPair pair{setup};
    pair.a.command(ike::RekeyIke{pair.a.connection()});
    deliver(pair, "a>b CREATE_CHILD_SA request");
    lose(pair, "b>a CREATE_CHILD_SA response");
    pair.b.addresses.erase(pair.b.addresses.begin());
    pair.b.command(ike::SetLocalAddresses{pair.b.addresses});
    run(pair, Probe::none);
    expect_one_pair(pair);
  }
}

}  // namespace
}  // namespace caponier::sim
