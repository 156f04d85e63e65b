// One peer, several IKE SAs: INITIAL_CONTACT (RFC 7296 s2.4) and the four policies.

#include <gtest/gtest.h>

#include <utility>

#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

/// A is up with B, has lost its memory without a word, and comes again. `tells` is whether it sends
/// INITIAL_CONTACT.
void come_again(Pair& pair, Unique of_b, bool tells) {
  ConnectionConfig b = make_connection(end_b, end_a);
  b.unique = of_b;
  b.dpd_interval = 1h;
  pair.b.set(std::move(b));
  ConnectionConfig a = make_connection(end_a, end_b);
  a.unique = tells ? Unique::coexist : Unique::never;
  pair.a.set(std::move(a));
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.filter = [](Datagram&) { return false; };
  pair.command_a(DeleteIke{"to-b.example"});
  pair.advance(200s);
  ASSERT_TRUE(pair.a.endpoint.snapshot().empty());
  ASSERT_EQ(pair.b.ike_count(IkeState::established), 1u);
  pair.filter = nullptr;
  pair.initiate_a();
  pair.run();
}

TEST(IkeUniqueness, initial_contact_ends_what_was_there_without_a_word) {
  for (const Unique unique : {Unique::coexist, Unique::replace, Unique::keep}) {
    Pair pair;
    come_again(pair, unique, true);
    EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
    EXPECT_EQ(pair.b.live().size(), 1u);
    EXPECT_TRUE(pair.is_up());
  }
}

TEST(IkeUniqueness, never_means_that_even_initial_contact_ends_nothing) {
  Pair pair;
  come_again(pair, Unique::never, true);
  pair.advance(10s);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 2u);
  EXPECT_EQ(pair.b.live().size(), 2u);
}

TEST(IkeUniqueness, never_does_not_send_initial_contact_either) {
  Pair pair;
  come_again(pair, Unique::coexist, false);
  pair.advance(10s);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 2u);
}

TEST(IkeUniqueness, replace_ends_the_older_one_a_little_later) {
  Pair pair;
  come_again(pair, Unique::replace, false);
  EXPECT_EQ(pair.b.live().size(), 2u);  // make before break
  pair.filter = [](Datagram& d) { return d.to_b || d.header().message_id.value > 0; };
  pair.advance(200s);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.live().size(), 1u);
}

TEST(IkeUniqueness, keep_refuses_the_newer_one) {
  Pair pair;
  come_again(pair, Unique::keep, false);
  EXPECT_EQ(pair.a.record.ike_downs.back().reason, EndReason::authentication);
  EXPECT_NE(pair.b.record.text(EventKind::ike_auth_failed).find("unique = keep"),
            std::string::npos);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.record.installs.size(), 1u);
}

TEST(IkeUniqueness, keep_minds_only_the_same_identity) {
  Pair pair;
  ConnectionConfig b = make_connection(end_b, end_a);
  b.unique = Unique::keep;
  b.peer_rounds.front().identity = std::nullopt;
  pair.b.set(std::move(b));
  pair.initiate_a();
  pair.run();
  End other = end_a;
  other.identity = "c.example";
  ConnectionConfig a = make_connection(end_a, end_b);
  ConnectionConfig c = make_connection(other, end_b);
  c.name = "other";
  c.unique = Unique::never;
  pair.a.set({a, c});
  pair.command_a(Initiate{"other", pair.path_of(true, 500)});
  pair.run();
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 2u);
}

TEST(IkeUniqueness, both_sides_initiating_at_once_end_in_one_sa_under_every_policy) {
  for (const Unique unique : {Unique::coexist, Unique::replace, Unique::keep}) {
    for (unsigned seed = 1; seed < 6; ++seed) {
      Pair pair{test_config(), seed};
      ConnectionConfig a = make_connection(end_a, end_b);
      ConnectionConfig b = make_connection(end_b, end_a);
      a.unique = b.unique = unique;
      pair.a.set(std::move(a));
      pair.b.set(std::move(b));
      pair.initiate_a();
      pair.initiate_b();
      pair.run();
      pair.advance(10s);
      EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
      EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
      EXPECT_EQ(pair.a.live().size(), 1u);
      EXPECT_EQ(pair.b.live().size(), 1u);
    }
  }
}

}  // namespace
}  // namespace caponier::ike::test
