// What surrounds the methods: codec, Identity, Nak, Notification, limits, and packets out of place.

#include <gtest/gtest.h>

#include "unit/eap/talk.h"

namespace caponier::eap {
namespace {

using namespace test;

TEST(EapPacket, every_code_decodes_what_it_encodes) {
  const ByteVec data = base::to_vec(base::as_bytes("data"));
  for (const Code code : {Code::request, Code::response}) {
    const ByteVec bytes = packet(code, 7, Type::mschapv2, data);
    const auto decoded = Packet::decode(bytes);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->code, code);
    EXPECT_EQ(decoded->identifier, 7);
    EXPECT_EQ(decoded->type, Type::mschapv2);
    EXPECT_TRUE(base::equal(decoded->data, data));
  }
  for (const Code code : {Code::success, Code::failure}) {
    EXPECT_EQ(packet(code, 7).size(), header_size);
    EXPECT_TRUE(Packet::decode(packet(code, 7)));
  }
}

TEST(EapPacket, lengths_that_lie_do_not_decode) {
  for (const char* digits : {"", "01", "010100", "01010004", "0101000301", "01010006ff",
                             "0301000501", "03010003", "0501000401", "00010004", "0101ffff01"}) {
    EXPECT_FALSE(Packet::decode(base::from_hex(digits).value())) << digits;
  }
}

TEST(EapPacket, octets_behind_the_length_are_padding) {
  const auto decoded = Packet::decode(base::from_hex("0101000601aabbcc").value());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->data.size(), 1U);
}

TEST(EapPacket, what_is_too_large_is_not_encoded) {
  const ByteVec data(packet_size_max, std::byte{0});
  EXPECT_FALSE(encode({Code::request, 1, Type::tls, data}));
  EXPECT_TRUE(encode({Code::request, 1, Type::tls, Bytes{data}.first(packet_size_max - 5)}));
}

TEST(EapMethods, only_tls_methods_may_stand_alone_in_ike) {  // RFC 5998 s4
  for (const Type type : {Type::tls, Type::ttls, Type::peap})
    EXPECT_TRUE(is_safe_for_eap_only(type));
  for (const Type type : {Type::mschapv2, Type::md5_challenge, Type::gtc, Type::none}) {
    EXPECT_FALSE(is_safe_for_eap_only(type));
  }
}

TEST(EapNegotiation, a_nak_leads_to_the_method_both_have) {
  Pair pair{{Type::mschapv2}};
  pair.server_settings.methods = {Type::md5_challenge, Type::mschapv2};
  const Talk said = talk(pair);
  ASSERT_TRUE(said.both_succeeded());
  EXPECT_EQ(said.server_success->outcome.method, Type::mschapv2);
}

TEST(EapNegotiation, nothing_in_common_ends_for_both) {
  Pair pair{{Type::mschapv2}};
  pair.server_settings.methods = {Type::md5_challenge};
  const Talk said = talk(pair);
  ASSERT_TRUE(said.server_failure && said.client_failure);
  EXPECT_EQ(said.server_failure->reason, FailureReason::no_common_method);
}

TEST(EapNegotiation, a_bare_server_never_offers_gtc_or_what_it_has_no_port_for) {
  Pair pair{{Type::gtc, Type::tls, Type::ttls, Type::peap}};
  const Talk said = talk(pair);
  ASSERT_TRUE(said.server_failure);
  EXPECT_EQ(said.server_failure->reason, FailureReason::no_common_method);
}

TEST(EapNegotiation, a_storm_of_naks_ends_when_every_method_was_offered_once) {
  Pair pair{{}};
  pair.server_settings.methods = {Type::md5_challenge, Type::mschapv2, Type::md5_challenge};
  const auto server = pair.make_server();
  Step step = server->start(no_time);
  step = server->handle(packet(Code::response, identifier_of(packet_of(step)), Type::identity),
                        no_time);
  const ByteVec both = base::from_hex("041a04041a1a").value();
  std::size_t offers = 0;
  while (std::holds_alternative<Send>(step)) {
    ++offers;
    step = server->handle(packet(Code::response, identifier_of(packet_of(step)), Type::nak, both),
                          no_time);
  }
  EXPECT_EQ(offers, 2U);
  EXPECT_EQ(reason_of(step), FailureReason::no_common_method);
}

//= rfc7296#3.16-4 type=test
TEST(EapNegotiation, a_nak_in_the_middle_of_a_method_is_out_of_place) {
  Pair pair{{Type::mschapv2}};
  const auto server = pair.make_server();
  const auto client = pair.make_client();
  ByteVec next = packet_of(server->start(no_time));
  for (int i = 0; i < 2; ++i) {
    next = packet_of(server->handle(packet_of(client->handle(next, no_time)), no_time));
  }
  EXPECT_EQ(reason_of(server->handle(packet(Code::response, identifier_of(next), Type::nak,
                                            base::from_hex("04").value()),
                                     no_time)),
            FailureReason::out_of_place);
}

TEST(EapNegotiation, a_server_that_offers_for_ever_is_left) {
  Pair pair{{Type::mschapv2}};
  const auto client = pair.make_client();
  Step step = Wait{};
  std::uint8_t naks = 0;
  do {
    step = client->handle(packet(Code::request, naks, Type{99}), no_time);
  } while (std::holds_alternative<Send>(step) && ++naks < 100);
  EXPECT_EQ(reason_of(step), FailureReason::no_common_method);
  EXPECT_LT(naks, 10);
}

