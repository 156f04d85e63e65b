// RFC 7296 sections 2 to 2.4: sizes, ports, retransmission, windows, and what ends an IKE SA.

#include "conformance/conversation.h"

namespace caponier::ike::test {
namespace {

/// Where the sentences speak of a window of one.
EndpointConfig window_of_one() {
  EndpointConfig config = test_config();
  config.limits.peer_window_size = 1;
  return config;
}

//= rfc7296#2-1 type=test
TEST(MessageSize, of_3000_octets_is_received_and_processed_in_every_exchange) {
  Pair pair;
  const wire::VendorIdPayload filler{ByteVec(2900)};
  pair.filter = [&](Datagram& datagram) {
    if (!datagram.to_b || datagram.header().exchange != ExchangeType::ike_auth) return true;
    Forger forger = forger_of(pair.a);
    Payloads payloads = forger.open(datagram.message);
    payloads.emplace_back(filler);
    datagram.message = forger.seal(datagram.header(), payloads);
    EXPECT_GE(datagram.message.size(), 3000u);
    return true;
  };
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.filter = nullptr;
  Forger forger = forger_of(pair.a);
  EXPECT_TRUE(
      answer_of_b(pair, forger, forger.request(ExchangeType::informational, 2, {filler})).empty());
  const Payloads child = answer_of_b(
      pair, forger,
      forger.request(ExchangeType::create_child_sa, 3, child_request("aes256gcm16", {filler})));
  EXPECT_NE(wire::find<wire::SaPayload>(child), nullptr);
}

//= rfc7296#2-1 type=test
TEST(MessageSize, of_an_ike_sa_init_may_be_3000_octets) {
  Pair pair;
  pair.initiate_a();
  wire::IkeMessage message = decoded(pair.sent.at(0).message);
  pair.wire.clear();
  message.payloads.emplace_back(wire::VendorIdPayload{ByteVec(2900)});
  const auto answers = sent_by_b(pair, *message.encode());
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(wire::find<wire::SaPayload>(decoded(answers[0]).payloads), nullptr);
}

//= rfc7296#2-3 type=test
TEST(Port4500, every_ike_message_from_it_begins_with_four_zeros_and_none_from_500_does) {
  Pair pair;
  configure_nat(pair);
  pair.initiate_a();
  pair.advance(60s);
  std::size_t marked = 0;
  for (const Side* side : {&pair.a, &pair.b}) {
    for (const Transmit& transmit : side->record.transmits) {
      if (transmit.datagram.size() < 5) continue;  // a NAT keepalive
      const bool has_marker = base::load_be<std::uint32_t>(transmit.datagram.data()) == 0;
      EXPECT_EQ(has_marker, transmit.path.local.port == 4500);
      if (has_marker) ++marked;
    }
  }
  EXPECT_GE(marked, 4u);
}

//= rfc7296#2.1-1 type=test
TEST(Retransmission, a_responder_repeats_nothing_of_its_own_accord) {
  Pair pair;
  pair.initiate_a();
  const Datagram request = pair.wire.front();
  pair.wire.clear();
  pair.filter = [](Datagram&) { return false; };
  EXPECT_EQ(sent_by_b(pair, request.message).size(), 1u);
  pair.advance(29s);
  EXPECT_EQ(said(pair, false, ExchangeType::ike_sa_init).size(), 1u);
}

//= rfc7296#2.1-2 rfc7296#2.1-4 rfc7296#2.3-8 type=test
TEST(Retransmission, a_repeated_request_is_answered_the_same_until_the_next_one_came) {
  Pair pair{window_of_one()};
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const ByteVec request =
      forger.request(ExchangeType::create_child_sa, 2, child_request("aes256gcm16"));
  const auto first = sent_by_b(pair, request);
  ASSERT_EQ(first.size(), 1u);
  pair.wire.clear();
  pair.now = pair.now + 20s;
  EXPECT_EQ(sent_by_b(pair, request), first);
  EXPECT_EQ(pair.b.record.installs.size(), 2u) << "one child of the handshake, one of the request";
  ASSERT_EQ(sent_by_b(pair, forger.request(ExchangeType::informational, 3, {})).size(), 1u);
  EXPECT_TRUE(sent_by_b(pair, request).empty());
}

//= rfc7296#2.1-7 rfc7296#2.2-1 rfc7296#2.3-7 type=test
TEST(Retransmission, of_a_request_is_bitwise_the_same) {
  Pair pair;
  pair.filter = [](Datagram&) { return false; };
  pair.initiate_a();
  pair.advance(20s);
  const auto requests = said(pair, true, ExchangeType::ike_sa_init);
  ASSERT_GE(requests.size(), 4u);
  for (const Datagram& request : requests) EXPECT_EQ(request.message, requests[0].message);

  Pair established;
  bring_up(established);
  established.filter = [](Datagram&) { return false; };
  established.command_a(CheckLiveness{"to-b.example"});
  established.advance(20s);
  const auto checks = said(established, true, ExchangeType::informational);
  ASSERT_GE(checks.size(), 4u);
  for (const Datagram& check : checks) EXPECT_EQ(check.message, checks[0].message);
}

//= rfc7296#2.4-8 type=test
TEST(Retransmission, waits_grow_exponentially) {
  Pair pair;
  std::vector<base::Instant> at;
  pair.filter = [&](Datagram& datagram) {
    if (datagram.to_b) at.push_back(pair.now);
    return false;
  };
  pair.initiate_a();
  pair.advance(300s);
  ASSERT_GE(at.size(), 5u);
  for (std::size_t i = 2; i < at.size(); ++i) {
    const auto earlier = at[i - 1] - at[i - 2];
    const auto later = at[i] - at[i - 1];
    EXPECT_GE(later.count() * 10, earlier.count() * 13) << "transmission " << i;
  }
}

//= rfc7296#2.3-2 rfc7296#2.3-5..6 type=test
TEST(Window, of_one_lets_the_second_request_wait_for_the_first_response) {
  Pair pair{window_of_one()};
  configure_second_child(pair, "aes256gcm16", "aes256gcm16");
  bring_up(pair);
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.command_a(InitiateChild{"to-b.example", "second"});
  pair.command_a(DeleteChild{child_of(pair.a)});
  EXPECT_EQ(pair.sent.size(), 1u);
  std::uint32_t next = pair.sent.at(0).header().message_id.value;
  pair.filter = [&](Datagram& datagram) {
    if (datagram.to_b && !datagram.header().is_response()) {
      EXPECT_EQ(datagram.header().message_id.value, next + 1) << "in order";
      EXPECT_TRUE(std::ranges::any_of(pair.sent, [&](const Datagram& d) {
        return !d.to_b && d.header().is_response() && d.header().message_id.value == next;
      })) << "no request before the response to the one before";
      ++next;
    }
    return true;
  };
  pair.run();
  EXPECT_EQ(said(pair, true, ExchangeType::create_child_sa).size(), 1u);
  EXPECT_EQ(pair.a.live().size(), 1u);
}

//= rfc7296#2.3-4 type=test
TEST(Window, a_request_is_processed_while_one_of_ours_is_outstanding) {
  Pair pair;
  bring_up(pair);
  pair.filter = [](Datagram& datagram) { return !datagram.to_b; };
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.filter = [](Datagram& datagram) {
    return datagram.header().is_response() || !datagram.to_b;
  };
  pair.command_b(CheckLiveness{"to-a.example"});
  pair.run();
  EXPECT_EQ(std::ranges::count_if(pair.sent,
                                  [](const Datagram& d) {
                                    return d.to_b && is_response(d, ExchangeType::informational);
                                  }),
            1);
}

//= rfc7296#2.3-9..10 type=test
TEST(Window, message_ids_outside_it_are_not_acknowledged) {
  Pair pair{window_of_one()};
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  for (const std::uint32_t id : {0U, 3U, 4U, 1000U, 0x7fffffffU, 0xffffffffU}) {
    // One request of its own about it may follow (INVALID_MESSAGE_ID), never a response.
    for (const ByteVec& sent :
         sent_by_b(pair, forger.request(ExchangeType::informational, id, {delete_ike()}))) {
      base::Reader in{sent};
      EXPECT_FALSE(wire::IkeHeader::decode(in).value().is_response()) << id;
    }
  }
  EXPECT_TRUE(pair.is_up());
  EXPECT_EQ(sent_by_b(pair, forger.request(ExchangeType::informational, 2, {})).size(), 1u);
}

//= rfc7296#2.4-3 type=test
TEST(InitialContact, is_sent_in_the_first_ike_auth_request_and_only_there) {
  Pair pair;
  bring_up(pair);
  Pair again;
  again.initiate_a();
  again.run();
  Forger forger = forger_of(again.a);
  const auto auth = said(again, true, ExchangeType::ike_auth);
  ASSERT_EQ(auth.size(), 1u);
  EXPECT_NE(wire::find_notify(forger.open(auth[0].message), NotifyType::initial_contact), nullptr);
  again.sent.clear();
  again.command_a(CheckLiveness{"to-b.example"});
  again.run();
  for (const Datagram& datagram : again.sent) {
    EXPECT_EQ(wire::find_notify(forger.open(datagram.message), NotifyType::initial_contact),
              nullptr);
  }
}

//= rfc7296#2.4-1 type=test
TEST(InitialContact, in_a_later_message_deletes_nothing) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  pair.inject(true, forger.request(ExchangeType::informational, 2,
                                   {notify_of(NotifyType::initial_contact)}));
  EXPECT_TRUE(pair.is_up());
}

//= rfc7296#2.4-4 rfc7296#2.4-7 rfc7296#2.21.4-6 type=test
TEST(UnprotectedMessages, by_the_thousand_make_one_question_to_the_peer) {
  Pair pair;
  bring_up(pair);
  wire::IkeMessage message;
  message.header = forger_of(pair.a).header(ExchangeType::informational, 0);
  message.header.flags |= wire::IkeHeader::flag_response;
  message.payloads = {notify_of(NotifyType::invalid_ike_spi)};
  const ByteVec forged = *message.encode();
  for (int i = 0; i < 1000; ++i) {
    message.header.message_id.value = static_cast<std::uint32_t>(i % 4);
    pair.inject(true, *message.encode());
    pair.inject(true, forged);
  }
  EXPECT_LE(pair.sent.size(), 1u) << "at most one liveness check is under way";
  EXPECT_LE(pair.b.record.events.size(), 40u);
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

//= rfc7296#2.4-4..5 type=test
TEST(UnprotectedMessages, and_refusals_do_not_end_an_attempt_before_the_peer_had_its_time) {
  Pair pair;
  std::optional<Datagram> request;
  pair.filter = [&](Datagram& datagram) {
    request = datagram;
    return false;
  };
  pair.initiate_a();
  ASSERT_TRUE(request.has_value());
  wire::IkeMessage refusal;
  refusal.header = request->header();
  refusal.header.flags = wire::IkeHeader::flag_response;
  refusal.payloads = {notify_of(NotifyType::no_proposal_chosen)};
  pair.inject(false, *refusal.encode());
  refusal.payloads = {notify_of(NotifyType::authentication_failed)};
  pair.inject(false, *refusal.encode());
  EXPECT_TRUE(pair.a.record.ike_downs.empty());
  pair.filter = nullptr;
  pair.wire.push_back(*request);
  pair.run();
  EXPECT_TRUE(pair.is_up()) << "the true answer came in time";
}

}  // namespace
}  // namespace caponier::ike::test
