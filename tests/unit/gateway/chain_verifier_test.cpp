// Certificates inside of EAP.

#include <gtest/gtest.h>

#include "gateway/chain_verifier.h"
#include "unit/gateway/fake_pki.h"

namespace caponier::gateway::test {
namespace {

std::expected<eap::CertifiedPeer, std::string> judge(const std::string& certificate) {
  const FakePki pki;
  ChainVerifier::Settings settings;
  settings.store = std::make_shared<FakeStore>();
  settings.authorities = {"ca.pem"};
  settings.revocation = pki::Revocation::relaxed;
  settings.now = [] { return pki::UnixTime{1}; };
  const ChainVerifier verifier{std::move(settings), pki};
  const std::vector<eap::ByteVec> chain{base::to_vec(base::as_bytes(certificate))};
  return verifier.verify(chain, eap::TlsRole::client);
}

TEST(ChainVerifier, tells_what_the_authority_says_of_the_user) {
  const auto proven = judge("alice ou=Sales policy=1.3.6.1.4.1.32473.1 policy=1.2.3");
  ASSERT_TRUE(proven) << proven.error();
  EXPECT_EQ(proven->names, std::vector<std::string>{"alice"});
  EXPECT_EQ(proven->units, std::vector<std::string>{"Sales"});
  EXPECT_EQ(proven->policies, (std::vector<std::string>{"1.3.6.1.4.1.32473.1", "1.2.3"}));
}

TEST(ChainVerifier, says_nothing_of_whom_it_does_not_believe) {
  const auto proven = judge("stranger policy=1.2.3");
  ASSERT_FALSE(proven);
  EXPECT_EQ(proven.error(), "it is a stranger's");
}

}  // namespace
}  // namespace caponier::gateway::test
