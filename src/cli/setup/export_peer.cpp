// `export` of a tunnel: the peer's side.

#include <fmt/format.h>

#include <cstdlib>

#include "base/error.h"
#include "base/event.h"
#include "cli/setup/setup.h"
#include "config/document.h"
#include "config/values.h"
#include "dialect/dialect.h"
#include "io/host/host_facts.h"
#include "io/os/file_source.h"
#include "pki/openssl/provider.h"

namespace caponier::cli {
namespace {

using config::Entry;

/// Where a tunnel stands in the files.
struct Section {
  const Entry* entry = nullptr;
  std::string kind;
};

class Documents {
 public:
  [[nodiscard]] static Outcome<Documents> read(const std::map<std::string, std::string>& texts) {
    Documents all;
    for (const auto& [file, text] : texts) {
      auto root = config::parse_document(file, text);
      if (!root) return std::unexpected{failure_of(root.error())};
      all.roots_.push_back(std::move(*root));
    }
    return all;
  }

  [[nodiscard]] Section find(const std::string& name) const {
    for (const config::Node& root : roots_) {
      for (const std::string_view kind : {"site", "host", "client"}) {
        const Entry* const sections = root.find(kind);
        const Entry* const found = sections == nullptr ? nullptr : sections->value.find(name);
        if (found != nullptr) return {found, std::string{kind}};
      }
    }
    return {};
  }

 private:
  std::vector<config::Node> roots_;
};

/// The place of the key, in the section or in one of its children; else of the section.
config::Place place_of(const Section& section, const std::string& key) {
  if (const Entry* own = section.entry->value.find(key)) return own->where;
  if (const Entry* children = section.entry->value.find("children")) {
    for (const Entry& child : children->value.entries) {
      if (const Entry* own = child.value.find(key)) return own->where;
    }
  }
  return section.entry->where;
}

Outcome<std::shared_ptr<const config::Config>> load(const Session& session) {
  const pki::OpensslPki pki;
  const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");
  io::FileSource source{session.config, credentials == nullptr ? "" : credentials, &pki};
  auto loaded = config::load(session.config, source);
  if (loaded) return std::move(*loaded);
  return std::unexpected{failure_of(loaded.error().front())};
}

Outcome<const config::PeerConfig*> find_peer(const config::Config& config, const Setup& setup,
                                             const std::string& name) {
  for (const config::PeerConfig& peer : config.peers) {
    if (peer.name == name && peer.kind != config::PeerKind::server) return &peer;
  }
  const auto user = [&](const std::string& path) {
    const auto content = io::read_file(path);
    return content && *content;
  };
  if (check_name(name) &&
      (user(setup.places().user_certificate(name)) || user(setup.places().user_password(name)))) {
    return std::unexpected{
        refusal(ExitCode::usage, fmt::format("{} is a user, no tunnel", name),
                "export what a user needs --as apple, windows, android, strongswan or caponier")};
  }
  return std::unexpected{refusal(
      ExitCode::not_found, fmt::format("there is no site, host or user {}", base::printable(name)),
      "caponier status lists the tunnels")};
}

std::string secret_place(const Setup& setup, const Section& section) {
  const Entry* const psk = section.entry->value.find("psk");
  if (psk == nullptr) return "the secret of this tunnel";
  const std::string& reference = psk->value.text;
  if (reference.starts_with('@')) return setup.places().psk(reference.substr(1));
  return "the service manager's credential " + reference.substr(reference.find(':') + 1);
}

Outcome<dialect::Situation> situation_of(const ExportVerb& verb, const config::Config& config,
                                         const config::PeerConfig& peer) {
  dialect::Situation out;
  const auto source = peer.local ? peer.local : io::source_towards(peer.remote_address);
  if (!verb.address.empty())
    out.reached_at = TRY(argument(config::parse_remote(verb.address))).text;
  if (out.reached_at.empty() && source) out.reached_at = source->to_string();
  const auto given = base::IpAddress::parse(out.reached_at);
  if (source) {
    out.own_address = *source;
  } else if (given) {
    out.own_address = *given;
  } else {
    return std::unexpected{refusal(ExitCode::network, "this host has no address towards the peer",
                                   "say by which one it is reached: --address 198.51.100.1")};
  }
  out.ike_port = config.daemon.ike_port;
  out.with_secret = verb.with_secret;
  return out;
}

Outcome<std::string> exported(const Session& session, const ExportVerb& verb,
                              dialect::Target target) {
  const Setup setup = TRY(Setup::open(session));
  const auto config = TRY(load(session));
  const config::PeerConfig* const peer = TRY(find_peer(*config, setup, verb.name));
  const auto documents = TRY(Documents::read(setup.texts()));
  const Section section = documents.find(verb.name);
  dialect::Situation situation = TRY(situation_of(verb, *config, *peer));
  situation.secret_place = secret_place(setup, section);
  auto text = dialect::export_peer(*peer, target, situation);
  if (text) return std::move(*text);
  const dialect::Refusal& refused = text.error();
  return std::unexpected{failure_of(
      config::ConfigError{place_of(section, refused.key),
                          fmt::format("{}: {}", refused.key, refused.message), refused.fix})};
}

}  // namespace

Outcome<ExitCode> run_export_peer(const Session& session, const ExportVerb& verb,
                                  dialect::Target target) {
  const std::string text = TRY(exported(session, verb, target));
  const dialect::TargetName& name = dialect::name_of(target);
  Json result{{"name", verb.name},
              {"as", name.word},
              {"verified", name.verified.empty() ? Json{} : Json(name.verified)}};
  std::string words = text;
  if (verb.output.empty() || verb.output == "-") {
    result["content"] = text;
  } else {
    constexpr mode_t secret_mode = 0600;
    constexpr mode_t folder_mode = 0700;
    io::FileChanges changes;
    changes.write(verb.output, content_of(text), secret_mode, folder_mode);
    const auto applied = session.dry_run ? io::Io<void>{} : changes.apply();
    if (!applied) return std::unexpected{failure_of(applied.error())};
    result["files"] = {verb.output};
    words = fmt::format("{} {}\n", session.dry_run ? "would write" : "wrote", verb.output);
  }
  session.json ? print_json(result) : print(words);
  return ExitCode::ok;
}

}  // namespace caponier::cli
