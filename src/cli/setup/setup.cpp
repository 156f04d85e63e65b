#include "cli/setup/setup.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/event.h"
#include "config/document.h"
#include "config/values.h"
#include "io/os/file_source.h"
#include "pki/openssl/provider.h"

namespace caponier::cli {
namespace {

/// The configuration as it would be.
class Planned final : public config::Source {
 public:
  Planned(const Places& places, const std::map<std::string, std::string>& texts,
          const io::FileChanges& changes)
      : places_(places), texts_(texts), changes_(changes), files_(places.config(), {}, &pki_) {}

  std::expected<std::string, config::FileError> read_config(const std::string& path) override {
    const auto found = texts_.find(path);
    return found == texts_.end() ? files_.read_config(path) : found->second;
  }
  std::vector<std::string> list_fragments(const std::string& path) override {
    return files_.list_fragments(path);
  }
  std::expected<base::SecretBytes, config::FileError> read_secret(
      std::string_view reference) override {
    const auto* const planned =
        reference.starts_with('@') ? changes_.find(places_.psk(reference.substr(1))) : nullptr;
    return planned == nullptr ? files_.read_secret(reference) : planned->duplicate();
  }
  const pki::PkiProvider* pki() const override { return &pki_; }
  std::expected<base::SecretBytes, config::FileError> read_pki(const std::string& name,
                                                               bool is_private) override {
    const auto* const planned = changes_.find(places_.pki(name));
    return planned == nullptr ? files_.read_pki(name, is_private) : planned->duplicate();
  }
  bool has_pki(const std::string& name) const override {
    return changes_.find(places_.pki(name)) != nullptr || files_.has_pki(name);
  }
  std::expected<std::map<std::string, base::SecretBytes>, config::FileError> read_users() override {
    return files_.read_users();
  }

 private:
  const Places& places_;
  const std::map<std::string, std::string>& texts_;
  const io::FileChanges& changes_;
  pki::OpensslPki pki_;
  io::FileSource files_;
};

Outcome<std::string> read_text(const std::string& path) {
  auto content = io::read_file(path);
  if (!content) return std::unexpected{failure_of(content.error())};
  return *content ? std::string{base::as_text((*content)->reveal())} : std::string{};
}

constexpr mode_t config_mode = 0644;

std::string list_changes(const io::FileChanges& changes, bool dry_run) {
  std::string out;
  for (const io::FileChange& change : changes.list()) {
    out += fmt::format("{}{} {}\n", dry_run ? "would " : "", change.action, change.path);
  }
  return out.empty() ? "nothing to change\n" : out;
}

Json changes_json(const io::FileChanges& changes) {
  Json out = Json::array();
  for (const io::FileChange& change : changes.list()) {
    out.push_back({{"action", change.action}, {"path", change.path}});
  }
  return out;
}

}  // namespace

Failure failure_of(const io::IoError& error) {
  const ExitCode code =
      error.fault == io::IoFault::permission ? ExitCode::permission : ExitCode::generic;
  return refusal(code, error.message, error.fix);
}

Failure failure_of(const config::ConfigError& error) {
  return refusal(ExitCode::configuration,
                 fmt::format("{}: {}", error.where.to_string(), error.message), error.fix);
}

Outcome<void> check_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '@';
  };
  if (!name.empty() && name.size() <= config::name_size_max &&
      std::ranges::all_of(name, is_allowed) && name.front() != '.' && name.front() != '-' &&
      name.front() != '@') {
    return {};
  }
  return std::unexpected{
      refusal(ExitCode::usage, fmt::format("'{}' cannot be a name here", base::printable(name)),
              "use 1 to 64 of A-Z a-z 0-9 . _ - @, and begin with a letter or a digit")};
}

base::SecretBytes content_of(std::string_view text) {
  return base::SecretBytes{base::as_bytes(text)};
}

