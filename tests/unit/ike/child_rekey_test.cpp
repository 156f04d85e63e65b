// Replacing a Child SA (RFC 7296 s1.3.3, s2.8, s2.8.1, s2.9.2, s2.25.1): one side, both sides at
// once, and against deletion. After each message traffic must have a way in both directions.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

#include "unit/ike/rekey.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

constexpr std::uint64_t seeds = 8;  // enough for both outcomes of a race

/// Offers with groups for CREATE_CHILD_SA on both sides, before the pair comes up.
void set_offers(Pair& pair, std::string_view offer_a, std::string_view offer_b) {
  ConnectionConfig of_a = make_connection(end_a, end_b);
  of_a.children.front().offers = {esp_offer(offer_a)};
  pair.a.set(std::move(of_a));
  ConnectionConfig of_b = make_connection(end_b, end_a);
  of_b.children.front().offers = {esp_offer(offer_b)};
  pair.b.set(std::move(of_b));
}

void bring_up(Pair& pair) {
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.sent.clear();
}

// ---- One side

//= rfc7296#2.8-5 type=test
TEST(ChildRekey, one_side_rekeys_and_deletes_what_it_replaced) {
  for (const bool by_a : {true, false}) {
    Collision pair;
    const auto old = pair.a.live().at(0)->spi_in;
    if (by_a) pair.rekey_child_a();
    if (!by_a) pair.rekey_child_b();
    pair.finish();
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

TEST(ChildRekey, the_responder_sends_on_the_new_sa_when_the_old_one_is_deleted) {
  Collision pair;
  pair.rekey_child_a();
  pair.next_to_b();
  EXPECT_EQ(pair.sender(pair.b)->id, pair.b.live().at(0)->id) << "A may not have the new one";
  pair.next_to_a();
  EXPECT_EQ(pair.sender(pair.a)->id, pair.a.live().at(1)->id);
  pair.next_to_b();
  EXPECT_EQ(pair.sender(pair.b)->id, pair.b.live().at(1)->id);
}

TEST(ChildRekey, the_responder_sends_on_the_new_sa_when_the_peer_does) {
  Collision pair;
  pair.rekey_child_a();
  pair.next_to_b();
  pair.next_to_a();
  pair.command_b(PeerHeard{pair.b.live().at(1)->id});
  EXPECT_EQ(pair.sender(pair.b)->id, pair.b.live().at(1)->id);
}

TEST(ChildRekey, the_responder_sends_on_the_new_sa_after_a_while_but_not_while_the_peer_asks) {
  Collision pair;
  pair.rekey_child_a();
  pair.next_to_b();
  const auto old = pair.b.live().at(0)->id;
  pair.filter = [](Datagram& datagram) { return datagram.to_b; };  // A never hears the answer
  pair.lose_to_a();
  pair.advance(9s);
  EXPECT_EQ(pair.sender(pair.b)->id, old);
  pair.advance(6s);
  EXPECT_EQ(pair.sender(pair.b)->id, old) << "A has asked again since";
  pair.filter = [](Datagram&) { return false; };
  pair.advance(11s);
  EXPECT_NE(pair.sender(pair.b)->id, old);
}

TEST(ChildRekey, a_wrong_group_is_corrected) {
  Pair pair;
  set_offers(pair, "aes256gcm16-x25519-ecp256", "aes256gcm16-ecp256");
  bring_up(pair);
  pair.command_a(RekeyChild{pair.a.live().at(0)->id});
  pair.run();
  pair.advance(5s);
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(pair.a.live().at(0)->suite.ke, crypto::KeGroup::ecp_256);
  pair.sent.clear();
  pair.command_a(RekeyChild{pair.a.live().at(0)->id});
  pair.run();
  EXPECT_EQ(pair.sent.size(), 4u) << "the group of the SA itself is asked for first";
}

TEST(ChildRekey, a_key_exchange_is_preferred_and_its_absence_accepted) {
  for (const bool peer_has_groups : {true, false}) {
    Pair pair;
    set_offers(pair, "aes256gcm16-x25519-modpnone",
               peer_has_groups ? "aes256gcm16-x25519" : "aes256gcm16");
    bring_up(pair);
    for (const bool by_a : {true, false}) {
      if (by_a) pair.command_a(RekeyChild{pair.a.live().at(0)->id});
      if (!by_a) pair.command_b(RekeyChild{pair.b.live().at(0)->id});
      pair.run();
      pair.advance(5s);
      ASSERT_TRUE(pair.is_up()) << peer_has_groups << by_a;
      EXPECT_EQ(pair.a.live().at(0)->suite.ke,
                peer_has_groups ? crypto::KeGroup::curve25519 : crypto::KeGroup::none);
    }
  }
}

TEST(ChildRekey, an_expiry_that_comes_while_the_peer_rekeys_asks_for_nothing) {
  Collision pair;
  pair.rekey_child_a();
  pair.next_to_b();
  const auto old = pair.b.live().at(0)->id;
  pair.command_b(RekeyChild{old});
  EXPECT_EQ(pair.sent.size(), 2u);
  pair.settle();
  EXPECT_TRUE(pair.is_up());
}

TEST(ChildRekey, a_hard_expiry_at_the_responder_deletes_the_old_one) {
  Collision pair;
  pair.rekey_child_a();
  pair.next_to_b();
  pair.command_b(DeleteChild{pair.b.live().at(0)->id});
  pair.expects_traffic = false;
  pair.settle();
  EXPECT_TRUE(pair.is_up());
  EXPECT_TRUE(pair.carries_both_ways());
}

TEST(ChildRekey, an_old_sa_the_peer_forgets_to_delete_is_deleted_by_us) {
  Collision pair;
  pair.rekey_child_a();
  pair.next_to_b();
  pair.next_to_a();
  // A's DELETE never comes through, and A gives up nothing but it: as if A had forgotten.
  pair.filter = [](Datagram& datagram) {
    return datagram.header().exchange != ExchangeType::informational;
  };
  pair.lose_to_b();
  pair.advance(25s);
  EXPECT_EQ(pair.children(pair.b).size(), 2u);
  pair.filter = nullptr;
  pair.settle();
  EXPECT_TRUE(pair.is_up());
  for (const Side* side : {&pair.a, &pair.b}) EXPECT_EQ(side->record.child_downs.size(), 1u);
}

TEST(ChildRekey, a_deletion_that_overtakes_the_answer_does_no_harm) {
  Collision pair;
  pair.rekey_child_a();
  pair.next_to_b();
  const auto answer = pair.wire.front();
  pair.wire.clear();
  pair.command_b(DeleteChild{pair.b.live().at(0)->id});
  pair.expects_traffic = false;
  pair.finish();
  pair.deliver(answer);
  pair.settle();
  EXPECT_TRUE(pair.is_up());
  EXPECT_TRUE(pair.carries_both_ways());
}

//= rfc7296#2.25-6 type=test
TEST(ChildRekey, what_is_not_there_is_made_anew) {
  Collision pair;
  pair.expects_traffic = false;
  Forger forger{pair.a.record.keys.at(0)};
  // B has forgotten the SA without telling A.
  wire::DeletePayload deletion{wire::ProtocolId::esp, 4, {ByteVec(4)}};
  base::store_be(deletion.spis[0].data(), pair.a.live().at(0)->spi_in.value);
  pair.inject(true, forger.request(ExchangeType::informational, 2, {deletion}));
  pair.wire.clear();
  ASSERT_TRUE(pair.b.live().empty());
  pair.filter = [](Datagram&) { return false; };
  pair.rekey_child_a();
  // The forged request has used up the Message ID at B: its answer is replaced by a forged one.
  wire::NotifyPayload gone;
  gone.type = NotifyType::child_sa_not_found;
  gone.protocol = wire::ProtocolId::esp;
  gone.spi.resize(4);
  wire::IkeHeader header = forger.header(ExchangeType::create_child_sa, 2);
  header.flags = wire::IkeHeader::flag_response;
  pair.inject(false, forger.seal(header, {gone}));
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_EQ(pair.a.record.count(EventKind::child_failed), 1u);
  EXPECT_EQ(pair.sent.back().header().exchange, ExchangeType::create_child_sa);
  EXPECT_EQ(pair.sent.back().header().message_id.value, 3u);
}

// ---- Selectors

TEST(ChildRekey, a_superset_is_accepted_and_the_selectors_in_use_are_kept) {
  Collision pair;
  Forger forger{pair.a.record.keys.at(0)};
  wire::NotifyPayload rekey;
  rekey.type = NotifyType::rekey_sa;
  rekey.protocol = wire::ProtocolId::esp;
  rekey.spi.resize(4);
  base::store_be(rekey.spi.data(), pair.a.live().at(0)->spi_in.value);
  const wire::ConfigPayload configuration;
  wire::NotifyPayload unknown;
  unknown.type = NotifyType{40000};
  pair.inject(true, forger.request(
                        ExchangeType::create_child_sa, 2,
                        {rekey, unknown, configuration,
                         policy::to_wire({esp_offer("aes256gcm16")},
                                         ByteVec{std::byte{9}, std::byte{9}, {}, {}}, false),
                         wire::NoncePayload{ByteVec(32)}, policy::to_wire(net("0.0.0.0/0"), true),
                         policy::to_wire(net("0.0.0.0/0"), false)}));
  ASSERT_EQ(pair.b.live().size(), 2u);
  EXPECT_EQ(pair.b.live().at(1)->local, net(end_b.network));
  EXPECT_EQ(pair.b.live().at(1)->remote, net(end_a.network));
}

/// The answer to A's rekey, with other selectors on B's side.
void answer_with(Collision& pair, std::string_view prefix) {
  Forger forger{pair.a.record.keys.at(0)};
  auto payloads = forger.open(pair.wire.front().message);
  wire::IkeHeader header = pair.wire.front().header();
  for (wire::Payload& payload : payloads) {
    auto* const ts = std::get_if<wire::TsPayload>(&payload);
    if (ts != nullptr && !ts->initiator) payload = policy::to_wire(net(prefix), false);
  }
  pair.wire.front().message = forger.seal(header, payloads);
}

TEST(ChildRekey, an_answer_wider_or_narrower_than_what_is_in_use_is_undone) {
  for (const std::string_view prefix : {"10.2.0.0/15", "10.2.1.0/24"}) {
    Collision pair;
    const auto old = pair.a.live().at(0)->id;
    pair.rekey_child_a();
    pair.next_to_b();
    answer_with(pair, prefix);
    pair.next_to_a();
    pair.finish();
    EXPECT_EQ(pair.children(pair.a).size(), 1u) << prefix;
    EXPECT_EQ(pair.children(pair.b).size(), 1u) << "the new one has been deleted";
    EXPECT_EQ(pair.a.live().at(0)->id, old);
    EXPECT_TRUE(pair.a.record.child_downs.empty()) << "the child is still there";
    EXPECT_EQ(pair.a.record.count(EventKind::child_failed), 1u);
    pair.advance(60s);
    EXPECT_EQ(pair.a.record.count(EventKind::child_rekeyed), 1u) << "it is tried again";
  }
}

// ---- Both sides

//= rfc7296#2.25.1-2 type=test
TEST(ChildRekeyCollision, the_lowest_nonce_loses_whatever_the_order) {
  // Which message comes first, as a string: a = to A, b = to B.
  for (const std::string_view order : {"bbaa", "baba", "baab", "abba", "abab", "aabb"}) {
    bool has_a_won = false;
    bool has_b_won = false;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      Collision pair{seed};
      pair.rekey_child_a();
      pair.rekey_child_b();
      for (const char to : order) to == 'a' ? pair.next_to_a() : pair.next_to_b();
      const bool must_a_win = pair.must_a_win();
      pair.settle();
      ASSERT_TRUE(pair.is_up()) << order << " " << seed;
      EXPECT_EQ(pair.a.record.child_downs.back().reason, EndReason::replaced);
      const auto& survivor = pair.a.live().at(0)->spi_in;
      // Of A's two new SAs, its own exchange's was installed when the answer came.
      const auto own = std::ranges::find_if(
          pair.a.record.installs, [&](const auto& install) { return install.spi_in == survivor; });
      ASSERT_NE(own, pair.a.record.installs.end());
      (must_a_win ? has_a_won : has_b_won) = true;
      EXPECT_EQ(pair.a.record.count(EventKind::ike_collision), 1u);
      EXPECT_EQ(pair.b.record.count(EventKind::ike_collision), 1u);
      EXPECT_EQ(pair.a.record.text(EventKind::ike_collision).ends_with("ours survives"), must_a_win)
          << order << " " << seed;
      EXPECT_EQ(pair.b.record.text(EventKind::ike_collision).ends_with("ours survives"),
                !must_a_win);
    }
    EXPECT_TRUE(has_a_won && has_b_won) << order;
  }
}

TEST(ChildRekeyCollision, survives_the_loss_of_any_one_message) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    for (std::size_t lost = 0; lost < 8; ++lost) {
      Collision pair{seed};
      std::size_t count = 0;
      pair.filter = [&](Datagram&) { return count++ != lost; };
      pair.rekey_child_a();
      pair.rekey_child_b();
      pair.settle();
      EXPECT_TRUE(pair.is_up()) << seed << " " << lost;
    }
  }
}

