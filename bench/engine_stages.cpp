#include "bench/engine_stages.h"

#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "bench/report.h"
#include "crypto/choice/choice.h"
#include "ipsec/engine_parts.h"
#include "measure/engine_pair.h"
#include "measure/stopwatch.h"

namespace caponier::bench {
namespace {

using ipsec::BurstStage;
using measure::PacketBurst;
using measure::Stretches;

/// Bursts of one kind, in as many parts as they have stages.
class StageTimes {
 public:
  /// What a burst is given to have its stages timed.
  class Watch {
   public:
    explicit Watch(StageTimes& times) : times_(times), since_(measure::seconds_now()) {}
    void passed(BurstStage stage) {
      const double now = measure::seconds_now();
      times_.stages_[stage].add(now - since_);
      since_ = now;
    }

   private:
    StageTimes& times_;
    double since_;
  };

  /// A packet's share of a stage.
  [[nodiscard]] double nanoseconds(BurstStage stage) const {
    const auto found = stages_.find(stage);
    if (found == stages_.end()) return 0;
    return found->second.median_seconds() * 1e9 / static_cast<double>(PacketBurst::size);
  }

 private:
  std::map<BurstStage, Stretches> stages_;
};

struct Directions {
  StageTimes out, in;
};

/// A sender and a receiver whose rooms are entered one by one.
class StagedPair {
 public:
  StagedPair(const crypto::CryptoProvider& provider, const crypto::CipherSuite& suite,
             std::size_t packet_size, std::uint32_t sa_count)
      : sender_({}, rng_, provider), receiver_({}, rng_, provider), burst_(packet_size, sa_count) {
    sender_.spd.set(measure::make_policies(sa_count, false));
    receiver_.spd.set(measure::make_policies(sa_count, true));
    for (std::uint32_t i = 0; i < sa_count; ++i) {
      (void)sender_.sad.install(measure::make_sa(i, suite, false), nullptr, now_);
      (void)receiver_.sad.install(measure::make_sa(i, suite, true), nullptr, now_);
    }
  }

  void run(Directions& times) {
    burst_.write();
    sender_.outbound.run(burst_.leaving(), now_, StageTimes::Watch{times.out});
    burst_.deliver();
    receiver_.inbound.run(burst_.arrived(), now_, StageTimes::Watch{times.in});
    CAPONIER_ASSERT(burst_.is_open());
  }

 private:
  base::SeededRng rng_{1};
  base::Instant now_{std::chrono::seconds{1}};
  ipsec::EngineParts sender_;
  ipsec::EngineParts receiver_;
  PacketBurst burst_;
};

struct Column {
  BurstStage stage;
  std::string_view title;
};
constexpr std::array columns{
    Column{BurstStage::parse, "parse"},     Column{BurstStage::association, "SA"},
    Column{BurstStage::headers, "headers"}, Column{BurstStage::crypto, "crypto"},
    Column{BurstStage::unwrap, "unwrap"},   Column{BurstStage::policy, "policy"},
    Column{BurstStage::count, "count"}};

void show_titles() {
  std::string row = fmt::format("  {:<28}", "");
  for (const Column& column : columns) row += fmt::format(" {:>8}", column.title);
  std::puts((row + fmt::format(" {:>8}", "all")).c_str());
}

void show_row(std::string_view what, const StageTimes& times) {
  std::string row = fmt::format("  {:<28}", what);
  double sum = 0;
  for (const Column& column : columns) {
    const double nanoseconds = times.nanoseconds(column.stage);
    sum += nanoseconds;
    row += nanoseconds > 0 ? fmt::format(" {:>8.1f}", nanoseconds) : fmt::format(" {:>8}", "-");
  }
  std::puts((row + fmt::format(" {:>8.1f}", sum)).c_str());
  std::fflush(stdout);
}

}  // namespace

void engine_stages() {
  constexpr unsigned bursts_to_warm = 3'000;
  constexpr unsigned bursts = 20'000;
  constexpr crypto::CipherSuite suite{crypto::EncrId::aes_gcm_16, 128, crypto::IntegId::none};
  const auto choice = crypto::choose_crypto();
  CAPONIER_ASSERT(choice);
  heading("Nanoseconds of a packet in each stage, AES-128-GCM, bursts of 64");
  show_titles();
  for (const std::uint32_t sa_count : {1U, 10'000U}) {
    for (const std::size_t packet_size : {64U, 512U, 1420U}) {
      StagedPair pair{choice->provider(), suite, packet_size, sa_count};
      Directions cold;
      for (unsigned i = 0; i < bursts_to_warm; ++i) pair.run(cold);
      Directions times;
      for (unsigned i = 0; i < bursts; ++i) pair.run(times);
      const std::string what = fmt::format("{} SAs, {} B", grouped(sa_count), packet_size);
      show_row(what + ", out", times.out);
      show_row(what + ", in", times.in);
    }
  }
}

}  // namespace caponier::bench
