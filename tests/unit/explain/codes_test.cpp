#include "explain/codes.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>

namespace caponier::explain {
namespace {

TEST(Codes, each_has_a_number_of_its_own) {
  std::set<unsigned> numbers;
  for (const CodeInfo& info : code_table) {
    EXPECT_TRUE(numbers.insert(info.number).second) << info.word;
    EXPECT_EQ(&info_of(info.code), &info);
    EXPECT_FALSE(info.title.empty());
  }
  EXPECT_EQ(text_of(Code::no_answer), "CP-1001");
}

TEST(Codes, each_is_in_the_list_for_readers) {
  std::ifstream file{std::string{CAPONIER_SOURCE_DIR} + "/docs/codes.md"};
  std::ostringstream page;
  page << file.rdbuf();
  for (const CodeInfo& info : code_table) {
    const std::string row = fmt::format("| {} | {} |", text_of(info.code), info.word);
    EXPECT_NE(page.str().find(row), std::string::npos) << row;
    EXPECT_NE(page.str().find(std::string{info.title}), std::string::npos) << info.title;
  }
}

}  // namespace
}  // namespace caponier::explain
