#include <gtest/gtest.h>

#include "unit/swan/memory_files.h"

namespace caponier::swan {
namespace {

TEST(Settings, sections_and_values_make_a_tree_in_their_order) {
  EXPECT_EQ(parsed("a = 1\nb {\n  c = x y   z # why\n  d { e = \"1 # 2\" }\n}\nf{}\n"),
            "a=1;b{c=x y z;d{e=1 # 2;}}f{}");
}

TEST(Settings, values_know_where_their_key_stands) {
  MemoryFiles files = files_of("a {\n  b = 1\n}\n");
  const auto settings = load_settings(std::string{settings_file}, files);
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->root.sections[0].values[0].where.to_string(),
            "/etc/swanctl/swanctl.conf:2:3");
  EXPECT_EQ(settings->root.sections[0].where.to_string(), "/etc/swanctl/swanctl.conf:1:1");
}

TEST(Settings, quoted_text_has_escapes_and_continued_lines) {
  EXPECT_EQ(parsed(R"(a = "q\"\\\x\t|" "b" c)"), "a=q\"\\x\t| b c;");
  EXPECT_EQ(parsed("a = \"one \\\ntwo\"\n"), "a=one two;");
}

TEST(Settings, values_may_hold_what_names_cannot) {
  EXPECT_EQ(parsed("a = 10.1.0.0/16[tcp/443], 10.2.0.1-10.2.0.9, ::1 k=v {\n"),
            "a=10.1.0.0/16[tcp/443], 10.2.0.1-10.2.0.9, ::1 k=v {;");
}

TEST(Settings, the_brace_may_stand_on_the_next_line) {
  EXPECT_EQ(parsed("a\n{ # here\n b = 1 }\n"), "a{b=1;}");
}

TEST(Settings, sections_of_one_name_are_one_and_the_last_value_counts) {
  EXPECT_EQ(parsed("a { x = 1\n y = 1 }\na { x = 2\n z = 1 }\n"), "a{x=2;y=1;z=1;}");
}

TEST(Settings, a_key_without_a_value_is_unset) {
  EXPECT_EQ(parsed("a { x = 1\n x =\n y = \"\" }\n"), "a{y=;}");
}

TEST(Settings, sections_inherit_what_they_do_not_say_themselves) {
  EXPECT_EQ(parsed("base { x = 1\n y = 1\n s { k = 1 } }\n"
                   "other { y = 2\n z = 2 }\n"
                   "c { a : base, other { x = 3\n s { l = 3 } } }\n"),
            "base{x=1;y=1;s{k=1;}}other{y=2;z=2;}c{a{x=3;y=1;z=2;s{l=3;k=1;}}}");
}

TEST(Settings, templates_inherit_from_templates_and_may_follow_their_users) {
  EXPECT_EQ(parsed("c { a : t.one { } }\nt { one : t.two { x = 1 }\n two { y = 2\n x = 2 } }\n"),
            "c{a{x=1;y=2;}}t{one{x=1;y=2;}two{y=2;x=2;}}");
}

TEST(Settings, an_unset_value_is_not_inherited) {
  EXPECT_EQ(parsed("t { x = 1\n y = 1 }\na : t { x = \n }\n"), "t{x=1;y=1;}a{y=1;}");
}

TEST(Settings, a_circle_of_templates_is_refused) {
  EXPECT_EQ(parsed("a : b { }\nb : a { }\n"),
            "/etc/swanctl/swanctl.conf:1:5: section 'b' inherits from itself\n"
            "  fix: break the circle\n"
            "/etc/swanctl/swanctl.conf:2:5: section 'a' inherits from itself\n"
            "  fix: break the circle\n");
}

TEST(Settings, a_template_that_is_not_there_is_named) {
  EXPECT_EQ(parsed("a : t.none { }\n"),
            "/etc/swanctl/swanctl.conf:1:5: there is no section 't.none'\n"
            "  fix: write its whole path from the outermost section on\n");
}

TEST(Settings, templates_that_multiply_are_stopped) {
  std::string text = "t0 { a { b { c { } } } }\n";
  for (int i = 1; i < 40; ++i) {
    text += "t" + std::to_string(i) + " { x : t" + std::to_string(i - 1) + " { }\n y : t" +
            std::to_string(i - 1) + " { } }\n";
  }
  EXPECT_NE(parsed(text).find("templates make more than"), std::string::npos);
}

TEST(Settings, included_files_are_read_where_they_are_named_and_in_order) {
  MemoryFiles files = files_of("a { include conf.d/*.conf\n y = 1 }\ninclude \"more files\"\n");
  files.files["/etc/swanctl/conf.d/2.conf"] = "x = 2\n";
  files.files["/etc/swanctl/conf.d/1.conf"] = "x = 1\ns { include deep\n}\n";
  files.files["/etc/swanctl/conf.d/deep"] = "d = 1";
  files.files["/etc/swanctl/more files"] = "z = 1";
  EXPECT_EQ(parsed(files), "z=1;a{x=2;y=1;s{d=1;}}");
}

TEST(Settings, an_include_without_files_is_a_warning) {
  MemoryFiles files = files_of("include conf.d/*.conf\na = 1\n");
  const auto settings = load_settings(std::string{settings_file}, files);
  ASSERT_TRUE(settings);
  ASSERT_EQ(settings->warnings.size(), 1u);
  EXPECT_EQ(settings->warnings[0].message, "no file fits 'conf.d/*.conf'");
}

TEST(Settings, a_file_that_includes_itself_is_stopped) {
  EXPECT_EQ(parsed("include swanctl.conf\n"),
            "/etc/swanctl/swanctl.conf:1:1: files include each other more than 10 deep\n"
            "  fix: look for a file that includes itself\n");
}

TEST(Settings, a_missing_file_is_told) {
  MemoryFiles files;
  EXPECT_EQ(parsed(files),
            "/etc/swanctl/swanctl.conf: cannot read /etc/swanctl/swanctl.conf: No such file or "
            "directory\n  fix: check that the file exists and may be read\n");
}

TEST(Settings, every_mistake_is_told_at_once) {
  EXPECT_EQ(parsed("a.b = 1\n\"q\" = 2\nc\nd = 1\n= 3\ne { f = 1\n } }\ng { h = \"x\n"),
            "/etc/swanctl/swanctl.conf:1:1: 'a.b' contains a dot, which no name here can\n"
            "  fix: write the section that the value belongs to in braces: a { b = value }\n"
            "/etc/swanctl/swanctl.conf:2:1: 'q' stands where a name should\n"
            "  fix: write names without quotes; quotes are for values\n"
            "/etc/swanctl/swanctl.conf:3:1: 'c' has neither a value nor a section\n"
            "  fix: write `c = value`, or `c { ... }`\n"
            "/etc/swanctl/swanctl.conf:5:1: '=' stands where a name should\n"
            "  fix: write `name = value` or `name { ... }`\n"
            "/etc/swanctl/swanctl.conf:7:4: this '}' closes nothing\n"
            "  fix: remove it, or add the '{' that it closes\n"
            "/etc/swanctl/swanctl.conf:8:1: section 'g' is not closed\n"
            "  fix: add the '}' that is missing\n"
            "/etc/swanctl/swanctl.conf:8:9: the quote that opens here is never closed\n"
            "  fix: add '\"' at the end of the text\n");
}

TEST(Settings, a_section_with_a_dot_in_its_name_is_refused_as_a_whole) {
  EXPECT_EQ(parsed("c { vpn.example { a = 1\n b { } }\n x = 1 }\n"),
            "/etc/swanctl/swanctl.conf:1:5: 'vpn.example' contains a dot, which no name here can\n"
            "  fix: write '-' or '_' instead\n");
}

TEST(Settings, sections_lie_in_each_other_only_so_deep) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "a{";
  EXPECT_NE(parsed(text).find("lie in each other more than 16 deep"), std::string::npos);
}

TEST(Settings, files_have_a_size_limit) {
  EXPECT_NE(parsed(std::string(settings_size_max + 1, '\n')).find("octets"), std::string::npos);
}

TEST(Settings, names_have_a_size_limit) {
  EXPECT_NE(parsed(std::string(settings_name_size_max + 1, 'a') + " = 1\n").find("characters"),
            std::string::npos);
}

TEST(Settings, the_number_of_files_has_a_limit) {
  MemoryFiles files = files_of("include d/*\n");
  for (int i = 0; i < 1100; ++i) files.files["/etc/swanctl/d/" + std::to_string(i)] = "";
  EXPECT_NE(parsed(files).find("more than 1024 files"), std::string::npos);
}

TEST(Settings, lists_are_split_at_commas_and_messages_have_their_own) {
  Section section;
  section.set("a", " x , y,,z ");
  section.set_list("b", {"x,y", " z "});
  EXPECT_EQ(section.find("a")->list(), (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(section.find("b")->list(), (std::vector<std::string>{"x,y", "z"}));
}

}  // namespace
}  // namespace caponier::swan
