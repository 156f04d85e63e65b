// EAP through RADIUS: a client, the relay, and a RADIUS server in memory whose EAP is
// eap::EapServer.

#include <gtest/gtest.h>

#include "radius/relay.h"
#include "unit/eap/talk.h"
#include "unit/radius/server.h"

namespace caponier::radius {
namespace {

using namespace test;
using eap::FailureReason;
using eap::Step;
using eap::Type;

RelaySettings relay_settings() {
  RelaySettings settings;
  settings.nas.identifier = "gateway";
  settings.nas.calling_station_id = "198.51.100.7[4500]";
  return settings;
}

/// Everything between an EAP client and an EAP server behind RADIUS.
struct Path {
  eap::test::Pair pair;
  Nas nas;
  EapBackEnd back_end;
  EapRelay relay;
  std::unique_ptr<eap::EapClient> client;
  std::optional<eap::Success> success;
  std::optional<eap::Failure> failure;
  std::optional<eap::Success> client_success;

  explicit Path(RelaySettings settings = relay_settings(), Type type = Type::mschapv2)
      : pair{{type}},
        back_end{pair.make_server(), nas},
        relay{std::move(settings), nas.client},
        client{pair.make_client()} {}

  void run(std::string_view user_name = "") {
    Step step = relay.start(nas.now);
    for (int i = 0; i < 100 && !success && !failure; ++i)
      step = advance(std::move(step), user_name);
  }

