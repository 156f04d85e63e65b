// The keys that decide what happens under attack, after a crash, and towards another gateway.

#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

TEST(ConfigDefence, every_key_of_a_tunnel_is_taken) {
  const auto config =
      loaded(site_with("redirect = false\n"
                       "redirect_to = \"gw2.example.org\"\n"
                       "resumption = true\n"
                       "crash_detection = false\n"));
  ASSERT_NE(config, nullptr);
  const PeerConfig& peer = config->peers.at(0);
  EXPECT_FALSE(peer.redirect);
  ASSERT_TRUE(peer.redirect_to);
  EXPECT_EQ(peer.redirect_to->name, "gw2.example.org");
  EXPECT_FALSE(peer.redirect_to->address);
  EXPECT_TRUE(peer.resumption);
  EXPECT_FALSE(peer.crash_detection);
}

TEST(ConfigDefence, by_default_redirects_and_crash_tokens_are_on_and_tickets_off) {
  const auto config = loaded(site_with(""));
  ASSERT_NE(config, nullptr);
  const PeerConfig& peer = config->peers.at(0);
  EXPECT_TRUE(peer.redirect);
  EXPECT_FALSE(peer.redirect_to);
  EXPECT_FALSE(peer.resumption);
  EXPECT_TRUE(peer.crash_detection);
}

TEST(ConfigDefence, every_key_of_the_daemon_is_taken) {
  const auto config = loaded(
      "[daemon]\nhalf_open_max = 60000\ncookie_threshold = 0\npuzzle_threshold = 2000\n"
      "redirect_to = \"192.0.2.9\"\nredirect_above = 1000\n");
  ASSERT_NE(config, nullptr);
  const DaemonConfig& daemon = config->daemon;
  EXPECT_EQ(daemon.half_open_max, 60000u);
  EXPECT_EQ(daemon.cookie_threshold, 0u);
  EXPECT_EQ(daemon.puzzle_threshold, 2000u);
  ASSERT_TRUE(daemon.redirect_to);
  EXPECT_EQ(daemon.redirect_to->address, base::IpAddress::parse("192.0.2.9"));
  EXPECT_EQ(daemon.redirect_above, 1000u);
}

TEST(ConfigDefence, mistakes_are_told_with_their_cure) {
  EXPECT_NE(complaints("[daemon]\nredirect_to = \"any\"\n").find("\"any\" is no gateway"),
            std::string::npos);
  EXPECT_NE(complaints("[daemon]\nredirect_above = 5\n").find("add redirect_to"),
            std::string::npos);
  EXPECT_NE(complaints("[daemon]\nhalf_open_max = 0\n").find("half_open_max"), std::string::npos);
  EXPECT_NE(complaints("[daemon]\nredirect_to = \"192.0.2.9\"\nredirect_above = -1\n")
                .find("is outside 0 to"),
            std::string::npos);
}

TEST(ConfigDefence, a_changed_redirection_needs_no_restart_a_changed_threshold_does) {
  Config before;
  Config after = before;
  after.daemon.redirect_to = RedirectTarget{"gw2.example.org", {}};
  EXPECT_FALSE(diff(before, after).daemon_changed);
  after.daemon.cookie_threshold = 5;
  EXPECT_TRUE(diff(before, after).daemon_changed);
}

TEST(ConfigDefence, auditing_is_on_and_unmatched_packets_pass_unless_told_otherwise) {
  const auto config = loaded("[daemon]\n");
  EXPECT_TRUE(config->daemon.audit);
  EXPECT_EQ(config->daemon.unmatched, Unmatched::pass);
  const auto other = loaded("[daemon]\naudit = false\nunmatched = \"discard\"\n");
  EXPECT_FALSE(other->daemon.audit);
  EXPECT_EQ(other->daemon.unmatched, Unmatched::discard);
  EXPECT_FALSE(diff(*config, *other).daemon_changed);
  EXPECT_NE(complaints("[daemon]\nunmatched = \"drop\"\n").find("none of pass and discard"),
            std::string::npos);
}

}  // namespace
}  // namespace caponier::config
