// Runs random worlds: caponier_sim --seed N --count N --loss P.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "sim/explorer.h"
#include "sim/random_run.h"

namespace {

using namespace caponier;

struct Arguments {
  std::uint64_t seed = 1;
  std::uint64_t count = 100;
  unsigned loss_percent = 30;
};

template <class T>
bool read_number(std::string_view text, T& value) {
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc{} && end == text.data() + text.size();
}

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc) return std::nullopt;
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    const bool ok = name == "--seed"    ? read_number(value, arguments.seed)
                    : name == "--count" ? read_number(value, arguments.count)
                    : name == "--loss"  ? read_number(value, arguments.loss_percent)
                                        : false;
    if (!ok || arguments.loss_percent > 100) return std::nullopt;
  }
  return arguments;
}

int explore_all(std::string_view wanted) {
  sim::ExploreResult all;
  fmt::print("{:<36}", "schedules");
  for (const sim::ExploreMode& mode : sim::explore_modes()) fmt::print("{:>16}", mode.name);
  fmt::print("{:>10}{:>8}\n", "messages", "failed");
  for (const sim::Collision& collision : sim::collisions()) {
    const bool is_named = collision.name.find(wanted) != std::string::npos;
    if (!is_named) continue;
    sim::ExploreResult sum;
    fmt::print("{:<36}", collision.name);
    for (const sim::ExploreMode& mode : sim::explore_modes()) {
      const bool is_left_out = mode.limits.repeats_max > 0 && !collision.is_repeated;
      const auto result = is_left_out ? sim::ExploreResult{} : sim::explore(collision, mode);
      fmt::print("{:>16}{}", result.schedules, result.is_complete || is_left_out ? "" : "+");
      std::fflush(stdout);
      sum.schedules += result.schedules;
      sum.failed += result.failed;
      sum.deliveries_max = std::max(sum.deliveries_max, result.deliveries_max);
      if (sum.failures.empty()) sum.failures = result.failures;
    }
    fmt::print("{:>10}{:>8}\n", sum.deliveries_max, sum.failed);
    for (const std::string& failure : sum.failures) fmt::print("  {}\n", failure);
    all.schedules += sum.schedules;
    all.failed += sum.failed;
  }
  fmt::print("{} schedules, {} failed\n", all.schedules, all.failed);
  return all.failed == 0 ? 0 : 1;
}

/// As explore_all prints a failure: name, mode, "0,3,1".
int explore_one(std::string_view name, std::string_view how, std::string_view text) {
  std::vector<std::uint8_t> choices;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    std::uint8_t choice = 0;
    if (!read_number(text.substr(at, comma - at), choice)) return 2;
    choices.push_back(choice);
    at = comma + 1;
  }
  for (const sim::Collision& collision : sim::collisions()) {
    for (const sim::ExploreMode& mode : sim::explore_modes()) {
      if (collision.name != name || mode.name != how) continue;
      const std::string failure = sim::run_schedule(collision, mode, choices);
      fmt::print("{}\n", failure.empty() ? "nothing is wrong" : failure);
      return failure.empty() ? 0 : 1;
    }
  }
  fmt::print(stderr, "no collision is called '{}', or no mode '{}'\n", name, how);
  return 2;
}

int explore(std::span<char*> words) {
  if (words.size() > 1) return explore_one(words[0], words[1], words.size() > 2 ? words[2] : "");
  return explore_all(words.empty() ? "" : words[0]);
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> words{argv + 1, static_cast<std::size_t>(std::max(argc - 1, 0))};
  if (!words.empty() && words[0] == std::string_view{"explore"}) return explore(words.subspan(1));
  const auto arguments = parse(argc, argv);
  if (!arguments) {
    fmt::print(stderr,
               "usage: caponier_sim [--seed N] [--count N] [--loss PERCENT]\n"
               "       caponier_sim explore [NAME [MODE SCHEDULE]]\n");
    return 2;
  }
  std::uint64_t failed = 0;
  std::uint64_t done = 0;
  std::uint64_t delivered = 0;
  base::Duration slowest{};
  for (std::uint64_t i = 0; i < arguments->count; ++i) {
    const std::uint64_t seed = arguments->seed + i;
    const auto result = sim::random_run(seed, arguments->loss_percent / 100.0);
    delivered += result.delivered;
    slowest = std::max(slowest, result.settled_after);
    if (!result.violations.empty()) {
      ++failed;
      fmt::print("FAILED {}\n", sim::describe(seed, result));
    }
    if (++done % 100 == 0 || done == arguments->count) {
      fmt::print(
          "seeds {}-{}: {} failed, {} packets delivered, slowest up in {:.1f} s, "
          "last trace {:016x}\n",
          arguments->seed, seed, failed, delivered, base::seconds_of(slowest), result.trace_hash);
      std::fflush(stdout);
    }
  }
  return failed == 0 ? 0 : 1;
}
