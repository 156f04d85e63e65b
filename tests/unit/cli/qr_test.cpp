#include "cli/qr.h"

#include <gtest/gtest.h>

namespace caponier::cli {
namespace {

TEST(Qr, is_a_square_that_readers_find) {
  const auto code = make_qr("caponier join cj1:AAAA");
  ASSERT_TRUE(code);
  ASSERT_EQ(code->modules.size(), code->side * code->side);
  EXPECT_EQ(code->side % 4, 1U);  // 17 + 4 * version
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_TRUE(code->modules[i]);  // the finder above left
    EXPECT_TRUE(code->modules[i * code->side]);
    EXPECT_TRUE(code->modules[code->side - 1 - i]);
  }
  EXPECT_FALSE(code->modules[7]);
}

TEST(Qr, has_limits) {
  EXPECT_TRUE(make_qr(std::string(qr_size_max, 'x')));
  EXPECT_FALSE(make_qr(std::string(qr_size_max + 1, 'x')));
  EXPECT_FALSE(make_qr(""));
}

TEST(Qr, is_drawn_with_two_modules_a_character_and_a_margin) {
  const QrCode code{2, {true, false, false, true}};
  const std::string full = "\u2588";
  std::string line;
  for (int i = 0; i < 10; ++i) line += full;
  std::string middle = full + full + full + full + "\u2584\u2580" + full + full + full + full;
  EXPECT_EQ(draw_qr(code, false),
            line + "\n" + line + "\n" + middle + "\n" + line + "\n" + line + "\n");
  EXPECT_TRUE(draw_qr(code, true).starts_with("\x1b[97;40m"));
}

}  // namespace
}  // namespace caponier::cli
