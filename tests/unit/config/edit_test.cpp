#include "config/edit.h"

#include <gtest/gtest.h>

#include "config/document.h"

namespace caponier::config {
namespace {

const std::string file = "caponier.toml";

std::string removed(std::string_view text, std::string_view section, std::string_view name) {
  const auto result = remove_table(file, text, section, name);
  return result ? *result : "refused: " + result.error().message;
}

TEST(ConfigEdit, a_table_is_appended_behind_everything_that_was_there) {
  const std::vector<KeyValue> keys{{"remote", toml_string("203.0.113.9")},
                                   {"local_nets", toml_strings({"10.1.0.0/16", "10.3.0.0/16"})}};
  EXPECT_EQ(append_table(file, "# ours\n[daemon] # here\naudit = true", "site.branch", keys),
            "# ours\n[daemon] # here\naudit = true\n\n[site.branch]\nremote = \"203.0.113.9\"\n"
            "local_nets = [\"10.1.0.0/16\", \"10.3.0.0/16\"]\n");
  EXPECT_EQ(append_table(file, "", "server", {}), "[server]\n");
}

TEST(ConfigEdit, a_table_is_not_appended_twice_nor_to_what_is_no_toml) {
  EXPECT_FALSE(append_table(file, "[site.branch]\n", "site.branch", {}));
  EXPECT_FALSE(append_table(file, "[site.branch", "site.other", {}));
}

TEST(ConfigEdit, any_text_is_a_string) {
  const std::string hostile = "a\"b\\c\n\t\x7f\x01 ]\n[daemon]";
  const auto root = parse_document(file, "x = " + toml_string(hostile) + "\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->find("x")->value.text, hostile);
}

TEST(ConfigEdit, a_table_goes_with_its_comment_and_nothing_else) {
  const std::string_view text =
      "# all\n\n[daemon]\naudit = true # kept\n\n# the branch\n[site.branch]\nremote = \"a\"\n"
      "  # inside\nlocal_nets = [\n  \"10.1.0.0/16\",\n]\n\n# the other\n[site.other]\nremote = "
      "1\n";
  EXPECT_EQ(removed(text, "site", "branch"),
            "# all\n\n[daemon]\naudit = true # kept\n\n# the other\n[site.other]\nremote = 1\n");
  EXPECT_EQ(
      removed(text, "site", "other"),
      "# all\n\n[daemon]\naudit = true # kept\n\n# the branch\n[site.branch]\nremote = \"a\"\n"
      "  # inside\nlocal_nets = [\n  \"10.1.0.0/16\",\n]\n");
}

TEST(ConfigEdit, the_last_table_leaves_an_empty_text) {
  EXPECT_EQ(removed("[site.a]\nremote = 1", "site", "a"), "");
}

TEST(ConfigEdit, what_does_not_stand_by_itself_is_left_to_a_person) {
  for (const std::string_view text :
       {"[site]\na.remote = 1\nb.remote = 2\n", "site.a.remote = 1\n",
        "[site]\na = { remote = 1 }\n",
        "[site.a]\nremote = 1\n[site.b]\nx = 1\n[site.a.more]\ny = 1\n"}) {
    EXPECT_NE(removed(text, "site", "a").find("does not stand by itself"), std::string::npos)
        << text;
  }
  EXPECT_NE(removed("[host.a]\n", "site", "a").find("there is no [site.a]"), std::string::npos);
}

TEST(ConfigEdit, a_line_that_only_looks_like_a_header_ends_nothing) {
  EXPECT_EQ(removed("[site.a]\nn = [\n[1],\n[2]]\n# [site.c]\n[site.b]\ny = 1\n", "site", "a"),
            "# [site.c]\n[site.b]\ny = 1\n");
}

}  // namespace
}  // namespace caponier::config
