// Which driver carries protected packets.

#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

using Names = std::vector<std::string>;

TEST(ConfigOuterSide, is_sockets_unless_asked_for_otherwise) {
  for (const std::string text : {"[daemon]\n", "[daemon]\nouter_side = \"socket\"\n",
                                 "[daemon]\nouter_interfaces = [\"eth0\"]\n"}) {
    const auto config = loaded(text);
    ASSERT_NE(config, nullptr);
    EXPECT_EQ(config->daemon.outer_side, OuterSide::socket) << text;
  }
}

TEST(ConfigOuterSide, takes_xdp_sockets_with_their_interfaces) {
  const auto config =
      loaded("[daemon]\nouter_side = \"xdp\"\nouter_interfaces = [\"eth0\", \"eth1\"]\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->daemon.outer_side, OuterSide::xdp);
  EXPECT_EQ(config->daemon.outer_interfaces, (Names{"eth0", "eth1"}));
}

TEST(ConfigOuterSide, may_be_left_to_what_the_cards_offer) {
  const auto config = loaded("[daemon]\nouter_side = \"auto\"\nouter_interfaces = [\"eth0\"]\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->daemon.outer_side, OuterSide::automatic);
}

TEST(ConfigOuterSide, mistakes_are_told_with_their_place_and_cure) {
  for (const std::string choice : {"xdp", "auto"}) {
    const std::string text = complaints("[daemon]\nouter_side = \"" + choice + "\"\n");
    EXPECT_NE(text.find(":2:14: outer_side: \"" + choice + "\" needs outer_interfaces"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("outer_interfaces = [\"eth0\"]"), std::string::npos) << text;
  }
  EXPECT_NE(complaints("[daemon]\nouter_side = \"sockets\"\n").find("did you mean 'socket'?"),
            std::string::npos);
  EXPECT_NE(complaints("[daemon]\nouter_interfaces = []\n").find("the list is empty"),
            std::string::npos);
}

TEST(ConfigOuterSide, a_change_needs_a_restart) {
  const Config before;
  Config after;
  after.daemon.outer_side = OuterSide::xdp;
  EXPECT_TRUE(diff(before, after).daemon_changed);
  after = before;
  after.daemon.outer_interfaces = {"eth0"};
  EXPECT_TRUE(diff(before, after).daemon_changed);
}

}  // namespace
}  // namespace caponier::config
