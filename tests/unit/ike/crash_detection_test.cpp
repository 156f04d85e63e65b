// Quick crash detection (RFC 6290): a peer that has lost the IKE SA says so, and is believed.

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "ike/crash_detection.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::DropReason;
using base::EventKind;
using wire::ExchangeType;
using wire::NotifyType;

std::shared_ptr<const base::SecretBytes> secret(std::string_view text) {
  return std::make_shared<const base::SecretBytes>(base::as_bytes(text));
}

EndpointConfig with_secret(std::string_view text = "thirty-two octets of real secret") {
  EndpointConfig config = test_config();
  config.crash_secrets = {secret(text)};
  return config;
}

/// B as it is after a crash: nothing remembered but the secret.
struct Reborn {
  Reborn(Pair& pair, EndpointConfig config) : side(77, std::move(config), pair.now) {
    side.set(make_connection(end_b, end_a));
  }
  std::vector<ByteVec> handle(Pair& pair, Bytes message) {
    side.endpoint.handle_datagram(pair.path_of(false, 500), message, pair.now);
    std::vector<ByteVec> answers;
    while (auto action = side.endpoint.poll_action()) {
      if (auto* const transmit = std::get_if<Transmit>(&*action)) {
        answers.push_back(std::move(transmit->datagram));
      }
    }
    return answers;
  }
  Side side;
};

/// A tunnel, and A's next liveness request, which never arrives at the B that was.
ByteVec liveness_request(Pair& pair) {
  pair.initiate_a();
  pair.run();
  EXPECT_TRUE(pair.is_up());
  pair.command_a(CheckLiveness{"to-b.example"});
  ByteVec request = pair.wire.back().message;
  pair.wire.clear();
  return request;
}

TEST(IkeCrash, the_token_of_a_restarted_peer_ends_the_sa_at_once) {
  Pair pair{with_secret()};
  const ByteVec request = liveness_request(pair);
  Reborn b{pair, with_secret()};
  const auto answers = b.handle(pair, request);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_LE(answers.front().size(), request.size()) << "nothing is amplified";
  pair.inject(false, answers.front());
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
  EXPECT_TRUE(pair.a.live().empty());
  ASSERT_EQ(pair.a.record.ike_downs.size(), 1u);
  EXPECT_EQ(pair.a.record.ike_downs.front().reason, EndReason::peer_restarted);
  EXPECT_TRUE(pair.a.record.ike_downs.front().was_established);
  EXPECT_EQ(pair.a.record.count(EventKind::ike_crash_detected), 1u);
  EXPECT_TRUE(pair.wire.empty()) << "silently: the peer has nothing to delete";
}

TEST(IkeCrash, it_works_for_the_responder_too) {
  Pair pair{with_secret()};
  pair.initiate_b();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  pair.command_a(CheckLiveness{"to-b.example"});
  const ByteVec request = pair.wire.back().message;
  Reborn b{pair, with_secret()};
  const auto answers = b.handle(pair, request);
  ASSERT_EQ(answers.size(), 1u);
  pair.inject(false, answers.front());
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
}

TEST(IkeCrash, a_secret_that_was_replaced_still_convinces_where_there_is_room) {
  Pair pair{with_secret("the old secret")};
  const ByteVec request = liveness_request(pair);
  EndpointConfig config = with_secret("the new secret");
  config.crash_secrets.push_back(secret("the old secret"));
  const CrashTokens tokens{pair.b.crypto, config.crash_secrets};
  const auto header = Datagram{true, {}, request}.header();
  pair.inject(false, tokens.answer(header, 200));
  EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
}

TEST(IkeCrash, a_wrong_token_changes_nothing_and_is_not_answered) {
  Pair pair{with_secret()};
  const ByteVec request = liveness_request(pair);
  Reborn b{pair, with_secret("another secret altogether")};
  const auto answers = b.handle(pair, request);
  ASSERT_EQ(answers.size(), 1u);
  const std::size_t before = pair.a.record.transmits.size();
  pair.inject(false, answers.front());
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
  EXPECT_EQ(pair.a.record.transmits.size(), before);
  EXPECT_EQ(pair.a.record.count(EventKind::ike_crash_detected), 0u);
}

