// Replacing the IKE SA (RFC 7296 s1.3.2, s2.8.2, s2.18, s2.25): one side, both sides at once, and
// against everything else that may be under way.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "unit/ike/rekey.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

//= rfc7296#2.8.2-1 rfc7296#2.18-3 type=test
TEST(IkeRekey, one_side_rekeys_and_the_children_move) {
  for (const bool by_a : {true, false}) {
    Collision pair;
    const auto old = pair.a.endpoint.snapshot().at(0);
    if (by_a) pair.rekey_ike_a();
    if (!by_a) pair.rekey_ike_b();
    pair.run();
    EXPECT_EQ(pair.sent.size(), 4u);
    ASSERT_TRUE(pair.is_up());
    EXPECT_TRUE(pair.a.record.removals.empty()) << "no Child SA is touched";
    const auto renewed = pair.a.endpoint.snapshot().at(0);
    EXPECT_NE(renewed.spi_i, old.spi_i);
    EXPECT_EQ(renewed.initiator, by_a);
    EXPECT_EQ(renewed.children.size(), 1u);
    for (const Side* side : {&pair.a, &pair.b}) {
      EXPECT_EQ(side->record.count(EventKind::ike_rekeyed), 1u);
      EXPECT_EQ(side->record.ike_ups.at(1).replaces, side->record.ike_ups.at(0).sa);
      ASSERT_EQ(side->record.ike_downs.size(), 1u);
      EXPECT_EQ(side->record.ike_downs.at(0).reason, EndReason::replaced);
    }
    pair.sent.clear();
    pair.rekey_child_b();
    pair.run();
    EXPECT_EQ(pair.sent.at(0).header().message_id.value, 0u) << "the new SA counts from 0";
    pair.settle();
    EXPECT_TRUE(pair.is_up());
  }
}

}  // namespace
}  // namespace caponier::ike::test