TEST(EapNegotiation, an_expanded_type_is_refused_in_kind) {
  Pair pair{{Type::mschapv2}};
  const auto client = pair.make_client();
  const Step step = client->handle(
      packet(Code::request, 3, Type::expanded, base::from_hex("00013700000001").value()), no_time);
  EXPECT_EQ(base::to_hex(packet_of(step)), "02030014fe00000000000003fe0000000000001a");
}

//= rfc7296#3.16-5 rfc7296#3.16-7 type=test
TEST(EapConversation, identity_is_asked_for_unless_it_is_known) {
  Pair pair{{Type::mschapv2}};
  pair.server_settings.ask_identity = false;
  pair.server_settings.known_identity = "from ike";
  const Talk said = talk(pair);
  ASSERT_TRUE(said.both_succeeded());
  EXPECT_EQ(type_of(said.to_client.front()), Type::mschapv2);
  EXPECT_EQ(said.server_success->outcome.outer_identity, "from ike");
}

TEST(EapConversation, a_notification_is_answered_and_changes_nothing) {
  Pair pair{{Type::mschapv2}};
  const auto client = pair.make_client();
  const Step step = client->handle(
      packet(Code::request, 5, Type::notification, base::as_bytes("hello")), no_time);
  EXPECT_EQ(base::to_hex(packet_of(step)), "0205000502");
  const auto server = pair.make_server();
  EXPECT_TRUE(talk(*server, *client).both_succeeded());
}

TEST(EapConversation, notifications_without_end_are_too_many_rounds) {
  Pair pair{{Type::mschapv2}};
  const auto client = pair.make_client();
  Step step = Wait{};
  std::size_t rounds = 0;
  do {
    step = client->handle(packet(Code::request, 5, Type::notification), no_time);
  } while (std::holds_alternative<Send>(step) && ++rounds < 2 * rounds_max);
  EXPECT_EQ(rounds, rounds_max);
  EXPECT_EQ(reason_of(step), FailureReason::too_long);
}

TEST(EapConversation, early_success_is_no_success) {  // CVE-2021-45079
  Pair pair{{Type::mschapv2}};
  for (int answered = 0; answered < 3; ++answered) {
    const auto server = pair.make_server();
    const auto client = pair.make_client();
    ByteVec next = packet_of(server->start(no_time));
    for (int i = 0; i < answered; ++i) {
      next = packet_of(server->handle(packet_of(client->handle(next, no_time)), no_time));
    }
    EXPECT_EQ(reason_of(client->handle(packet(Code::success, identifier_of(next)), no_time)),
              FailureReason::out_of_place);
  }
}

//= rfc7296#3.16-1 type=test
TEST(EapConversation, a_wrong_identifier_ends_it) {
  Pair pair{{Type::mschapv2}};
  const auto server = pair.make_server();
  const ByteVec asked = packet_of(server->start(no_time));
  EXPECT_EQ(reason_of(server->handle(
                packet(Code::response, static_cast<std::uint8_t>(identifier_of(asked) + 1),
                       Type::identity),
                no_time)),
            FailureReason::out_of_place);
}

TEST(EapConversation, after_the_end_everything_fails) {
  Pair pair{{Type::mschapv2}};
  const auto server = pair.make_server();
  const auto client = pair.make_client();
  const Talk said = talk(*server, *client);
  ASSERT_TRUE(said.both_succeeded());
  EXPECT_EQ(reason_of(server->handle(said.to_server.back(), no_time)), FailureReason::out_of_place);
  EXPECT_EQ(reason_of(client->handle(said.to_client.back(), no_time)), FailureReason::out_of_place);
}

TEST(EapConversation, an_identity_beyond_its_limit_is_too_long) {
  Pair pair{{Type::mschapv2}};
  const auto server = pair.make_server();
  const ByteVec asked = packet_of(server->start(no_time));
  const ByteVec name(identity_size_max + 1, std::byte{'a'});
  EXPECT_EQ(reason_of(server->handle(
                packet(Code::response, identifier_of(asked), Type::identity, name), no_time)),
            FailureReason::too_long);
}

TEST(EapConversation, an_identity_of_control_characters_is_shown_without_them) {
  Pair pair{{Type::mschapv2}};
  pair.client_settings.identity = "\x1b[31m\n\"evil";
  const Talk said = talk(pair);
  ASSERT_TRUE(said.server_failure);
  EXPECT_NE(said.server_failure->sentence.find("?[31m??evil"), std::string::npos);
}

TEST(EapConversation, requests_to_a_server_and_responses_to_a_client_are_out_of_place) {
  Pair pair{{Type::mschapv2}};
  const auto server = pair.make_server();
  const ByteVec asked = packet_of(server->start(no_time));
  EXPECT_EQ(reason_of(server->handle(asked, no_time)), FailureReason::out_of_place);
  const auto client = pair.make_client();
  EXPECT_EQ(reason_of(client->handle(packet(Code::response, 1, Type::identity), no_time)),
            FailureReason::out_of_place);
}

}  // namespace
}  // namespace caponier::eap
