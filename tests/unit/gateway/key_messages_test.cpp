#include "gateway/key_messages.h"

#include <gtest/gtest.h>

namespace caponier::gateway {
namespace {

base::ByteVec octets(std::string_view text) { return base::to_vec(base::as_bytes(text)); }

ike::AuthRequest request() {
  ike::AuthRequest one;
  one.sa = {3};
  one.request = 9;
  one.connection = "branch";
  one.prf = crypto::PrfId::hmac_sha2_256;
  one.signed_octets = octets("octets");
  one.proof = ike::PeerProof{{}, wire::AuthMethod::shared_key_mic, octets("mac"), {}};
  one.hashes = {2, 5};
  return one;
}

HeldPeer peer() {
  return {7, "branch", octets("print"),
          HeldCredential{"gw.pem", octets("spki"), {octets("leaf"), octets("above")}, {{}, {}}}};
}

TEST(KeyMessages, a_request_arrives_as_it_was_sent) {
  const auto command = decode_key_command(*encode(KeyCommand{request()}));
  ASSERT_TRUE(command);
  const auto& found = std::get<ike::AuthRequest>(*command);
  EXPECT_EQ(found.sa.value, 3u);
  EXPECT_EQ(found.request, 9u);
  EXPECT_EQ(found.connection, "branch");
  EXPECT_EQ(found.prf, crypto::PrfId::hmac_sha2_256);
  EXPECT_EQ(found.signed_octets, octets("octets"));
  EXPECT_EQ(found.proof->method, wire::AuthMethod::shared_key_mic);
  EXPECT_EQ(found.proof->auth, octets("mac"));
  EXPECT_EQ(found.hashes, (std::vector<std::uint16_t>{2, 5}));
}

TEST(KeyMessages, what_is_told_of_keys_arrives_as_it_was_sent) {
  const auto news = decode_key_news(*encode(KeyNews{peer()}));
  ASSERT_TRUE(news);
  const auto& found = std::get<HeldPeer>(*news);
  EXPECT_EQ(found.ticket, 7u);
  EXPECT_EQ(found.name, "branch");
  EXPECT_EQ(found.psk_fingerprint, octets("print"));
  EXPECT_EQ(found.credential, peer().credential);

  const config::ConfigError error{{"c.toml", 3, 1}, "what is wrong", "what to do"};
  const auto fault = decode_key_news(*encode(KeyNews{LoadFault{7, error}}));
  EXPECT_EQ(std::get<LoadFault>(*fault).error.to_string(), error.to_string());

  ike::AuthReply reply;
  reply.sa = {3};
  reply.outcome = ike::AuthOutcome::made;
  reply.auth = octets("signature");
  reply.certificates = {{4, octets("leaf")}};
  reply.why = "why";
  const auto answer = decode_key_news(*encode(KeyNews{reply}));
  const auto& made = std::get<ike::AuthReply>(*answer);
  EXPECT_EQ(made.outcome, ike::AuthOutcome::made);
  EXPECT_EQ(made.auth, reply.auth);
  EXPECT_EQ(made.certificates, reply.certificates);
  EXPECT_EQ(made.why, "why");
}

TEST(KeyMessages, what_a_client_loads_arrives_as_it_was_sent) {
  const KeyCommand sent{
      LoadOrder{5, "load-shared", octets("id"), base::SecretBytes{base::as_bytes("a password")}}};
  const auto message = encode(sent);
  ASSERT_TRUE(message);
  const auto command = decode_key_command(*message);
  ASSERT_TRUE(command);
  const auto& found = std::get<LoadOrder>(*command);
  EXPECT_EQ(found.ticket, 5u);
  EXPECT_EQ(found.name, "load-shared");
  EXPECT_EQ(found.message, octets("id"));
  EXPECT_EQ(base::as_text(found.secret.reveal()), "a password");
  EXPECT_FALSE(decode_key_command(base::Bytes{*message}.first(message->size() - 1)));

  const auto done = decode_key_news(*encode(KeyNews{LoadAnswer{5, octets("id")}}));
  EXPECT_EQ(std::get<LoadAnswer>(*done).answer, octets("id"));
  const auto refused =
      decode_key_news(*encode(KeyNews{LoadAnswer{5, std::unexpected{std::string{"why"}}}}));
  EXPECT_EQ(std::get<LoadAnswer>(*refused).answer.error(), "why");
}

TEST(KeyMessages, a_signature_is_asked_for_and_arrives) {
  const SignRequest asked{5, "branch", octets("spki"), pki::SignatureScheme::ed448, octets("this")};
  const auto command = decode_key_command(*encode(KeyCommand{asked}));
  ASSERT_TRUE(command);
  const auto& found = std::get<SignRequest>(*command);
  EXPECT_EQ(found.ticket, 5u);
  EXPECT_EQ(found.name, "branch");
  EXPECT_EQ(found.spki, asked.spki);
  EXPECT_EQ(found.scheme, asked.scheme);
  EXPECT_EQ(found.octets, asked.octets);

  const auto made = decode_key_news(*encode(KeyNews{SignReply{5, octets("signature")}}));
  ASSERT_TRUE(made);
  EXPECT_EQ(std::get<SignReply>(*made).signature.value(), octets("signature"));
  const SignReply refused{5, std::unexpected{pki::SignError::key_unusable}};
  const auto none = decode_key_news(*encode(KeyNews{refused}));
  ASSERT_TRUE(none);
  EXPECT_EQ(std::get<SignReply>(*none).signature.error(), pki::SignError::key_unusable);

  base::ByteVec wrong = *encode(KeyNews{refused});
  wrong.back() = std::byte{9};  // no such error
  EXPECT_FALSE(decode_key_news(wrong));
}

TEST(KeyMessages, a_message_cut_anywhere_or_with_more_behind_is_refused) {
  for (base::ByteVec message : {*encode(KeyCommand{request()}), *encode(KeyCommand{CommitKeys{1}}),
                                *encode(KeyCommand{SignRequest{1, "a", {}, {}, octets("b")}})}) {
    for (std::size_t size = 0; size < message.size(); ++size) {
      EXPECT_FALSE(decode_key_command(base::Bytes{message}.first(size)));
    }
    EXPECT_FALSE(decode_key_news(message));  // nobody is told what to tell
    message.push_back(std::byte{0});
    EXPECT_FALSE(decode_key_command(message));
  }
  const base::ByteVec news = *encode(KeyNews{peer()});
  for (std::size_t size = 0; size < news.size(); ++size) {
    EXPECT_FALSE(decode_key_news(base::Bytes{news}.first(size)));
  }
}

TEST(KeyMessages, nothing_larger_than_the_limit_is_sent_and_long_words_are_cut) {
  ike::AuthRequest large = request();
  large.signed_octets.resize(key_message_size_max);
  EXPECT_FALSE(encode(KeyCommand{large}));
  ike::AuthReply reply;
  reply.why = std::string(2 * key_text_size_max, 'x');
  const auto found = decode_key_news(*encode(KeyNews{reply}));
  EXPECT_EQ(std::get<ike::AuthReply>(*found).why.size(), key_text_size_max);
}

TEST(KeyMessages, outcomes_and_salts_that_do_not_exist_are_refused) {
  base::ByteVec reply = *encode(KeyNews{ike::AuthReply{}});
  reply.at(17) = std::byte{9};  // kind, sa, request; outcome
  EXPECT_FALSE(decode_key_news(reply));
  EXPECT_FALSE(decode_key_command(*encode(KeyCommand{LoadKeys{1, octets("short")}})));
}

}  // namespace
}  // namespace caponier::gateway
