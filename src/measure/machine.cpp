#include "measure/machine.h"

#include <array>
#include <cstring>

#include "measure/stopwatch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace caponier::measure {

#if defined(__x86_64__)

namespace {

constexpr unsigned highest_leaf = 0x80000000;
constexpr unsigned name_leaf = 0x80000002;  ///< and the two behind it, 16 characters each
constexpr unsigned power_leaf = 0x80000007;
constexpr unsigned invariant_tsc = 1U << 8;  ///< EDX of it
constexpr double calibration_seconds = 0.02;

bool has_leaf(unsigned leaf) { return __get_cpuid_max(highest_leaf, nullptr) >= leaf; }

}  // namespace

std::string processor() {
  if (!has_leaf(name_leaf + 2)) return "unknown";
  std::array<unsigned, 12> registers{};
  for (unsigned i = 0; i < 3; ++i) {
    unsigned* const at = registers.data() + std::size_t{4} * i;
    __get_cpuid(name_leaf + i, at, at + 1, at + 2, at + 3);
  }
  std::array<char, sizeof registers + 1> text{};
  std::memcpy(text.data(), registers.data(), sizeof registers);
  std::string name{text.data()};
  const std::size_t first = name.find_first_not_of(' ');
  if (first == std::string::npos) return "unknown";
  return name.substr(first, name.find_last_not_of(' ') - first + 1);
}

std::optional<double> cycles_per_second() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!has_leaf(power_leaf)) return std::nullopt;
  __get_cpuid(power_leaf, &a, &b, &c, &d);
  if ((d & invariant_tsc) == 0) return std::nullopt;
  const double from = seconds_now();
  const auto ticks_from = __rdtsc();
  double to = from;
  while (to - from < calibration_seconds) to = seconds_now();
  return static_cast<double>(__rdtsc() - ticks_from) / (to - from);
}

#else

std::string processor() { return "unknown"; }
std::optional<double> cycles_per_second() { return std::nullopt; }

#endif

}  // namespace caponier::measure
