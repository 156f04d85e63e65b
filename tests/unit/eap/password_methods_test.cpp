// MD5-Challenge and MSCHAPv2 with both ends in one process, and against ends that cheat.

#include <gtest/gtest.h>

#include "eap/mschapv2.h"
#include "eap/mschapv2_messages.h"
#include "unit/eap/talk.h"

namespace caponier::eap {
namespace {

using namespace test;
using base::to_hex;

/// A server that has just said its method's first words to alice.
struct Begun {
  std::unique_ptr<EapServer> server;
  ByteVec request;
};
Begun begin_server(Pair& pair) {
  Begun begun{pair.make_server(), {}};
  const ByteVec asked = packet_of(begun.server->start(no_time));
  begun.request = packet_of(begun.server->handle(
      packet(Code::response, identifier_of(asked), Type::identity, base::as_bytes("alice")),
      no_time));
  return begun;
}

TEST(EapMschapv2, right_password_gives_both_the_same_msk) {
  Pair pair{{Type::mschapv2}};
  const Talk said = talk(pair);
  ASSERT_TRUE(said.both_succeeded());
  const Outcome& ours = said.server_success->outcome;
  EXPECT_EQ(ours.identity, "alice");
  EXPECT_EQ(ours.method, Type::mschapv2);
  EXPECT_TRUE(ours.is_mutual);
  EXPECT_EQ(ours.msk.size(), msk_size);
  EXPECT_EQ(to_hex(ours.msk.reveal()), to_hex(said.client_success->outcome.msk.reveal()));
}

TEST(EapMschapv2, wrong_password_is_error_691_and_the_client_knows_why) {
  Pair pair{{Type::mschapv2}};
  pair.password = cleartext("battery staple");
  const Talk said = talk(pair);
  ASSERT_TRUE(said.server_failure && said.client_failure);
  EXPECT_EQ(said.server_failure->reason, FailureReason::bad_credentials);
  EXPECT_EQ(said.client_failure->reason, FailureReason::bad_credentials);
  EXPECT_NE(said.client_failure->sentence.find("691"), std::string::npos);
}

TEST(EapMschapv2, unknown_user_gets_the_packets_of_a_wrong_password) {
  Pair wrong{{Type::mschapv2}};
  wrong.password = cleartext("battery staple");
  Pair unknown{{Type::mschapv2}};
  unknown.client_settings.identity = "mallo";
  const Talk of_wrong = talk(wrong);
  const Talk of_unknown = talk(unknown);
  ASSERT_EQ(of_wrong.to_client.size(), of_unknown.to_client.size());
  for (std::size_t i = 0; i < of_wrong.to_client.size(); ++i) {
    EXPECT_EQ(of_wrong.to_client[i].size(), of_unknown.to_client[i].size());
  }
  ASSERT_TRUE(of_unknown.server_failure);
  EXPECT_EQ(of_unknown.server_failure->reason, FailureReason::bad_credentials);
}

TEST(EapMschapv2, an_nt_hash_is_as_good_as_the_password) {
  Pair pair{{Type::mschapv2}};
  pair.client_settings.identity = "bob";
  pair.users.add_hash("bob",
                      mschapv2::nt_hash(pair.legacy, base::as_bytes("correct horse")).reveal());
  EXPECT_TRUE(talk(pair).both_succeeded());
}

TEST(EapMschapv2, windows_names_come_with_their_domain) {
  Pair pair{{Type::mschapv2}};
  pair.client_settings.identity = "OFFICE\\alice";
  const Talk said = talk(pair);
  ASSERT_TRUE(said.both_succeeded());
  EXPECT_EQ(said.server_success->outcome.identity, "alice");
  EXPECT_EQ(said.server_success->outcome.outer_identity, "OFFICE\\alice");
}

TEST(EapMschapv2, the_identity_is_the_one_that_was_proven_not_the_one_claimed) {
  Pair pair{{Type::mschapv2}};
  pair.client_settings.anonymous_identity = "root";
  const Talk said = talk(pair);
  ASSERT_TRUE(said.both_succeeded());
  EXPECT_EQ(said.server_success->outcome.identity, "alice");
  EXPECT_EQ(said.server_success->outcome.outer_identity, "root");
}

TEST(EapMschapv2, success_in_the_wrong_state_proves_nothing) {  // CVE-2015-8023
  Pair pair{{Type::mschapv2}};
  Begun begun = begin_server(pair);
  const ByteVec success = mschapv2::encode_bare(mschapv2::OpCode::success);
  const Step step = begun.server->handle(
      packet(Code::response, identifier_of(begun.request), Type::mschapv2, success), no_time);
  EXPECT_EQ(reason_of(step), FailureReason::out_of_place);
}

TEST(EapMschapv2, success_after_a_refused_password_proves_nothing) {
  Pair pair{{Type::mschapv2}};
  pair.password = cleartext("battery staple");
  const Talk said = talk(pair, [](std::size_t, bool to_client, ByteVec& bytes) {
    const bool is_failure_response = !to_client && bytes.size() == header_size + 2;
    if (is_failure_response) bytes.back() = std::byte{3};
  });
  EXPECT_FALSE(said.server_success);
  ASSERT_TRUE(said.server_failure);
  EXPECT_EQ(said.server_failure->reason, FailureReason::bad_credentials);
}

TEST(EapMschapv2, client_refuses_a_success_request_before_the_challenge) {
  Pair pair{{Type::mschapv2}};
  const auto client = pair.make_client();
  const ByteVec success = mschapv2::encode_text(mschapv2::OpCode::success, 1,
                                                "S=407A5589115FD0D6209F510FE9C04566932CDA56");
  EXPECT_EQ(reason_of(client->handle(packet(Code::request, 1, Type::mschapv2, success), no_time)),
            FailureReason::out_of_place);
}

TEST(EapMschapv2, client_does_not_believe_a_server_that_does_not_know_the_password) {
  Pair pair{{Type::mschapv2}};
  const Talk said = talk(pair, [](std::size_t, bool to_client, ByteVec& bytes) {
    const auto at = base::as_text(bytes).find("S=");
    if (to_client && at != std::string_view::npos) bytes[at + 5] ^= std::byte{1};
  });
  ASSERT_TRUE(said.client_failure);
  EXPECT_EQ(said.client_failure->reason, FailureReason::server_not_proven);
  EXPECT_FALSE(said.server_success);
}

TEST(EapMschapv2, a_change_of_password_is_refused) {
  Pair pair{{Type::mschapv2}};
  Begun begun = begin_server(pair);
  ByteVec change(586, std::byte{0});
  change[0] = std::byte{7};
  EXPECT_EQ(
      reason_of(begun.server->handle(
          packet(Code::response, identifier_of(begun.request), Type::mschapv2, change), no_time)),
      FailureReason::out_of_place);
}

TEST(EapMschapv2, lengths_that_lie_are_malformed_or_ignored_but_never_read) {  // CVE-2025-62291
  for (const std::string_view digits :
       {"", "02", "0201", "020100ff", "0201000531", "02010000ff", "0201ffff3100"}) {
    Pair pair{{Type::mschapv2}};
    Begun begun = begin_server(pair);
    const Step step = begun.server->handle(packet(Code::response, identifier_of(begun.request),
                                                  Type::mschapv2, base::from_hex(digits).value()),
                                           no_time);
    EXPECT_TRUE(std::holds_alternative<Failure>(step)) << digits;
  }
  for (const std::string_view digits : {"04", "0401", "04010000", "0401fffe", "040100ff45"}) {
    Pair pair{{Type::mschapv2}};
    Begun begun = begin_server(pair);
    const auto client = pair.make_client();
    ASSERT_TRUE(std::holds_alternative<Send>(client->handle(begun.request, no_time)));
    const Step step = client->handle(
        packet(Code::request, 9, Type::mschapv2, base::from_hex(digits).value()), no_time);
    EXPECT_EQ(type_of(packet_of(step)), Type::mschapv2) << digits;
    EXPECT_EQ(reason_of(client->handle(packet(Code::failure, 9), no_time)),
              FailureReason::bad_credentials);
  }
}

TEST(EapMd5, right_password_succeeds_without_a_key) {
  Pair pair{{Type::md5_challenge}};
  pair.client_settings.demand_key = false;
  const Talk said = talk(pair);
  ASSERT_TRUE(said.both_succeeded());
  EXPECT_TRUE(said.server_success->outcome.msk.empty());
  EXPECT_FALSE(said.server_success->outcome.is_mutual);
}

TEST(EapMd5, a_client_that_demands_a_key_does_not_succeed) {
  Pair pair{{Type::md5_challenge}};
  const Talk said = talk(pair);
  ASSERT_TRUE(said.client_failure);
  EXPECT_EQ(said.client_failure->reason, FailureReason::no_key);
}

TEST(EapMd5, wrong_password_unknown_user_and_lone_hash_are_refused) {
  for (const char* user : {"alice", "nobody", "hashed"}) {
    Pair pair{{Type::md5_challenge}};
    pair.client_settings.identity = user;
    pair.password = cleartext("battery staple");
    pair.users.add_hash("hashed",
                        mschapv2::nt_hash(pair.legacy, base::as_bytes("battery staple")).reveal());
    const Talk said = talk(pair);
    ASSERT_TRUE(said.server_failure) << user;
    EXPECT_EQ(said.server_failure->reason, FailureReason::bad_credentials) << user;
  }
}

TEST(EapMd5, an_empty_password_of_nobody_opens_nothing) {
  Pair pair{{Type::md5_challenge}};
  pair.client_settings.identity = "nobody";
  pair.password = cleartext("");
  EXPECT_FALSE(talk(pair).server_success);
}

TEST(EapMd5, responses_of_other_sizes_are_malformed) {
  for (const std::string_view digits : {"", "00", "10", "0f", "1100", "01aa"}) {
    Pair pair{{Type::md5_challenge}};
    Begun begun = begin_server(pair);
    EXPECT_EQ(
        reason_of(begun.server->handle(packet(Code::response, identifier_of(begun.request),
                                              Type::md5_challenge, base::from_hex(digits).value()),
                                       no_time)),
        FailureReason::malformed)
        << digits;
  }
}

}  // namespace
}  // namespace caponier::eap
