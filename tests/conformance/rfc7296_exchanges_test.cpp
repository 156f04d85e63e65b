// RFC 7296 section 1: which exchange may come when, and what belongs into it.

#include "conformance/conversation.h"

namespace caponier::ike::test {
namespace {

//= rfc7296#1-1 rfc7296#1.4-1 type=test
TEST(ExchangeOrder, nothing_but_ike_auth_is_heard_before_the_peer_is_authenticated) {
  for (const auto exchange : {ExchangeType::create_child_sa, ExchangeType::informational}) {
    Pair pair;
    std::optional<Datagram> held;
    pair.filter = [&](Datagram& datagram) {
      if (datagram.header().exchange != ExchangeType::ike_auth) return true;
      held = datagram;
      return false;
    };
    pair.initiate_a();
    pair.run();
    ASSERT_TRUE(held.has_value());
    pair.filter = nullptr;
    Forger forger = forger_of(pair.a);
    EXPECT_TRUE(sent_by_b(pair, forger.request(exchange, 1, {delete_ike()})).empty());
    EXPECT_EQ(pair.b.endpoint.half_open_count(), 1u);
    pair.wire.push_back(*held);
    pair.run();
    EXPECT_TRUE(pair.is_up()) << "Message ID 1 was not used up";
  }
}

//= rfc7296#1.4-1 type=test
TEST(ExchangeOrder, an_unprotected_delete_is_neither_obeyed_nor_answered) {
  Pair pair;
  bring_up(pair);
  wire::IkeMessage message;
  message.header = forger_of(pair.a).header(ExchangeType::informational, 2);
  message.payloads = {delete_ike()};
  EXPECT_TRUE(sent_by_b(pair, *message.encode()).empty());
  EXPECT_TRUE(pair.is_up());
}

//= rfc7296#1.2-4..5 type=test
//= rfc7296#3.3.6-9..10 type=test
TEST(WrongGroup, the_second_request_proposes_everything_again_with_the_right_group) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.offers = {ike_offer("aes256gcm16-prfsha384-ecp256")};
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  const auto requests = said(pair, true, ExchangeType::ike_sa_init);
  ASSERT_EQ(requests.size(), 2u);
  const auto first = decoded(requests[0].message).payloads;
  const auto second = decoded(requests[1].message).payloads;
  EXPECT_EQ(*wire::find<wire::SaPayload>(first), *wire::find<wire::SaPayload>(second));
  EXPECT_EQ(wire::find<wire::KePayload>(first)->group, 31u);
  EXPECT_EQ(wire::find<wire::KePayload>(second)->group, 19u);
}

/// Is the KE payload's group among those the SA payload of the same message offers?
bool is_group_offered(const Payloads& payloads) {
  const auto* const sa = wire::find<wire::SaPayload>(payloads);
  const auto* const ke = wire::find<wire::KePayload>(payloads);
  if (sa == nullptr || ke == nullptr) return false;
  return std::ranges::any_of(sa->proposals, [&](const wire::Proposal& proposal) {
    return std::ranges::find(proposal.transforms,
                             wire::make_transform(wire::TransformType::ke, ke->group)) !=
           proposal.transforms.end();
  });
}

//= rfc7296#1.3-4..5 rfc7296#3.4-2 type=test
TEST(KeyExchangeGroup, of_every_ke_payload_we_send_is_offered_in_the_same_message) {
  Pair pair;
  configure_second_child(pair, "aes256gcm16-x25519-ecp256", "aes256gcm16-ecp256");
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(is_group_offered(decoded(pair.sent.at(0).message).payloads));
  pair.command_a(InitiateChild{"to-b.example", "second"});
  pair.run();
  ASSERT_EQ(pair.a.live().size(), 2u);
  Forger forger = forger_of(pair.a);
  const auto requests = said(pair, true, ExchangeType::create_child_sa);
  ASSERT_EQ(requests.size(), 2u);
  const Payloads first = forger.open(requests[0].message);
  const Payloads second = forger.open(requests[1].message);
  EXPECT_TRUE(is_group_offered(first));
  EXPECT_TRUE(is_group_offered(second));
  EXPECT_EQ(wire::find<wire::KePayload>(second)->group, 19u);
}

//= rfc7296#3.4-3 type=test
TEST(KeyExchangeGroup, no_ke_payload_is_sent_where_no_group_is_offered) {
  Pair pair;
  configure_second_child(pair, "aes256gcm16-modpnone", "aes256gcm16-modpnone");
  bring_up(pair);
  pair.command_a(InitiateChild{"to-b.example", "second"});
  pair.run();
  ASSERT_EQ(pair.a.live().size(), 2u);
  Forger forger = forger_of(pair.a);
  for (const Datagram& datagram : said(pair, true, ExchangeType::create_child_sa)) {
    EXPECT_EQ(wire::find<wire::KePayload>(forger.open(datagram.message)), nullptr);
  }
}

//= rfc7296#1.3-6 rfc7296#3.4-4 type=test
TEST(KeyExchangeGroup, another_than_the_one_selected_is_refused_naming_ours) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.children.front().offers = {esp_offer("aes256gcm16-x25519")};
  pair.b.set(at_b);
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const auto ke = wire::KePayload{19, public_value(crypto::KeGroup::ecp_256)};
  const Payloads answer =
      answer_of_b(pair, forger,
                  forger.request(ExchangeType::create_child_sa, 2,
                                 child_request("aes256gcm16-ecp256-x25519", {}, {ke})));
  const auto* const notify = wire::find_notify(answer, NotifyType::invalid_ke_payload);
  ASSERT_NE(notify, nullptr);
  EXPECT_EQ(notify->data, (ByteVec{std::byte{0}, std::byte{31}}));
  EXPECT_EQ(wire::find<wire::SaPayload>(answer), nullptr);
  EXPECT_EQ(pair.b.live().size(), 1u);
}