Outcome<Setup> Setup::open(const Session& session) {
  Setup setup{session};
  const std::string& folder = setup.places_.folder();
  struct stat info{};
  if (::stat(folder.c_str(), &info) != 0 && !session.dry_run) ::mkdir(folder.c_str(), 0755);
  if (::stat(folder.c_str(), &info) == 0 || !session.dry_run) {
    auto lock = io::lock_folder(folder);
    if (!lock) return std::unexpected{failure_of(lock.error())};
    setup.lock_ = std::move(*lock);
  }
  const std::string& config = setup.places_.config();
  setup.texts_[config] = TRY(read_text(config));
  io::FileSource files{config, {}};
  for (const std::string& fragment : files.list_fragments(config)) {
    setup.texts_[fragment] = TRY(read_text(fragment));
  }
  return setup;
}

void Setup::replace(const std::string& file, std::string text) {
  changes_.write(file, content_of(text), config_mode);
  texts_[file] = std::move(text);
}

Outcome<std::optional<Server>> Setup::server() const {
  for (const auto& [file, text] : texts_) {
    const auto root = config::parse_document(file, text);
    if (!root) return std::unexpected{failure_of(root.error())};
    const config::Entry* const section = root->find("server");
    if (section == nullptr) continue;
    Server server;
    if (const auto* const name = section->value.find("name")) server.name = name->value.text;
    TRY_VOID(argument(config::parse_remote(server.name)));
    if (const auto* const networks = section->value.find("local_nets")) {
      for (const config::Node& item : networks->value.items) {
        server.networks.push_back(TRY(argument(config::parse_prefix(item.text))));
      }
    }
    const auto* const passwords = section->value.find("passwords");
    server.passwords = passwords != nullptr && passwords->value.boolean;
    return server;
  }
  return std::nullopt;
}

Outcome<std::string> Setup::tunnel_kind(const std::string& name) const {
  for (const auto& [file, text] : texts_) {
    const auto root = config::parse_document(file, text);
    if (!root) return std::unexpected{failure_of(root.error())};
    for (const std::string_view kind : {"site", "host", "client"}) {
      const config::Entry* const sections = root->find(kind);
      if (sections != nullptr && sections->value.find(name) != nullptr) return std::string{kind};
    }
  }
  return std::string{};
}

Outcome<void> Setup::judge() const {
  Planned source{places_, texts_, changes_};
  const auto loaded = config::load(places_.config(), source);
  if (loaded) return {};
  const auto& errors = loaded.error();
  Failure failure = failure_of(errors.front());
  if (errors.size() > 1) failure.message += fmt::format(" (and {} more)", errors.size() - 1);
  return std::unexpected{std::move(failure)};
}

Outcome<bool> Setup::tell_daemon() const {
  auto connection = Connection::open(session_.socket);
  if (!connection && connection.error().code == ExitCode::not_running) return false;
  if (!connection) return std::unexpected{std::move(connection).error()};
  static_cast<void>(TRY(connection->ask("reload")));
  if (request_) static_cast<void>(TRY(connection->ask(request_->first, request_->second)));
  return true;
}

Outcome<ExitCode> Setup::finish(Json result, const std::string& words, const std::string& talk) {
  TRY_VOID(judge());
  result["dry_run"] = session_.dry_run;
  result["changes"] = changes_json(changes_);
  const std::string listed = list_changes(changes_, session_.dry_run);
  bool reloaded = false;
  if (!session_.dry_run && (!changes_.empty() || request_)) {
    const auto applied = changes_.apply();
    if (!applied) return std::unexpected{failure_of(applied.error())};
    reloaded = TRY(tell_daemon());
  }
  result["reloaded"] = reloaded;
  if (session_.json) {
    print_json(result);
    return ExitCode::ok;
  }
  remark(listed);
  if (!session_.dry_run && !reloaded && !changes_.empty()) {
    remark("caponierd is not running; it will read this when it starts\n");
  }
  if (session_.dry_run) return ExitCode::ok;
  remark(talk);
  print(words);
  return ExitCode::ok;
}

}  // namespace caponier::cli
