// The keys that name algorithms.

#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

TEST(ConfigAlgorithms, weak_ones_are_refused_with_the_reason_and_both_cures) {
  EXPECT_EQ(complaints("[site.branch]\nesp = [\"3des-sha1\"]\nremote = \"203.0.113.9\"\n"
                       "psk = \"@branch\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
                       "remote_nets = [\"10.2.0.0/16\"]\n"),
            "caponier.toml:2:8: esp: '3des' is weak (64-bit blocks)\n"
            "  fix: use 'aes256gcm16', or let it in with compat = \"legacy\"\n");
}

TEST(ConfigAlgorithms, compat_lets_weak_ones_in_and_adds_none_of_its_own) {
  const auto config =
      loaded(site_with("compat = \"legacy\"\n"
                       "ike = [\"3des-sha1-modp1024\"]\n"
                       "esp = [\"aes128-sha1\"]\n"));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(policy::weaknesses_of(config->peers.at(0).ike).size(), 4U);
  EXPECT_EQ(policy::weaknesses_of(config->peers.at(0).child().esp).size(), 1U);
  const auto defaults = loaded(site_with("compat = \"legacy\"\n"));
  ASSERT_NE(defaults, nullptr);
  EXPECT_EQ(defaults->peers.at(0).ike, policy::default_ike_offers());
  EXPECT_EQ(defaults->peers.at(0).child().esp, policy::default_esp_offers());
}

TEST(ConfigAlgorithms, compat_brings_nothing_back_that_must_not_be_used) {
  EXPECT_EQ(loaded(site_with("compat = \"legacy\"\nesp = [\"des-md5\"]\n")), nullptr);
  EXPECT_EQ(loaded(site_with("compat = \"legacy\"\nike = [\"aes128-sha256-modp768\"]\n")), nullptr);
}

TEST(ConfigAlgorithms, compat_has_one_value) {
  EXPECT_EQ(complaints("[site.branch]\ncompat = \"windows\"\nremote = \"203.0.113.9\"\n"
                       "psk = \"@branch\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
                       "remote_nets = [\"10.2.0.0/16\"]\n"),
            "caponier.toml:2:10: compat: 'windows' is no set of algorithms\n"
            "  fix: write \"legacy\", or leave compat out\n");
}

//= rfc4303#1-1 rfc4303#3.2-2 rfc4303#5-6 type=test
TEST(ConfigAlgorithms, integrity_may_be_asked_for_alone_and_never_left_out) {
  const auto config = loaded(site_with("esp = [\"null-sha256\"]\n"));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->peers.at(0).child().esp.at(0).integrity,
            std::vector{crypto::IntegId::hmac_sha2_256_128});
  EXPECT_EQ(loaded(site_with("esp = [\"null\"]\n")), nullptr);
  EXPECT_EQ(loaded(site_with("esp = [\"aes256\"]\n")), nullptr);
}

}  // namespace
}  // namespace caponier::config