  Step advance(Step step, std::string_view user_name) {
    if (auto* send = std::get_if<eap::Send>(&step)) {
      return relay.handle(eap::test::packet_of(client->handle(send->packet, nas.now)), nas.now);
    }
    if (std::holds_alternative<eap::Wait>(step)) {
      nas.collect();
      nas.deliver(nas.sent.back(), back_end.answer(nas.sent.back(), user_name));
      EXPECT_EQ(relay.waiting_for(), nas.answers.back().request);
      return relay.handle_backend(nas.answers.back(), nas.now);
    }
    if (auto* end = std::get_if<eap::Success>(&step)) {
      Step last = client->handle(end->packet, nas.now);
      if (auto* theirs = std::get_if<eap::Success>(&last))
        client_success.emplace(std::move(*theirs));
      success.emplace(std::move(*end));
    } else {
      failure.emplace(std::move(std::get<eap::Failure>(step)));
    }
    return eap::Wait{};
  }
};

TEST(RadiusRelay, mschapv2_gives_gateway_and_client_the_same_msk) {
  Path path;
  path.run();
  ASSERT_TRUE(path.success && path.client_success);
  EXPECT_EQ(base::to_hex(path.success->outcome.msk.reveal()),
            base::to_hex(path.client_success->outcome.msk.reveal()));
  EXPECT_EQ(path.success->outcome.method, Type::mschapv2);
  EXPECT_EQ(path.success->outcome.identity, "alice");
  EXPECT_EQ(path.back_end.wrong_states(), 0U);
}

TEST(RadiusRelay, the_identity_is_what_the_accept_says) {
  Path path;
  path.run("alice@example.org");
  ASSERT_TRUE(path.success);
  EXPECT_EQ(path.success->outcome.identity, "alice@example.org");
  EXPECT_EQ(path.success->outcome.outer_identity, "alice");
}

TEST(RadiusRelay, a_known_identity_is_not_asked_for) {
  RelaySettings settings = relay_settings();
  settings.ask_identity = false;
  settings.known_identity = "alice";
  Path path{settings};
  path.run();
  EXPECT_TRUE(path.success && path.client_success);
}

TEST(RadiusRelay, a_reject_is_a_failure_with_an_eap_failure) {
  Path path;
  path.pair.password = eap::test::cleartext("wrong");
  path.client = path.pair.make_client();
  path.run();
  ASSERT_TRUE(path.failure);
  EXPECT_EQ(path.failure->reason, FailureReason::backend_rejected);
  EXPECT_EQ(path.failure->packet.size(), eap::header_size);
}

TEST(RadiusRelay, an_accept_without_keys_is_no_success_unless_none_are_demanded) {
  Path path{relay_settings(), Type::md5_challenge};
  path.run();
  ASSERT_TRUE(path.failure);
  EXPECT_EQ(path.failure->reason, FailureReason::no_key);
  RelaySettings settings = relay_settings();
  settings.demand_key = false;
  Path modest{settings, Type::md5_challenge};
  modest.run();
  EXPECT_TRUE(modest.success);
}

/// A relay that waits for the answer to an identity.
struct Waiting {
  Nas nas;
  EapRelay relay{relay_settings(), nas.client};
  Waiting() {
    const ByteVec asked = eap::test::packet_of(relay.start(nas.now));
    const Step step =
        relay.handle(eap::test::packet(eap::Code::response, eap::test::identifier_of(asked),
                                       Type::identity, base::as_bytes("alice")),
                     nas.now);
    EXPECT_TRUE(std::holds_alternative<eap::Wait>(step));
    nas.collect();
  }
  Step answer(Code code, const std::function<void(PacketBuilder&)>& fill = {}) {
    nas.deliver(nas.sent.back(), nas.answer_to(nas.sent.back(), code, fill));
    return relay.handle_backend(nas.answers.back(), nas.now);
  }
};

TEST(RadiusRelay, silence_of_all_servers_is_a_failure) {
  Waiting waiting;
  while (waiting.nas.pass_deadline()) {
  }
  ASSERT_EQ(waiting.nas.silent.size(), 1U);
  EXPECT_EQ(
      eap::test::reason_of(waiting.relay.handle_backend(waiting.nas.silent[0], waiting.nas.now)),
      FailureReason::backend_silent);
}

TEST(RadiusRelay, challenges_without_a_request_are_invalid) {
  for (const char* digits : {"", "01", "03010004", "02010005ff", "0101000a01"}) {
    Waiting waiting;
    const Step step = waiting.answer(Code::access_challenge, [&](PacketBuilder& out) {
      out.add_eap_message(base::from_hex(digits).value());
    });
    EXPECT_EQ(eap::test::reason_of(step), FailureReason::backend_invalid) << digits;
  }
}

TEST(RadiusRelay, an_accept_that_carries_an_eap_failure_is_no_success) {
  Waiting waiting;
  const Step step = waiting.answer(Code::access_accept, [](PacketBuilder& out) {
    out.add_eap_message(base::from_hex("04010004").value());
  });
  EXPECT_EQ(eap::test::reason_of(step), FailureReason::backend_invalid);
}

TEST(RadiusRelay, packets_out_of_turn_end_it_and_free_the_request) {
  Waiting waiting;
  EXPECT_EQ(eap::test::reason_of(waiting.relay.handle(
                eap::test::packet(eap::Code::response, 1, Type::identity), waiting.nas.now)),
            FailureReason::out_of_place);
  EXPECT_EQ(waiting.nas.client.under_way(), 0U);
}

TEST(RadiusRelay, a_relay_that_dies_frees_its_request) {
  Nas nas;
  {
    EapRelay relay{relay_settings(), nas.client};
    const ByteVec asked = eap::test::packet_of(relay.start(nas.now));
    const Step step = relay.handle(
        eap::test::packet(eap::Code::response, eap::test::identifier_of(asked), Type::identity),
        nas.now);
    EXPECT_TRUE(std::holds_alternative<eap::Wait>(step));
    EXPECT_EQ(nas.client.under_way(), 1U);
  }
  EXPECT_EQ(nas.client.under_way(), 0U);
}

TEST(RadiusRelay, half_a_key_is_no_key) {
  for (const bool has_recv : {true, false}) {
    Waiting waiting;
    const auto asked = PacketView::decode(waiting.nas.sent.back().datagram).value();
    const Step step = waiting.answer(Code::access_accept, [&](PacketBuilder& out) {
      const auto sealed = seal_mppe_key(waiting.nas.legacy, base::as_bytes(shared_secret),
                                        asked.authenticator, 1, ByteVec(32, std::byte{7}));
      base::Writer value;
      value.u32(vendor_microsoft);
      value.u8(static_cast<std::uint8_t>(has_recv ? MicrosoftType::mppe_recv_key
                                                  : MicrosoftType::mppe_send_key));
      value.u8(static_cast<std::uint8_t>(sealed.size() + 2));
      value.bytes(sealed.reveal());
      out.add(AttributeType::vendor_specific, value.view());
    });
    EXPECT_EQ(eap::test::reason_of(step), FailureReason::no_key);
  }
}

TEST(RadiusRelay, requests_carry_who_and_where) {
  Waiting waiting;
  const auto packet = PacketView::decode(waiting.nas.sent.back().datagram);
  ASSERT_TRUE(packet);
  EXPECT_EQ(base::as_text(packet->find(AttributeType::user_name).value()), "alice");
  EXPECT_EQ(base::as_text(packet->find(AttributeType::nas_identifier).value()), "gateway");
  EXPECT_EQ(base::as_text(packet->find(AttributeType::calling_station_id).value()),
            "198.51.100.7[4500]");
}

}  // namespace
}  // namespace caponier::radius
