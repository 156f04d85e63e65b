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

TEST(TopArguments, have_defaults_and_take_durations) {
  const auto plain = verb_of<TopVerb>({"top"});
  EXPECT_EQ(plain.interval_milliseconds, 1000U);
  EXPECT_EQ(plain.count, 0U);
  EXPECT_FALSE(plain.once);
  const auto full = verb_of<TopVerb>({"top", "--interval", "500ms", "--count", "3", "--json"});
  EXPECT_EQ(full.interval_milliseconds, 500U);
  EXPECT_EQ(full.count, 3U);
  EXPECT_TRUE(verb_of<TopVerb>({"top", "--once"}).once);
}

TEST(TopArguments, an_interval_that_would_only_cost_is_refused) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(std::get<int>(parse({"top", "--interval", "99ms"})), 2);
  EXPECT_EQ(std::get<int>(parse({"top", "--interval", "fast"})), 2);
  EXPECT_EQ(std::get<int>(parse({"top", "--count", "0"})), 2);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("at least 100ms"), std::string::npos);
}

TEST(BenchArguments, take_up_to_twenty_seconds) {
  EXPECT_EQ(verb_of<BenchVerb>({"debug", "bench"}).seconds, 6U);
  EXPECT_EQ(verb_of<BenchVerb>({"debug", "bench", "--seconds", "20"}).seconds, 20U);
  testing::internal::CaptureStderr();
  EXPECT_EQ(std::get<int>(parse({"debug", "bench", "--seconds", "21"})), 2);
  static_cast<void>(testing::internal::GetCapturedStderr());
}

TEST(SetupArguments, name_what_is_added) {
  const auto site = verb_of<AddPeerVerb>({"add", "site", "branch", "203.0.113.9", "--local",
                                          "10.1.0.0/16,10.3.0.0/16", "--remote", "10.2.0.0/16"});
  EXPECT_FALSE(site.is_host);
  EXPECT_EQ(site.name, "branch");
  EXPECT_EQ(site.local, (std::vector<std::string>{"10.1.0.0/16", "10.3.0.0/16"}));
  EXPECT_EQ(site.beyond, std::vector<std::string>{"10.2.0.0/16"});
  EXPECT_TRUE(verb_of<AddPeerVerb>({"add", "host", "db", "203.0.113.9"}).is_host);
  EXPECT_EQ(verb_of<AddUserVerb>({"add", "user", "alice"}).days, 825U);
  EXPECT_TRUE(verb_of<AddUserVerb>({"add", "user", "alice", "--password"}).password);
  EXPECT_EQ(verb_of<RemoveVerb>({"rm", "user", "alice"}).what, RemoveVerb::What::user);
  EXPECT_EQ(verb_of<RemoveVerb>({"rm", "host", "db"}).what, RemoveVerb::What::host);
  EXPECT_EQ(verb_of<InitVerb>({"init", "--server", "vpn"}).pool,
            std::vector<std::string>{"10.9.0.0/24"});
  EXPECT_EQ(std::get<profile::Kind>(verb_of<ExportVerb>({"export", "alice", "--as", "windows"}).as),
            profile::Kind::windows);
}

TEST(SetupArguments, of_export_name_a_kind_of_device_or_the_product_of_a_peer) {
  const auto verb = verb_of<ExportVerb>(
      {"export", "branch", "--as", "junos", "--address", "198.51.100.1", "--with-secret"});
  EXPECT_EQ(std::get<dialect::Target>(verb.as), dialect::Target::junos);
  EXPECT_EQ(verb.address, "198.51.100.1");
  EXPECT_TRUE(verb.with_secret);
}

TEST(DebugArguments, of_a_report_say_where_to_and_whether_addresses_are_hidden) {
  const auto verb = verb_of<ReportVerb>({"debug", "report", "-o", "-", "--hide-addresses"});
  EXPECT_EQ(verb.output, "-");
  EXPECT_TRUE(verb.hide_addresses);
}

TEST(SetupArguments, that_are_missing_or_wrong_are_told) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(std::get<int>(parse({"add"})), 2);
  EXPECT_EQ(std::get<int>(parse({"add", "site", "branch", "203.0.113.9"})), 2);
  EXPECT_EQ(std::get<int>(parse({"export", "alice", "--as", "amiga"})), 2);
  EXPECT_EQ(std::get<int>(parse({"add", "user", "alice", "--days", "0"})), 2);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("'amiga' is none of apple, windows"),
            std::string::npos);
}

}  // namespace
}  // namespace caponier::cli
