// Ten rules of tolerance, each learnt from a peer in the field. One test a rule; a rule that does
// not concern IKE messages yet is tested where it lives and named here.
//
//  10 Tolerance.rule_10... in tolerance_world_test.cpp
//   6 ESP on any bound port: EspForms.*, Inbound.an_authenticated_newer_packet_from_elsewhere_...
//   8, 9 fingerprints and fallbacks per peer: not offered yet

#include "conformance/conversation.h"

namespace caponier::ike::test {
namespace {

/// What a peer may add anywhere without being refused for it.
Payloads harmless_additions() {
  Payloads additions;
  additions.emplace_back(notify_of(NotifyType{40960}, ByteVec(11)));  // private status
  additions.emplace_back(notify_of(NotifyType{16999}));               // unassigned status
  additions.emplace_back(
      notify_of(NotifyType::set_window_size,
                ByteVec{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{1}}));
  additions.emplace_back(notify_of(NotifyType::additional_ts_possible));
  additions.emplace_back(wire::VendorIdPayload{ByteVec(16, std::byte{0xab})});
  additions.emplace_back(wire::UnknownPayload{PayloadType{200}, false, ByteVec(5)});
  return additions;
}

void add_to(Payloads& payloads, const Payloads& additions) {
  payloads.insert(payloads.begin(), additions.begin(), additions.end());
  payloads.insert(payloads.end(), additions.begin(), additions.end());
}

TEST(Tolerance, rule_1_unknown_notifies_vendor_ids_and_payloads_are_ignored_in_every_request) {
  Pair pair;
  pair.initiate_a();
  wire::IkeMessage init = decoded(pair.wire.front().message);
  pair.wire.clear();
  add_to(init.payloads, harmless_additions());
  EXPECT_EQ(sent_by_b(pair, *init.encode()).size(), 1u);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 1u);

  Pair other;
  edit_first(other, true, ExchangeType::ike_auth,
             [](Payloads& payloads) { add_to(payloads, harmless_additions()); });
  other.initiate_a();
  other.run();
  ASSERT_TRUE(other.is_up());
  other.filter = nullptr;
  Forger forger = forger_of(other.a);
  Payloads child = child_request("aes256gcm16");
  add_to(child, harmless_additions());
  EXPECT_NE(wire::find<wire::SaPayload>(answer_of_b(
                other, forger, forger.request(ExchangeType::create_child_sa, 2, child))),
            nullptr);
  EXPECT_TRUE(answer_of_b(other, forger,
                          forger.request(ExchangeType::informational, 3, harmless_additions()))
                  .empty());
  Payloads rekey = ike_rekey_request();
  add_to(rekey, harmless_additions());
  EXPECT_NE(wire::find<wire::SaPayload>(answer_of_b(
                other, forger, forger.request(ExchangeType::create_child_sa, 4, rekey))),
            nullptr);
}

TEST(Tolerance, rule_1_unknown_notifies_vendor_ids_and_payloads_are_ignored_in_every_response) {
  Pair pair;
  configure_second_child(pair, "aes256gcm16", "aes256gcm16");
  edit_first(pair, false, ExchangeType::ike_auth,
             [](Payloads& payloads) { add_to(payloads, harmless_additions()); });
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  edit_first(pair, false, ExchangeType::create_child_sa,
             [](Payloads& payloads) { add_to(payloads, harmless_additions()); });
  pair.command_a(InitiateChild{"to-b.example", "second"});
  pair.run();
  EXPECT_EQ(pair.a.live().size(), 2u);
  edit_first(pair, false, ExchangeType::informational,
             [](Payloads& payloads) { add_to(payloads, harmless_additions()); });
  pair.command_a(CheckLiveness{"to-b.example"});
  pair.run();
  EXPECT_EQ(pair.a.state(), IkeState::established);
  EXPECT_EQ(pair.a.live().size(), 2u);
}

TEST(Tolerance, rule_1_a_configuration_payload_in_a_rekey_is_no_reason_to_refuse_it) {
  wire::ConfigPayload config;
  config.cfg_type = 1;
  config.attributes = {{1, {}}, {3, {}}};
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const base::Spi old = pair.a.live().at(0)->spi_in;
  EXPECT_NE(wire::find<wire::SaPayload>(
                answer_of_b(pair, forger,
                            forger.request(ExchangeType::create_child_sa, 2,
                                           child_request("aes256gcm16", {config, rekey_of(old)})))),
            nullptr);
  Payloads rekey = ike_rekey_request();
  rekey.insert(rekey.begin(), config);
  EXPECT_NE(wire::find<wire::SaPayload>(
                answer_of_b(pair, forger, forger.request(ExchangeType::create_child_sa, 3, rekey))),
            nullptr);
}

TEST(Tolerance, rule_1_key_exchange_none_in_a_rekey_is_its_absence) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  Payloads request = child_request("aes256gcm16", {rekey_of(pair.a.live().at(0)->spi_in)});
  for (wire::Payload& payload : request) {
    auto* const sa = std::get_if<wire::SaPayload>(&payload);
    if (sa == nullptr) continue;
    sa->proposals.at(0).transforms.push_back(wire::make_transform(wire::TransformType::ke, 0));
  }
  const Payloads answer =
      answer_of_b(pair, forger, forger.request(ExchangeType::create_child_sa, 2, request));
  EXPECT_NE(wire::find<wire::SaPayload>(answer), nullptr);
  EXPECT_EQ(wire::find<wire::KePayload>(answer), nullptr);
}

