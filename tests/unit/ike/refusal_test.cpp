// The ways in which two endpoints do not come together, and what each side says about it.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

//= rfc7296#3.3.4-5..6 rfc7296#3.3.6-1 type=test
TEST(IkeRefusal, no_common_proposal_is_explained_on_both_sides) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.offers = {ike_offer("aes128-sha256-modp2048")};
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.b.record.count(EventKind::ike_no_proposal), 1u);
  EXPECT_EQ(pair.a.record.count(EventKind::ike_notify_hint), 1u);
  EXPECT_TRUE(pair.a.record.ike_downs.empty()) << "an unprotected notify is a hint at first";
  pair.advance(10s);
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.front().reason, EndReason::no_proposal);
  EXPECT_FALSE(pair.a.record.ike_downs.front().was_established);
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
}

TEST(IkeRefusal, an_unknown_peer_is_refused_and_named) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.remote_addresses = {ip("203.0.113.7")};
  pair.b.set(at_b);
  pair.initiate_a();
  pair.advance(10s);
  EXPECT_TRUE(has(pair.b.record.text(EventKind::ike_peer_unknown), end_a.address));
  EXPECT_GE(pair.b.endpoint.drops()[DropReason::ike_unknown_peer], 1u);
  EXPECT_EQ(pair.a.record.ike_downs.size(), 1u);
}

//= rfc7296#1.2-2 rfc7296#2.21.2-1 type=test
TEST(IkeRefusal, a_wrong_secret_fails_authentication_on_both_sides) {
  Pair pair;
  pair.b.secrets["to-a.example"] = "another secret";
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(has(pair.b.record.text(EventKind::ike_auth_failed), "AUTH"));
  EXPECT_TRUE(has(pair.a.record.text(EventKind::ike_auth_failed), "AUTHENTICATION_FAILED"));
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.front().reason, EndReason::authentication);
  EXPECT_TRUE(pair.a.record.installs.empty());
  EXPECT_TRUE(pair.b.record.installs.empty());
  EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
  pair.advance(60s);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
}

TEST(IkeRefusal, a_lost_authentication_failed_is_repeated) {
  Pair pair;
  pair.b.secrets["to-a.example"] = "another secret";
  bool is_lost = false;
  pair.filter = [&](Datagram& datagram) {
    if (datagram.to_b || datagram.header().exchange != ExchangeType::ike_auth) return true;
    return std::exchange(is_lost, true);
  };
  pair.initiate_a();
  pair.advance(5s);
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.front().reason, EndReason::authentication);
}

//= rfc7296#1.2-2 rfc7296#2.21.2-2 type=test
TEST(IkeRefusal, an_initiator_that_disbelieves_the_responder_says_so) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.peer_rounds.front().identity.reset();
  at_b.own_rounds.front().identity = policy::Identity::parse("b.example");
  pair.b.set(at_b);
  // B believes A, but its own AUTH is made with another secret.
  std::size_t requests = 0;
  pair.filter = [&](Datagram& datagram) {
    if (datagram.to_b || datagram.header().exchange != ExchangeType::ike_auth) return true;
    Forger forger{pair.a.record.keys.at(0)};
    auto payloads = forger.open(datagram.message);
    for (auto& payload : payloads) {
      if (auto* const auth = std::get_if<wire::AuthPayload>(&payload))
        auth->data[0] ^= std::byte{1};
    }
    datagram.message = forger.seal(datagram.header(), payloads);
    ++requests;
    return true;
  };
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(requests, 1u);
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::authentication);
  EXPECT_EQ(pair.b.record.ike_downs.at(0).reason, EndReason::authentication);
  EXPECT_TRUE(pair.b.live().empty());
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
}

//= rfc7296#1.2-3 type=test
TEST(IkeRefusal, an_unexpected_identity_is_refused_by_the_responder) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.peer_rounds.front().identity = policy::Identity::parse("c.example");
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(has(pair.b.record.text(EventKind::ike_peer_unknown), "a.example"));
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::authentication);
}

