#include "profile/escape.h"

#include <gtest/gtest.h>

#include "profile/uuid.h"

namespace caponier::profile {
namespace {

TEST(PrintableText, keeps_utf_8_and_replaces_what_is_none) {
  EXPECT_EQ(printable_text("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x94\x91\t\n"),
            "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x94\x91\t\n");
  const std::string mark = "\xef\xbf\xbd";
  EXPECT_EQ(printable_text(std::string_view{"a\0b\x1b\x7f", 5}), "a" + mark + "b" + mark + mark);
  EXPECT_EQ(printable_text("\xc0\x80"), mark + mark);                     // overlong
  EXPECT_EQ(printable_text("\xed\xa0\x80"), mark + mark + mark);          // a surrogate
  EXPECT_EQ(printable_text("\xf4\x90\x80\x80").size(), 4 * mark.size());  // beyond U+10FFFF
  EXPECT_EQ(printable_text("\xe2\x82"), mark + mark);                     // cut off
  EXPECT_EQ(printable_text("\xef\xbf\xbf"), mark);                        // U+FFFF, not in XML
  EXPECT_EQ(printable_text("\xc2\x85"), mark);                            // a control character
}

TEST(XmlText, leaves_no_markup) { EXPECT_EQ(xml_text("<a>&amp;"), "&lt;a&gt;&amp;amp;"); }

TEST(PowershellString, doubles_every_quote_that_powershell_knows) {
  EXPECT_EQ(powershell_string("it's $(x) `n"), "'it''s $(x) `n'");
  EXPECT_EQ(powershell_string("\xe2\x80\x99; calc #"), "'\xe2\x80\x99\xe2\x80\x99; calc #'");
}

TEST(SwanctlString, stays_one_string) {
  EXPECT_EQ(swanctl_string("a\"} \\ #\n\t"), "\"a\\\"} \\\\ #\\n\\t\"");
}

TEST(Uuid, has_version_and_variant) {
  base::SeededRng rng{7};
  const std::string uuid = make_uuid(rng);
  ASSERT_EQ(uuid.size(), 36U);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(std::string_view{"89AB"}.find(uuid[19]), std::string_view::npos);
  EXPECT_NE(uuid, make_uuid(rng));
}

}  // namespace
}  // namespace caponier::profile
