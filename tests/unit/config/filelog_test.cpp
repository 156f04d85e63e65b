#include <gtest/gtest.h>

#include "memory_source.h"

namespace caponier::config {
namespace {

TEST(ConfigFilelog, is_a_file_and_a_form_of_the_time) {
  const auto config =
      loaded("[daemon]\nfilelog = \"/var/log/charon.log\"\nfilelog_time = \"%T\"\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->daemon.filelog, "/var/log/charon.log");
  EXPECT_EQ(config->daemon.filelog_time, "%T");
  EXPECT_EQ(loaded("")->daemon.filelog, "");
}

TEST(ConfigFilelog, is_named_from_the_root) {
  EXPECT_EQ(complaints("[daemon]\nfilelog = \"charon.log\"\n"),
            "caponier.toml:2:11: filelog: 'charon.log' is not a file to write\n"
            "  fix: write its path from the root, such as \"/var/log/charon.log\"\n");
}

TEST(ConfigUpdown, is_a_program_by_its_path_and_belongs_to_a_child) {
  const auto config =
      loaded(site_with("updown = \"/etc/up iptables\"\nhostaccess = true\n"
                       "inactivity = \"5m\"\n"));
  ASSERT_NE(config, nullptr);
  const ChildConfig& child = config->peers.at(0).child();
  EXPECT_EQ(child.updown, "/etc/up iptables");
  EXPECT_TRUE(child.hostaccess);
  EXPECT_EQ(child.inactivity, std::chrono::minutes{5});
  EXPECT_TRUE(complaints(site_with("updown = \"up\"\n")).find("'up' is no command") !=
              std::string::npos);
}

}  // namespace
}  // namespace caponier::config