TEST(IkeRefusal, a_keyholder_without_a_secret_ends_the_attempt) {
  Pair pair;
  pair.a.secrets.clear();
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.a.record.ike_downs.at(0).reason, EndReason::local_fault);
  Pair other;
  other.b.secrets.clear();
  other.initiate_a();
  other.run();
  EXPECT_EQ(other.a.record.ike_downs.at(0).reason, EndReason::authentication);
  EXPECT_EQ(other.b.record.count(EventKind::local_fault), 1u);
}

TEST(IkeRefusal, a_silent_keyholder_ends_the_attempt_in_time) {
  Pair pair;
  pair.a.keyholder_answers = false;
  pair.initiate_a();
  pair.advance(60s);
  EXPECT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
}

//= rfc7296#1.3.1-4 type=test
TEST(IkeRefusal, impossible_selectors_leave_the_ike_sa_up) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.children.front().local = net("172.16.0.0/12");
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.a.state(), IkeState::established);
  EXPECT_EQ(pair.b.state(), IkeState::established);
  ASSERT_EQ(pair.a.record.child_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.child_downs.front().reason, EndReason::selectors);
  EXPECT_EQ(pair.a.record.child_downs.front().child, "net");
  EXPECT_TRUE(has(pair.a.record.text(EventKind::child_failed), "TS_UNACCEPTABLE"));
  EXPECT_TRUE(has(pair.b.record.text(EventKind::child_failed), "172.16.0.0/12"));
  EXPECT_TRUE(pair.b.record.installs.empty());
}

TEST(IkeRefusal, no_common_esp_algorithm_leaves_the_ike_sa_up) {
  Pair pair;
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.children.front().offers = {esp_offer("chacha20poly1305")};
  pair.b.set(at_b);
  pair.initiate_a();
  pair.run();
  EXPECT_EQ(pair.a.state(), IkeState::established);
  EXPECT_EQ(pair.a.record.child_downs.at(0).reason, EndReason::no_proposal);
}

//= rfc7296#2.1-6 type=test
TEST(IkeRefusal, a_peer_that_never_answers_times_out_after_the_configured_tries) {
  Pair pair;
  pair.filter = [](Datagram&) { return false; };
  pair.initiate_a();
  pair.advance(300s);
  EXPECT_EQ(pair.sent.size(), 7u);
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.front().reason, EndReason::timeout);
  EXPECT_TRUE(has(pair.a.record.text(EventKind::ike_timeout), "192.0.2.2:500"));
  EXPECT_FALSE(pair.a.endpoint.poll_deadline().has_value());
}

//= rfc7296#2.5-2 rfc7296#3.1-6 type=test
TEST(IkeRefusal, another_major_version_is_answered_once_and_never_started) {
  Pair pair;
  pair.initiate_a();
  ByteVec message = pair.sent.at(0).message;
  pair.wire.clear();
  message[17] = std::byte{0x30};
  pair.inject(true, message);
  ASSERT_EQ(pair.b.record.transmits.size(), 1u);
  const auto answer = wire::IkeMessage::decode(pair.b.record.transmits.at(0).datagram).value();
  EXPECT_NE(wire::find_notify(answer.payloads, NotifyType::invalid_major_version), nullptr);
  EXPECT_LE(pair.b.record.transmits.at(0).datagram.size(), message.size());
  message[17] = std::byte{0x10};
  pair.inject(true, message);
  EXPECT_EQ(pair.b.record.transmits.size(), 1u);
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_bad_version], 2u);
}

//= rfc7296#2.5-8 rfc7296#4-2 type=test
TEST(IkeRefusal, an_unknown_critical_payload_is_named_in_the_answer) {
  Pair pair;
  pair.initiate_a();
  auto message = wire::IkeMessage::decode(pair.sent.at(0).message).value();
  pair.wire.clear();
  message.payloads.emplace_back(wire::UnknownPayload{wire::PayloadType{200}, true, {}});
  pair.inject(true, *message.encode());
  const auto answer = wire::IkeMessage::decode(pair.b.record.transmits.at(0).datagram).value();
  const auto* notify = wire::find_notify(answer.payloads, NotifyType::unsupported_critical_payload);
  ASSERT_NE(notify, nullptr);
  EXPECT_EQ(notify->data, ByteVec{std::byte{200}});
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
}

