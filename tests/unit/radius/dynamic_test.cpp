// Disconnect and CoA requests (RFC 5176): whom we believe, what we answer, and replays.

#include <gtest/gtest.h>

#include "radius/dynamic.h"
#include "unit/radius/server.h"

namespace caponier::radius {
namespace {

using namespace test;

constexpr UnixSeconds now{1'700'000'000};

struct Dae {
  crypto::OpensslLegacy legacy;
  DynamicAuthorization machine;
  base::Endpoint server = endpoint("192.0.2.1", 40000);
  std::vector<DynamicRequest> requests;
  std::vector<DynamicTransmit> sent;

  explicit Dae(bool demand_timestamp = true) : machine{settings(demand_timestamp), nas(), legacy} {}

  static DynamicSettings settings(bool demand_timestamp) {
    DynamicSettings made;
    made.clients.push_back({base::IpAddress::parse("192.0.2.1").value(),
                            base::SecretBytes{base::as_bytes(shared_secret)}});
    made.demand_timestamp = demand_timestamp;
    return made;
  }
  static NasAttributes nas() {
    NasAttributes made;
    made.identifier = "gateway";
    made.address = base::IpAddress::parse("198.51.100.1");
    return made;
  }

  ByteVec make(Code code, const std::function<void(PacketBuilder&)>& fill,
               std::optional<UnixSeconds> at = now, std::uint8_t identifier = 1) {
    PacketBuilder builder{code, identifier};
    if (at) builder.add_u32(AttributeType::event_timestamp, at->value);
    fill(builder);
    return builder.seal_hashed_request(legacy, base::as_bytes(shared_secret)).value();
  }
  ByteVec disconnect_alice() {
    return make(Code::disconnect_request,
                [](PacketBuilder& out) { out.add_text(AttributeType::user_name, "alice"); });
  }
  void deliver(Bytes datagram, std::optional<base::Endpoint> from = {}, UnixSeconds at = now) {
    machine.handle_datagram(from.value_or(server), datagram, at);
    collect();
  }
  void collect() {
    while (auto action = machine.poll_action()) {
      if (auto* request = std::get_if<DynamicRequest>(&*action)) requests.push_back(*request);
      if (auto* transmit = std::get_if<DynamicTransmit>(&*action)) sent.push_back(*transmit);
    }
  }
  /// Checks that the answer sent last is authentic.
  Code answered(Bytes request) {
    const auto asked = PacketView::decode(request);
    const auto answer = PacketView::decode(sent.back().datagram);
    EXPECT_TRUE(asked && answer);
    EXPECT_EQ(answer->identifier, asked->identifier);
    EXPECT_EQ(check_answer(legacy, base::as_bytes(shared_secret), *answer, asked->authenticator),
              Authenticity::authentic);
    return answer->code;
  }
  ErrorCause cause() {
    const auto answer = PacketView::decode(sent.back().datagram);
    return static_cast<ErrorCause>(answer->find_u32(AttributeType::error_cause).value_or(0));
  }
};

TEST(RadiusDynamic, a_disconnect_names_its_session_and_is_acknowledged) {
  Dae dae;
  const ByteVec request = dae.disconnect_alice();
  dae.deliver(request);
  ASSERT_EQ(dae.requests.size(), 1U);
  EXPECT_TRUE(dae.requests[0].is_disconnect);
  EXPECT_EQ(dae.requests[0].session.user_name, "alice");
  dae.machine.answer(dae.requests[0].id, ErrorCause::none);
  dae.collect();
  ASSERT_EQ(dae.sent.size(), 1U);
  EXPECT_EQ(dae.sent[0].to, dae.server);
  EXPECT_EQ(dae.answered(request), Code::disconnect_ack);
}

TEST(RadiusDynamic, a_session_that_is_not_there_is_a_nak_with_503) {
  Dae dae;
  const ByteVec request = dae.disconnect_alice();
  dae.deliver(request);
  dae.machine.answer(dae.requests.at(0).id, ErrorCause::session_context_not_found);
  dae.collect();
  EXPECT_EQ(dae.answered(request), Code::disconnect_nak);
  EXPECT_EQ(dae.cause(), ErrorCause::session_context_not_found);
}

TEST(RadiusDynamic, a_coa_brings_its_changes) {
  Dae dae;
  const ByteVec request = dae.make(Code::coa_request, [](PacketBuilder& out) {
    out.add_text(AttributeType::acct_session_id, "0a1b");
    out.add_u32(AttributeType::session_timeout, 60);
    out.add_text(AttributeType::filter_id, "guests");
  });
  dae.deliver(request);
  ASSERT_EQ(dae.requests.size(), 1U);
  EXPECT_FALSE(dae.requests[0].is_disconnect);
  EXPECT_EQ(dae.requests[0].changes.session_timeout_seconds, 60U);
  dae.machine.answer(dae.requests[0].id, ErrorCause::none);
  dae.collect();
  EXPECT_EQ(dae.answered(request), Code::coa_ack);
}

TEST(RadiusDynamic, a_repeated_request_gets_the_same_answer_and_does_nothing_again) {
  Dae dae;
  const ByteVec request = dae.disconnect_alice();
  dae.deliver(request);
  dae.deliver(request);  // before there is an answer
  EXPECT_TRUE(dae.sent.empty());
  dae.machine.answer(dae.requests.at(0).id, ErrorCause::none);
  dae.deliver(request);
  EXPECT_EQ(dae.requests.size(), 1U);
  ASSERT_EQ(dae.sent.size(), 2U);
  EXPECT_EQ(dae.sent[0].datagram, dae.sent[1].datagram);
  dae.deliver(request, endpoint("192.0.2.1", 40001));
  EXPECT_EQ(dae.sent.size(), 2U);
  EXPECT_EQ(dae.machine.counters().repeated, 3U);
}

TEST(RadiusDynamic, old_and_future_requests_and_those_without_time_are_stale) {
  Dae dae;
  const auto alice = [](PacketBuilder& out) { out.add_text(AttributeType::user_name, "alice"); };
  dae.deliver(dae.make(Code::disconnect_request, alice, UnixSeconds{now.value - 301}));
  dae.deliver(dae.make(Code::disconnect_request, alice, UnixSeconds{now.value + 301}));
  dae.deliver(dae.make(Code::disconnect_request, alice, std::nullopt));
  EXPECT_EQ(dae.machine.counters().stale, 3U);
  EXPECT_TRUE(dae.requests.empty() && dae.sent.empty());
  Dae lenient{false};
  lenient.deliver(lenient.make(Code::disconnect_request, alice, std::nullopt));
  EXPECT_EQ(lenient.requests.size(), 1U);
}

TEST(RadiusDynamic, strangers_and_wrong_secrets_get_no_answer) {
  Dae dae;
  const ByteVec request = dae.disconnect_alice();
  dae.deliver(request, endpoint("203.0.113.1", 40000));
  EXPECT_EQ(dae.machine.counters().strangers, 1U);
  for (std::size_t i = 4; i < request.size(); ++i) {
    ByteVec bad = request;
    bad[i] ^= std::byte{1};
    dae.deliver(bad);
  }
  EXPECT_TRUE(dae.requests.empty() && dae.sent.empty());
  EXPECT_EQ(dae.machine.counters().wrong_authenticator + dae.machine.counters().malformed,
            request.size() - 4);
}

TEST(RadiusDynamic, requests_for_another_nas_or_for_nobody_are_refused) {
  Dae dae;
  const ByteVec other = dae.make(Code::disconnect_request, [](PacketBuilder& out) {
    out.add_text(AttributeType::nas_identifier, "another");
    out.add_text(AttributeType::user_name, "alice");
  });
  dae.deliver(other);
  EXPECT_EQ(dae.answered(other), Code::disconnect_nak);
  EXPECT_EQ(dae.cause(), ErrorCause::nas_identification_mismatch);
  const ByteVec nobody = dae.make(Code::disconnect_request, [](PacketBuilder& out) {
    out.add_text(AttributeType::class_, "everybody");
  });
  dae.deliver(nobody);
  EXPECT_EQ(dae.cause(), ErrorCause::missing_attribute);
  const ByteVec changing = dae.make(Code::disconnect_request, [](PacketBuilder& out) {
    out.add_text(AttributeType::user_name, "alice");
    out.add_u32(AttributeType::session_timeout, 1);
  });
  dae.deliver(changing);
  EXPECT_EQ(dae.cause(), ErrorCause::unsupported_attribute);
  EXPECT_TRUE(dae.requests.empty());
  EXPECT_EQ(dae.machine.counters().refused, 3U);
}

TEST(RadiusDynamic,
     what_is_remembered_has_a_limit_and_is_not_forgotten_while_it_could_be_replayed) {
  Dae dae;
  const auto numbered = [&](std::uint32_t number, UnixSeconds at) {
    return dae.make(
        Code::disconnect_request,
        [&](PacketBuilder& out) { out.add_u32(AttributeType::nas_port, number); }, at);
  };
  for (std::uint32_t i = 0; i <= remembered_max; ++i) dae.deliver(numbered(i, now));
  EXPECT_EQ(dae.requests.size(), remembered_max);
  EXPECT_EQ(dae.machine.counters().overload, 1U);
  dae.deliver(numbered(0, now));
  EXPECT_EQ(dae.machine.counters().repeated, 1U);
  const UnixSeconds later{now.value + 301};
  dae.deliver(numbered(7777, later), {}, later);
  EXPECT_EQ(dae.requests.size(), remembered_max + 1);
}

TEST(RadiusDynamic, answers_to_nothing_are_harmless) {
  Dae dae;
  dae.machine.answer(DynamicId{42}, ErrorCause::none);
  dae.deliver(dae.disconnect_alice());
  dae.machine.answer(dae.requests.at(0).id, ErrorCause::none);
  dae.machine.answer(dae.requests.at(0).id, ErrorCause::session_context_not_found);
  dae.collect();
  EXPECT_EQ(dae.sent.size(), 1U);
}

}  // namespace
}  // namespace caponier::radius
