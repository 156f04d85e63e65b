#pragma once
// What each verb does.

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/render.h"

namespace caponier::cli {

struct Session {
  bool json = false;
  bool dry_run = false;
  std::string socket;
  std::string config;
  Style style;
};

/// Ctrl-C was pressed since install_interrupt_handler(); verbs that go on for long end by it.
[[nodiscard]] bool is_interrupted();
void install_interrupt_handler();

/// `words` to stdout; a pipe closed by its reader ends the program quietly.
void print(const std::string& words);
/// What is not data goes to stderr.
void remark(const std::string& words);

/// Result documents carry the protocol's version on the command line too.
void print_json(const Json& result, int indent = 2);

[[nodiscard]] Outcome<ExitCode> run_verb(const Session& session, const Verb& verb);

/// Whether two configurations, ours or strongSwan's, would agree.
[[nodiscard]] Outcome<ExitCode> run_match(const Session& session, const std::string& ours,
                                          const std::string& theirs);
[[nodiscard]] Outcome<ExitCode> run_check(const Session& session, const std::string& file);
[[nodiscard]] Outcome<ExitCode> run_capture(const Session& session, const CaptureVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_trace(const Session& session, const TraceVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_top(const Session& session, const TopVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_bench(const Session& session, const BenchVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_algs(const Session& session);
[[nodiscard]] Outcome<ExitCode> run_report(const Session& session, const ReportVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_init(const Session& session, const InitVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_add_peer(const Session& session, const AddPeerVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_add_user(const Session& session, const AddUserVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_remove_peer(const Session& session, const RemoveVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_remove_user(const Session& session, const RemoveVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_join(const Session& session, const JoinVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_import(const Session& session, const ImportVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_export(const Session& session, const ExportVerb& verb);
[[nodiscard]] Outcome<ExitCode> run_export_peer(const Session& session, const ExportVerb& verb,
                                                dialect::Target target);

}  // namespace caponier::cli
