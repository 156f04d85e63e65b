// IKE SAs without a Child SA at first (RFC 6023).

#include <gtest/gtest.h>

#include <utility>

#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

void set_childless(Pair& pair, Childless of_a, Childless of_b, bool has_children = true) {
  ConnectionConfig a = make_connection(end_a, end_b);
  ConnectionConfig b = make_connection(end_b, end_a);
  a.childless = of_a;
  b.childless = of_b;
  if (!has_children) a.children.clear();
  pair.a.set(std::move(a));
  pair.b.set(std::move(b));
}

bool has_child_payloads(const std::vector<wire::Payload>& payloads) {
  return wire::find<wire::SaPayload>(payloads) != nullptr ||
         wire::find<wire::TsPayload>(payloads) != nullptr;
}

TEST(IkeChildless, who_prefers_it_creates_the_first_child_afterwards) {
  Pair pair;
  set_childless(pair, Childless::prefer, Childless::allow);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  Forger forger{pair.a.record.keys.at(0)};
  EXPECT_FALSE(has_child_payloads(forger.open(pair.sent.at(2).message)));
  EXPECT_FALSE(has_child_payloads(forger.open(pair.sent.at(3).message)));
  EXPECT_EQ(pair.sent.at(4).header().exchange, ExchangeType::create_child_sa);
}

TEST(IkeChildless, where_the_responder_never_does_it_nobody_asks) {
  Pair pair;
  set_childless(pair, Childless::prefer, Childless::never);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(pair.sent.size(), 4u);
  const auto response = wire::IkeMessage::decode(pair.sent.at(1).message).value();
  EXPECT_EQ(wire::find_notify(response.payloads, NotifyType::childless_ikev2_supported), nullptr);
}

TEST(IkeChildless, a_connection_without_children_may_be_up) {
  Pair pair;
  set_childless(pair, Childless::allow, Childless::allow, false);
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  EXPECT_TRUE(pair.b.live().empty());
  pair.advance(120s);  // liveness goes on
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
}

TEST(IkeChildless, without_children_it_needs_a_responder_that_can) {
  Pair pair;
  set_childless(pair, Childless::allow, Childless::never, false);
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::peer_refused);
  EXPECT_NE(pair.a.record.text(EventKind::ike_failed).find("RFC 6023"), std::string::npos);
  Pair never;
  set_childless(never, Childless::never, Childless::allow, false);
  never.initiate_a();
  never.run();
  EXPECT_EQ(never.a.record.ike_downs.at(0).reason, EndReason::local_fault);
  EXPECT_TRUE(never.sent.empty());
}

TEST(IkeChildless, asked_although_never_offered_is_a_syntax_error) {
  Pair pair;
  set_childless(pair, Childless::allow, Childless::never);
  pair.filter = [](Datagram& d) { return d.header().exchange == ExchangeType::ike_sa_init; };
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  auto payloads = forger.open(pair.sent.at(2).message);
  std::erase_if(payloads, [](const wire::Payload& payload) {
    return std::holds_alternative<wire::SaPayload>(payload) ||
           std::holds_alternative<wire::TsPayload>(payload);
  });
  pair.inject(true, forger.request(ExchangeType::ike_auth, 1, payloads));
  const auto answer = forger.open(pair.sent.back().message);
  EXPECT_NE(wire::find_notify(answer, NotifyType::invalid_syntax), nullptr);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 0u);
}

TEST(IkeChildless, half_of_the_child_payloads_is_malformed_and_not_childless) {
  for (const bool drops_sa : {true, false}) {
    Pair pair;
    pair.filter = [](Datagram& d) { return d.header().exchange == ExchangeType::ike_sa_init; };
    pair.initiate_a();
    pair.run();
    Forger forger{pair.a.record.keys.at(0)};
    auto payloads = forger.open(pair.sent.at(2).message);
    std::erase_if(payloads, [&](const wire::Payload& payload) {
      return drops_sa ? std::holds_alternative<wire::SaPayload>(payload)
                      : std::holds_alternative<wire::TsPayload>(payload);
    });
    pair.inject(true, forger.request(ExchangeType::ike_auth, 1, payloads));
    const auto answer = forger.open(pair.sent.back().message);
    EXPECT_NE(wire::find_notify(answer, NotifyType::invalid_syntax), nullptr);
  }
}

TEST(IkeChildless, only_the_first_child_failing_leaves_the_ike_sa) {
  Pair pair;
  set_childless(pair, Childless::prefer, Childless::allow);
  ConnectionConfig b = make_connection(end_b, end_a);
  b.children.front().offers = {esp_offer("aes128gcm16")};
  pair.b.set(std::move(b));
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.b.ike_count(IkeState::established), 1u);
  ASSERT_EQ(pair.a.record.child_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.child_downs.at(0).reason, EndReason::no_proposal);
}

}  // namespace
}  // namespace caponier::ike::test
