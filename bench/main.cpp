// caponier_bench: figures for people, beside the cost of what cannot be avoided, in one run. Never
// a test: nothing here passes or fails.

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "bench/engine_bench.h"
#include "bench/engine_stages.h"
#include "bench/ike_bench.h"
#include "bench/policy_bench.h"

namespace {

void measure_ike(std::uint32_t sa_count) {
  constexpr unsigned repetitions = 9;
  caponier::bench::handshakes(repetitions);
  caponier::bench::cookies(repetitions);
  caponier::bench::memory();
  if (sa_count > 0) caponier::bench::many_sas(sa_count);
}

void measure_engine() {
  constexpr unsigned repetitions = 9;
  caponier::bench::engine_rates(repetitions);
  caponier::bench::engine_many_sas(repetitions);
  caponier::bench::sad_lookups(repetitions);
}

}  // namespace

int main(int argc, char** argv) {
  constexpr unsigned policy_repetitions = 5;
  std::uint32_t count = 100'000;
  bool is_ike = false;
  bool is_engine = false;
  bool is_policy = false;
  bool is_stages = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument{argv[i]};
    if (argument == "--sas" && i + 1 < argc) {
      count = static_cast<std::uint32_t>(std::strtoul(argv[++i], nullptr, 10));
    } else if (argument == "ike") {
      is_ike = true;
    } else if (argument == "engine") {
      is_engine = true;
    } else if (argument == "stages") {
      is_stages = true;
    } else if (argument == "policy") {
      is_policy = true;
    } else {
      std::fputs("usage: caponier_bench [ike|engine|stages|policy]... [--sas COUNT]\n", stderr);
      return 2;
    }
  }
  const bool is_all = !is_ike && !is_engine && !is_stages && !is_policy;
  if (is_ike || is_all) measure_ike(count);
  if (is_engine || is_all) measure_engine();
  if (is_engine || is_stages || is_all) caponier::bench::engine_stages();
  if (is_policy || is_all) caponier::bench::policies(policy_repetitions);
  return 0;
}
