#include "bench/engine_bench.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "base/rng.h"
#include "bench/direct_cipher.h"
#include "bench/report.h"
#include "crypto/null/provider.h"
#include "crypto/openssl/provider.h"
#ifdef CAPONIER_HAS_IPSECMB
#include "crypto/ipsecmb/provider.h"
#endif
#include "ipsec/engine.h"
#include "ipsec/notices.h"
#include "ipsec/sad.h"
#include "wire/ip_packet.h"
#include "wire/udp.h"

namespace caponier::bench {
namespace {

using crypto::CipherSuite;
using crypto::EncrId;
using crypto::IntegId;

constexpr std::size_t burst = 64;
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

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What two looks at the clock cost, to be left out.
double clock_seconds() {
  std::vector<double> values(1001);
  for (double& value : values) value = -seconds_now() + seconds_now();
  return spread_of(std::move(values)).median;
}

/// The times of bursts; their median is what counts, so that work beside ours does not.
class Bursts {
 public:
  template <class Prepare, class Work>
  void run(Prepare prepare, Work work) {
    for (unsigned i = 0; i < bursts_in_turn; ++i) {
      prepare();
      const double before = seconds_now();
      work();
      values_.push_back(seconds_now() - before);
    }
  }
  /// Millions of packets per second.
  [[nodiscard]] double rate() const {
    static const double clock = clock_seconds();
    return static_cast<double>(burst) / 1e6 / (spread_of(values_).median - clock);
  }

 private:
  std::vector<double> values_;
};

const crypto::CryptoProvider& provider() {
  static const crypto::OpensslProvider openssl;
#ifdef CAPONIER_HAS_IPSECMB
  static const crypto::IpsecMbProvider fast{openssl};
  return fast;
#else
  return openssl;
#endif
}

base::IpAddress address_of(std::uint32_t net, std::uint32_t number) {
  return base::IpAddress::v4(net + number);
}
constexpr std::uint32_t our_net = 0x0a000000;
constexpr std::uint32_t their_net = 0x14000000;

policy::InstallSa make_sa(std::uint32_t number, const CipherSuite& suite, bool is_mirror) {
  policy::InstallSa sa;
  sa.id = {number + 1};
  sa.connection = "site";
  sa.child = fmt::format("net-{}", number);
  sa.suite = {suite, crypto::KeGroup::none, true};
  base::SeededRng spis{number};
  sa.spi_in = {spis.public_u32() | 0x100};
  sa.spi_out = {sa.spi_in.value ^ 0x80000000};
  const auto key = [&](std::size_t size) {
    base::SecretBytes bytes{size};
    spis.fill_public(bytes.reveal_mutable());
    return bytes;
  };
  sa.keys_in = {key(crypto::encr_key_size(suite)), key(crypto::integ_key_size(suite))};
  sa.keys_out = {sa.keys_in.encr.duplicate(), sa.keys_in.integ.duplicate()};
  sa.path = {{*base::IpAddress::parse("192.0.2.1"), 4500},
             {*base::IpAddress::parse("198.51.100.1"), 4500}};
  sa.udp_encap = true;
  const auto net = [&](std::uint32_t base) {
    return policy::TrafficSelectors{
        policy::TrafficSelector::from_prefix({address_of(base, number), 32})};
  };
  sa.local = net(our_net);
  sa.remote = net(their_net);
  if (is_mirror) {
    std::swap(sa.spi_in, sa.spi_out);
    std::swap(sa.path.local, sa.path.remote);
    std::swap(sa.local, sa.remote);
  }
  return sa;
}

ipsec::Policy policy_for(const policy::InstallSa& sa) {
  return {ipsec::PolicyAction::protect, sa.connection, sa.child, sa.local, sa.remote};
}

/// A sender and a receiver with the same SAs, a burst of packets between them, and the cipher alone
/// on packets of the same shape.
class Bench {
 public:
  Bench(const CipherSuite& suite, std::size_t packet_size, std::uint32_t sa_count)
      : direct(DirectCipher::make(suite, sa_count)),
        sender_({}, rng_, provider()),
        receiver_({}, rng_, provider()),
        items_(burst),
        arrived_(burst),
        keys_(burst) {
    std::vector<ipsec::Policy> policies;
    std::vector<ipsec::Policy> mirrored;
    for (std::uint32_t i = 0; i < sa_count; ++i) {
      policies.push_back(policy_for(make_sa(i, suite, false)));
      mirrored.push_back(policy_for(make_sa(i, suite, true)));
      is_ready = sender_.install(make_sa(i, suite, false), now_).has_value() &&
                 receiver_.install(make_sa(i, suite, true), now_).has_value() && is_ready;
      packets_.push_back(wire::make_udp_packet({address_of(our_net, i), 1000},
                                               {address_of(their_net, i), 2000},
                                               base::ByteVec(packet_size - 28)));
    }
    sender_.set_policies(std::move(policies));
    receiver_.set_policies(std::move(mirrored));
    for (std::size_t i = 0; i < burst; ++i) buffers_.emplace_back();
    make_direct_jobs(suite, packet_size);
  }

