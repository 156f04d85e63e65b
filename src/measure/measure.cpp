#include "measure/measure.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "measure/engine_pair.h"
#include "measure/stopwatch.h"

namespace caponier::measure {
namespace {

using crypto::CipherSuite;
using crypto::EncrId;
using crypto::IntegId;

constexpr CipherSuite aes_128_gcm{EncrId::aes_gcm_16, 128, IntegId::none};
constexpr CipherSuite aes_256_gcm{EncrId::aes_gcm_16, 256, IntegId::none};
constexpr CipherSuite chacha20{EncrId::chacha20_poly1305, 0, IntegId::none};
constexpr CipherSuite aes_128_cbc{EncrId::aes_cbc, 128, IntegId::hmac_sha2_256_128};
constexpr std::array cases{
    EngineCase{aes_128_gcm, 64}, EngineCase{aes_128_gcm, 512}, EngineCase{aes_128_gcm, 1420},
    EngineCase{aes_256_gcm, 64}, EngineCase{aes_256_gcm, 512}, EngineCase{aes_256_gcm, 1420},
    EngineCase{chacha20, 64},    EngineCase{chacha20, 512},    EngineCase{chacha20, 1420},
    EngineCase{aes_128_cbc, 64}, EngineCase{aes_128_cbc, 512}, EngineCase{aes_128_cbc, 1420}};

constexpr std::uint16_t key_lengths[] = {0, 128, 192, 256};

constexpr std::size_t header_size = 8;  // of ESP
constexpr std::size_t text_size = 1408;

/// A burst of packets as the ciphers want them.
class Jobs {
 public:
  explicit Jobs(const crypto::PacketCipher& cipher) {
    const std::size_t size = header_size + cipher.iv_size() + text_size + cipher.icv_size();
    memory_.resize(EnginePair::burst * size);
    base::MutBytes rest{memory_};
    for (std::size_t i = 0; i < EnginePair::burst; ++i) {
      crypto::PacketJob job;
      job.header = rest.first(header_size);
      job.iv = rest.subspan(header_size, cipher.iv_size());
      job.text = rest.subspan(header_size + cipher.iv_size(), text_size);
      job.icv = rest.subspan(size - cipher.icv_size(), cipher.icv_size());
      jobs_.push_back(job);
      rest = rest.subspan(size);
    }
  }
  void number() {
    for (crypto::PacketJob& job : jobs_) job.iv_counter = ++counter_;
  }
  [[nodiscard]] std::span<crypto::PacketJob> all() { return jobs_; }
  [[nodiscard]] bool is_sound() const {
    return std::ranges::all_of(jobs_, [](const crypto::PacketJob& job) { return job.ok; });
  }

