// Orders of messages that other implementations found worth a test, as far as the tests of rekeying
// and deletion beside this file do not have them already. docs/conformance/cases.txt lists all.

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

/// The oldest message of this kind on the wire, taken off it.
Datagram hold(Pair& pair, bool to_b, ExchangeType exchange, bool is_response) {
  const auto found = std::ranges::find_if(pair.wire, [&](const Datagram& datagram) {
    const wire::IkeHeader header = datagram.header();
    return datagram.to_b == to_b && header.exchange == exchange &&
           header.is_response() == is_response;
  });
  if (found == pair.wire.end()) {
    ADD_FAILURE() << "there is none";
    return {};
  }
  Datagram datagram = std::move(*found);
  pair.wire.erase(found);
  return datagram;
}
Datagram hold_answer_to_a(Pair& pair) {
  return hold(pair, false, ExchangeType::create_child_sa, true);
}
Datagram hold_deletion_to_a(Pair& pair) {
  return hold(pair, false, ExchangeType::informational, false);
}

/// Whatever came of it, both ends know of the same Child SAs, of one at most, in one IKE SA.
void expect_agreement(const Collision& pair) {
  const auto at_a = pair.children(pair.a);
  const auto at_b = pair.children(pair.b);
  ASSERT_EQ(at_a.size(), at_b.size());
  ASSERT_LE(at_a.size(), 1u);
  EXPECT_EQ(pair.a.live().size(), at_a.size());
  EXPECT_EQ(pair.b.live().size(), at_b.size());
  EXPECT_TRUE(at_a.empty() || pair.is_up());
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
}

/// Both have rekeyed; B has A's answer and acts on it, A still waits for B's.
Datagram collide_with_late_answer(Collision& pair) {
  pair.rekey_child_a();
  pair.rekey_child_b();
  pair.next_to_b();
  pair.next_to_a();
  Datagram late = hold_answer_to_a(pair);
  pair.finish();
  return late;
}

// ---- A Child SA is rekeyed by both

TEST(ChildRekeyCollision, an_answer_that_comes_after_the_peers_deletion_changes_nothing) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    const Datagram late = collide_with_late_answer(pair);
    pair.deliver(late);
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
    expect_agreement(pair);
  }
}

TEST(ChildRekeyCollision, an_answer_about_an_sa_that_is_deleted_meanwhile_makes_none) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    pair.expects_traffic = false;
    const Datagram late = collide_with_late_answer(pair);
    pair.command_b(DeleteChild{pair.children(pair.b).back().id});
    pair.finish();
    pair.deliver(late);
    pair.settle();
    expect_agreement(pair);
  }
}

TEST(ChildRekeyCollision, a_loser_that_deletes_what_is_not_its_to_delete_does_no_harm) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    pair.expects_traffic = false;
    pair.rekey_child_a();
    pair.rekey_child_b();
    const auto old = pair.child_of(pair.b);
    pair.next_to_b();
    pair.next_to_a();
    const Datagram late = hold_answer_to_a(pair);
    pair.next_to_b();
    pair.command_b(DeleteChild{old});
    pair.finish();
    pair.deliver(late);
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
    expect_agreement(pair);
  }
}

TEST(ChildRekeyCollision, a_refusal_for_the_time_being_may_come_before_the_deletion) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    pair.rekey_child_a();
    const Datagram late = hold(pair, true, ExchangeType::create_child_sa, false);
    pair.rekey_child_b();
    pair.next_to_a();
    pair.next_to_b();
    const Datagram deletion = hold_deletion_to_a(pair);
    pair.deliver(late);
    EXPECT_TRUE(pair.has_sent(false, NotifyType::temporary_failure));
    pair.finish();
    pair.deliver(deletion);
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
    expect_agreement(pair);
  }
}

TEST(ChildRekeyCollision, a_request_that_comes_when_even_the_new_sa_is_gone_finds_nothing) {
  Collision pair;
  pair.expects_traffic = false;
  pair.rekey_child_a();
  const Datagram late = hold(pair, true, ExchangeType::create_child_sa, false);
  pair.rekey_child_b();
  pair.finish();
  pair.command_b(DeleteChild{pair.children(pair.b).back().id});
  pair.finish();
  pair.deliver(late);
  EXPECT_TRUE(pair.has_sent(false, NotifyType::child_sa_not_found));
  pair.settle();
  expect_agreement(pair);
}

