// Where strongSwan's control interface is served.

#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

TEST(ConfigVici, is_in_the_run_directory_elsewhere_or_nowhere) {
  EXPECT_EQ(loaded("[daemon]\n")->daemon.vici, std::nullopt);
  EXPECT_EQ(loaded("[daemon]\nvici = \"/run/charon.vici\"\n")->daemon.vici, "/run/charon.vici");
  EXPECT_EQ(loaded("[daemon]\nvici = \"\"\n")->daemon.vici, "");
}

TEST(ConfigVici, what_is_no_path_from_the_root_is_refused) {
  const std::string said = complaints("[daemon]\nvici = \"charon.vici\"\n");
  EXPECT_NE(said.find(":2:8: vici: 'charon.vici' is not a path for a socket"), std::string::npos)
      << said;
  EXPECT_NE(said.find("/run/caponier/charon.vici"), std::string::npos);
  EXPECT_FALSE(complaints("[daemon]\nvici = \"/" + std::string(107, 'x') + "\"\n").empty());
}

TEST(ConfigVici, another_place_needs_a_restart) {
  const auto before = loaded("[daemon]\n");
  const auto after = loaded("[daemon]\nvici = \"\"\n");
  EXPECT_TRUE(diff(*before, *after).daemon_changed);
  EXPECT_FALSE(diff(*before, *before).daemon_changed);
}

}  // namespace
}  // namespace caponier::config