TEST(IkeRefusal, invalid_ke_payload_cannot_keep_two_hosts_busy) {
  Pair pair;
  std::size_t answers = 0;
  pair.filter = [&](Datagram& datagram) {
    if (!datagram.to_b) return false;
    if (++answers > 50) return false;
    // Somebody between answers each request by asking for the other group.
    const auto message = wire::IkeMessage::decode(datagram.message).value();
    const bool is_x25519 = wire::find<wire::KePayload>(message.payloads)->group == 31;
    wire::IkeMessage answer;
    answer.header = message.header;
    answer.header.flags = wire::IkeHeader::flag_response;
    wire::NotifyPayload notify;
    notify.type = NotifyType::invalid_ke_payload;
    notify.data = {std::byte{0}, is_x25519 ? std::byte{19} : std::byte{31}};
    answer.payloads.emplace_back(notify);
    pair.wire.push_back({false, pair.path_of(true, 500), *answer.encode()});
    return false;
  };
  pair.initiate_a();
  pair.run();
  EXPECT_LE(answers, 6u);
  pair.advance(60s);
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
}

TEST(IkeRefusal, a_flood_of_requests_keeps_state_log_and_answers_bounded) {
  EndpointConfig config = test_config();
  config.limits.half_open_max = 20;
  config.limits.cookie_threshold = 10;
  config.limits.half_open_per_address_max = 4;
  Pair pair{config};
  ConnectionConfig at_b = make_connection(end_b, end_a);
  at_b.remote_addresses.clear();
  pair.b.set(at_b);
  pair.initiate_a();
  const auto genuine = wire::IkeMessage::decode(pair.sent.at(0).message).value();
  pair.wire.clear();
  std::size_t sent = 0;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    wire::IkeMessage message = genuine;
    message.header.spi_i.value += i + 1;
    const base::Path path{{ip(end_b.address), 500},
                          {base::IpAddress::v4(0x0a000000U + i / 3), 500}};
    pair.b.endpoint.handle_datagram(path, *message.encode(), pair.now);
    ++sent;
    pair.collect();
  }
  EXPECT_LE(pair.b.endpoint.half_open_count(), 20u);
  EXPECT_LE(pair.b.record.transmits.size(), sent);
  EXPECT_LE(pair.b.record.events.size(), 16u);
  pair.advance(31s);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
  EXPECT_TRUE(pair.is_up()) << "the genuine peer repeats its request and brings a cookie";
}

TEST(IkeRefusal, forged_requests_from_the_peers_address_do_not_lock_it_out) {
  EndpointConfig config = test_config();
  config.limits.half_open_per_address_max = 2;
  Pair pair{config};
  pair.initiate_a();
  const auto genuine = wire::IkeMessage::decode(pair.sent.at(0).message).value();
  const auto waiting = std::exchange(pair.wire, {});
  for (std::uint32_t i = 0; i < 10; ++i) {
    wire::IkeMessage message = genuine;
    message.header.spi_i.value += i + 1;
    pair.b.endpoint.handle_datagram(pair.path_of(false, 500), *message.encode(), pair.now);
    while (pair.b.endpoint.poll_action()) {
    }
  }
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 2u);
  pair.wire = waiting;
  pair.run();
  EXPECT_TRUE(pair.is_up());
}

TEST(IkeRefusal, an_old_cookie_is_not_accepted) {
  EndpointConfig config = test_config();
  config.limits.cookie_threshold = 0;
  Pair pair{config};
  Datagram with_cookie;
  pair.filter = [&](Datagram& datagram) {
    if (!datagram.to_b) return true;
    const auto message = wire::IkeMessage::decode(datagram.message);
    if (message && wire::find_notify(message->payloads, NotifyType::cookie) != nullptr) {
      with_cookie = datagram;
      return false;
    }
    return true;
  };
  pair.initiate_a();
  pair.run();
  ASSERT_FALSE(with_cookie.message.empty());
  pair.now = pair.now + 300s;
  pair.inject(true, with_cookie.message);
  EXPECT_EQ(pair.b.endpoint.drops()[DropReason::ike_bad_cookie], 1u);
  EXPECT_EQ(pair.b.endpoint.half_open_count(), 0u);
}

}  // namespace
}  // namespace caponier::ike::test
