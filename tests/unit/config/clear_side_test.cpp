// Which driver carries clear packets.

#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

using Names = std::vector<std::string>;

TEST(ConfigClearSide, is_the_tun_unless_asked_for_otherwise) {
  for (const std::string text :
       {"[daemon]\n", "[daemon]\nclear_side = \"auto\"\n", "[daemon]\nclear_side = \"tun\"\n"}) {
    const auto config = loaded(text);
    ASSERT_NE(config, nullptr);
    EXPECT_EQ(config->daemon.clear_side, ClearSide::tun) << text;
  }
}

TEST(ConfigClearSide, takes_packet_sockets_with_their_interfaces) {
  const auto config =
      loaded("[daemon]\nclear_side = \"packet\"\nclear_interfaces = [\"lan0\", \"br-lan.7\"]\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->daemon.clear_side, ClearSide::packet);
  EXPECT_EQ(config->daemon.clear_interfaces, (Names{"lan0", "br-lan.7"}));
}

TEST(ConfigClearSide, interfaces_may_stay_while_the_tun_is_chosen) {
  const auto config = loaded("[daemon]\nclear_side = \"tun\"\nclear_interfaces = [\"lan0\"]\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->daemon.clear_side, ClearSide::tun);
}

TEST(ConfigClearSide, mistakes_are_told_with_their_place_and_cure) {
  const std::string no_interfaces = complaints("[daemon]\nclear_side = \"packet\"\n");
  EXPECT_NE(no_interfaces.find(":2:14: clear_side: \"packet\" needs clear_interfaces"),
            std::string::npos)
      << no_interfaces;
  EXPECT_NE(no_interfaces.find("clear_interfaces = [\"lan0\"]"), std::string::npos);
  EXPECT_NE(complaints("[daemon]\nclear_side = \"pakket\"\n").find("did you mean 'packet'?"),
            std::string::npos);
  EXPECT_NE(complaints("[daemon]\nclear_interfaces = [\"lan%d\"]\n")
                .find("'lan%d' is not a name of an interface"),
            std::string::npos);
  EXPECT_NE(complaints("[daemon]\nclear_interfaces = [\"lan0\", \"lan0\"]\n").find("lan0"),
            std::string::npos);
  EXPECT_NE(complaints("[daemon]\nclear_interfaces = []\n").find("the list is empty"),
            std::string::npos);
}

TEST(ConfigClearSide, a_change_needs_a_restart) {
  Config before;
  Config after = before;
  after.daemon.clear_side = ClearSide::packet;
  EXPECT_TRUE(diff(before, after).daemon_changed);
  after = before;
  after.daemon.clear_interfaces = {"lan0"};
  EXPECT_TRUE(diff(before, after).daemon_changed);
}

}  // namespace
}  // namespace caponier::config
