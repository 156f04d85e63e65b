// Runs random worlds: caponier_sim --seed N --count N --loss P.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/time.h"
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

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse(argc, argv);
  if (!arguments) {
    fmt::print(stderr, "usage: caponier_sim [--seed N] [--count N] [--loss PERCENT]\n");
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
