#include "cli/top_render.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace caponier::cli {
namespace {

Rates busy(std::size_t tunnels) {
  Rates rates;
  rates.seconds = 1;
  rates.uptime_seconds = 7300;
  rates.cpu_percent = 12.34;
  for (std::size_t i = 0; i < tunnels; ++i) {
    rates.tunnels.push_back({{"peer-" + std::to_string(i), "net"}, 1000, 8e6, 2000, 1.6e7, 0});
  }
  rates.total = {{}, 1234, 9.9e8, 0.5, 12, 3};
  rates.drops = {{"esp_replay", 2}, {"clear_no_sa", 1}};
  return rates;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', at)) {
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  EXPECT_EQ(at, text.size()) << "every line has its newline";
  return lines;
}

TEST(TopText, shows_the_daemon_the_drops_the_total_and_each_tunnel) {
  EXPECT_EQ(top_text(busy(2), {}),
            "caponierd up 2h, 12.3 % of one CPU, mean of 1.0 s\n"
            "dropped esp_replay 2.0/s, clear_no_sa 1.0/s\n"
            "\n"
            "TUNNEL        IN pkt/s   IN bit/s  OUT pkt/s  OUT bit/s     DROP/s\n"
            "all tunnels       1.2k       990M        0.5         12        3.0\n"
            "peer-0/net        1.0k       8.0M       2.0k      16.0M          0\n"
            "peer-1/net        1.0k       8.0M       2.0k      16.0M          0\n");
}

TEST(TopText, says_what_each_worker_takes_where_there_are_several) {
  Rates rates = busy(0);
  rates.worker_cpu_percent = {12.1};
  EXPECT_EQ(lines_of(top_text(rates, {}))[0], "caponierd up 2h, 12.3 % of one CPU, mean of 1.0 s");
  rates.worker_cpu_percent = {10.04, 2};
  EXPECT_EQ(lines_of(top_text(rates, {}))[0],
            "caponierd up 2h, 12.3 % of one CPU (workers 10.0 %, 2.0 %), mean of 1.0 s");
  const Json document = top_json(rates);
  EXPECT_EQ(document["workers"][1]["worker"], 1);
  EXPECT_EQ(document["workers"][1]["cpu_percent"], 2);
}

TEST(TopText, a_child_called_as_its_peer_is_said_once) {
  Rates rates = busy(1);
  rates.tunnels[0].name = {"branch", "branch"};
  const auto lines = lines_of(top_text(rates, {}));
  EXPECT_TRUE(lines.back().starts_with("branch  ")) << lines.back();
}

TEST(TopText, names_the_busiest_reasons_and_counts_the_others) {
  Rates rates = busy(0);
  EXPECT_EQ(lines_of(top_text(rates, {}))[1], "dropped esp_replay 2.0/s, clear_no_sa 1.0/s");
  rates.drops = {{"a", 4}, {"b", 3}, {"c", 2}, {"d", 1}, {"e", 1}};
  EXPECT_EQ(lines_of(top_text(rates, {}))[1],
            "dropped a 4.0/s, b 3.0/s, c 2.0/s and 2 other reasons");
  rates.drops.clear();
  EXPECT_EQ(lines_of(top_text(rates, {}))[1], "dropped nothing");
}

TEST(TopText, tunnels_that_do_not_fit_are_counted) {
  const auto lines = lines_of(top_text(busy(20), {80, 10}));
  EXPECT_EQ(lines.size(), 10U);
  EXPECT_TRUE(lines[8].starts_with("peer-3/net"));
  EXPECT_EQ(lines.back(), "and 16 more");
  EXPECT_EQ(lines_of(top_text(busy(5), {80, 10})).size(), 10U);
  EXPECT_TRUE(lines_of(top_text(busy(5), {80, 10})).back().starts_with("peer-4/net"));
}

TEST(TopText, fits_every_window) {
  for (const std::size_t tunnels : {0U, 1U, 7U, 300U}) {
    for (std::size_t height = 1; height < 14; ++height) {
      for (const std::size_t width : {1U, 2U, 20U, 79U, 200U}) {
        const auto lines = lines_of(top_text(busy(tunnels), {width, height}));
        EXPECT_LE(lines.size(), height);
        EXPECT_TRUE(std::ranges::all_of(
            lines, [&](const std::string& line) { return line.size() <= width; }));
      }
    }
  }
}

TEST(TopText, has_no_escape_codes) {
  EXPECT_EQ(top_text(busy(3), {80, 24}).find('\x1b'), std::string::npos);
}

TEST(TopFrame, writes_over_the_previous_one_and_never_scrolls) {
  EXPECT_EQ(top_frame("one\ntwo\n"), "\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J");
  EXPECT_EQ(top_frame(""), "\x1b[H\x1b[K\x1b[J");
}

TEST(TopJson, is_one_object_with_everything) {
  const Json document = top_json(busy(1));
  EXPECT_EQ(document["cpu_percent"], 12.34);
  EXPECT_EQ(document["total"]["packets_in_per_second"], 1234);
  EXPECT_EQ(document["drops"]["esp_replay"], 2);
  EXPECT_EQ(document["tunnels"][0]["peer"], "peer-0");
  EXPECT_EQ(document["tunnels"][0]["child"], "net");
  EXPECT_EQ(document["tunnels"][0]["bits_out_per_second"], 1.6e7);
}

TEST(HumanRate, keeps_about_three_digits) {
  EXPECT_EQ(human_rate(0), "0");
  EXPECT_EQ(human_rate(0.04), "0");
  EXPECT_EQ(human_rate(0.5), "0.5");
  EXPECT_EQ(human_rate(9.9), "9.9");
  EXPECT_EQ(human_rate(12.4), "12");
  EXPECT_EQ(human_rate(999.4), "999");
  EXPECT_EQ(human_rate(999.6), "1.0k");
  EXPECT_EQ(human_rate(12'345), "12.3k");
  EXPECT_EQ(human_rate(123'456), "123k");
  EXPECT_EQ(human_rate(9.4e9), "9.4G");
}

}  // namespace
}  // namespace caponier::cli
