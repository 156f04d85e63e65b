#include "bench/engine_bench.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/rng.h"
#include "bench/direct_cipher.h"
#include "bench/report.h"
#include "crypto/choice/choice.h"
#include "crypto/null/provider.h"
#include "ipsec/engine.h"
#include "ipsec/notices.h"
#include "ipsec/sad.h"
#include "measure/engine_pair.h"
#include "measure/stopwatch.h"

namespace caponier::bench {
namespace {

using crypto::CipherSuite;
using crypto::EncrId;
using crypto::IntegId;

using measure::make_sa;
using measure::Stretches;

constexpr std::size_t burst = measure::EnginePair::burst;
/// The engine and the cipher alone take turns, so that both have the same machine.
constexpr unsigned bursts_in_turn = 10;
constexpr unsigned turns = 40;
constexpr std::size_t packet_sizes[] = {64, 512, 1420};
constexpr CipherSuite aes_128_gcm{EncrId::aes_gcm_16, 128, IntegId::none};
constexpr CipherSuite suites[] = {
    aes_128_gcm,
    {EncrId::aes_gcm_16, 256, IntegId::none},
    {EncrId::chacha20_poly1305, 0, IntegId::none},
    {EncrId::aes_cbc, 128, IntegId::hmac_sha2_256_128},
};

/// Millions of packets per second.
double rate_of(const Stretches& bursts) {
  return static_cast<double>(burst) / 1e6 / bursts.median_seconds();
}

template <class Prepare, class Work>
void take_turn(Stretches& bursts, Prepare prepare, Work work) {
  for (unsigned i = 0; i < bursts_in_turn; ++i) bursts.run(prepare, work);
}

const crypto::CryptoProvider& provider() {
  static const auto choice = crypto::choose_crypto();
  CAPONIER_ASSERT(choice);
  return choice->provider();
}

/// The engines, and the cipher alone on packets of the same shape.
class Bench {
 public:
  Bench(const CipherSuite& suite, std::size_t packet_size, std::uint32_t sa_count)
      : direct(DirectCipher::make(suite, sa_count)),
        pair_(provider(), suite, packet_size, sa_count) {
    make_direct_jobs(suite, packet_size);
  }

  void run_out(Stretches& bursts) {
    take_turn(bursts, [&] { pair_.write_packets(); }, [&] { pair_.protect(); });
  }
  void run_in(Stretches& bursts) {
    take_turn(
        bursts,
        [&] {
          pair_.write_packets();
          pair_.protect();
          pair_.deliver();
        },
        [&] { pair_.open(); });
  }
  void run_direct_out(Stretches& bursts) {
    take_turn(bursts, [&] { keys_ = pair_.choose_sas(); }, [&] { direct->seal(jobs_, keys_); });
  }
  void run_direct_in(Stretches& bursts) {
    take_turn(bursts, [&] { keys_ = pair_.choose_sas(); }, [&] { direct->open(jobs_, keys_); });
  }
  [[nodiscard]] bool is_sound() const { return pair_.is_sound(); }

  std::unique_ptr<DirectCipher> direct;

 private:
  void make_direct_jobs(const CipherSuite& suite, std::size_t packet_size) {
    const crypto::EncrInfo& encr = *crypto::find(suite.encr);
    const std::size_t align = std::max<std::size_t>(encr.block_size, 4);
    const std::size_t text = (packet_size + 2 + align - 1) / align * align;
    memory_.resize(burst * (8 + encr.iv_size + text + 32));
    base::MutBytes rest{memory_};
    for (std::size_t i = 0; i < burst; ++i) {
      crypto::PacketJob job;
      job.header = rest.first(8);
      job.iv = rest.subspan(8, encr.iv_size);
      job.text = rest.subspan(8 + encr.iv_size, text);
      jobs_.push_back(job);
      rest = rest.subspan(8 + encr.iv_size + text + 32);
    }
  }

  measure::EnginePair pair_;
  std::span<const std::uint32_t> keys_;
  base::ByteVec memory_;
  std::vector<crypto::PacketJob> jobs_;
};

/// One direction, some repetitions.
struct Figures {
  std::vector<double> rates, direct_rates, shares;

