// Replacing the IKE SA (RFC 7296 s1.3.2, s2.8.2, s2.18, s2.25): one side, both sides at once, and
// against everything else that may be under way. No Child SA is touched by any of it.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "unit/ike/rekey.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

constexpr std::uint64_t seeds = 8;  // enough for both outcomes of a race

//= rfc7296#2.8.2-1 rfc7296#2.18-3 type=test
TEST(IkeRekey, one_side_rekeys_and_the_children_move) {
  for (const bool by_a : {true, false}) {
    Collision pair;
    const auto old = pair.a.endpoint.snapshot().at(0);
    if (by_a) pair.rekey_ike_a();
    if (!by_a) pair.rekey_ike_b();
    pair.finish();
    EXPECT_EQ(pair.sent.size(), 4u);
    ASSERT_TRUE(pair.is_up());
    EXPECT_TRUE(pair.a.record.removals.empty());
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
    pair.finish();
    EXPECT_EQ(pair.sent.at(0).header().message_id.value, 0u) << "the new SA counts from 0";
    pair.settle();
    EXPECT_TRUE(pair.is_up());
  }
}

TEST(IkeRekey, happens_by_itself_before_the_lifetime_ends) {
  Pair pair;
  ConnectionConfig connection = make_connection(end_a, end_b);
  connection.ike_lifetime = 1000s;
  pair.a.set(std::move(connection));
  pair.initiate_a();
  pair.run();
  pair.advance(899s);
  EXPECT_EQ(pair.a.record.count(EventKind::ike_rekeyed), 0u);
  pair.advance(102s);
  EXPECT_EQ(pair.a.record.count(EventKind::ike_rekeyed), 1u);
  EXPECT_EQ(pair.b.record.count(EventKind::ike_rekeyed), 1u);
  pair.advance(5000s);
  EXPECT_GE(pair.a.record.count(EventKind::ike_rekeyed), 5u);
  EXPECT_TRUE(pair.is_up());
}

/// Everything A asks to create is refused, and B never sees it.
void refuse_all(Pair& pair, Forger& forger, const wire::NotifyPayload& refusal) {
  pair.filter = [&pair, &forger, refusal](Datagram& datagram) {
    const wire::IkeHeader header = datagram.header();
    if (!datagram.to_b || header.exchange != ExchangeType::create_child_sa) return true;
    pair.wire.push_back(refuse(pair, forger, header, refusal.type, refusal.data));
    return false;
  };
}

TEST(IkeRekey, a_wrong_group_is_corrected) {
  Collision pair;
  Forger forger{pair.a.record.keys.at(0)};
  wire::NotifyPayload refusal;
  refusal.type = NotifyType::invalid_ke_payload;
  refusal.data = {std::byte{0}, std::byte{19}};
  refuse_all(pair, forger, refusal);
  pair.rekey_ike_a();
  pair.finish();
  std::vector<std::uint16_t> groups;
  for (const Datagram& datagram : pair.sent) {
    const auto payloads = forger.open(datagram.message);
    if (const auto* const ke = wire::find<wire::KePayload>(payloads)) groups.push_back(ke->group);
  }
  EXPECT_EQ(groups, (std::vector<std::uint16_t>{31, 19}));
}

TEST(IkeRekey, a_refusal_is_tried_again_and_ends_with_the_lifetime) {
  Pair pair;
  ConnectionConfig connection = make_connection(end_a, end_b);
  connection.ike_lifetime = 1000s;
  connection.dpd_interval = 1h;
  pair.a.set(std::move(connection));
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  wire::NotifyPayload refusal;
  refusal.type = NotifyType::no_proposal_chosen;
  refuse_all(pair, forger, refusal);
  pair.advance(1240s);
  EXPECT_GE(pair.a.record.count(EventKind::ike_rekey_failed), 3u);
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
  pair.advance(15s);
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 0u);
  pair.advance(120s);
  ASSERT_FALSE(pair.a.record.ike_downs.empty());
  EXPECT_EQ(pair.a.record.ike_downs.back().reason, EndReason::expired);
}

