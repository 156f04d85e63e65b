// `join` and `rm client`: the other end of `export --as caponier`.

#include <fmt/format.h>

#include <iostream>

#include "base/error.h"
#include "cli/setup/setup.h"
#include "config/edit.h"
#include "config/values.h"
#include "profile/profile.h"

namespace caponier::cli {
namespace {

constexpr mode_t public_mode = 0644;
constexpr mode_t secret_mode = 0600;
constexpr mode_t secret_folder_mode = 0700;

/// From the pki folder on.
std::string file_of(const std::string& name, std::string_view ending) {
  return fmt::format("clients/{}{}", name, ending);
}

std::string list_of(const std::vector<base::Prefix>& networks) {
  std::vector<std::string> texts;
  for (const base::Prefix& network : networks) texts.push_back(network.to_string());
  return config::toml_strings(texts);
}

Outcome<profile::Join> read_word(const JoinVerb& verb) {
  std::string word = verb.word;
  if (word == "-") std::getline(std::cin, word);
  auto join = profile::read_join(word);
  if (join) return std::move(*join);
  return std::unexpected{refusal(ExitCode::usage, "this is not what `caponier export` has printed",
                                 "paste the whole line; it begins with caponier join cj1:")};
}

/// The keys of [client.NAME], and its files.
std::vector<config::KeyValue> plan(Setup& setup, const std::string& name, profile::Join& join) {
  const Places& places = setup.places();
  io::FileChanges& changes = setup.changes();
  const auto write = [&](std::string_view ending, base::SecretBytes content, mode_t mode) {
    changes.write(places.pki(file_of(name, ending)), std::move(content), mode, secret_folder_mode);
    return config::toml_string(file_of(name, ending));
  };
  std::vector<config::KeyValue> keys{{"remote", config::toml_string(join.server)}};
  const std::string authority = write(".ca.pem", content_of(join.authority_pem), public_mode);
  keys.push_back({"ca", fmt::format("[{}]", authority)});
  if (!join.certificate_pem.empty()) {
    keys.push_back({"cert", write(".pem", content_of(join.certificate_pem), public_mode)});
    keys.push_back({"key", write(".key", std::move(join.secret), secret_mode)});
  } else {
    changes.write(places.psk(name), std::move(join.secret), secret_mode, secret_folder_mode);
    keys.push_back({"user", config::toml_string(join.user)});
    keys.push_back({"password", config::toml_string("@" + name)});
  }
  if (!join.networks.empty()) keys.push_back({"remote_nets", list_of(join.networks)});
  return keys;
}

}  // namespace

Outcome<ExitCode> run_join(const Session& session, const JoinVerb& verb) {
  Setup setup = TRY(Setup::open(session));
  TRY_VOID(check_peer_name(setup, verb.name, "client"));
  auto join = TRY(read_word(verb));
  const auto keys = plan(setup, verb.name, join);
  TRY_VOID(add_peer_table(setup, "client", verb.name, keys));
  return setup.finish(Json{{"name", verb.name}, {"server", join.server}, {"user", join.user}},
                      fmt::format("{} connects to {} as {}\n", verb.name, join.server, join.user));
}

void remove_client_files(Setup& setup, const std::string& name) {
  for (const std::string_view ending : {".ca.pem", ".pem", ".key"}) {
    setup.changes().remove(setup.places().pki(file_of(name, ending)));
  }
}

}  // namespace caponier::cli