//= rfc7296#1.3.1-1..2 type=test
TEST(TransportMode, asked_for_and_accepted_is_confirmed_in_the_response) {
  Pair pair;
  configure_transport_mode(pair);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  Forger forger = forger_of(pair.a);
  const auto answer = forger.open(said(pair, false, ExchangeType::ike_auth).at(0).message);
  EXPECT_NE(wire::find_notify(answer, NotifyType::use_transport_mode), nullptr);
}

//= rfc7296#1.3.1-3 type=test
TEST(TransportMode, that_the_responder_did_not_confirm_is_deleted_by_the_initiator) {
  Pair pair;
  configure_transport_mode(pair);
  edit_first(pair, false, ExchangeType::ike_auth, [](Payloads& payloads) {
    std::erase_if(payloads, [](const wire::Payload& payload) {
      const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
      return notify != nullptr && notify->type == NotifyType::use_transport_mode;
    });
  });
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.a.record.installs.empty());
  EXPECT_EQ(pair.b.record.installs.size(), 1u);
  EXPECT_TRUE(pair.b.live().empty()) << "A's DELETE took it down";
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
}

//= rfc7296#1.3.2-1 rfc7296#2.18-1 type=test
TEST(IkeRekeyRequest, without_ke_payload_makes_no_ike_sa) {
  Pair pair;
  bring_up(pair);
  Payloads request = ike_rekey_request();
  request.pop_back();
  Forger forger = forger_of(pair.a);
  const Payloads answer =
      answer_of_b(pair, forger, forger.request(ExchangeType::create_child_sa, 2, request));
  EXPECT_EQ(wire::find<wire::SaPayload>(answer), nullptr);
  ASSERT_FALSE(answer.empty());
  EXPECT_TRUE(std::holds_alternative<wire::NotifyPayload>(answer.front()));
  EXPECT_LE(pair.b.endpoint.snapshot().size(), 1u);
}

//= rfc7296#2.18-2 type=test
TEST(IkeRekeyRequest, that_offers_no_key_exchange_is_refused) {
  Pair pair;
  bring_up(pair);
  Payloads request = ike_rekey_request();
  for (auto& transform : std::get<wire::SaPayload>(request.front()).proposals.front().transforms) {
    if (transform.type == wire::TransformType::ke) transform.id = 0;
  }
  Forger forger = forger_of(pair.a);
  const Payloads answer =
      answer_of_b(pair, forger, forger.request(ExchangeType::create_child_sa, 2, request));
  EXPECT_NE(wire::find_notify(answer, NotifyType::no_proposal_chosen), nullptr);
  EXPECT_EQ(pair.b.endpoint.snapshot().size(), 1u);
}

//= rfc7296#1.4-2 type=test
TEST(ControlMessages, that_end_an_ike_sa_are_sent_under_that_ike_sa) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  pair.command_b(DeleteIke{"to-a.example"});
  const auto requests = said(pair, false, ExchangeType::informational);
  ASSERT_EQ(requests.size(), 1u);
  const Payloads payloads = forger.open(requests[0].message);
  ASSERT_EQ(payloads.size(), 1u);
  EXPECT_EQ(std::get<wire::DeletePayload>(payloads.front()), delete_ike());
}

