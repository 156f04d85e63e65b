// RFC 7383, IKE fragmentation: what unit/ike/fragments_test.cpp does not say already.

#include "conformance/conversation.h"

namespace caponier::ike::test {
namespace {

//= rfc7383#2.3-1..3 type=test
TEST(FragmentationSupport, is_announced_by_notify_16430_without_protocol_and_spi) {
  Pair pair;
  pair.initiate_a();
  pair.run();
  for (const bool to_b : {true, false}) {
    const auto message = decoded(said(pair, to_b, ExchangeType::ike_sa_init).at(0).message);
    const auto* const notify = wire::find_notify(message.payloads, NotifyType{16430});
    ASSERT_NE(notify, nullptr);
    EXPECT_EQ(notify->protocol, ProtocolId::none);
    EXPECT_TRUE(notify->spi.empty());
    EXPECT_TRUE(notify->data.empty());
  }
}

/// Identities so long that IKE_AUTH needs fragments.
void configure_large(Pair& pair) {
  for (const bool a : {true, false}) {
    ConnectionConfig connection = make_connection(a ? end_a : end_b, a ? end_b : end_a);
    connection.own_rounds.front().identity = {wire::IdType::key_id, ByteVec(3000, std::byte{'x'})};
    connection.peer_rounds.front().identity.reset();
    (a ? pair.a : pair.b).set(connection);
  }
}

//= rfc7383#2.5.2-3 rfc7383#2.5.2-5 type=test
TEST(PathProbing, goes_from_large_to_small_and_then_on_until_the_exchange_times_out) {
  Pair pair;
  configure_large(pair);
  std::vector<std::size_t> sizes;  // of the largest fragment of each round
  pair.filter = [&](Datagram& datagram) {
    if (datagram.header().exchange != ExchangeType::ike_auth) return true;
    if (sizes.empty() || sizes.back() != datagram.message.size()) {
      const bool is_last_piece = !sizes.empty() && datagram.message.size() < sizes.back() / 2;
      if (!is_last_piece) sizes.push_back(datagram.message.size());
    }
    return false;
  };
  pair.initiate_a();
  pair.run();
  const std::size_t first_round = pair.sent.size();
  pair.advance(600s);
  ASSERT_GE(sizes.size(), 2u);
  EXPECT_GT(sizes.front(), *std::ranges::min_element(sizes));
  EXPECT_GE(pair.sent.size(), 4 * first_round) << "retransmissions went on";
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::timeout);
}

//= rfc7383#2.6.1-1 type=test
TEST(FragmentReplays, are_told_by_message_id_and_both_numbers) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const Payloads payloads{notify_of(NotifyType{40000}, ByteVec(600))};
  const auto first = forger.fragments(forger.header(ExchangeType::informational, 2), payloads, 3);
  pair.inject(true, first.at(0));
  pair.inject(true, first.at(0));
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_duplicate], 1u);
  EXPECT_TRUE(pair.sent.empty());
  pair.inject(true, first.at(1));
  pair.inject(true, first.at(2));
  EXPECT_EQ(pair.sent.size(), 1u);
  const auto second = forger.fragments(forger.header(ExchangeType::informational, 3), payloads, 3);
  for (const ByteVec& fragment : second) pair.inject(true, fragment);
  EXPECT_EQ(pair.sent.size(), 2u) << "the same numbers under the next Message ID are new";
}

}  // namespace
}  // namespace caponier::ike::test
