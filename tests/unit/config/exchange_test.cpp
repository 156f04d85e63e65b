// The keys that say how IKE goes about its work.

#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

TEST(ConfigExchange, every_key_is_taken) {
  const auto config =
      loaded(site_with("fragmentation = false\n"
                       "fragment_size = 576\n"
                       "remote_auth = \"null\"\n"
                       "childless = \"prefer\"\n"
                       "unique = \"replace\"\n"));
  ASSERT_NE(config, nullptr);
  const ExchangeConfig& exchange = config->peers.at(0).exchange;
  EXPECT_FALSE(exchange.fragmentation);
  EXPECT_EQ(exchange.fragment_size, 576);
  EXPECT_EQ(exchange.auth, Auth::psk);
  EXPECT_EQ(exchange.remote_auth, Auth::null);
  EXPECT_EQ(exchange.childless, Childless::prefer);
  EXPECT_EQ(exchange.unique, Unique::replace);
}

TEST(ConfigExchange, without_them_ike_is_as_careful_as_it_can_be) {
  const auto config = loaded(site_with(""));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->peers.at(0).exchange, ExchangeConfig{});
  EXPECT_EQ(ExchangeConfig{}.auth, Auth::psk);
  EXPECT_EQ(ExchangeConfig{}.remote_auth, Auth::psk);
}

TEST(ConfigExchange, the_peer_may_be_named_and_a_wrong_name_gets_all_right_ones) {
  const auto named = loaded(site_with("peer = \"palo_alto\"\n"));
  ASSERT_NE(named, nullptr);
  EXPECT_EQ(named->peers.at(0).product, policy::Product::palo_alto);
  const auto other = loaded(site_with(""));
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->peers.at(0).product, std::nullopt);
  EXPECT_FALSE(named->peers.at(0).same_tunnel(other->peers.at(0)));
  const std::string said = complaints(site_with("peer = \"amiga\"\n"));
  EXPECT_NE(said.find("'amiga' is no product that is known here"), std::string::npos) << said;
  EXPECT_NE(said.find("\"azure\", \"gcp\", \"cloudflare\""), std::string::npos) << said;
}

TEST(ConfigExchange, auth_speaks_for_both_sides_unless_remote_auth_says_otherwise) {
  const auto both = loaded(site_with("auth = \"null\"\n"));
  ASSERT_NE(both, nullptr);
  EXPECT_EQ(both->peers.at(0).exchange.remote_auth, Auth::null);
  const auto one = loaded(site_with("auth = \"null\"\nremote_auth = \"psk\"\n"));
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one->peers.at(0).exchange.auth, Auth::null);
  EXPECT_EQ(one->peers.at(0).exchange.remote_auth, Auth::psk);
}

TEST(ConfigExchange, a_psk_is_needed_as_long_as_one_side_proves_itself) {
  const std::string nets =
      "remote = \"203.0.113.9\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
      "remote_nets = [\"10.2.0.0/16\"]\n";
  EXPECT_NE(loaded("[site.branch]\nauth = \"null\"\n" + nets), nullptr);
  EXPECT_EQ(complaints("[site.branch]\nremote_auth = \"null\"\n" + nets),
            "caponier.toml:1:1: [site.branch] lacks 'psk'\n"
            "  fix: add for example psk = \"@branch\"\n");
}

TEST(ConfigExchange, mistakes_are_told_with_their_cure) {
  const std::string tail =
      "remote = \"203.0.113.9\"\npsk = \"@branch\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
      "remote_nets = [\"10.2.0.0/16\"]\n";
  const auto say = [&](std::string_view lines) {
    return complaints("[site.branch]\n" + std::string{lines} + tail);
  };
  EXPECT_EQ(say("unique = \"replce\"\n"),
            "caponier.toml:2:10: unique: 'replce' is none of no, replace, keep and never\n"
            "  fix: did you mean 'replace'?\n");
  EXPECT_EQ(say("fragment_size = 575\n"),
            "caponier.toml:2:17: fragment_size: 575 is outside 576 to 9000\n"
            "  fix: write a number from 576 to 9000\n");
  EXPECT_EQ(say("remote_auth = \"null\"\nremote_id = \"a.example\"\n"),
            "caponier.toml:3:13: remote_id: the peer's identity proves nothing with remote_auth = "
            "\"null\"\n  fix: remove remote_id, or write remote_auth = \"psk\"\n");
  EXPECT_EQ(say("auth = \"null\"\nlocal_id = \"a.example\"\n"),
            "caponier.toml:3:12: local_id: our identity proves nothing with auth = \"null\"\n"
            "  fix: remove local_id, or write auth = \"psk\"\n");
}

}  // namespace
}  // namespace caponier::config
