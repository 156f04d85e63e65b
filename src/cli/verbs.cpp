#include "cli/verbs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "cli/why.h"

namespace caponier::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

constexpr unsigned watch_seconds = 2;

bool is_degraded(const Json& result) {
  const Json& peers = at(result, "peers");
  return std::any_of(peers.begin(), peers.end(), [](const Json& peer) {
    const std::string state = text(peer, "state");
    return state == "down" || state == "connecting";
  });
}

Json name_argument(const std::string& name) {
  return name.empty() ? Json::object() : Json{{"name", name}};
}

Outcome<ExitCode> run(const Session& session, const StatusVerb& verb) {
  if (verb.watch) install_interrupt_handler();
  auto connection = TRY(Connection::open(session.socket));
  for (;;) {
    const Json answer = TRY(connection.ask("status", name_argument(verb.name)));
    const Json& result = at(answer, "result");
    std::string shown;
    if (!session.json) {
      shown = verb.name.empty() ? status_table(result, session.style)
                                : status_blocks(result, session.style);
    }
    if (verb.watch && session.style.width > 0 && !session.json) {
      shown = "\x1b[H\x1b[2J" + shown;
    }
    session.json ? print_json(result, verb.watch ? -1 : 2) : print(shown);
    if (!verb.watch) return is_degraded(result) ? ExitCode::degraded : ExitCode::ok;
    ::sleep(watch_seconds);
    if (is_interrupted()) return ExitCode::ok;
  }
}

/// By the kind of what is wrong; a tunnel that is up is fine, whatever failed before.
ExitCode code_of(const Json& result) {
  const Json& current = at(result, "current");
  const Json& health = at(result, "health");
  const Json& found = current.is_object() ? current : health.empty() ? current : health.front();
  if (found.is_object()) return static_cast<ExitCode>(static_cast<int>(number(found, "exit_code")));
  return text(result, "state") == "down" ? ExitCode::degraded : ExitCode::ok;
}

Outcome<ExitCode> run(const Session& session, const WhyVerb& verb) {
  auto connection = TRY(Connection::open(session.socket));
  Json arguments = name_argument(verb.name);
  if (verb.unknown) arguments["unknown"] = true;
  const Json answer = TRY(connection.ask("why", std::move(arguments)));
  const Json& result = at(answer, "result");
  if (session.json) {
    print_json(result);
  } else if (verb.unknown) {
    print(why_unknown_text(result, session.style));
  } else {
    print(why_text(result, session.style));
    if (verb.all) print(failure_list(at(result, "failures")));
  }
  if (verb.unknown) return at(result, "failures").empty() ? ExitCode::ok : ExitCode::configuration;
  return code_of(result);
}

Outcome<ExitCode> run(const Session& session, const UpVerb& verb) {
  auto connection = TRY(Connection::open(session.socket));
  const Json answer =
      TRY(connection.ask("up", Json{{"name", verb.name}, {"wait_ms", verb.wait_milliseconds}}));
  const Json& result = at(answer, "result");
  if (session.json) {
    print_json(result);
  } else {
    print(fmt::format("{} is {}\n", text(result, "name"), text(result, "state")));
  }
  return ExitCode::ok;
}

Outcome<ExitCode> run(const Session& session, const DownVerb& verb) {
  auto connection = TRY(Connection::open(session.socket));
  const Json answer = TRY(connection.ask("down", name_argument(verb.name)));
  const Json& result = at(answer, "result");
  if (session.json) {
    print_json(result);
  } else {
    print(fmt::format("{} is {}\n", text(result, "name"), text(result, "state")));
  }
  return ExitCode::ok;
}

void show_event(const Session& session, const Json& event) {
  print(session.json ? dump(event, -1) + "\n" : event_line(event, session.style));
}