TEST(ChildRekeyCollision, a_request_that_comes_after_all_is_over_finds_nothing) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    pair.rekey_child_a();
    const auto late = pair.wire.front();
    pair.wire.clear();
    pair.rekey_child_b();
    pair.finish();  // B rekeys and deletes the old one, and knows of no collision
    EXPECT_EQ(pair.children(pair.b).size(), 1u);
    pair.deliver(late);
    pair.finish();
    EXPECT_TRUE(pair.has_sent(false, NotifyType::child_sa_not_found));
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
    EXPECT_EQ(pair.b.record.count(EventKind::ike_collision), 0u);
    EXPECT_EQ(pair.a.record.count(EventKind::child_failed), 0u) << "A knew, and is content";
  }
}

TEST(ChildRekeyCollision, a_request_that_comes_while_the_old_one_is_deleted_is_put_off) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    pair.rekey_child_a();
    const auto late = pair.wire.front();
    pair.wire.clear();
    pair.rekey_child_b();
    pair.next_to_a();
    pair.next_to_b();  // B has the new one, its DELETE is on its way
    pair.deliver(late);
    EXPECT_TRUE(pair.has_sent(false, NotifyType::temporary_failure));
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
    EXPECT_EQ(pair.children(pair.a).size(), 1u);
  }
}