TEST(IkeRekey, the_old_one_goes_even_if_the_peer_forgets_it) {
  Collision pair;
  pair.rekey_ike_a();
  pair.next_to_b();
  const auto old = pair.b.endpoint.snapshot().at(0).id;
  pair.filter = [](Datagram& datagram) {
    return datagram.header().exchange != ExchangeType::informational;
  };
  pair.next_to_a();
  pair.advance(25s);
  EXPECT_EQ(pair.b.endpoint.snapshot().size(), 2u);
  pair.filter = nullptr;
  pair.advance(100s);
  ASSERT_EQ(pair.b.endpoint.snapshot().size(), 1u);
  EXPECT_NE(pair.b.endpoint.snapshot().at(0).id, old);
  EXPECT_TRUE(pair.is_up());
}

// ---- Both sides

TEST(IkeRekeyCollision, the_lowest_nonce_loses_whatever_the_order) {
  for (const std::string_view order : {"bbaa", "baba", "baab", "abba", "abab", "aabb"}) {
    bool has_a_won = false;
    bool has_b_won = false;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      Collision pair{seed};
      pair.rekey_ike_a();
      pair.rekey_ike_b();
      for (const char to : order) to == 'a' ? pair.next_to_a() : pair.next_to_b();
      const bool must_a_win = pair.must_a_win();
      pair.settle();
      ASSERT_TRUE(pair.is_up()) << order << " " << seed;
      EXPECT_EQ(pair.a.endpoint.snapshot().size(), 1u);
      EXPECT_EQ(pair.b.endpoint.snapshot().size(), 1u);
      EXPECT_EQ(pair.a.endpoint.snapshot().at(0).initiator, must_a_win) << order << " " << seed;
      EXPECT_EQ(pair.a.endpoint.snapshot().at(0).children.size(), 1u);
      EXPECT_EQ(pair.b.endpoint.snapshot().at(0).children.size(), 1u);
      EXPECT_TRUE(pair.a.record.removals.empty());
      for (const Side* side : {&pair.a, &pair.b}) {
        EXPECT_EQ(side->record.ike_ups.size(), 2u) << "the loser is never announced";
        EXPECT_EQ(side->record.ike_downs.size(), 1u);
      }
      (must_a_win ? has_a_won : has_b_won) = true;
    }
    EXPECT_TRUE(has_a_won && has_b_won) << order;
  }
}

TEST(IkeRekeyCollision, survives_the_loss_of_any_one_message) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    for (std::size_t lost = 0; lost < 8; ++lost) {
      Collision pair{seed};
      std::size_t count = 0;
      pair.filter = [&](Datagram&) { return count++ != lost; };
      pair.rekey_ike_a();
      pair.rekey_ike_b();
      pair.settle();
      EXPECT_TRUE(pair.is_up()) << seed << " " << lost;
      EXPECT_EQ(pair.a.endpoint.snapshot().size(), 1u) << seed << " " << lost;
      EXPECT_EQ(pair.b.endpoint.snapshot().size(), 1u) << seed << " " << lost;
      EXPECT_EQ(pair.a.record.removals.size(), 0u) << seed << " " << lost;
    }
  }
}

TEST(IkeRekeyCollision, one_that_the_peer_did_not_notice_is_forgotten) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    pair.rekey_ike_a();
    pair.lose_to_b();
    pair.rekey_ike_b();
    pair.finish();  // B rekeys and deletes the old one
    EXPECT_TRUE(pair.is_up());
    EXPECT_FALSE(pair.a.endpoint.snapshot().at(0).initiator);
    pair.settle();
    EXPECT_TRUE(pair.is_up());
    EXPECT_EQ(pair.b.record.count(EventKind::ike_collision), 0u);
  }
}

//= rfc7296#2.8.2-2 type=test
TEST(IkeRekeyCollision, a_late_request_for_a_replaced_sa_is_put_off) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    pair.rekey_ike_a();
    const auto late = pair.wire.front();
    pair.wire.clear();
    pair.rekey_ike_b();
    pair.next_to_a();
    pair.next_to_b();  // B has rekeyed; its DELETE is on its way
    pair.deliver(late);
    EXPECT_TRUE(pair.has_sent(false, NotifyType::temporary_failure));
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
  }
}

// ---- Against other exchanges

