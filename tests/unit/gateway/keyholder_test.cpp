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

TEST(Keyholder, answers_for_a_configured_connection) {
  const Held held;
  const ike::AuthReply reply = held.keyholder.answer(request_for("branch"));
  EXPECT_TRUE(reply.known);
  EXPECT_EQ(reply.sa.value, 3u);
  EXPECT_EQ(reply.request, 9u);
  const auto prf = held.crypto.make_prf(crypto::PrfId::hmac_sha2_256);
  const auto expected =
      ike::shared_key_auth(**prf, site_peer().psk->reveal(), base::as_bytes("octets"));
  EXPECT_TRUE(base::equal_constant_time(reply.auth.reveal(), expected.reveal()));
}

TEST(Keyholder, knows_nothing_of_other_connections_and_nothing_before_a_configuration) {
  const Held held;
  EXPECT_FALSE(held.keyholder.answer(request_for("other")).known);
  const Keyholder empty{held.crypto};
  EXPECT_FALSE(empty.answer(request_for("branch")).known);
}

}  // namespace
}  // namespace caponier::gateway