Outcome<ExitCode> run(const Session& session, const LogVerb& verb) {
  if (verb.follow) install_interrupt_handler();
  auto connection = TRY(Connection::open(session.socket));
  Json arguments = name_argument(verb.name);
  arguments["follow"] = verb.follow;
  arguments["lines"] = verb.lines;
  const Json answer = TRY(connection.ask("log", std::move(arguments)));
  const Json& result = at(answer, "result");
  for (const Json& event : at(result, "events")) show_event(session, event);
  while (verb.follow && !is_interrupted()) {
    const std::optional<Json> next = TRY(connection.receive());
    if (next) show_event(session, at(*next, "event"));
  }
  return ExitCode::ok;
}

std::string ping_line(const std::string& name, const Json& ping) {
  const Json& round_trip = at(ping, "rtt_ms");
  const auto seq = number(ping, "seq");
  return round_trip.is_number()
             ? fmt::format("{}: seq {:.0f} rtt {:.2f} ms\n", name, seq, round_trip.get<double>())
             : fmt::format("{}: seq {:.0f} no answer\n", name, seq);
}

Outcome<ExitCode> run(const Session& session, const PingVerb& verb) {
  install_interrupt_handler();
  auto connection = TRY(Connection::open(session.socket));
  static_cast<void>(TRY(connection.ask("ping", Json{{"name", verb.name}, {"count", verb.count}})));
  bool stopping = false;
  for (;;) {
    const std::optional<Json> next = TRY(connection.receive());
    if (!next) {
      if (is_interrupted() && !std::exchange(stopping, true)) TRY_VOID(connection.send("stop"));
      continue;
    }
    if (!flag(*next, "end")) {
      if (!session.json) print(ping_line(verb.name, at(*next, "ping")));
      continue;
    }
    const Json& result = at(*next, "result");
    const double received = number(result, "received");
    if (session.json) {
      print_json(result);
    } else {
      print(fmt::format("{:.0f} sent, {:.0f} received", number(result, "sent"), received));
      print(received > 0 ? fmt::format(", rtt min/avg/max {:.2f}/{:.2f}/{:.2f} ms\n",
                                       number(result, "rtt_min_ms"), number(result, "rtt_avg_ms"),
                                       number(result, "rtt_max_ms"))
                         : "\n");
    }
    return received > 0 ? ExitCode::ok : ExitCode::network;
  }
}

std::string list_text(const Json& names, std::string_view what) {
  std::string out;
  for (const Json& name : names) {
    const auto* value = name.get_ptr<const Json::string_t*>();
    if (value != nullptr) out += fmt::format("{} {}\n", what, *value);
  }
  return out;
}

Outcome<ExitCode> run(const Session& session, const RedirectVerb& verb) {
  auto connection = TRY(Connection::open(session.socket));
  const Json answer = TRY(connection.ask("redirect", Json{{"name", verb.name}, {"to", verb.to}}));
  const Json& result = at(answer, "result");
  if (session.json) {
    print_json(result);
  } else {
    print(fmt::format("{} is sent to {}\n", text(result, "name"), text(result, "to")));
  }
  return ExitCode::ok;
}

Outcome<ExitCode> run(const Session& session, const LeasesVerb& verb) {
  auto connection = TRY(Connection::open(session.socket));
  Json arguments = Json::object();
  if (!verb.release.empty()) arguments["release"] = verb.release;
  const Json answer = TRY(connection.ask("leases", std::move(arguments)));
  const Json& result = at(answer, "result");
  if (session.json) {
    print_json(result);
  } else if (!verb.release.empty()) {
    print(fmt::format("{} is kept for nobody any more\n", text(result, "released")));
  } else {
    for (const Json& lease : at(result, "leases")) {
      print(fmt::format("{}  {}{}\n", text(lease, "address"), text(lease, "user"),
                        flag(lease, "held") ? "  (is in)" : ""));
    }
  }
  return ExitCode::ok;
}

Outcome<ExitCode> run(const Session& session, const MetricsVerb& verb) {
  auto connection = TRY(Connection::open(session.socket));
  const Json answer = TRY(connection.ask("metrics", {{"compat", verb.compat}}));
  const Json& result = at(answer, "result");
  if (session.json) {
    print_json(result);
  } else {
    print(text(result, "text"));
  }
  return ExitCode::ok;
}