TEST(IkeCrash, only_the_first_four_tokens_of_a_message_are_looked_at) {
  const CrashTokens tokens{crypto::NullProvider{nullptr}, {secret("s")}};
  const ByteVec right = tokens.make(base::IkeSpi{1}, base::IkeSpi{2});
  std::vector<wire::Payload> payloads;
  for (int i = 0; i < 3; ++i) payloads.emplace_back(make_crash_token(ByteVec(16)));
  payloads.emplace_back(make_crash_token(right));
  EXPECT_TRUE(has_crash_token(payloads, right));
  payloads.insert(payloads.begin(), make_crash_token(ByteVec(16)));
  EXPECT_FALSE(has_crash_token(payloads, right));
  EXPECT_FALSE(has_crash_token({make_crash_token({})}, {})) << "no token is no token";
}

TEST(IkeCrash, the_token_of_a_living_sa_cannot_be_had_under_the_wrong_role) {
  Pair pair{with_secret()};
  pair.initiate_a();
  pair.run();
  pair.command_a(CheckLiveness{"to-b.example"});
  ByteVec request = pair.wire.back().message;
  constexpr std::size_t flags_at = 19;
  request[flags_at] ^= static_cast<std::byte>(wire::IkeHeader::flag_initiator);
  const std::size_t before = pair.b.record.transmits.size();
  pair.inject(true, request);
  EXPECT_EQ(pair.b.record.transmits.size(), before);
}

TEST(IkeCrash, without_a_secret_or_when_switched_off_no_token_is_given_or_shown) {
  Pair pair;
  const ByteVec request = liveness_request(pair);
  Reborn b{pair, test_config()};
  EXPECT_TRUE(b.handle(pair, request).empty());
  EXPECT_EQ(b.side.endpoint.drops()[DropReason::ike_unknown_spi], 1u);

  Pair off{with_secret()};
  ConnectionConfig connection = make_connection(end_a, end_b);
  connection.crash_detection = false;
  off.a.set(connection);
  const ByteVec next = liveness_request(off);
  Reborn again{off, with_secret()};
  for (const ByteVec& answer : again.handle(off, next)) off.inject(false, answer);
  EXPECT_EQ(off.a.ike_count(IkeState::established), 1u) << "tokens are not believed";
}

TEST(IkeCrash, answers_to_unknown_sas_are_rate_limited_and_never_longer) {
  EndpointConfig config = with_secret();
  config.limits.stranger_answers_burst_max = 5;
  Pair pair{config};
  const ByteVec request = liveness_request(pair);
  Reborn b{pair, config};
  std::size_t answered = 0;
  for (int i = 0; i < 100; ++i) answered += b.handle(pair, request).size();
  EXPECT_EQ(answered, 5u);
  EXPECT_EQ(b.side.endpoint.drops()[DropReason::ike_rate_limited], 95u);
  const CrashTokens tokens{pair.b.crypto, config.crash_secrets};
  EXPECT_TRUE(tokens.answer(Datagram{true, {}, request}.header(), 51).empty());
  EXPECT_EQ(tokens.answer(Datagram{true, {}, request}.header(), 52).size(), 52u);
}

TEST(IkeCrash, unprotected_or_answering_messages_get_no_token) {
  Pair pair{with_secret()};
  const ByteVec request = liveness_request(pair);
  Reborn b{pair, with_secret()};
  ByteVec response = request;
  constexpr std::size_t flags_at = 19;
  response[flags_at] |= static_cast<std::byte>(wire::IkeHeader::flag_response);
  EXPECT_TRUE(b.handle(pair, response).empty());
  wire::IkeMessage plain;
  plain.header = Datagram{true, {}, request}.header();
  plain.payloads.emplace_back(wire::NoncePayload{ByteVec(200)});
  EXPECT_TRUE(b.handle(pair, *plain.encode()).empty());
}

}  // namespace
}  // namespace caponier::ike::test