/// A pair whose sides want different groups first, and agree on a third.
struct Groups : Pair {
  explicit Groups(std::uint64_t seed) : Pair(test_config(), seed) {
    ConnectionConfig of_a = make_connection(end_a, end_b);
    of_a.children.front().offers = {esp_offer("aes256gcm16-x25519-ecp256")};
    a.set(std::move(of_a));
    ConnectionConfig of_b = make_connection(end_b, end_a);
    of_b.children.front().offers = {esp_offer("aes256gcm16-ecp384-ecp256")};
    b.set(std::move(of_b));
    initiate_a();
    run();
    EXPECT_TRUE(is_up());
    sent.clear();
    command_a(RekeyChild{a.live().at(0)->id});
    command_b(RekeyChild{b.live().at(0)->id});
  }
  void deliver_front() {
    const Datagram next = wire.front();
    wire.pop_front();
    deliver(next);
  }
};

TEST(ChildRekeyCollision, of_two_that_both_asked_for_a_wrong_group_ends_as_any) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Groups pair{seed};
    pair.run();
    pair.advance(60s);
    EXPECT_TRUE(pair.is_up()) << seed;
    EXPECT_EQ(pair.a.live().at(0)->suite.ke, crypto::KeGroup::ecp_256);
    EXPECT_EQ(pair.a.record.child_ups.size(), pair.a.record.child_downs.size() + 1);
  }
}

TEST(ChildRekeyCollision, a_second_try_with_another_group_may_come_when_all_is_over) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Groups pair{seed};
    for (int i = 0; i < 4; ++i) pair.deliver_front();  // both requests, both refusals
    const Datagram late = hold(pair, true, ExchangeType::create_child_sa, false);
    pair.run();
    pair.deliver(late);
    pair.run();
    pair.advance(60s);
    EXPECT_TRUE(pair.is_up()) << seed;
    EXPECT_EQ(pair.a.record.child_ups.size(), pair.a.record.child_downs.size() + 1);
  }
}

// ---- A Child SA is rekeyed and deleted

//= rfc7296#2.25.1-5 type=test
TEST(ChildRekeyVersusDelete, a_refusal_for_the_time_being_may_come_before_the_deletion) {
  Collision pair;
  pair.expects_traffic = false;
  pair.rekey_child_a();
  pair.delete_child_b();
  const Datagram deletion = hold_deletion_to_a(pair);
  pair.finish();
  EXPECT_TRUE(pair.has_sent(false, NotifyType::temporary_failure));
  pair.deliver(deletion);
  Forger forger{pair.a.record.keys.at(0)};
  const auto answer = forger.open(pair.sent.back().message);
  EXPECT_NE(wire::find<wire::DeletePayload>(answer), nullptr);
  pair.settle();
  EXPECT_TRUE(pair.children(pair.a).empty());
  expect_agreement(pair);
}

TEST(ChildRekeyVersusDelete, the_new_sa_may_be_deleted_by_either_side_before_the_old_one_is) {
  for (const bool by_a : {true, false}) {
    Collision pair;
    pair.expects_traffic = false;
    pair.rekey_child_a();
    pair.next_to_b();
    pair.next_to_a();
    const Side& deleter = by_a ? pair.a : pair.b;
    const DeleteChild deletion{pair.children(deleter).back().id};
    by_a ? pair.command_a(deletion) : pair.command_b(deletion);
    pair.settle();
    expect_agreement(pair);
  }
}

TEST(ChildRekeyVersusDelete, the_deletion_of_the_new_sa_may_overtake_the_answer_that_makes_it) {
  Collision pair;
  pair.expects_traffic = false;
  pair.rekey_child_a();
  pair.next_to_b();
  const Datagram late = hold_answer_to_a(pair);
  pair.command_b(DeleteChild{pair.children(pair.b).back().id});
  pair.finish();
  pair.deliver(late);
  EXPECT_TRUE(pair.carries_both_ways()) << "the old one is still there";
  pair.settle();
  expect_agreement(pair);
}