//= rfc7296#2.25.2-5 type=test
TEST(IkeRekeyVersusChild, each_puts_the_other_off_and_both_happen) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    for (const bool ike_by_a : {true, false}) {
      Collision pair{seed};
      if (ike_by_a) pair.rekey_ike_a();
      if (!ike_by_a) pair.rekey_child_a();
      if (ike_by_a) pair.rekey_child_b();
      if (!ike_by_a) pair.rekey_ike_b();
      pair.next_to_a();
      pair.next_to_b();
      EXPECT_TRUE(pair.has_sent(true, NotifyType::temporary_failure));
      EXPECT_TRUE(pair.has_sent(false, NotifyType::temporary_failure));
      pair.settle();
      EXPECT_TRUE(pair.is_up());
      EXPECT_EQ(pair.a.record.count(EventKind::ike_rekeyed), 1u);
      EXPECT_EQ(pair.a.record.count(EventKind::child_rekeyed), 1u);
      EXPECT_EQ(pair.a.record.count(EventKind::child_failed), 0u) << "nothing has failed";
    }
  }
}

TEST(IkeRekeyVersusChild, a_creation_meets_a_rekey) {
  Collision pair;
  pair.rekey_ike_a();
  pair.command_b(InitiateChild{peer_a, "net"});
  pair.next_to_a();
  EXPECT_TRUE(pair.has_sent(true, NotifyType::temporary_failure));
  pair.settle();
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.children(pair.a).size(), 2u);
  EXPECT_EQ(pair.children(pair.b).size(), 2u);
}

//= rfc7296#2.25.2-6 type=test
TEST(IkeRekeyVersusChild, a_deletion_of_a_child_is_answered_as_usual) {
  Collision pair;
  pair.expects_traffic = false;
  pair.rekey_ike_a();
  pair.delete_child_b();
  pair.next_to_a();
  EXPECT_TRUE(pair.children(pair.a).empty());
  pair.next_to_b();
  EXPECT_TRUE(pair.has_sent(false, NotifyType::temporary_failure)) << "B is closing a child";
  pair.settle();
  EXPECT_TRUE(pair.children(pair.b).empty());
  EXPECT_EQ(pair.a.record.count(EventKind::ike_rekeyed), 1u);
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
}

//= rfc7296#1.3.2-2 type=test
TEST(IkeRekeyVersusChild, what_was_wanted_of_the_old_sa_is_asked_of_the_new_one) {
  Collision pair;
  pair.rekey_ike_a();
  pair.rekey_child_a();  // waits for the answer
  EXPECT_EQ(pair.sent.size(), 1u);
  pair.settle();
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(pair.b.record.count(EventKind::child_rekeyed), 1u);
  EXPECT_EQ(pair.b.record.count(EventKind::ike_rekeyed), 1u);
}

//= rfc7296#2.25.2-3 type=test
TEST(IkeRekeyVersusDelete, a_deletion_wins_and_nothing_is_left) {
  for (const bool rekey_by_a : {true, false}) {
    for (const bool delete_by_a : {true, false}) {
      for (const std::string_view order : {"ab", "ba"}) {
        Collision pair;
        pair.expects_traffic = false;
        rekey_by_a ? pair.rekey_ike_a() : pair.rekey_ike_b();
        delete_by_a ? pair.delete_ike_a() : pair.delete_ike_b();
        for (const char to : order) to == 'a' ? pair.next_to_a() : pair.next_to_b();
        pair.settle();
        EXPECT_EQ(pair.a.endpoint.snapshot().size(), 0u) << rekey_by_a << delete_by_a << order;
        EXPECT_EQ(pair.b.endpoint.snapshot().size(), 0u) << rekey_by_a << delete_by_a << order;
        EXPECT_TRUE(pair.a.live().empty());
        EXPECT_TRUE(pair.b.live().empty());
      }
    }
  }
}

// ---- Reauthentication

