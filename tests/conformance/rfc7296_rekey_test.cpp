// RFC 7296 sections 1.3.3, 2.8, 2.9.2 and 2.25: what a rekey must carry, keep and leave behind.

#include "conformance/conversation.h"

namespace caponier::ike::test {
namespace {

const policy::TrafficSelectors& local_of(const Side& side) { return side.live().back()->local; }
const policy::TrafficSelectors& remote_of(const Side& side) { return side.live().back()->remote; }

//= rfc7296#1.3.3-1 rfc7296#2.9.2-2 type=test
TEST(ChildRekeyRequest, names_the_child_by_our_spi_and_asks_for_its_selectors_again) {
  Pair pair;
  ConnectionConfig at_a = make_connection(end_a, end_b);
  at_a.children.front().remote = net("10.0.0.0/8");
  pair.a.set(at_a);
  bring_up(pair);
  const base::Spi old = pair.a.live().at(0)->spi_in;
  pair.command_a(RekeyChild{child_of(pair.a)});
  const Payloads request = forger_of(pair.a).open(pair.sent.at(0).message);
  const auto* const rekey = wire::find_notify(request, NotifyType::rekey_sa);
  ASSERT_NE(rekey, nullptr);
  EXPECT_EQ(rekey->protocol, ProtocolId::esp);
  EXPECT_EQ(rekey->spi, octets_of(old));
  EXPECT_TRUE(
      policy::contains(policy::from_wire(*wire::find_ts(request, false)), net(end_b.network)));
  EXPECT_TRUE(
      policy::contains(policy::from_wire(*wire::find_ts(request, true)), net(end_a.network)));
}

//= rfc7296#2.9.2-1 rfc7296#2.9.2-3 type=test
TEST(ChildRekey, keeps_the_scope_although_the_configuration_became_narrower) {
  for (const bool by_a : {true, false}) {
    Pair pair;
    bring_up(pair);
    ConnectionConfig at_b = make_connection(end_b, end_a);
    at_b.children.front().local = net("10.2.7.0/24");
    pair.b.set(at_b);
    if (by_a) pair.command_a(RekeyChild{child_of(pair.a)});
    if (!by_a) pair.command_b(RekeyChild{child_of(pair.b)});
    pair.advance(5s);
    ASSERT_FALSE(pair.b.live().empty());
    EXPECT_TRUE(policy::contains(local_of(pair.b), net(end_b.network)));
    EXPECT_TRUE(policy::contains(remote_of(pair.a), net(end_b.network)));
  }
}

//= rfc7296#2.9.2-1 type=test
TEST(ChildRekey, that_the_responder_narrows_does_not_replace_the_child) {
  Pair pair;
  bring_up(pair);
  edit_first(pair, false, ExchangeType::create_child_sa, [](Payloads& payloads) {
    for (wire::Payload& payload : payloads) {
      auto* const ts = std::get_if<wire::TsPayload>(&payload);
      if (ts != nullptr && !ts->initiator) *ts = policy::to_wire(net("10.2.7.0/24"), false);
    }
  });
  pair.command_a(RekeyChild{child_of(pair.a)});
  pair.run();
  for (const policy::InstallSa* sa : pair.a.live()) {
    EXPECT_TRUE(policy::contains(sa->remote, net(end_b.network)));
  }
  EXPECT_FALSE(pair.a.live().empty());
}

//= rfc7296#2.8-6 type=test
TEST(IkeRekey, ends_the_old_ike_sa_with_a_delete_as_its_last_request) {
  for (const bool by_a : {true, false}) {
    Pair pair;
    bring_up(pair);
    Forger old = forger_of(pair.a);
    const base::IkeSpi old_spi = pair.a.endpoint.snapshot().at(0).spi_i;
    if (by_a) pair.command_a(RekeyIke{"to-b.example"});
    if (!by_a) pair.command_b(RekeyIke{"to-a.example"});
    pair.command_a(CheckLiveness{"to-b.example"});
    pair.command_a(RekeyChild{child_of(pair.a)});
    pair.advance(60s);
    ASSERT_EQ(pair.a.endpoint.snapshot().size(), 1u);
    Payloads last;
    for (const Datagram& datagram : pair.sent) {
      const wire::IkeHeader header = datagram.header();
      if (header.spi_i == old_spi && !header.is_response() && datagram.to_b == by_a) {
        last = old.open(datagram.message);
      }
    }
    ASSERT_EQ(last.size(), 1u);
    EXPECT_EQ(std::get<wire::DeletePayload>(last.front()), delete_ike());
  }
}

//= rfc7296#2.8.2-1 rfc7296#2.25.2-1 type=test
TEST(IkeRekey, by_both_at_once_leaves_one_ike_sa_that_has_the_children) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    Pair pair{test_config(), seed};
    bring_up(pair);
    pair.command_a(RekeyIke{"to-b.example"});
    pair.command_b(RekeyIke{"to-a.example"});
    pair.run();
    pair.advance(60s);
    EXPECT_TRUE(pair.is_up()) << seed;
    EXPECT_TRUE(pair.a.record.removals.empty()) << "the Child SA was never touched";
    ASSERT_EQ(pair.a.endpoint.snapshot().size(), 1u);
    EXPECT_EQ(pair.a.endpoint.snapshot().at(0).children.size(), 1u);
  }
}

//= rfc7296#2.25-2..3 type=test
TEST(TemporaryFailure, is_followed_by_a_pause_and_then_another_try) {
  for (const bool of_ike : {false, true}) {
    Pair pair;
    bring_up(pair);
    edit_first(pair, false, ExchangeType::create_child_sa,
               [](Payloads& payloads) { payloads = {notify_of(NotifyType::temporary_failure)}; });
    if (of_ike) pair.command_a(RekeyIke{"to-b.example"});
    if (!of_ike) pair.command_a(RekeyChild{child_of(pair.a)});
    pair.run();
    const auto tries = [&] {
      return std::ranges::count_if(said(pair, true, ExchangeType::create_child_sa),
                                   [](const Datagram& d) { return !d.header().is_response(); });
    };
    EXPECT_EQ(tries(), 1) << "not at once";
    pair.advance(500ms);
    EXPECT_EQ(tries(), 1);
    pair.advance(60s);
    EXPECT_GE(tries(), 2) << "but some time later";
  }
}

//= rfc7296#2.8-1 rfc7296#2.8-4 type=test
TEST(IkeLifetime, that_ends_without_a_rekey_closes_the_ike_sa_and_its_children) {
  Pair pair;
  for (const bool a : {true, false}) {
    ConnectionConfig connection = make_connection(a ? end_a : end_b, a ? end_b : end_a);
    connection.ike_lifetime = 100s;
    (a ? pair.a : pair.b).set(connection);
  }
  bring_up(pair);
  pair.filter = [&](Datagram& datagram) {
    if (!is_response(datagram, ExchangeType::create_child_sa)) return true;
    Forger forger{pair.a.record.keys.at(0)};
    datagram.message = forger.seal(datagram.header(), {notify_of(NotifyType::no_additional_sas)});
    return true;
  };
  pair.advance(300s);
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_TRUE(pair.b.live().empty());
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 0u);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 0u);
}

}  // namespace
}  // namespace caponier::ike::test