TEST(ChildDelete, of_an_sa_that_is_not_made_yet_undoes_its_making) {
  for (const unsigned strangers : {0U, 40U}) {
    Collision pair;
    pair.expects_traffic = false;
    pair.command_a(InitiateChild{peer_b, "net"});
    pair.next_to_b();
    const Datagram late = hold_answer_to_a(pair);
    Forger forger{pair.a.record.keys.at(0)};
    wire::DeletePayload unknown{wire::ProtocolId::esp, 4, {}};
    for (unsigned i = 0; i < strangers; ++i) unknown.spis.emplace_back(4, std::byte{0x77});
    wire::IkeHeader header = forger.header(ExchangeType::informational, 0);
    header.flags = 0;
    if (strangers > 0) pair.inject(false, forger.seal(header, {unknown}));
    if (strangers == 0) pair.command_b(DeleteChild{pair.children(pair.b).back().id});
    pair.finish();
    pair.deliver(late);
    pair.finish();
    EXPECT_EQ(pair.children(pair.a).size(), strangers == 0 ? 1u : 2u);
    EXPECT_EQ(pair.a.record.count(EventKind::child_failed), strangers == 0 ? 1u : 0u);
  }
}

// ---- The IKE SA is rekeyed by both

TEST(IkeRekeyCollision, an_answer_that_comes_after_the_peers_deletion_changes_nothing) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    pair.rekey_ike_a();
    pair.rekey_ike_b();
    pair.next_to_b();
    pair.next_to_a();
    const Datagram late = hold_answer_to_a(pair);
    pair.finish();
    pair.deliver(late);
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
    expect_agreement(pair);
  }
}

TEST(IkeRekeyCollision, a_refusal_for_the_time_being_may_come_before_the_deletion) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Collision pair{seed};
    pair.rekey_ike_a();
    const Datagram late = hold(pair, true, ExchangeType::create_child_sa, false);
    pair.rekey_ike_b();
    pair.next_to_a();
    pair.next_to_b();
    const Datagram deletion = hold_deletion_to_a(pair);
    pair.deliver(late);
    EXPECT_TRUE(pair.has_sent(false, NotifyType::temporary_failure));
    pair.finish();
    pair.deliver(deletion);
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
    expect_agreement(pair);
  }
}

/// Both have asked to rekey the IKE SA with a group that the other one refuses, and try again.
struct WrongGroups : Collision {
  explicit WrongGroups(std::uint64_t seed) : Collision(seed) {
    Forger forger{a.record.keys.at(0)};
    wire::NotifyPayload refusal;
    refusal.type = NotifyType::invalid_ke_payload;
    refusal.data = {std::byte{0}, std::byte{19}};
    rekey_ike_a();
    rekey_ike_b();
    std::vector<Datagram> refusals;
    for (Datagram& request : std::exchange(wire, {})) {
      wire::IkeHeader header = request.header();
      wire::IkeHeader answer = header;
      answer.flags = wire::IkeHeader::flag_response;
      if (!request.to_b) answer.flags |= wire::IkeHeader::flag_initiator;
      const base::Path back{request.path.remote, request.path.local};
      refusals.push_back({!request.to_b, back, forger.seal(answer, {refusal})});
      // The other side sees some request with this Message ID, whose answer is lost.
      header.exchange = ExchangeType::informational;
      request.message = forger.seal(header, {});
      deliver(request);
      wire.clear();
    }
    sent.clear();
    for (const Datagram& datagram : refusals) deliver(datagram);
  }
};

TEST(IkeRekeyCollision, of_two_that_both_asked_for_a_wrong_group_ends_as_any) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    WrongGroups pair{seed};
    ASSERT_EQ(pair.wire.size(), 2u) << "both try again";
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
    EXPECT_EQ(pair.a.endpoint.snapshot().at(0).suite->ke, crypto::KeGroup::ecp_256);
    expect_agreement(pair);
  }
}

TEST(IkeRekeyCollision, a_second_try_with_another_group_may_come_when_all_is_over) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    WrongGroups pair{seed};
    const Datagram late = hold(pair, true, ExchangeType::create_child_sa, false);
    pair.finish();
    pair.deliver(late);
    pair.settle();
    EXPECT_TRUE(pair.is_up()) << seed;
    expect_agreement(pair);
  }
}

// ---- The IKE SA is rekeyed and deleted

//= rfc7296#2.25.2-2 type=test
TEST(IkeRekeyVersusDelete, a_refusal_for_the_time_being_may_come_before_the_deletion) {
  Collision pair;
  pair.expects_traffic = false;
  pair.rekey_ike_a();
  pair.delete_ike_b();
  const Datagram deletion = hold_deletion_to_a(pair);
  pair.finish();
  EXPECT_TRUE(pair.has_sent(false, NotifyType::temporary_failure));
  pair.deliver(deletion);
  pair.settle();
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_TRUE(pair.b.live().empty());
}

}  // namespace
}  // namespace caponier::ike::test
