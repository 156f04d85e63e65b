#include "bench/report.h"

#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>

#include <fmt/format.h>

namespace caponier::bench {
namespace {

std::string number(double value) {
  if (std::abs(value) < 10) return fmt::format("{:.2f}", value);
  if (std::abs(value) < 100) return fmt::format("{:.1f}", value);
  return grouped(value);
}

void line(std::string_view what, std::string_view value, std::string_view unit,
          std::string_view goal, bool is_met) {
  std::fputs(fmt::format("  {:<46} {:>22}  {:<14}", what, value, unit).c_str(), stdout);
  if (!goal.empty()) {
    std::fputs(fmt::format(" goal {}: {}", goal, is_met ? "met" : "MISSED").c_str(), stdout);
  }
  std::fputs("\n", stdout);
  std::fflush(stdout);
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  std::ranges::sort(values);
  return {values.front(), values[values.size() / 2], values.back()};
}

std::string grouped(double value) {
  std::string digits = fmt::format("{:.0f}", std::abs(value));
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return (value < 0 ? "-" : "") + digits;
}

void show(std::string_view what, const Spread& spread, std::string_view unit, std::string_view goal,
          bool is_met) {
  line(what,
       fmt::format("{} ({}..{})", number(spread.median), number(spread.lowest),
                   number(spread.highest)),
       unit, goal, is_met);
}

void show(std::string_view what, double value, std::string_view unit, std::string_view goal,
          bool is_met) {
  line(what, number(value), unit, goal, is_met);
}

void heading(std::string_view text) { std::fputs(fmt::format("\n{}\n", text).c_str(), stdout); }

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double clock_cost() {
  constexpr int calls = 20'000;
  const double before = cpu_seconds();
  for (int i = 0; i < calls; ++i) (void)cpu_seconds();
  return (cpu_seconds() - before) / calls;
}

std::size_t bytes_in_use() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace caponier::bench