void refuse_the_loser(std::uint64_t seed) {
  Collision pair{seed};
  pair.rekey_child_a();
  pair.rekey_child_b();
  pair.next_to_b();
  pair.next_to_a();
  if (pair.must_a_win()) return;
  // B's answer to A becomes a refusal.
  Forger forger{pair.a.record.keys.at(0)};
  const auto answer = std::ranges::find_if(pair.wire, [](const Datagram& datagram) {
    return !datagram.to_b && datagram.header().is_response();
  });
  ASSERT_NE(answer, pair.wire.end());
  wire::NotifyPayload refusal;
  refusal.type = NotifyType::ts_unacceptable;
  answer->message = forger.seal(answer->header(), {refusal});
  pair.expects_traffic = false;
  pair.finish();
  EXPECT_TRUE(pair.carries_both_ways());
  EXPECT_EQ(pair.a.record.count(EventKind::ike_collision), 1u);
  EXPECT_TRUE(pair.a.record.child_downs.empty() ||
              pair.a.record.child_downs.at(0).reason == EndReason::replaced);
  pair.settle();
  EXPECT_TRUE(pair.carries_both_ways());
}

TEST(ChildRekeyCollision, one_that_is_refused_leaves_the_other) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) refuse_the_loser(seed);
}

// ---- Against deletion

