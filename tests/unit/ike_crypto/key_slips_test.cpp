#include "ike/key_slips.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/openssl/provider.h"
#include "ike/auth_methods.h"
#include "ike/keys.h"

namespace caponier::ike {
namespace {

struct Case {
  const char* word;
  std::string_view ours;
  std::string_view theirs;
};

class KeySlips : public testing::TestWithParam<Case> {};

AuthReply judge(std::string_view ours, std::string_view theirs) {
  crypto::OpensslProvider crypto;
  AuthRequest request;
  request.prf = crypto::PrfId::hmac_sha2_256;
  request.signed_octets = base::to_vec(base::as_bytes("what both sides have signed"));
  const auto prf = crypto.make_prf(request.prf);
  const auto auth = shared_key_auth(**prf, base::as_bytes(theirs), request.signed_octets);
  request.proof = PeerProof{{}, wire::AuthMethod::shared_key_mic, base::to_vec(auth.reveal())};
  return answer_by_shared_key(request, crypto, base::as_bytes(ours));
}

TEST_P(KeySlips, is_recognized) {
  const AuthReply reply = judge(GetParam().ours, GetParam().theirs);
  EXPECT_EQ(reply.outcome, AuthOutcome::wrong);
  EXPECT_EQ(reply.fault, GetParam().word);
  ASSERT_NE(find_key_slip(reply.fault), nullptr);
  EXPECT_FALSE(find_key_slip(reply.fault)->cure.empty());
}

using namespace std::string_view_literals;
INSTANTIATE_TEST_SUITE_P(Words, KeySlips,
                         testing::Values(Case{"psk.newline", "secret", "secret\n"},
                                         Case{"psk.return", "secret", "secret\r\n"},
                                         Case{"psk.space", "secret", "secret "},
                                         Case{"psk.trimmed", " secret\n", "secret"},
                                         Case{"psk.quotes", "secret", "\"secret\""},
                                         Case{"psk.single_quotes", "secret", "'secret'"},
                                         Case{"psk.unquoted", "\"secret\"", "secret"},
                                         Case{"psk.lower_case", "Secret", "secret"},
                                         Case{"psk.upper_case", "Secret", "SECRET"},
                                         Case{"psk.hex_read", "736563726574", "secret"},
                                         Case{"psk.hex_text", "secret", "736563726574"},
                                         Case{"psk.hex_prefixed", "secret", "0x736563726574"},
                                         Case{"psk.base64_read", "c2VjcmV0", "secret"},
                                         Case{"psk.base64_text", "secret", "c2VjcmV0"},
                                         Case{"psk.utf16", "secret", "s\0e\0c\0r\0e\0t\0"sv}),
                         [](const auto& instance) {
                           std::string name{instance.param.word};
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

TEST(KeySlips, a_key_that_is_another_is_no_slip) {
  const AuthReply reply = judge("secret", "another");
  EXPECT_EQ(reply.outcome, AuthOutcome::wrong);
  EXPECT_TRUE(reply.fault.empty());
}

// HMAC fills its key up with zeros.
TEST(KeySlips, a_zero_octet_at_the_end_makes_no_difference) {
  EXPECT_EQ(judge("secret", "secret\0"sv).outcome, AuthOutcome::right);
}

TEST(KeySlips, the_right_key_is_no_slip) {
  const AuthReply reply = judge("secret", "secret");
  EXPECT_EQ(reply.outcome, AuthOutcome::right);
  EXPECT_TRUE(reply.fault.empty());
}

}  // namespace
}  // namespace caponier::ike
