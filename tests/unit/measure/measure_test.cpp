// Not how fast anything is, but that what is measured is the real thing.

#include <gtest/gtest.h>

#include <set>

#include "measure/engine_pair.h"
#include "measure/machine.h"
#include "measure/measure.h"
#include "measure/stopwatch.h"

namespace caponier::measure {
namespace {

constexpr double once = 0;  ///< seconds

Bench make_bench() {
  auto bench = Bench::make();
  EXPECT_TRUE(bench) << bench.error();
  return std::move(*bench);
}

TEST(MeasureMedian, is_not_moved_by_what_took_long) {
  EXPECT_EQ(median_of({3, 1, 1000}), 3);
  EXPECT_EQ(median_of({7}), 7);
}

TEST(MeasureStretches, work_is_done_once_at_least_and_what_it_took_is_positive) {
  Stretches stretches;
  int prepared = 0;
  int worked = 0;
  stretches.run_for(once, [&] { ++prepared; }, [&] { ++worked; });
  EXPECT_GE(worked, 1);
  EXPECT_EQ(prepared, worked);
  EXPECT_GT(stretches.median_seconds(), 0);
}

TEST(MeasureEngine, every_packet_of_every_case_arrives) {
  const Bench bench = make_bench();
  for (const EngineCase& of : engine_cases()) {
    const EngineFigures figures = bench.engine(of, once);
    EXPECT_TRUE(figures.is_sound) << figures.suite << ' ' << figures.packet_size;
    EXPECT_GT(figures.protected_per_second, 0);
    EXPECT_GT(figures.opened_per_second, 0);
    EXPECT_FALSE(figures.back_end.empty());
  }
}

TEST(MeasureEngine, a_pair_whose_packets_never_arrived_is_not_sound) {
  const auto crypto = crypto::choose_crypto();
  ASSERT_TRUE(crypto);
  EnginePair pair{crypto->provider(), engine_cases().front().suite, 64, 3};
  pair.write_packets();
  pair.protect();
  EXPECT_FALSE(pair.is_sound());
  pair.deliver();
  pair.open();
  EXPECT_TRUE(pair.is_sound());
  pair.open();
  EXPECT_FALSE(pair.is_sound()) << "what was opened once is no packet any more";
}

TEST(MeasureAlgorithms, all_that_the_registry_knows_work_here) {
  const Bench bench = make_bench();
  std::set<std::string> names;
  for (const auto& suite : all_suites()) {
    const CipherFigures figures = bench.cipher(suite, once);
    EXPECT_TRUE(figures.is_sound) << figures.suite;
    EXPECT_GT(figures.seal_ns_per_byte, 0) << figures.suite;
    EXPECT_TRUE(names.insert(figures.suite).second) << figures.suite << " twice";
  }
  EXPECT_TRUE(names.contains("aes256-gcm"));
  EXPECT_TRUE(names.contains("chacha20-poly1305"));
  for (const auto id : all_prfs()) {
    const PrfFigures figures = bench.prf(id, once);
    EXPECT_GT(figures.nanoseconds, 0) << figures.name;
  }
  EXPECT_GT(bench.usual_key_exchange(once).per_second, 0);
}

TEST(MeasureMachine, has_a_name_and_a_sane_clock_if_any) {
  EXPECT_FALSE(processor().empty());
  if (const auto hertz = cycles_per_second()) {
    EXPECT_GT(*hertz, 1e8);
    EXPECT_LT(*hertz, 1e10);
  }
}

}  // namespace
}  // namespace caponier::measure
