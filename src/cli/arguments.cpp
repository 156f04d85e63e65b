#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
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
constexpr std::uint64_t certificate_days_max = 3650;

std::string to_interval(std::string& text) {
  std::string error = to_milliseconds(text);
  if (error.empty() && std::stoull(text) < top_interval_min) error = "at least 100ms";
  return error;
}

std::string export_words() {
  std::string names;
  for (const profile::KindName& kind : profile::kinds) names += std::string{kind.name} + ", ";
  names += "and of tunnels ";
  for (const dialect::TargetName& target : dialect::all_targets()) {
    names += std::string{target.word} + ", ";
  }
  return names.substr(0, names.size() - 2);
}

std::optional<decltype(ExportVerb::as)> export_as(std::string_view word) {
  const auto kind = std::ranges::find(profile::kinds, word, &profile::KindName::name);
  if (kind != profile::kinds.end()) return kind->kind;
  if (const auto target = dialect::target_by_word(word)) return *target;
  return std::nullopt;
}

std::string is_export_word(const std::string& text) {
  return export_as(text) ? std::string{} : "'" + text + "' is none of " + export_words();
}

struct Parsed {
  std::string socket;
  std::string run_dir;
  std::string config = "/etc/caponier/caponier.toml";
  bool json = false;
  bool dry_run = false;
  StatusVerb status;
  WhyVerb why;
  UpVerb up;
  DownVerb down;
  LogVerb log;
  PingVerb ping;
  RedirectVerb redirect;
  LeasesVerb leases;
  ReloadVerb reload;
  MetricsVerb metrics;
  CaptureVerb capture{"caponier-capture"};
  TraceVerb trace;
  TopVerb top;
  BenchVerb bench;
  ReportVerb report;
  InitVerb init;
  AddPeerVerb site;
  AddPeerVerb host{true, {}, {}, {}, {}, {}, {}};
  AddUserVerb user;
  RemoveVerb remove;
  ExportVerb exported;
  ImportVerb imported;
  JoinVerb join;
  std::string kind;
  Verb verb = StatusVerb{};
};

void add_daily_verbs(CLI::App& app, Parsed& in) {
  auto* status = app.add_subcommand("status", "One line per configured peer, or all about one");
  status->add_option("NAME", in.status.name, "All about this peer");
  status->add_flag("-w,--watch", in.status.watch, "Again every two seconds");
  status->callback([&in] { in.verb = in.status; });

  auto* why = app.add_subcommand("why", "Why a tunnel is not up, or carries nothing");
  auto* why_name = why->add_option("NAME", in.why.name, "The peer");
  auto* unknown =
      why->add_flag("--unknown", in.why.unknown, "Those that no tunnel is configured for");
  why_name->excludes(unknown);
  why->add_flag("-a,--all", in.why.all, "What failed before, too");
  why->callback([&in] {
    if (in.why.name.empty() && !in.why.unknown) {
      throw CLI::RequiredError("NAME, or --unknown,");
    }
    in.verb = in.why;
  });

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

  auto* leases = app.add_subcommand("leases", "The addresses kept for users");
  leases->add_option("--release", in.leases.release, "Keep this address for nobody");
  leases->callback([&in] { in.verb = in.leases; });
  auto* metrics = app.add_subcommand("metrics", "What Prometheus scrapes, once");
  metrics->add_flag("--compat", in.metrics.compat, "Also the ipsec_* series of other exporters");
  metrics->callback([&in] { in.verb = in.metrics; });

  auto* reload = app.add_subcommand("reload", "Read the configuration again (also: apply)");
  reload->alias("apply");
  auto* check =
      reload->add_flag("--check", in.reload.check,
                       "Only tell its mistakes, what this host lacks, and what would change");
  reload->add_option("FILE", in.reload.file, "To check or match instead of --config");
  reload
      ->add_option("--match", in.reload.match,
                   "Only tell whether this configuration of the other end would agree: ours, or a "
                   "swanctl.conf")
      ->excludes(check);
  reload->callback([&in] {
    in.reload.check = in.reload.check || (in.dry_run && in.reload.match.empty());
    if (!in.reload.file.empty() && !in.reload.check && in.reload.match.empty()) {
      throw CLI::RequiresError("FILE", "--check or --match");
    }
    in.verb = in.reload;
  });

  auto* version = app.add_subcommand("version", "Versions of this program and of the daemon");
  version->callback([&in] { in.verb = VersionVerb{}; });
}

void add_peer_options(CLI::App& app, AddPeerVerb& peer) {
  app.add_option("NAME", peer.name, "Yours to choose")->required();
  app.add_option("REMOTE", peer.remote, "Its address or name, or any")->required();
  app.add_option("--psk", peer.psk, "The pre-shared key that the other side made; - reads it");
  app.add_option("--address", peer.address, "Ours, as the other side reaches it");
}