  template <class Engine, class Direct>
  void measure(Engine engine, Direct direct) {
    Stretches engine_bursts;
    Stretches direct_bursts;
    for (unsigned turn = 0; turn < turns; ++turn) {
      direct(direct_bursts);
      engine(engine_bursts);
    }
    rates.push_back(rate_of(engine_bursts));
    direct_rates.push_back(rate_of(direct_bursts));
    shares.push_back(100 * rates.back() / direct_rates.back());
  }
  /// `goal_percent` 0: none.
  void report(std::string_view what, double goal_percent) const {
    show(what, spread_of(rates), "Mpps");
    const Spread share = spread_of(shares);
    show(fmt::format("  of ipsec-mb's {:.1f} Mpps", spread_of(direct_rates).median), share, "%",
         goal_percent > 0 ? fmt::format("{:.0f} %", goal_percent) : "",
         share.median >= goal_percent);
  }
};

void measure(std::string_view what, Bench& bench, unsigned repetitions, double goal_percent) {
  if (bench.direct == nullptr) return heading("no ipsec-mb on this machine: nothing to compare");
  Figures out;
  Figures in;
  for (unsigned i = 0; i < repetitions; ++i) {
    out.measure([&](Stretches& bursts) { bench.run_out(bursts); },
                [&](Stretches& bursts) { bench.run_direct_out(bursts); });
    in.measure([&](Stretches& bursts) { bench.run_in(bursts); },
               [&](Stretches& bursts) { bench.run_direct_in(bursts); });
  }
  out.report(fmt::format("{} out", what), goal_percent);
  in.report(fmt::format("{} in", what), goal_percent);
  if (!bench.is_sound()) heading("  packets were lost: these figures mean nothing");
}

double goal_of(const CipherSuite& suite, std::size_t size) {
  if (suite.encr != EncrId::aes_gcm_16) return 0;
  return size == 64 ? 50 : size == 1420 ? 85 : 0;
}

// What the SAD is asked for in turn; more than fits the first caches.
std::vector<base::Spi> random_spis(const std::vector<base::Spi>& installed, base::Rng& rng) {
  std::vector<base::Spi> spis(1 << 16);
  for (base::Spi& spi : spis) spi = installed[rng.public_below(installed.size())];
  return spis;
}

/// Nanoseconds for one lookup with what it leads to, as the engine does it.
double lookup_ns(const ipsec::Sad& sad, const std::vector<base::Spi>& spis) {
  std::size_t living = 0;
  const double before = cpu_seconds();
  for (std::size_t at = 0; at + burst <= spis.size(); at += burst) {
    const std::span part = std::span{spis}.subspan(at, burst);
    std::array<const ipsec::Sa*, burst> found{};
    for (const base::Spi spi : part) sad.prefetch_inbound(spi);
    for (std::size_t i = 0; i < burst; ++i) {
      found[i] = sad.find_inbound(policy::SaProtocol::esp, part[i]);
      __builtin_prefetch(found[i]);
    }
    for (const ipsec::Sa* const sa : found) living += sa->is_expired ? 0 : 1;
  }
  const double seconds = cpu_seconds() - before;
  return living == spis.size() ? seconds * 1e9 / static_cast<double>(spis.size()) : 0;
}

/// The same for packets that come alone.
double single_lookup_ns(const ipsec::Sad& sad, const std::vector<base::Spi>& spis) {
  std::size_t living = 0;
  const double before = cpu_seconds();
  for (std::size_t i = 0; i < spis.size(); ++i) {
    // The next waits for the one before, as it would for the packet's other work.
    const ipsec::Sa* const sa =
        sad.find_inbound(policy::SaProtocol::esp, spis[(i + living) % spis.size()]);
    living += sa->is_expired ? 1 : 0;
  }
  const double seconds = cpu_seconds() - before;
  return living == 0 ? seconds * 1e9 / static_cast<double>(spis.size()) : 0;
}

/// An SA for a packet of a new flow: of one child, each to another address.
double outbound_lookup_ns(const ipsec::Sad& sad, const std::vector<std::uint32_t>& numbers,
                          base::Rng& rng) {
  constexpr std::size_t lookups = 1 << 14;
  const ipsec::ChildName child{"site", "net"};
  std::vector<wire::PacketSelectorFields> packets(lookups);
  for (auto& packet : packets) {
    const std::uint32_t number = numbers[rng.public_below(numbers.size())];
    packet.source = measure::local_address(number);
    packet.destination = measure::remote_address(number);
    packet.protocol = 17;
    packet.has_ports = true;
  }
  std::size_t found = 0;
  const double before = cpu_seconds();
  for (const auto& packet : packets) found += sad.find_outbound(child, packet) != nullptr ? 1 : 0;
  const double seconds = cpu_seconds() - before;
  return found == lookups ? seconds * 1e9 / lookups : 0;
}

void sad_of(std::uint32_t count, unsigned repetitions) {
  base::SeededRng rng{1};
  const crypto::NullProvider null{nullptr};
  ipsec::EngineLimits limits;
  limits.associations_max = count + burst;
  ipsec::Notices notices{limits};
  ipsec::Sad sad{limits, rng, null, notices};
  std::vector<base::Spi> installed;
  std::vector<std::uint32_t> numbers;
  const base::Instant now{std::chrono::seconds{1}};
  std::uint32_t number = 0;
  for (; installed.size() < count; ++number) {
    auto sa = make_sa(number, aes_128_gcm, false);
    sa.child = "net";
    const base::Spi spi = sa.spi_in;
    if (!sad.install(std::move(sa), nullptr, now)) continue;  // its SPI was taken
    installed.push_back(spi);
    numbers.push_back(number);
  }
  std::vector<double> bursts, singles, outbound, changes;
  for (unsigned i = 0; i < repetitions; ++i) {
    const auto spis = random_spis(installed, rng);
    (void)lookup_ns(sad, spis);
    bursts.push_back(lookup_ns(sad, spis));
    singles.push_back(single_lookup_ns(sad, spis));
    outbound.push_back(outbound_lookup_ns(sad, numbers, rng));
    auto sa = make_sa(number++, aes_128_gcm, false);
    sa.child = "net";
    const policy::ChildSaId id = sa.id;
    const double before = cpu_seconds();
    (void)sad.install(std::move(sa), nullptr, now);
    sad.remove(id);
    changes.push_back(1e6 * (cpu_seconds() - before));
  }
  const std::string with = fmt::format("{} SAs: ", grouped(count));
  show(with + "lookup in a burst", spread_of(bursts), "ns");
  show(with + "lookup of a packet alone", spread_of(singles), "ns");
  show(with + "one for a new flow, of one child", spread_of(outbound), "ns");
  show(with + "one more, and away", spread_of(changes), "us");
}

}  // namespace

void engine_rates(unsigned repetitions) {
  heading("The engine beside ipsec-mb called directly: tunnel, ESN, one SA, bursts of 64");
  for (const CipherSuite& suite : suites) {
    for (const std::size_t size : packet_sizes) {
      Bench bench{suite, size, 1};
      measure(fmt::format("{} {} B", crypto::to_string(suite), size), bench, repetitions,
              goal_of(suite, size));
    }
  }
}

void engine_many_sas(unsigned repetitions) {
  constexpr std::uint32_t count = 4096;
  heading("4,096 SAs at random, both with the same pattern of keys");
  for (const std::size_t size : packet_sizes) {
    Bench bench{aes_128_gcm, size, count};
    measure(fmt::format("{} {} B", crypto::to_string(aes_128_gcm), size), bench, repetitions, 80);
  }
}

void sad_lookups(unsigned repetitions) {
  heading("The SAD: an SA found by its SPI");
  for (const std::uint32_t count : {1U, 10'000U, 1'000'000U}) sad_of(count, repetitions);
  heading("Memory of an SA with AES-128-GCM by ipsec-mb, both directions");
  constexpr std::uint32_t count = 10'000;
  base::SeededRng rng{1};
  const std::size_t before = bytes_in_use();
  ipsec::Engine engine{{}, rng, provider()};
  for (std::uint32_t i = 0; i < count; ++i) {
    (void)engine.install(make_sa(i, aes_128_gcm, false), base::Instant{});
  }
  show("installed", static_cast<double>(bytes_in_use() - before) / count, "bytes");
}

}  // namespace caponier::bench