 private:
  base::ByteVec memory_;
  std::vector<crypto::PacketJob> jobs_;
  std::uint64_t counter_ = 0;
};

double ns_per_byte(const Stretches& stretches) {
  return stretches.median_seconds() * 1e9 / static_cast<double>(EnginePair::burst * text_size);
}

}  // namespace

std::span<const EngineCase> engine_cases() { return cases; }

std::vector<CipherSuite> all_suites() {
  std::vector<CipherSuite> suites;
  for (const crypto::EncrInfo& encr : crypto::all_encr()) {
    if (encr.id == EncrId::null) continue;  // with each MAC, below
    for (const std::uint16_t bits : key_lengths) {
      const CipherSuite suite{encr.id, bits,
                              encr.aead ? IntegId::none : IntegId::hmac_sha2_256_128};
      if (crypto::is_valid(suite)) suites.push_back(suite);
    }
  }
  for (const crypto::IntegInfo& integ : crypto::all_integ()) {
    const CipherSuite suite{EncrId::null, 0, integ.id};
    if (crypto::is_valid(suite)) suites.push_back(suite);
  }
  return suites;
}

std::vector<crypto::PrfId> all_prfs() {
  std::vector<crypto::PrfId> ids;
  for (const crypto::PrfInfo& info : crypto::all_prf()) ids.push_back(info.id);
  return ids;
}

std::vector<crypto::KeGroup> all_groups() {
  std::vector<crypto::KeGroup> ids;
  for (const crypto::KeInfo& info : crypto::all_ke()) ids.push_back(info.id);
  return ids;
}

std::expected<Bench, std::string> Bench::make() { return Bench{TRY(crypto::choose_crypto())}; }

EngineFigures Bench::engine(const EngineCase& of, double seconds) const {
  EnginePair pair{crypto_.provider(), of.suite, of.packet_size, 1};
  Stretches out;
  Stretches in;
  out.run_for(seconds / 2, [&] { pair.write_packets(); }, [&] { pair.protect(); });
  in.run_for(
      seconds / 2,
      [&] {
        pair.write_packets();
        pair.protect();
        pair.deliver();
      },
      [&] { pair.open(); });
  return {crypto::to_string(of.suite),
          crypto::back_end_of(of.suite),
          of.packet_size,
          EnginePair::burst / out.median_seconds(),
          EnginePair::burst / in.median_seconds(),
          pair.is_sound()};
}

CipherFigures Bench::cipher(const CipherSuite& suite, double seconds) const {
  CipherFigures figures{crypto::to_string(suite), crypto::back_end_of(suite)};
  base::SeededRng rng{1};
  base::ByteVec keys(crypto::encr_key_size(suite) + crypto::integ_key_size(suite));
  rng.fill_public(keys);
  const base::Bytes all{keys};
  const auto cipher = crypto_.provider().make_cipher(suite, all.first(crypto::encr_key_size(suite)),
                                                     all.last(crypto::integ_key_size(suite)), rng);
  if (!cipher) return figures;
  Jobs jobs{**cipher};
  Stretches seal;
  Stretches open;
  seal.run_for(seconds / 2, [&] { jobs.number(); }, [&] { (*cipher)->seal(jobs.all()); });
  open.run_for(
      seconds / 2,
      [&] {
        jobs.number();
        (*cipher)->seal(jobs.all());
      },
      [&] { (*cipher)->open(jobs.all()); });
  figures.seal_ns_per_byte = ns_per_byte(seal);
  figures.open_ns_per_byte = ns_per_byte(open);
  figures.is_sound = jobs.is_sound();
  return figures;
}

PrfFigures Bench::prf(crypto::PrfId id, double seconds) const {
  PrfFigures figures{std::string{crypto::find(id)->name}, crypto::back_end_of_key_exchange()};
  const auto prf = crypto_.provider().make_prf(id);
  if (!prf) return figures;
  constexpr std::size_t calls = 16;
  const std::array<std::byte, 64> data{};
  const std::array<base::Bytes, 1> parts{data};
  const base::Bytes key = base::Bytes{data}.first((*prf)->size());
  Stretches stretches;
  stretches.run_for(
      seconds, [] {},
      [&] {
        for (std::size_t i = 0; i < calls; ++i) static_cast<void>((*prf)->compute(key, parts));
      });
  figures.nanoseconds = stretches.median_seconds() * 1e9 / calls;
  return figures;
}

KeyExchangeFigures Bench::key_exchange(crypto::KeGroup group, double seconds) const {
  KeyExchangeFigures figures{std::string{crypto::find(group)->name},
                             crypto::back_end_of_key_exchange()};
  base::SeededRng rng{1};
  const auto peer = crypto_.provider().make_key_exchange(group, rng);
  if (!peer) return figures;
  bool is_sound = true;
  Stretches stretches;
  stretches.run_for(
      seconds, [] {},
      [&] {
        const auto ours = crypto_.provider().make_key_exchange(group, rng);
        is_sound = ours && (*ours)->derive((*peer)->public_value()).has_value() && is_sound;
      });
  if (is_sound) figures.per_second = 1 / stretches.median_seconds();
  return figures;
}

}  // namespace caponier::measure