TEST(ChildRekeyVersusDelete, a_deletion_under_way_puts_the_rekey_off) {
  for (const bool by_a : {true, false}) {
    Collision pair;
    pair.expects_traffic = false;
    if (by_a) pair.rekey_child_a();
    if (!by_a) pair.delete_child_a();
    if (by_a) pair.delete_child_b();
    if (!by_a) pair.rekey_child_b();
    pair.finish();
    EXPECT_TRUE(pair.has_sent(!by_a, NotifyType::temporary_failure));
    pair.settle();
    EXPECT_TRUE(pair.children(pair.a).empty());
    EXPECT_TRUE(pair.children(pair.b).empty());
    EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
    EXPECT_TRUE(pair.a.live().empty());
    EXPECT_TRUE(pair.b.live().empty());
  }
}

TEST(ChildRekeyVersusDelete, a_rekey_that_comes_after_the_deletion_finds_nothing) {
  Collision pair;
  pair.expects_traffic = false;
  pair.rekey_child_a();
  const auto late = pair.wire.front();
  pair.wire.clear();
  pair.delete_child_b();
  pair.finish();
  pair.deliver(late);
  pair.settle();
  EXPECT_TRUE(pair.has_sent(false, NotifyType::child_sa_not_found));
  EXPECT_TRUE(pair.children(pair.a).empty());
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
}

