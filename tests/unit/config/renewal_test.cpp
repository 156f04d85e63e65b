// A certificate that is renewed ends no tunnel; where certificates may be fetched from.

#include <gtest/gtest.h>

#include "unit/config/memory_source.h"
#include "unit/gateway/fake_pki.h"

namespace caponier::config {
namespace {

PeerConfig peer_with(const pki::Credential& credential) {
  PeerConfig peer;
  peer.name = "branch";
  peer.proof.credential = std::make_shared<const pki::Credential>(credential);
  return peer;
}

TEST(Renewal, of_a_certificate_leaves_the_tunnel_with_the_same_key_or_another) {
  pki::Credential before = gateway::test::fake_credential("old", "");
  pki::Credential after = before;
  after.chain.front().der.push_back(std::byte{1});
  EXPECT_TRUE(peer_with(before).same_tunnel(peer_with(after)));
  EXPECT_TRUE(peer_with(before).same_tunnel(peer_with(gateway::test::fake_credential("new", ""))));
}

TEST(Renewal, of_a_raw_public_key_is_another_identity) {
  pki::Credential before = gateway::test::fake_credential("old", "");
  pki::Credential after = gateway::test::fake_credential("new", "");
  before.chain.clear();
  EXPECT_FALSE(peer_with(before).same_tunnel(peer_with(after)));
  after.chain.clear();
  EXPECT_FALSE(peer_with(before).same_tunnel(peer_with(after)));
  EXPECT_TRUE(peer_with(before).same_tunnel(peer_with(before)));
}

TEST(Renewal, a_credential_that_comes_or_goes_is_another_tunnel) {
  PeerConfig without;
  without.name = "branch";
  const PeerConfig with = peer_with(gateway::test::fake_credential("old", ""));
  EXPECT_FALSE(without.same_tunnel(with));
}

TEST(HashAndUrl, places_are_taken_as_written) {
  const auto config =
      loaded(site_with("hash_and_url = [\"http://a.example/\", \"http://b.example:8080/certs/\"]"));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->peers.at(0).proof.hash_and_url,
            (std::vector<std::string>{"http://a.example/", "http://b.example:8080/certs/"}));
}

TEST(HashAndUrl, a_place_that_would_allow_other_hosts_is_refused) {
  for (const char* place : {"http://a.example", "https://a.example/", "http://", "http:///",
                            "http://a.example@b.example/", "http://a b/", "a.example/", ""}) {
    const std::string said =
        complaints(site_with(std::string{"hash_and_url = [\""} + place + "\"]"));
    EXPECT_NE(said.find("is no place that certificates may be fetched from"), std::string::npos)
        << place;
  }
}

TEST(HashAndUrl, a_url_of_a_certificate_that_is_not_there_is_a_mistake) {
  EXPECT_NE(complaints(site_with("cert_url = \"http://a.example/gw.der\""))
                .find("there is no certificate of ours here"),
            std::string::npos);
}

TEST(ExpiryWarning, is_four_weeks_unless_written) {
  EXPECT_EQ(loaded(site_with(""))->daemon.expiry_warning, std::chrono::days{28});
  const auto config = loaded("[daemon]\nexpiry_warning = \"7d\"\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->daemon.expiry_warning, std::chrono::days{7});
}

}  // namespace
}  // namespace caponier::config
