#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "control/protocol.h"

namespace caponier::cli {
namespace {

/// "10s", "500ms", "2m", or bare seconds; CLI11's validator form: the error, or the value rewritten
/// as milliseconds.
std::string to_milliseconds(std::string& text) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const std::string unit = text.substr(digits);
  const std::uint64_t factor = unit == "ms"                  ? 1
                               : unit == "s" || unit.empty() ? 1000
                               : unit == "m"                 ? 60000
                                                             : 0;
  if (digits == 0 || digits > 7 || factor == 0) {
    return "'" + text + "' is not a duration such as 10s or 500ms";
  }
  const std::uint64_t value = std::stoull(text.substr(0, digits)) * factor;
  if (value > control::wait_milliseconds_max) return "at most 10 minutes";
  text = std::to_string(value);
  return {};
}

constexpr std::uint64_t top_interval_min = 100;
constexpr std::uint64_t bench_seconds_max = 20;

std::string to_interval(std::string& text) {
  std::string error = to_milliseconds(text);
  if (error.empty() && std::stoull(text) < top_interval_min) error = "at least 100ms";
  return error;
}

struct Parsed {
  std::string socket;
  std::string run_dir;
  bool json = false;
  StatusVerb status;
  UpVerb up;
  DownVerb down;
  LogVerb log;
  PingVerb ping;
  RedirectVerb redirect;
  CaptureVerb capture{"caponier-capture"};
  TraceVerb trace;
  TopVerb top;
  BenchVerb bench;
  Verb verb = StatusVerb{};
};

void add_daily_verbs(CLI::App& app, Parsed& in) {
  auto* status = app.add_subcommand("status", "One line per configured peer, or all about one");
  status->add_option("NAME", in.status.name, "All about this peer");
  status->add_flag("-w,--watch", in.status.watch, "Again every two seconds");
  status->callback([&in] { in.verb = in.status; });

  auto* up = app.add_subcommand("up", "Bring a tunnel up, now and for ever");
  up->add_option("NAME", in.up.name, "The peer")->required();
  up->add_option("--wait", in.up.wait_milliseconds, "Wait this long for the outcome, such as 10s")
      ->transform(CLI::Validator(to_milliseconds, "DURATION"));
  up->callback([&in] { in.verb = in.up; });

  auto* down = app.add_subcommand("down", "Take a tunnel down until `up` or a restart");
  down->add_option("NAME", in.down.name, "The peer")->required();
  down->callback([&in] { in.verb = in.down; });

  auto* top = app.add_subcommand("top", "Packets and bits per second of every tunnel, and drops");
  top->add_option("--interval", in.top.interval_milliseconds, "Again so often, such as 1s or 500ms")
      ->transform(CLI::Validator(to_interval, "DURATION"));
  top->add_option("--count", in.top.count, "Stop after so many; else with q or Ctrl-C")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}));
  top->add_flag("--once", in.top.once, "One interval, as a plain table");
  top->callback([&in] { in.verb = in.top; });

  auto* log = app.add_subcommand("log", "What happened, as sentences");
  log->add_option("NAME", in.log.name, "Only about this peer");
  log->add_flag("-f,--follow", in.log.follow, "Go on as things happen");
  log->add_option("-n,--lines", in.log.lines, "So many of the past events (50)")
      ->check(CLI::Range(std::size_t{0}, control::event_history_max));
  log->callback([&in] { in.verb = in.log; });

  auto* ping = app.add_subcommand("ping", "Round-trip time of the key exchange with a peer");
  ping->add_option("NAME", in.ping.name, "The peer")->required();
  ping->add_option("-c,--count", in.ping.count, "How often (3)")
      ->check(CLI::Range(std::uint64_t{1}, control::ping_count_max));
  ping->callback([&in] { in.verb = in.ping; });
}

void add_other_verbs(CLI::App& app, Parsed& in) {
  auto* redirect = app.add_subcommand("redirect", "Send a connected peer to another gateway");
  redirect->add_option("NAME", in.redirect.name, "The peer, which must have initiated")->required();
  redirect->add_option("GATEWAY", in.redirect.to, "Its address or name")->required();
  redirect->callback([&in] { in.verb = in.redirect; });

  auto* reload = app.add_subcommand("reload", "Read the configuration again (also: apply)");
  reload->alias("apply");
  reload->callback([&in] { in.verb = ReloadVerb{}; });

  auto* version = app.add_subcommand("version", "Versions of this program and of the daemon");
  version->callback([&in] { in.verb = VersionVerb{}; });
}

void add_debug_verbs(CLI::App& app, Parsed& in) {
  auto* debug = app.add_subcommand("debug", "For finding faults");
  debug->require_subcommand(1);
  auto* capture = debug->add_subcommand(
      "capture", "Record the outer packets, with the keys if the configuration allows it");
  capture->add_option("-o,--output", in.capture.folder, "Folder to write (caponier-capture)");
  capture->add_option("--seconds", in.capture.seconds, "Stop after so long; else with Ctrl-C")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{86400}));
  capture->add_flag("--keys-only", in.capture.keys_only, "Only the keys in use now");
  capture->callback([&in] { in.verb = in.capture; });

  auto* trace = debug->add_subcommand(
      "trace", "Follow packets through policy, SA, crypto and verdict; no payload, no keys");
  trace->add_option("--sample", in.trace.sample, "One packet of so many (1)")
      ->check(CLI::Range(std::uint64_t{1}, control::trace_number_max));
  trace->add_option("--peer", in.trace.name, "Only packets of this peer");
  trace->add_option("--count", in.trace.count, "Stop after so many; else with Ctrl-C")
      ->check(CLI::Range(std::uint64_t{1}, control::trace_number_max));
  trace->callback([&in] { in.verb = in.trace; });

  auto* bench = debug->add_subcommand(
      "bench", "What this machine's engine does on one core, by cipher and packet size");
  bench->add_option("--seconds", in.bench.seconds, "To take so long all in all (6)")
      ->check(CLI::Range(std::uint64_t{1}, bench_seconds_max));
  bench->callback([&in] { in.verb = in.bench; });

  auto* algs = debug->add_subcommand("algs", "Every algorithm, its library and what it costs here");
  algs->callback([&in] { in.verb = AlgsVerb{}; });
}

std::string choose_socket(const Parsed& in) {
  if (!in.socket.empty()) return in.socket;
  if (!in.run_dir.empty()) return in.run_dir + "/control.sock";
  const char* from_environment = std::getenv("CAPONIER_SOCKET");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  return "/run/caponier/control.sock";
}

}  // namespace

std::variant<Arguments, int> parse_arguments(int argc, char** argv) {
  Parsed in;
  CLI::App app{"Caponier, IPsec that says why. Without a verb: status.", "caponier"};
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.add_flag("--json", in.json, "Machine-readable output");
  app.add_option("--socket", in.socket, "The daemon's control socket");
  app.add_option("--run-dir", in.run_dir, "The daemon's run directory");
  add_daily_verbs(app, in);
  add_other_verbs(app, in);
  add_debug_verbs(app, in);
  app.footer(
      "Exit codes: 0 ok, 1 error, 2 usage, 3 configuration, 4 peer refused, 5 network or timeout,\n"
      "6 daemon not running, 7 permission, 8 not found, 9 degraded.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(control::ExitCode::usage);
  }
  return Arguments{in.json, choose_socket(in), in.verb};
}

}  // namespace caponier::cli
