// Replacing a Child SA (RFC 7296 s1.3.3, s2.8, s2.8.1, s2.9.2, s2.25.1): one side, both sides at
// once, and against deletion. After each message traffic must have a way in both directions.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "unit/ike/rekey.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

//= rfc7296#2.8-5 type=test
TEST(ChildRekey, one_side_rekeys_and_deletes_what_it_replaced) {
  for (const bool by_a : {true, false}) {
    Collision pair;
    const auto old = pair.a.live().at(0)->spi_in;
    if (by_a) pair.rekey_child_a();
    if (!by_a) pair.rekey_child_b();
    pair.run();
    EXPECT_TRUE(pair.carries_both_ways());
    EXPECT_EQ(pair.sent.size(), 4u);
    pair.settle();
    EXPECT_TRUE(pair.is_up());
    EXPECT_NE(pair.a.live().at(0)->spi_in, old);
    for (const Side* side : {&pair.a, &pair.b}) {
      EXPECT_EQ(side->record.count(EventKind::child_rekeyed), 1u);
      EXPECT_EQ(side->record.child_downs.at(0).reason, EndReason::replaced);
      EXPECT_EQ(side->record.child_ups.at(1).replaces, side->record.child_ups.at(0).child_sa);
    }
  }
}

}  // namespace
}  // namespace caponier::ike::test
