// `apply A --match B`: would these two ends agree?

#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "cli/setup/setup.h"
#include "cli/verbs.h"
#include "cli/why.h"
#include "config/config.h"
#include "control/why.h"
#include "gateway/match.h"
#include "io/os/file_source.h"
#include "io/os/swanctl_source.h"
#include "pki/openssl/provider.h"

namespace caponier::cli {
namespace {

using ConfigPtr = std::shared_ptr<const config::Config>;

/// Ours, or strongSwan's by the name of its file.
Outcome<ConfigPtr> load_end(const std::string& path, const pki::PkiProvider& pki) {
  std::vector<config::ConfigError> errors;
  if (io::is_swanctl(path)) {
    io::SwanctlSource source{path, &pki};
    auto loaded = config::load(path, source);
    if (loaded) return *loaded;
    errors = source.placed(loaded.error());
  } else {
    io::FileSource source{path, {}, &pki};
    auto loaded = config::load(path, source);
    if (loaded) return *loaded;
    errors = loaded.error();
  }
  for (const config::ConfigError& error : errors) remark(error.to_string() + "\n");
  return std::unexpected{refusal(ExitCode::configuration, fmt::format("{} is refused", path),
                                 "mend what is named above")};
}

Json match_json(const gateway::Match& match) {
  Json differences = Json::array();
  for (const explain::Diagnosis& one : match.differences) {
    differences.push_back(control::diagnosis_json(one));
  }
  return {{"ours", match.ours}, {"theirs", match.theirs}, {"differences", std::move(differences)}};
}

std::string match_text(const Json& match) {
  const std::string theirs = text(match, "theirs");
  const Json& differences = at(match, "differences");
  std::string out = text(match, "ours") + (theirs.empty() ? "" : " and " + theirs);
  if (differences.empty()) return out + ": the two ends agree\n";
  out += ":\n";
  for (const Json& one : differences) out += diagnosis_text(one);
  return out;
}

}  // namespace

Outcome<ExitCode> run_match(const Session& session, const std::string& ours,
                            const std::string& theirs) {
  const pki::OpensslPki pki;
  const ConfigPtr here = TRY(load_end(ours, pki));
  const ConfigPtr there = TRY(load_end(theirs, pki));
  Json matches = Json::array();
  bool agrees = true;
  for (const gateway::Match& one : gateway::match(*here, *there)) {
    agrees = agrees && one.differences.empty();
    matches.push_back(match_json(one));
  }
  if (session.json) {
    print_json(Json{{"matches", std::move(matches)}});
  } else {
    for (const Json& one : matches) print(match_text(one));
    if (matches.empty()) print("there is no tunnel to compare\n");
  }
  return agrees ? ExitCode::ok : ExitCode::peer;
}

}  // namespace caponier::cli