TEST(Tolerance, rule_2_the_first_message_is_small_and_its_options_are_status_notifies) {
  Pair pair;
  ConnectionConfig connection = make_connection(end_a, end_b);
  connection.offers = policy::default_ike_offers();
  pair.a.set(connection);
  pair.initiate_a();
  const Datagram first = pair.sent.at(0);
  EXPECT_LT(first.message.size(), 1200u);
  for (const wire::Payload& payload : decoded(first.message).payloads) {
    const PayloadType type = wire::type_of(payload);
    if (const auto* const notify = std::get_if<wire::NotifyPayload>(&payload)) {
      EXPECT_FALSE(wire::is_error(notify->type));
      continue;
    }
    EXPECT_TRUE(type == PayloadType::sa || type == PayloadType::ke || type == PayloadType::nonce ||
                type == PayloadType::vendor_id)
        << wire::name_of(type);
  }
}

TEST(Tolerance, rule_3_unprotected_errors_are_hints_and_the_attempt_goes_on) {
  for (const NotifyType error :
       {NotifyType::no_proposal_chosen, NotifyType::invalid_syntax,
        NotifyType::authentication_failed, NotifyType::invalid_ke_payload, NotifyType{8191}}) {
    Pair pair;
    pair.initiate_a();
    const Datagram request = pair.wire.front();
    pair.wire.clear();
    wire::IkeMessage forged;
    forged.header = request.header();
    forged.header.flags = wire::IkeHeader::flag_response;
    forged.payloads = {notify_of(error)};
    pair.inject(false, *forged.encode());
    EXPECT_TRUE(pair.a.record.ike_downs.empty()) << wire::name_of(error);
    pair.wire.push_back(request);
    pair.run();
    EXPECT_TRUE(pair.is_up()) << wire::name_of(error);
  }
}

TEST(Tolerance, rule_4_a_child_that_fails_in_ike_auth_leaves_the_ike_sa_and_can_be_tried_again) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.children.front().local = net("172.16.0.0/12");
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  ASSERT_EQ(pair.a.state(), IkeState::established);
  ASSERT_TRUE(pair.a.live().empty());
  ASSERT_EQ(pair.a.record.child_downs.size(), 1u);
  EXPECT_TRUE(pair.a.record.ike_downs.empty());
  edit_first(pair, true, ExchangeType::create_child_sa, [](Payloads& payloads) {
    for (wire::Payload& payload : payloads) {
      auto* const ts = std::get_if<wire::TsPayload>(&payload);
      if (ts != nullptr && !ts->initiator) *ts = policy::to_wire(net("172.16.1.0/24"), false);
    }
  });
  pair.command_a(InitiateChild{"to-b.example", "net"});
  pair.run();
  EXPECT_EQ(pair.b.record.installs.size(), 1u) << "the same IKE SA carries the next attempt";
}

TEST(Tolerance, rule_5_a_delete_that_crosses_our_response_to_a_rekey_is_obeyed) {
  Pair pair;
  bring_up(pair);
  Forger forger = forger_of(pair.a);
  const base::Spi old = pair.a.live().at(0)->spi_in;
  const ByteVec rekey = forger.request(ExchangeType::create_child_sa, 2,
                                       child_request("aes256gcm16", {rekey_of(old)}));
  const auto first = sent_by_b(pair, rekey);
  EXPECT_EQ(sent_by_b(pair, rekey), first) << "the response was lost and is given again";
  const Payloads answer = answer_of_b(
      pair, forger, forger.request(ExchangeType::informational, 3, {delete_child(old)}));
  ASSERT_NE(wire::find<wire::DeletePayload>(answer), nullptr);
  pair.filter = [](Datagram&) { return false; };
  pair.advance(25s);  // it may receive a little longer
  ASSERT_EQ(pair.b.live().size(), 1u);
  EXPECT_EQ(pair.b.live().at(0)->spi_out.value, 0x09090909u);
}

TEST(Tolerance, rule_7_a_rekey_is_answered_with_the_selectors_and_transforms_it_replaces) {
  for (const bool with_ke : {false, true}) {
    Pair pair;
    ConnectionConfig at_b = make_connection(end_b, end_a);
    at_b.children.front().offers = {esp_offer("aes256gcm16-x25519-modpnone")};
    pair.b.set(at_b);
    bring_up(pair);
    Forger forger = forger_of(pair.a);
    Payloads request = child_request(with_ke ? "aes128gcm16-aes256gcm16-x25519" : "aes256gcm16",
                                     {rekey_of(pair.a.live().at(0)->spi_in)});
    if (with_ke) {
      request.insert(request.end() - 2,
                     wire::KePayload{31, public_value(crypto::KeGroup::curve25519)});
    }
    request[request.size() - 2] = policy::to_wire(net("10.0.0.0/8"), true);  // a superset
    const Payloads answer =
        answer_of_b(pair, forger, forger.request(ExchangeType::create_child_sa, 2, request));
    ASSERT_EQ(pair.b.record.installs.size(), 2u) << with_ke;
    const policy::InstallSa& before = pair.b.record.installs.at(0);
    const policy::InstallSa& after = pair.b.record.installs.at(1);
    EXPECT_EQ(after.local, before.local);
    EXPECT_EQ(after.remote, before.remote);
    EXPECT_EQ(after.suite.cipher, before.suite.cipher);
    EXPECT_EQ(wire::find<wire::KePayload>(answer) != nullptr, with_ke);
  }
}

}  // namespace
}  // namespace caponier::ike::test
