// `caponier debug bench` and `debug algs`: measured here, without a daemon.

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/error.h"
#include "cli/verbs.h"
#include "measure/machine.h"
#include "measure/measure.h"

namespace caponier::cli {
namespace {

constexpr double cipher_seconds = 0.03;
constexpr double small_seconds = 0.02;  // PRF, key exchange

Outcome<measure::Bench> make_bench() {
  auto bench = measure::Bench::make();
  if (bench) return std::move(*bench);
  return std::unexpected{
      Failure{ExitCode::generic,
              fmt::format("the self-test of the cryptography failed: {}", bench.error()),
              "do not use this machine or its libraries for IPsec until the cause is found",
              {}}};
}

double gigabits(double packets_per_second, std::size_t packet_size) {
  return packets_per_second * 8 * static_cast<double>(packet_size) / 1e9;
}

std::string engine_row(const measure::EngineFigures& figures) {
  const auto direction = [&](double per_second) {
    return fmt::format("{:>8.2f} {:>8.2f}", per_second / 1e6,
                       gigabits(per_second, figures.packet_size));
  };
  return fmt::format("{:<24} {:>6}   {}   {}   {}\n", figures.suite, figures.packet_size,
                     direction(figures.protected_per_second), direction(figures.opened_per_second),
                     figures.is_sound ? figures.back_end : "packets were lost: this means nothing");
}

Json direction_json(double per_second, std::size_t packet_size) {
  return {{"packets_per_second", per_second},
          {"gigabits_per_second", gigabits(per_second, packet_size)}};
}

Json engine_json(const measure::EngineFigures& figures) {
  return {{"suite", figures.suite},
          {"back_end", figures.back_end},
          {"packet_bytes", figures.packet_size},
          {"protect", direction_json(figures.protected_per_second, figures.packet_size)},
          {"open", direction_json(figures.opened_per_second, figures.packet_size)},
          {"sound", figures.is_sound}};
}

std::string key_exchange_row(const measure::KeyExchangeFigures& figures) {
  return fmt::format("{:<28} {:>12.0f} a second   {}\n", figures.name, figures.per_second,
                     figures.per_second > 0 ? figures.back_end : "not supported");
}

Json key_exchange_json(const measure::KeyExchangeFigures& figures) {
  return {
      {"name", figures.name}, {"back_end", figures.back_end}, {"per_second", figures.per_second}};
}

/// Cycles where they can be told, else nanoseconds.
struct Unit {
  double per_nanosecond = 1;
  std::string_view name = "ns/byte";
};

std::string cipher_row(const measure::CipherFigures& figures, const Unit& unit) {
  if (!figures.is_sound) return fmt::format("{:<44} not supported\n", figures.suite);
  return fmt::format("{:<44} {:>9.2f} {:>9.2f}   {}\n", figures.suite,
                     figures.seal_ns_per_byte * unit.per_nanosecond,
                     figures.open_ns_per_byte * unit.per_nanosecond, figures.back_end);
}

Json cipher_json(const measure::CipherFigures& figures, const std::optional<double>& hertz) {
  Json out{{"suite", figures.suite},
           {"back_end", figures.back_end},
           {"seal_ns_per_byte", figures.seal_ns_per_byte},
           {"open_ns_per_byte", figures.open_ns_per_byte},
           {"sound", figures.is_sound}};
  const auto cycles = [&](double nanoseconds) {
    return hertz ? Json(nanoseconds * *hertz / 1e9) : Json{};
  };
  out["seal_cycles_per_byte"] = cycles(figures.seal_ns_per_byte);
  out["open_cycles_per_byte"] = cycles(figures.open_ns_per_byte);
  return out;
}

}  // namespace

Outcome<ExitCode> run_bench(const Session& session, const BenchVerb& verb) {
  const measure::Bench bench = TRY(make_bench());
  const auto cases = measure::engine_cases();
  const double share = static_cast<double>(verb.seconds) / static_cast<double>(cases.size() + 1);
  Json document{{"processor", measure::processor()}};
  if (!session.json) {
    print(
        fmt::format("{}\none core, in memory: tunnel mode in UDP, ESN, one SA, bursts of 64; "
                    "inner bytes\n\n{:<24} {:>6}   {:>17}   {:>17}\n{:<24} {:>6}   {:>8} {:>8}   "
                    "{:>8} {:>8}   BACK END\n",
                    measure::processor(), "", "", "PROTECT", "OPEN", "SUITE", "BYTES", "Mpkt/s",
                    "Gbit/s", "Mpkt/s", "Gbit/s"));
  }
  Json& engine = document["engine"] = Json::array();
  for (const measure::EngineCase& of : cases) {
    const measure::EngineFigures figures = bench.engine(of, share);
    engine.push_back(engine_json(figures));
    if (!session.json) print(engine_row(figures));
  }
  const measure::KeyExchangeFigures exchange = bench.usual_key_exchange(share);
  document["key_exchange"] = key_exchange_json(exchange);
  session.json ? print_json(document) : print("\nkey exchange\n" + key_exchange_row(exchange));
  return ExitCode::ok;
}

Outcome<ExitCode> run_algs(const Session& session) {
  const measure::Bench bench = TRY(make_bench());
  const std::optional<double> hertz = measure::cycles_per_second();
  const Unit unit = hertz ? Unit{*hertz / 1e9, "cycles/byte"} : Unit{};
  const auto show = [&](const std::string& words) {
    if (!session.json) print(words);
  };
  Json document{{"processor", measure::processor()},
                {"cycles_per_second", hertz ? Json(*hertz) : Json{}}};
  show(measure::processor() + "\n");
  if (hertz)
    show(fmt::format("cycles are those of the time-stamp counter, {:.2f} GHz\n",
                     unit.per_nanosecond));

  show(fmt::format("\n{:<44} {:>9} {:>9}   BACK END\n",
                   "PACKET PROTECTION, " + std::string{unit.name}, "SEAL", "OPEN"));
  for (const auto& suite : measure::all_suites()) {
    const measure::CipherFigures figures = bench.cipher(suite, cipher_seconds);
    document["packet_protection"].push_back(cipher_json(figures, hertz));
    show(cipher_row(figures, unit));
  }
  show("\nPRF, 64 bytes\n");
  for (const auto id : measure::all_prfs()) {
    const measure::PrfFigures figures = bench.prf(id, small_seconds);
    document["prf"].push_back({{"name", figures.name},
                               {"back_end", figures.back_end},
                               {"nanoseconds", figures.nanoseconds}});
    show(fmt::format("{:<28} {:>12.0f} ns         {}\n", figures.name, figures.nanoseconds,
                     figures.nanoseconds > 0 ? figures.back_end : "not supported"));
  }
  show("\nKEY EXCHANGE, a key pair and a shared secret\n");
  for (const auto group : measure::all_groups()) {
    const measure::KeyExchangeFigures figures = bench.key_exchange(group, small_seconds);
    document["key_exchange"].push_back(key_exchange_json(figures));
    show(key_exchange_row(figures));
  }
  if (session.json) print_json(document);
  return ExitCode::ok;
}

}  // namespace caponier::cli
