#pragma once
// One change of the configuration and what belongs to it: planned in memory, judged as a whole,
// then done, told to the daemon, or only shown.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "cli/setup/places.h"
#include "cli/verbs.h"
#include "config/config.h"
#include "config/edit.h"
#include "io/os/file_changes.h"

namespace caponier::cli {

/// What [server] says that concerns certificates and clients.
struct Server {
  std::string name;
  std::vector<base::Prefix> networks;  ///< behind it; empty: everything
  bool passwords = false;              ///< users may have one
};

class Setup {
 public:
  /// Reads the configuration file and keeps other programs of this kind out of its folder, which is
  /// made when it is missing, but for a dry run.
  [[nodiscard]] static Outcome<Setup> open(const Session& session);

  [[nodiscard]] const Places& places() const { return places_; }
  /// Of the configuration file and its fragments, as they will be; empty when there is no such
  /// file.
  [[nodiscard]] const std::string& text() const { return texts_.at(places_.config()); }
  [[nodiscard]] const std::map<std::string, std::string>& texts() const { return texts_; }
  void replace(const std::string& file, std::string text);
  /// Null when there is no [server].
  [[nodiscard]] Outcome<std::optional<Server>> server() const;
  /// "site", "host" or "client" of a tunnel of this name; empty: there is none.
  [[nodiscard]] Outcome<std::string> tunnel_kind(const std::string& name) const;
  [[nodiscard]] io::FileChanges& changes() { return changes_; }

  /// Judges the configuration as it would be, then does everything and has the daemon read it, or
  /// for a dry run does nothing. `result` goes out with --json; without, `words` does, and to
  /// stderr, before it, what changed and `talk`.
  [[nodiscard]] Outcome<ExitCode> finish(Json result, const std::string& words,
                                         const std::string& talk = {});
  /// A daemon that runs is asked this as well, once it has read the changes.
  void ask_daemon(std::string verb, Json arguments) {
    request_ = {std::move(verb), std::move(arguments)};
  }

 private:
  explicit Setup(const Session& session) : session_(session), places_(session.config) {}
  /// Whether the configuration would load.
  [[nodiscard]] Outcome<void> judge() const;
  [[nodiscard]] Outcome<bool> tell_daemon() const;

  const Session& session_;
  Places places_;
  io::Fd lock_;
  std::map<std::string, std::string> texts_;  ///< by file
  io::FileChanges changes_;
  std::optional<std::pair<std::string, Json>> request_;
};

[[nodiscard]] Failure failure_of(const io::IoError& error);
[[nodiscard]] Failure failure_of(const config::ConfigError& error);
[[nodiscard]] inline Failure refusal(ExitCode code, std::string message, std::string fix) {
  return {code, std::move(message), std::move(fix), {}};
}

/// Of users, sites and hosts; each becomes a part of a file's name.
[[nodiscard]] Outcome<void> check_name(std::string_view name);
/// Also that no secret of that name is there yet. `kind` is the section's: "site", "host",
/// "client".
[[nodiscard]] Outcome<void> check_peer_name(const Setup& setup, const std::string& name,
                                            std::string_view kind);
/// Plans [kind.name] behind the last table of the main file.
[[nodiscard]] Outcome<void> add_peer_table(Setup& setup, std::string_view kind,
                                           const std::string& name,
                                           const std::vector<config::KeyValue>& keys);
/// Plans that what `join` has written goes.
void remove_client_files(Setup& setup, const std::string& name);

/// What is wrong with an argument of the command line.
template <class T>
[[nodiscard]] Outcome<T> argument(config::Parsed<T> parsed) {
  if (parsed) return std::move(*parsed);
  return std::unexpected{refusal(ExitCode::usage, parsed.error().message, parsed.error().fix)};
}

/// The driver's or a library's text as content of a file.
[[nodiscard]] base::SecretBytes content_of(std::string_view text);

}  // namespace caponier::cli
