#include "gateway/keyholder.h"

#include <gtest/gtest.h>

#include "crypto/null/provider.h"
#include "ike/keys.h"
#include "unit/gateway/peers.h"

namespace caponier::gateway {
namespace {

ike::AuthRequest request_for(const char* connection) {
  ike::AuthRequest request;
  request.sa = {3};
  request.request = 9;
  request.connection = connection;
  request.prf = crypto::PrfId::hmac_sha2_256;
  request.signed_octets = base::to_vec(base::as_bytes("octets"));
  return request;
}

struct Held {
  crypto::NullProvider crypto{nullptr};
  Keyholder keyholder{crypto};
  Held() {
    auto config = std::make_shared<config::Config>();
    config->peers.push_back(site_peer());
    keyholder.apply(config);
  }
};

ike::AuthReply ask(Keyholder& keyholder, const ike::AuthRequest& request) {
  keyholder.handle(request);
  auto reply = keyholder.poll_reply();
  EXPECT_FALSE(keyholder.poll_reply());
  return reply.value_or(ike::AuthReply{});
}

TEST(Keyholder, answers_for_a_configured_connection) {
  Held held;
  const ike::AuthReply reply = ask(held.keyholder, request_for("branch"));
  EXPECT_EQ(reply.outcome, ike::AuthOutcome::made);
  EXPECT_EQ(reply.sa.value, 3u);
  EXPECT_EQ(reply.request, 9u);
  const auto prf = held.crypto.make_prf(crypto::PrfId::hmac_sha2_256);
  const auto expected =
      ike::shared_key_auth(**prf, site_peer().psk->reveal(), base::as_bytes("octets"));
  EXPECT_TRUE(base::equal_constant_time(reply.auth, expected.reveal()));
}

TEST(Keyholder, knows_nothing_of_other_connections_and_nothing_before_a_configuration) {
  Held held;
  EXPECT_EQ(ask(held.keyholder, request_for("other")).outcome, ike::AuthOutcome::unavailable);
  Keyholder empty{held.crypto};
  EXPECT_EQ(ask(empty, request_for("branch")).outcome, ike::AuthOutcome::unavailable);
}

TEST(Keyholder, tells_a_right_proof_from_a_wrong_one) {
  Held held;
  ike::AuthRequest request = request_for("branch");
  const base::ByteVec right = ask(held.keyholder, request).auth;
  request.proof = ike::PeerProof{{}, wire::AuthMethod::shared_key_mic, right, {}};
  EXPECT_EQ(ask(held.keyholder, request).outcome, ike::AuthOutcome::right);
  request.proof->auth.back() ^= std::byte{1};
  const ike::AuthReply reply = ask(held.keyholder, request);
  EXPECT_EQ(reply.outcome, ike::AuthOutcome::wrong);
  EXPECT_EQ(reply.why, "the secrets differ");
}

TEST(Keyholder, has_no_signatures_without_what_makes_them) {
  Held held;
  ike::AuthRequest request = request_for("branch");
  request.proof = ike::PeerProof{{}, wire::AuthMethod::digital_signature, {}, {}};
  EXPECT_EQ(ask(held.keyholder, request).outcome, ike::AuthOutcome::unavailable);
}

}  // namespace
}  // namespace caponier::gateway
