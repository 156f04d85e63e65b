#include "cli/arguments.h"

#include <gtest/gtest.h>

#include <vector>

namespace caponier::cli {
namespace {

std::variant<Arguments, int> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "caponier");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return parse_arguments(static_cast<int>(argv.size()), argv.data());
}

template <class T>
T verb_of(const std::vector<std::string>& words) {
  const auto parsed = parse(words);
  const auto* arguments = std::get_if<Arguments>(&parsed);
  const T* verb = arguments == nullptr ? nullptr : std::get_if<T>(&arguments->verb);
  EXPECT_NE(verb, nullptr);
  return verb == nullptr ? T{} : *verb;
}

TEST(BenchArguments, take_up_to_twenty_seconds) {
  EXPECT_EQ(verb_of<BenchVerb>({"debug", "bench"}).seconds, 6U);
  EXPECT_EQ(verb_of<BenchVerb>({"debug", "bench", "--seconds", "20"}).seconds, 20U);
  testing::internal::CaptureStderr();
  EXPECT_EQ(std::get<int>(parse({"debug", "bench", "--seconds", "21"})), 2);
  static_cast<void>(testing::internal::GetCapturedStderr());
}

}  // namespace
}  // namespace caponier::cli