void add_add_verbs(CLI::App& app, Parsed& in) {
  auto* add = app.add_subcommand("add", "Add a site, a host or a user");
  add->require_subcommand(1);
  auto* site = add->add_subcommand("site", "A network behind another gateway");
  add_peer_options(*site, in.site);
  site->add_option("--local", in.site.local, "Networks behind us")->required()->delimiter(',');
  site->add_option("--remote", in.site.beyond, "Networks behind it")->required()->delimiter(',');
  site->callback([&in] { in.verb = in.site; });
  auto* host = add->add_subcommand("host", "One machine, in transport mode");
  add_peer_options(*host, in.host);
  host->callback([&in] { in.verb = in.host; });
  auto* user = add->add_subcommand("user", "Somebody with a device");
  user->add_option("NAME", in.user.name, "The name to log in with")->required();
  user->add_flag("--password", in.user.password, "A password instead of a certificate");
  user->add_option("--days", in.user.days, "How long the certificate is valid (825)")
      ->check(CLI::Range(std::uint64_t{1}, certificate_days_max));
  user->callback([&in] { in.verb = in.user; });
}

void add_remove_verb(CLI::App& app, Parsed& in) {
  auto* remove = app.add_subcommand("rm", "Remove a site, a host, a client or a user");
  remove->require_subcommand(1);
  const auto add_kind = [&](const char* name, const char* words, RemoveVerb::What what) {
    auto* kind = remove->add_subcommand(name, words);
    kind->add_option("NAME", in.remove.name, "As it was added")->required();
    kind->callback([&in, what] {
      in.remove.what = what;
      in.verb = in.remove;
    });
  };
  add_kind("site", "Its section and its key", RemoveVerb::What::site);
  add_kind("host", "Its section and its key", RemoveVerb::What::host);
  add_kind("client", "Its section, certificate and key", RemoveVerb::What::client);
  add_kind("user", "Revokes the certificate or the password at once", RemoveVerb::What::user);
}

void add_setup_verbs(CLI::App& app, Parsed& in) {
  auto* init = app.add_subcommand("init", "Make this a server for users, with an authority");
  init->add_option("--server", in.init.server, "Its name or address, as clients reach it");
  init->add_option("--pool", in.init.pool, "Addresses for clients (10.9.0.0/24)")->delimiter(',');
  init->add_option("--dns", in.init.dns, "Name servers for clients")->delimiter(',');
  init->add_option("--local", in.init.networks, "Networks behind it; none: everything")
      ->delimiter(',');
  init->callback([&in] { in.verb = in.init; });
  add_add_verbs(app, in);
  add_remove_verb(app, in);

  auto* join =
      app.add_subcommand("join", "Connect to a server, by the line that its export printed");
  join->add_option("WORD", in.join.word, "cj1:...; - reads it")->required();
  join->add_option("--name", in.join.name, "Of the tunnel (vpn)");
  join->callback([&in] { in.verb = in.join; });

  auto* imported = app.add_subcommand(
      "import", "Translate swanctl.conf or ipsec.conf of strongSwan or libreswan");
  imported->add_option("FILE", in.imported.path, "The file, or its folder")->required();
  imported->add_option("--out", in.imported.out, "Where to (stdout); secrets go beside it");
  imported->callback([&in] { in.verb = in.imported; });

  auto* exported = app.add_subcommand(
      "export", "What a user's device needs, or a tunnel's peer, as a file of its kind");
  exported->add_option("NAME", in.exported.name, "The user, or the site or host")->required();
  exported->add_option("--as", in.kind, export_words())->required()->check(is_export_word);
  exported->add_option("-o,--output", in.exported.output, "A path, or - for stdout");
  exported->add_flag("--qr", in.exported.qr, "Of a user: as a QR code on the terminal");
  exported->add_option("--address", in.exported.address,
                       "Of a tunnel: ours, as the peer reaches it");
  exported->add_flag("--with-secret", in.exported.with_secret,
                     "Of a tunnel: with the pre-shared key in it");
  exported->callback([&in] {
    in.exported.as = *export_as(in.kind);
    in.verb = in.exported;
  });
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

  auto* report = debug->add_subcommand(
      "report", "One text for whoever helps: configuration, state, host; without secrets");
  report->add_option("-o,--output", in.report.output, "A path, or - for stdout");
  report->add_flag("--hide-addresses", in.report.hide_addresses, "Numbers instead of addresses");
  report->callback([&in] { in.verb = in.report; });

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
  app.add_option("--config", in.config, "The configuration file");
  app.add_flag("--dry-run", in.dry_run, "Of what changes files: only tell what would change");
  add_daily_verbs(app, in);
  add_setup_verbs(app, in);
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
  return Arguments{in.json, in.dry_run, choose_socket(in), in.config, in.verb};
}

}  // namespace caponier::cli