//= rfc7296#2.25-4 type=test
TEST(ChildRekeyVersusDelete, temporary_failures_are_retried_after_a_delay_and_not_forever) {
  Collision pair;
  Forger forger{pair.a.record.keys.at(0)};
  std::size_t requests = 0;
  base::Instant last{};
  pair.filter = [&](Datagram& datagram) {
    const wire::IkeHeader header = datagram.header();
    if (!datagram.to_b || header.exchange != ExchangeType::create_child_sa) return true;
    EXPECT_GE(pair.now - last, base::Duration{700ms}) << "never at once";
    last = pair.now;
    ++requests;
    pair.wire.push_back(refuse(pair, forger, header, NotifyType::temporary_failure));
    return false;
  };
  pair.rekey_child_a();
  pair.advance(120s);
  EXPECT_GE(requests, 6u);
  EXPECT_EQ(pair.a.record.count(EventKind::child_failed), 0u) << "nobody above is bothered";
  EXPECT_TRUE(pair.a.record.child_downs.empty());
  pair.advance(200s);
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 0u) << "the two sides do not agree any more";
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::protocol_error);
}

TEST(ChildRekeyVersusDelete, the_end_of_the_ike_sa_ends_a_rekey_under_way) {
  for (const bool by_a : {true, false}) {
    Collision pair;
    pair.expects_traffic = false;
    pair.rekey_child_a();
    if (by_a) pair.delete_ike_a();
    if (!by_a) pair.delete_ike_b();
    pair.settle();
    EXPECT_EQ(pair.a.state(), std::nullopt);
    EXPECT_EQ(pair.b.state(), std::nullopt);
    EXPECT_TRUE(pair.a.live().empty());
    EXPECT_TRUE(pair.b.live().empty());
  }
}

// ---- Twins and limits

TEST(ChildRekey, of_two_equal_children_one_is_deleted_instead) {
  Collision pair;
  pair.command_a(InitiateChild{peer_b, "net"});
  pair.finish();
  ASSERT_EQ(pair.children(pair.a).size(), 2u);
  for (const ChildSaInfo& child : pair.children(pair.a)) pair.command_a(RekeyChild{child.id});
  pair.settle();
  EXPECT_EQ(pair.children(pair.a).size(), 1u);
  EXPECT_TRUE(pair.is_up());
}

TEST(ChildRekey, lingering_sas_have_a_limit) {
  EndpointConfig config = test_config();
  config.limits.replaced_lingering_max = 1;
  Collision pair{config};
  for (int i = 0; i < 4; ++i) {
    pair.rekey_child_a();
    pair.finish();
    EXPECT_LE(pair.a.live().size(), 2u);
    EXPECT_LE(pair.b.live().size(), 2u);
  }
}

//= rfc7296#2.8.1-1 type=test
TEST(ChildRekey, soft_lifetimes_differ_by_chance_and_hard_ones_do_not) {
  std::vector<base::Duration> soft;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Pair pair{test_config(), seed};
    ConnectionConfig connection = make_connection(end_a, end_b);
    connection.children.front().lifetime.soft_time = 1000s;
    connection.children.front().lifetime.hard_time = 1250s;
    pair.a.set(std::move(connection));
    bring_up(pair);
    const policy::Lifetime& lifetime = pair.a.live().at(0)->lifetime;
    EXPECT_EQ(lifetime.hard_time, base::Duration{1250s});
    EXPECT_GT(*lifetime.soft_time, 900s - 1ns);
    EXPECT_LE(*lifetime.soft_time, 1000s);
    soft.push_back(*lifetime.soft_time);
  }
  EXPECT_GT(std::set<base::Duration>(soft.begin(), soft.end()).size(), 3u);
}

}  // namespace
}  // namespace caponier::ike::test