Outcome<ExitCode> run(const Session& session, const ReloadVerb& verb) {
  if (verb.check) return run_check(session, verb.file);
  if (!verb.match.empty()) {
    return run_match(session, verb.file.empty() ? session.config : verb.file, verb.match);
  }
  auto connection = TRY(Connection::open(session.socket));
  const Json answer = TRY(connection.ask("reload"));
  const Json& result = at(answer, "result");
  if (session.json) {
    print_json(result);
    return ExitCode::ok;
  }
  const std::string changes = list_text(at(result, "added"), "added  ") +
                              list_text(at(result, "changed"), "changed") +
                              list_text(at(result, "removed"), "removed") +
                              (flag(result, "policies_changed") ? "changed [[policy]]\n" : "");
  print(changes.empty() ? "nothing changed\n" : changes);
  if (flag(result, "restart_needed")) {
    remark("the [daemon] section changed; that takes effect when caponierd is restarted\n");
  }
  return ExitCode::ok;
}

Outcome<ExitCode> run(const Session& session, const CaptureVerb& verb) {
  return run_capture(session, verb);
}

Outcome<ExitCode> run(const Session& session, const TraceVerb& verb) {
  return run_trace(session, verb);
}

Outcome<ExitCode> run(const Session& session, const TopVerb& verb) {
  return run_top(session, verb);
}

Outcome<ExitCode> run(const Session& session, const BenchVerb& verb) {
  return run_bench(session, verb);
}

Outcome<ExitCode> run(const Session& session, const AlgsVerb&) { return run_algs(session); }

Outcome<ExitCode> run(const Session& session, const ReportVerb& verb) {
  return run_report(session, verb);
}

Outcome<ExitCode> run(const Session& session, const InitVerb& verb) {
  return run_init(session, verb);
}

Outcome<ExitCode> run(const Session& session, const AddPeerVerb& verb) {
  return run_add_peer(session, verb);
}

Outcome<ExitCode> run(const Session& session, const AddUserVerb& verb) {
  return run_add_user(session, verb);
}

Outcome<ExitCode> run(const Session& session, const RemoveVerb& verb) {
  return verb.what == RemoveVerb::What::user ? run_remove_user(session, verb)
                                             : run_remove_peer(session, verb);
}

Outcome<ExitCode> run(const Session& session, const JoinVerb& verb) {
  return run_join(session, verb);
}

Outcome<ExitCode> run(const Session& session, const ImportVerb& verb) {
  return run_import(session, verb);
}

Outcome<ExitCode> run(const Session& session, const ExportVerb& verb) {
  return run_export(session, verb);
}

Outcome<ExitCode> run(const Session& session, const VersionVerb&) {
  std::string daemon;
  if (auto connection = Connection::open(session.socket)) {
    const auto answer = connection->ask("version");
    if (answer) daemon = text(at(*answer, "result"), "version");
  }
  if (session.json) {
    print_json(
        {{"caponier", CAPONIER_VERSION}, {"caponierd", daemon.empty() ? Json{} : Json(daemon)}});
  } else {
    print(fmt::format("caponier {}, caponierd {}\n", CAPONIER_VERSION,
                      daemon.empty() ? "not running" : daemon));
  }
  return ExitCode::ok;
}

}  // namespace

bool is_interrupted() { return interrupted != 0; }

void install_interrupt_handler() {
  struct sigaction action{};
  action.sa_handler = [](int) { interrupted = 1; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

void print(const std::string& words) {
  if (std::fwrite(words.data(), 1, words.size(), stdout) != words.size() ||
      std::fflush(stdout) != 0) {
    std::_Exit(static_cast<int>(ExitCode::generic));
  }
}

void remark(const std::string& words) {
  static_cast<void>(std::fwrite(words.data(), 1, words.size(), stderr));
}

void print_json(const Json& result, int indent) {
  Json document{{"v", control::protocol_version}};
  document.update(result);
  print(dump(document, indent) + "\n");
}

Outcome<ExitCode> run_verb(const Session& session, const Verb& verb) {
  return std::visit([&](const auto& chosen) { return run(session, chosen); }, verb);
}

}  // namespace caponier::cli