  void run_out(Bursts& bursts) {
    bursts.run([&] { write_packets(); }, [&] { sender_.protect(items_, now_); });
  }
  void run_in(Bursts& bursts) {
    bursts.run(
        [&] {
          write_packets();
          sender_.protect(items_, now_);
          for (std::size_t i = 0; i < burst; ++i) {
            arrived_[i] = {};
            arrived_[i].packet = &buffers_[i];
            arrived_[i].path = {items_[i].path.remote, items_[i].path.local};
          }
        },
        [&] { receiver_.open(arrived_, now_); });
  }
  void run_direct_out(Bursts& bursts) {
    bursts.run([&] { choose_keys(); }, [&] { direct->seal(jobs_, keys_); });
  }
  void run_direct_in(Bursts& bursts) {
    bursts.run([&] { choose_keys(); }, [&] { direct->open(jobs_, keys_); });
  }
  /// Everything that was sent has arrived.
  [[nodiscard]] bool is_sound() const {
    return is_ready && sender_.drops().total() == 0 && receiver_.drops().total() == 0 &&
           std::ranges::all_of(arrived_, [](const ipsec::OpenItem& item) {
             return item.verdict == ipsec::Verdict::forward;
           });
  }

  std::unique_ptr<DirectCipher> direct;
  bool is_ready = true;

 private:
  void choose_keys() {
    for (std::uint32_t& key : keys_) {
      key = static_cast<std::uint32_t>(rng_.public_below(packets_.size()));
    }
  }
  void write_packets() {
    choose_keys();
    for (std::size_t i = 0; i < burst; ++i) {
      buffers_[i].assign(packets_[keys_[i]]);
      items_[i] = {};
      items_[i].packet = &buffers_[i];
    }
  }
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

  base::SeededRng rng_{1};
  base::Instant now_{std::chrono::seconds{1}};
  ipsec::Engine sender_;
  ipsec::Engine receiver_;
  std::vector<base::ByteVec> packets_;
  std::vector<ipsec::PacketBuffer> buffers_;
  std::vector<ipsec::ProtectItem> items_;
  std::vector<ipsec::OpenItem> arrived_;
  std::vector<std::uint32_t> keys_;
  base::ByteVec memory_;
  std::vector<crypto::PacketJob> jobs_;
};

/// One direction, some repetitions.
struct Figures {
  std::vector<double> rates, direct_rates, shares;

  template <class Engine, class Direct>
  void measure(Engine engine, Direct direct) {
    Bursts engine_bursts;
    Bursts direct_bursts;
    for (unsigned turn = 0; turn < turns; ++turn) {
      direct(direct_bursts);
      engine(engine_bursts);
    }
    rates.push_back(engine_bursts.rate());
    direct_rates.push_back(direct_bursts.rate());
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
    out.measure([&](Bursts& bursts) { bench.run_out(bursts); },
                [&](Bursts& bursts) { bench.run_direct_out(bursts); });
    in.measure([&](Bursts& bursts) { bench.run_in(bursts); },
               [&](Bursts& bursts) { bench.run_direct_in(bursts); });
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
    packet.source = address_of(our_net, number);
    packet.destination = address_of(their_net, number);
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