TEST(Reauthentication, makes_a_new_tunnel_before_the_old_one_goes) {
  for (const bool by_a : {true, false}) {
    Collision pair;
    const auto old = pair.a.live().at(0)->id;
    if (by_a) pair.command_a(Reauthenticate{peer_b});
    if (!by_a) pair.command_b(Reauthenticate{peer_a});
    pair.finish();
    EXPECT_EQ(pair.a.ike_count(IkeState::established), 2u);
    EXPECT_EQ(pair.a.live().size(), 2u);
    pair.settle();
    EXPECT_TRUE(pair.is_up());
    EXPECT_NE(pair.a.live().at(0)->id, old);
    EXPECT_EQ(pair.a.record.ike_downs.back().reason,
              by_a ? EndReason::replaced : EndReason::peer_deleted);
    const Side& side = by_a ? pair.a : pair.b;
    EXPECT_EQ(side.record.count(EventKind::ike_reauthenticating), 1u);
  }
}

TEST(Reauthentication, of_both_sides_at_once_ends_in_one_sa) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    pair.command_a(Reauthenticate{peer_b});
    pair.command_b(Reauthenticate{peer_a});
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
  }
}

TEST(Reauthentication, meets_a_rekey_of_the_same_ike_sa) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    for (const bool rekey_by_a : {true, false}) {
      Collision pair{seed};
      pair.command_a(Reauthenticate{peer_b});
      rekey_by_a ? pair.rekey_ike_a() : pair.rekey_ike_b();
      pair.settle();
      EXPECT_TRUE(pair.is_up()) << seed << rekey_by_a;
    }
  }
}

TEST(Reauthentication, that_fails_leaves_the_old_tunnel_and_is_tried_again) {
  Collision pair;
  const std::string secret = std::exchange(pair.b.secrets[peer_a], "another secret");
  pair.command_a(Reauthenticate{peer_b});
  pair.finish();
  pair.advance(5s);
  EXPECT_TRUE(pair.is_up());
  pair.b.secrets[peer_a] = secret;
  const auto old = pair.a.live().at(0)->id;
  pair.settle();
  EXPECT_TRUE(pair.is_up());
  EXPECT_NE(pair.a.live().at(0)->id, old);
}

TEST(Reauthentication, comes_in_time_when_the_peer_demands_it) {
  Pair pair;
  ConnectionConfig of_b = make_connection(end_b, end_a);
  of_b.auth_lifetime = 600s;
  pair.b.set(std::move(of_b));
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.a.record.count(EventKind::ike_auth_lifetime), 1u);
  pair.advance(3000s);
  EXPECT_GE(pair.a.record.count(EventKind::ike_reauthenticating), 5u);
  EXPECT_EQ(pair.a.record.count(EventKind::ike_auth_lifetime),
            pair.a.record.count(EventKind::ike_reauthenticating) + 1);
  EXPECT_TRUE(pair.is_up());
}

TEST(Reauthentication, that_the_peer_does_not_do_ends_the_tunnel) {
  Pair pair;
  ConnectionConfig of_b = make_connection(end_b, end_a);
  of_b.auth_lifetime = 600s;
  pair.b.set(std::move(of_b));
  pair.initiate_a();
  pair.run();
  pair.filter = [](Datagram& datagram) {
    return datagram.header().exchange != ExchangeType::ike_sa_init;
  };
  pair.command_a(RekeyIke{peer_b});  // which authenticates nobody
  pair.advance(620s);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  pair.advance(60s);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 0u);
  EXPECT_EQ(pair.b.record.ike_downs.back().reason, EndReason::expired);
}

TEST(Reauthentication, is_the_way_out_of_a_peer_that_takes_no_further_child) {
  Collision pair;
  Forger forger{pair.a.record.keys.at(0)};
  bool is_refused = false;
  pair.filter = [&](Datagram& datagram) {
    const wire::IkeHeader header = datagram.header();
    if (is_refused || datagram.to_b || header.exchange != ExchangeType::create_child_sa) {
      return true;
    }
    is_refused = true;
    wire::NotifyPayload refusal;
    refusal.type = NotifyType::no_additional_sas;
    datagram.message = forger.seal(header, {refusal});
    return true;
  };
  pair.rekey_child_a();
  pair.expects_traffic = false;
  pair.finish();
  EXPECT_EQ(pair.a.record.count(EventKind::ike_reauthenticating), 1u);
  pair.settle();
  EXPECT_TRUE(pair.is_up());
}

}  // namespace
}  // namespace caponier::ike::test