//= rfc7296#1.4-3 type=test
TEST(ControlMessages, about_a_child_go_under_the_successor_of_its_ike_sa) {
  Pair pair;
  bring_up(pair);
  Forger old = forger_of(pair.a);
  pair.inject(true, old.request(ExchangeType::create_child_sa, 2, ike_rekey_request()));
  pair.inject(true, old.request(ExchangeType::informational, 3, {delete_ike()}));
  ASSERT_EQ(pair.b.ike_count(IkeState::established), 1u);
  const base::Spi spi = pair.b.live().at(0)->spi_in;
  pair.sent.clear();
  pair.command_b(DeleteChild{child_of(pair.b)});
  const auto requests = said(pair, false, ExchangeType::informational);
  ASSERT_EQ(requests.size(), 1u);
  const Payloads payloads = forger_of(pair.b).open(requests[0].message);
  ASSERT_EQ(payloads.size(), 1u);
  EXPECT_EQ(std::get<wire::DeletePayload>(payloads.front()), delete_child(spi));
}

//= rfc7296#1.4-4..6 rfc7296#4-5 type=test
TEST(Informational, an_empty_request_gets_an_empty_response_with_its_message_id) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const auto messages = sent_by_b(pair, forger.request(ExchangeType::informational, 2, {}));
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(decoded(messages[0]).header.message_id.value, 2u);
  EXPECT_TRUE(decoded(messages[0]).header.is_response());
  EXPECT_TRUE(forger.open(messages[0]).empty());
}

//= rfc7296#1.4-4 type=test
TEST(Informational, of_payloads_that_mean_nothing_there_is_answered_too) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const Payloads odd{notify_of(NotifyType{16999}), wire::VendorIdPayload{ByteVec(8)},
                     wire::UnknownPayload{PayloadType{201}, false, ByteVec(3)},
                     wire::ConfigPayload{1, {}}};
  EXPECT_EQ(sent_by_b(pair, forger.request(ExchangeType::informational, 2, odd)).size(), 1u);
  EXPECT_TRUE(pair.is_up());
}

//= rfc7296#1.4.1-4..5 rfc7296#2.25.1-4 type=test
TEST(CrossingDeletes, of_one_child_are_answered_without_delete_payloads) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  pair.command_a(DeleteChild{child_of(pair.a)});
  pair.command_b(DeleteChild{child_of(pair.b)});
  pair.run();
  std::size_t responses = 0;
  for (const Datagram& datagram : pair.sent) {
    if (!datagram.header().is_response()) continue;
    ++responses;
    EXPECT_EQ(wire::find<wire::DeletePayload>(forger.open(datagram.message)), nullptr);
  }
  EXPECT_EQ(responses, 2u);
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_TRUE(pair.b.live().empty());
  EXPECT_EQ(pair.a.record.removals.size(), 1u);
}

//= rfc7296#2.25.1-6 type=test
TEST(Deletes, of_a_child_that_does_not_exist_are_answered_without_delete_payload) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const Payloads answer = answer_of_b(
      pair, forger,
      forger.request(ExchangeType::informational, 2, {delete_child(base::Spi{0x12345678})}));
  EXPECT_TRUE(answer.empty());
  EXPECT_TRUE(pair.is_up());
}

//= rfc7296#1.4.1-6 type=test
TEST(Deletes, half_closed_children_stay_until_the_peer_confirms) {
  Pair pair;
  bring_up(pair);
  const policy::ChildSaId child = child_of(pair.b);
  pair.filter = [](Datagram&) { return false; };
  pair.command_b(DeleteChild{child});
  pair.advance(3s);
  EXPECT_TRUE(pair.b.record.removals.empty()) << "B has asked, A has not answered";
  pair.filter = nullptr;
  pair.advance(30s);
  EXPECT_EQ(pair.b.record.removals, std::vector{child});
}

