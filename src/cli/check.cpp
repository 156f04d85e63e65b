// `apply --check`.

#include "cli/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "cli/report/sources.h"
#include "cli/setup/setup.h"
#include "io/host/host_facts.h"
#include "io/os/file_source.h"
#include "pki/openssl/provider.h"
#include "pki/openssl/usages.h"

namespace caponier::cli {
namespace {

using fitness::Gravity;

std::map<std::string, std::vector<std::string>> usages_of(const config::Config& config) {
  std::map<std::string, std::vector<std::string>> found;
  for (const config::PeerConfig& peer : config.peers) {
    if (!peer.proof.credential || peer.proof.credential->chain.empty()) continue;
    auto usages = pki::extended_usages(peer.proof.credential->chain.front().der);
    if (usages) found.emplace(peer.name, *std::move(usages));
  }
  return found;
}

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return a == b || std::filesystem::equivalent(a, b, error);
}

/// What a reload would do to whatever runs.
void ask_daemon(Outcome<Connection>& connection, const Session& session,
                const config::Config& config, CheckResult& result) {
  if (!connection) {
    result.no_diff = connection.error().message;
    return;
  }
  if (!is_same_file(result.path, session.config)) {
    result.no_diff =
        fmt::format("{} is not the file of --config, which alone is compared", result.path);
    return;
  }
  const auto answer = connection->ask("reload", {{"check", true}});
  if (!answer) {
    result.no_diff = answer.error().message;
    return;
  }
  result.diff = at(*answer, "result");
  const auto is_named = [&](const char* list, const std::string& name) {
    const Json& names = at(result.diff, list);
    return std::find(names.begin(), names.end(), Json(name)) != names.end();
  };
  for (const config::PeerConfig& peer : config.peers) {
    if (!is_named("added", peer.name) && !is_named("changed", peer.name)) {
      result.untouched.push_back(peer.name);
    }
  }
}

std::string diff_text(const CheckResult& result) {
  if (result.diff.is_null())
    return fmt::format("not compared with what runs: {}\n", result.no_diff);
  std::string out;
  const auto add = [&](const char* list, std::string_view words) {
    for (const Json& name : at(result.diff, list)) {
      out += fmt::format("{} {}\n", words, name.get<std::string>());
    }
  };
  add("added", "would add    ");
  add("changed", "would change, with SAs made anew:");
  add("removed", "would remove, with its SAs:");
  if (flag(result.diff, "policies_changed")) out += "would change [[policy]]\n";
  if (flag(result.diff, "restart_needed"))
    out += "[daemon] changed: needs a restart of caponierd\n";
  if (out.empty()) out = "nothing would change\n";
  return out +
         fmt::format("{} of {} tunnels stay untouched\n", result.untouched.size(), result.peers);
}

}  // namespace

bool has_fault(const CheckResult& result) {
  return !result.errors.empty() ||
         std::ranges::any_of(result.findings, [](const fitness::Finding& finding) {
           return fitness::row_of(finding.fault).gravity == Gravity::fault;
         });
}

std::string check_text(const CheckResult& result) {
  std::string out;
  for (const config::ConfigError& error : result.errors) out += error.to_string() + "\n";
  if (!result.errors.empty()) return out;
  out += fmt::format("{}: {} {}, no mistake\n", result.path, result.peers,
                     result.peers == 1 ? "tunnel" : "tunnels");
  for (const fitness::Finding& finding : result.findings) {
    const fitness::FaultRow& row = fitness::row_of(finding.fault);
    out += fmt::format(
        "{} {}{}{}\n  fix: {}\n", row.code, row.gravity == Gravity::fault ? "" : "(may be) ",
        finding.peer.empty() ? "" : finding.peer + ": ", finding.message, finding.fix);
  }
  return out + diff_text(result);
}

Json check_json(const CheckResult& result) {
  Json errors = Json::array();
  for (const config::ConfigError& error : result.errors) {
    errors.push_back({{"file", error.where.file},
                      {"line", error.where.line},
                      {"column", error.where.column},
                      {"message", error.message},
                      {"fix", error.fix}});
  }
  Json findings = Json::array();
  for (const fitness::Finding& finding : result.findings) {
    const fitness::FaultRow& row = fitness::row_of(finding.fault);
    findings.push_back({{"code", row.code},
                        {"title", row.title},
                        {"gravity", row.gravity == Gravity::fault ? "fault" : "hazard"},
                        {"peer", finding.peer},
                        {"message", finding.message},
                        {"fix", finding.fix}});
  }
  Json out{{"file", result.path},
           {"tunnels", result.peers},
           {"errors", std::move(errors)},
           {"findings", std::move(findings)},
           {"changes", result.diff}};
  if (result.diff.is_null()) {
    out["not_compared"] = result.no_diff;
  } else {
    out["untouched"] = result.untouched;
  }
  return out;
}

Outcome<ExitCode> run_check(const Session& session, const std::string& file) {
  CheckResult result;
  result.path = file.empty() ? session.config : file;
  const pki::OpensslPki pki;
  const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");
  io::FileSource source{result.path, credentials == nullptr ? "" : credentials, &pki};
  const auto loaded = config::load(result.path, source);
  if (!loaded) {
    result.errors = loaded.error();
    result.no_diff = "the configuration has mistakes";
  } else {
    const config::Config& config = **loaded;
    auto connection = Connection::open(session.socket);
    fitness::HostFacts facts = io::look_at_host(config, connection.has_value());
    facts.usages = usages_of(config);
    facts.ruleset = output_of("nft list ruleset 2>/dev/null");
    result.peers = config.peers.size();
    result.findings = fitness::judge(config, facts);
    ask_daemon(connection, session, config, result);
  }
  session.json ? print_json(check_json(result)) : print(check_text(result));
  return has_fault(result) ? ExitCode::configuration : ExitCode::ok;
}

}  // namespace caponier::cli
