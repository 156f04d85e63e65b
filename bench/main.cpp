// caponier_bench: figures for people, beside the cost of what cannot be avoided, in one run. Never
// a test: nothing here passes or fails.

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "bench/ike_bench.h"

int main(int argc, char** argv) {
  constexpr unsigned repetitions = 9;
  std::uint32_t count = 100'000;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view{argv[i]} == "--sas" && i + 1 < argc) {
      count = static_cast<std::uint32_t>(std::strtoul(argv[++i], nullptr, 10));
    } else {
      std::fputs("usage: caponier_bench [--sas COUNT]\n", stderr);
      return 2;
    }
  }
  caponier::bench::handshakes(repetitions);
  caponier::bench::cookies(repetitions);
  caponier::bench::memory();
  if (count > 0) caponier::bench::many_sas(count);
  return 0;
}