//= rfc7296#1.5-3 rfc7296#2.21.4-5 type=test
TEST(OutsideAnIkeSa, a_report_of_an_invalid_spi_is_not_answered_and_changes_nothing) {
  Pair pair;
  bring_up(pair);
  wire::NotifyPayload report = notify_of(NotifyType::invalid_spi);
  report.data = octets_of(pair.a.live().at(0)->spi_out);
  wire::IkeMessage message;
  message.header.exchange = ExchangeType::informational;
  message.payloads = {report};
  message.header.flags = wire::IkeHeader::flag_initiator;
  for (const bool names_the_sa : {false, true}) {
    if (names_the_sa) {
      message.header.spi_i = pair.b.endpoint.snapshot().at(0).spi_i;
      message.header.spi_r = pair.b.endpoint.snapshot().at(0).spi_r;
    }
    for (const auto& answer : sent_by_b(pair, *message.encode())) {
      EXPECT_FALSE(decoded(answer).header.is_response());
    }
    EXPECT_TRUE(pair.is_up());
  }
}

//= rfc7296#2.21.4-1 rfc7296#3.1-11 type=test
TEST(OutsideAnIkeSa, a_response_with_unknown_spis_is_not_answered) {
  Pair pair;
  bring_up(pair);
  wire::IkeMessage message;
  message.header = forger_of(pair.a).header(ExchangeType::informational, 0);
  message.header.spi_r.value ^= 1;
  message.header.flags |= wire::IkeHeader::flag_response;
  EXPECT_TRUE(sent_by_b(pair, *message.encode()).empty());
  EXPECT_GE(pair.b.endpoint.drops()[DropReason::ike_unknown_spi], 1u);
}

//= rfc7296#2.21.4-9 type=test
TEST(OutsideAnIkeSa, a_protected_report_of_a_suspicious_message_changes_no_sa) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  wire::NotifyPayload report = notify_of(NotifyType::invalid_spi);
  report.data = octets_of(pair.b.live().at(0)->spi_out);
  const Payloads answer =
      answer_of_b(pair, forger, forger.request(ExchangeType::informational, 2, {report}));
  EXPECT_TRUE(answer.empty());
  EXPECT_TRUE(pair.is_up());
}

//= rfc7296#2.21.2-4 type=test
TEST(AuthResponse, that_refuses_only_the_child_leaves_the_authentication_standing) {
  for (const NotifyType error :
       {NotifyType::no_proposal_chosen, NotifyType::ts_unacceptable, NotifyType::failed_cp_required,
        NotifyType::internal_address_failure}) {
    Pair pair;
    edit_first(pair, false, ExchangeType::ike_auth, [error](Payloads& payloads) {
      std::erase_if(payloads, [](const wire::Payload& payload) {
        const PayloadType type = wire::type_of(payload);
        return type == PayloadType::sa || type == PayloadType::ts_i || type == PayloadType::ts_r;
      });
      payloads.emplace_back(notify_of(error));
    });
    pair.initiate_a();
    pair.run();
    EXPECT_EQ(pair.a.state(), IkeState::established);
    EXPECT_TRUE(pair.a.record.installs.empty());
    ASSERT_EQ(pair.a.record.child_downs.size(), 1u);
  }
}

//= rfc7296#3.10.1-1 type=test
TEST(UnknownErrors, in_a_response_fail_the_request) {
  Pair pair;
  configure_second_child(pair, "aes256gcm16", "aes256gcm16");
  bring_up(pair);
  edit_first(pair, false, ExchangeType::create_child_sa,
             [](Payloads& payloads) { payloads = {notify_of(NotifyType{8191})}; });
  pair.command_a(InitiateChild{"to-b.example", "second"});
  pair.run();
  EXPECT_EQ(pair.a.record.installs.size(), 1u);
  ASSERT_EQ(pair.a.record.child_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.child_downs.at(0).reason, EndReason::peer_refused);
}

//= rfc7296#3.10.1-2 type=test
TEST(UnknownErrors, in_a_request_are_ignored) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const Payloads answer = answer_of_b(
      pair, forger, forger.request(ExchangeType::informational, 2, {notify_of(NotifyType{8191})}));
  EXPECT_TRUE(answer.empty());
  const Payloads child =
      answer_of_b(pair, forger,
                  forger.request(ExchangeType::create_child_sa, 3,
                                 child_request("aes256gcm16", {notify_of(NotifyType{8191})})));
  EXPECT_NE(wire::find<wire::SaPayload>(child), nullptr);
}

//= rfc7296#3.10.1-4 type=test
TEST(UnknownErrors, of_ours_are_called_invalid_syntax) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const Payloads answer =
      answer_of_b(pair, forger,
                  forger.raw_request(ExchangeType::informational, 2, PayloadType::notify,
                                     raw_payload(PayloadType::none, ByteVec(3))));
  EXPECT_NE(wire::find_notify(answer, NotifyType::invalid_syntax), nullptr);
}

}  // namespace
}  // namespace caponier::ike::test
