#include "daemon/event_limiter.h"

#include <gtest/gtest.h>

namespace caponier::daemon {
namespace {

base::Event event(base::EventKind kind, const char* peer) { return {kind, peer, "text", {}}; }

TEST(EventLimiter, withholds_a_flood_and_tells_how_many_later) {
  EventLimiter limiter;
  const base::Instant start{std::chrono::hours{1}};
  const auto flood = event(base::EventKind::ike_malformed, "");
  unsigned admitted = 0;
  for (int i = 0; i < 1000; ++i) admitted += limiter.admit(flood, start).has_value() ? 1 : 0;
  EXPECT_EQ(admitted, EventLimiter::burst_max);
  const base::Instant later = start + EventLimiter::window;
  EXPECT_EQ(limiter.admit(flood, later), 1000U - EventLimiter::burst_max);
  EXPECT_EQ(limiter.admit(flood, later), 0U);
}

TEST(EventLimiter, other_peers_and_kinds_are_not_held_back) {
  EventLimiter limiter;
  const base::Instant now{std::chrono::hours{1}};
  for (int i = 0; i < 1000; ++i) {
    static_cast<void>(limiter.admit(event(base::EventKind::ike_failed, "loud"), now));
  }
  EXPECT_EQ(limiter.admit(event(base::EventKind::ike_failed, "calm"), now), 0U);
  EXPECT_EQ(limiter.admit(event(base::EventKind::child_up, "loud"), now), 0U);
}

}  // namespace
}  // namespace caponier::daemon
