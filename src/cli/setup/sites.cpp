// `add site`, `add host` and `rm` of both.

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <iostream>

#include "base/base64.h"
#include "base/error.h"
#include "cli/setup/setup.h"
#include "config/strength.h"
#include "config/values.h"
#include "io/host/host_facts.h"
#include "io/os/rng.h"

namespace caponier::cli {
namespace {

constexpr std::size_t psk_octets = 32;
constexpr mode_t secret_mode = 0600;
constexpr mode_t secret_folder_mode = 0700;

/// What the other side calls us by.
Outcome<std::string> own_address(const AddPeerVerb& verb, const config::Remote& remote) {
  if (!verb.address.empty()) return TRY(argument(config::parse_remote(verb.address))).text;
  if (const auto source = io::source_towards(remote.address)) return source->to_string();
  return std::unexpected{refusal(ExitCode::network, "this host has no address towards the peer",
                                 "say by which one it is reached: --address 198.51.100.1")};
}

std::string own_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "peer";
  const std::string whole{name.data()};
  const std::string first = whole.substr(0, whole.find('.'));
  return check_name(first) ? first : "peer";
}

Outcome<base::SecretBytes> secret_of(const AddPeerVerb& verb) {
  if (verb.psk.empty()) {
    base::SecretBytes octets{psk_octets};
    io::OsRng rng;
    rng.fill_secret(octets.reveal_mutable());
    return content_of(base::to_base64(octets.reveal()));
  }
  std::string text = verb.psk;
  if (text == "-") std::getline(std::cin, text);
  auto secret = content_of(text);
  base::wipe(std::as_writable_bytes(std::span{text}));
  const unsigned bits = config::estimate_entropy_bits(secret.reveal());
  if (bits >= config::psk_bits_min) return secret;
  return std::unexpected{
      refusal(ExitCode::configuration,
              fmt::format("the pre-shared key has about {} bits of entropy, at least {} are needed",
                          bits, config::psk_bits_min),
              "leave --psk out on one side; it makes one")};
}

Outcome<std::vector<std::string>> networks_of(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    out.push_back(TRY(argument(config::parse_prefix(text))).to_string());
  }
  return out;
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ",") + word;
  return out;
}

/// The keys of the section.
std::vector<config::KeyValue> keys_of(const AddPeerVerb& verb, const config::Remote& remote,
                                      const std::vector<std::string>& local,
                                      const std::vector<std::string>& beyond) {
  std::vector<config::KeyValue> keys{{"remote", config::toml_string(remote.text)},
                                     {"psk", config::toml_string("@" + verb.name)}};
  if (!verb.is_host) {
    keys.push_back({"local_nets", config::toml_strings(local)});
    keys.push_back({"remote_nets", config::toml_strings(beyond)});
  }
  return keys;
}

bool mentions(const std::map<std::string, std::string>& texts, const std::string& word) {
  for (const auto& [file, text] : texts) {
    if (text.find(word) != std::string::npos) return true;
  }
  return false;
}

std::string_view section_of(RemoveVerb::What what) {
  switch (what) {
    case RemoveVerb::What::site: return "site";
    case RemoveVerb::What::host: return "host";
    case RemoveVerb::What::client: return "client";
    case RemoveVerb::What::user: break;
  }
  return "server";
}

}  // namespace

Outcome<void> check_peer_name(const Setup& setup, const std::string& name, std::string_view kind) {
  TRY_VOID(check_name(name));
  if (!config::is_name(name)) {
    return std::unexpected{
        refusal(ExitCode::usage, "names of tunnels have no @", "choose another")};
  }
  const auto there = io::read_file(setup.places().psk(name));
  if (!there) return std::unexpected{failure_of(there.error())};
  if (!*there) return {};
  return std::unexpected{
      refusal(ExitCode::configuration,
              fmt::format("there is a secret already at {}", setup.places().psk(name)),
              fmt::format("choose another name, or `caponier rm {} {}` first", kind, name))};
}

Outcome<void> add_peer_table(Setup& setup, std::string_view kind, const std::string& name,
                             const std::vector<config::KeyValue>& keys) {
  const bool is_bare = name.find('.') == std::string::npos;
  const std::string title = fmt::format("{}.{}", kind, is_bare ? name : config::toml_string(name));
  auto text = config::append_table(setup.places().config(), setup.text(), title, keys);
  if (!text) return std::unexpected{failure_of(text.error())};
  setup.replace(setup.places().config(), std::move(*text));
  return {};
}

Outcome<ExitCode> run_add_peer(const Session& session, const AddPeerVerb& verb) {
  Setup setup = TRY(Setup::open(session));
  TRY_VOID(check_peer_name(setup, verb.name, verb.is_host ? "host" : "site"));
  const config::Remote remote = TRY(argument(config::parse_remote(verb.remote)));
  const auto local = TRY(networks_of(verb.local));
  const auto beyond = TRY(networks_of(verb.beyond));
  const base::SecretBytes secret = TRY(secret_of(verb));
  const bool is_first = verb.psk.empty();
  Json result{{"name", verb.name}};
  std::string words;
  if (is_first) {
    const std::string address = TRY(own_address(verb, remote));
    words =
        fmt::format("caponier add {} {} {}", verb.is_host ? "host" : "site", own_name(), address);
    if (!verb.is_host) {
      words += fmt::format(" --local {} --remote {}", join(beyond), join(local));
    }
    words += fmt::format(" --psk {}", base::as_text(secret.reveal()));
    result["other_side"] = words;
    words += "\n";
  }
  TRY_VOID(add_peer_table(setup, verb.is_host ? "host" : "site", verb.name,
                          keys_of(verb, remote, local, beyond)));
  auto file = content_of(std::string{base::as_text(secret.reveal())} + "\n");
  setup.changes().write(setup.places().psk(verb.name), std::move(file), secret_mode,
                        secret_folder_mode);
  return setup.finish(std::move(result), words,
                      is_first ? "run this on the other side; it holds the secret:\n" : "");
}

Outcome<ExitCode> run_remove_peer(const Session& session, const RemoveVerb& verb) {
  Setup setup = TRY(Setup::open(session));
  TRY_VOID(check_name(verb.name));
  const std::string_view section = section_of(verb.what);
  std::optional<config::ConfigError> reason;
  bool is_found = false;
  for (const auto& [file, text] : setup.texts()) {
    auto shorter = config::remove_table(file, text, section, verb.name);
    if (shorter) {
      setup.replace(file, std::move(*shorter));
      is_found = true;
      break;
    }
    if (!reason || shorter.error().where.line != 0) reason = shorter.error();
  }
  if (!is_found) {
    Failure failure = failure_of(*reason);
    if (reason->where.line == 0) failure.code = ExitCode::not_found;
    return std::unexpected{std::move(failure)};
  }
  if (!mentions(setup.texts(), fmt::format("\"@{}\"", verb.name))) {
    setup.changes().remove(setup.places().psk(verb.name));
  }
  if (verb.what == RemoveVerb::What::client) remove_client_files(setup, verb.name);
  return setup.finish(Json{{"name", verb.name}}, fmt::format("{} is removed\n", verb.name));
}

}  // namespace caponier::cli
