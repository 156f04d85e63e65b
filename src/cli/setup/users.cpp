// `init`, `add user`, `rm user`.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "cli/setup/authority.h"
#include "cli/setup/password.h"
#include "config/edit.h"
#include "config/values.h"
#include "io/os/rng.h"

namespace caponier::cli {
namespace {

constexpr std::int64_t server_days = 3650;
constexpr std::int64_t renewal_days = 30;
constexpr mode_t secret_mode = 0600;
constexpr mode_t secret_folder_mode = 0700;

Outcome<std::vector<std::string>> prefixes(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    out.push_back(TRY(argument(config::parse_prefix(text))).to_string());
  }
  return out;
}

Outcome<std::vector<std::string>> addresses(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    out.push_back(TRY(argument(config::parse_address(text))).to_string());
  }
  return out;
}

Outcome<std::string> add_server_table(Setup& setup, const InitVerb& verb) {
  if (verb.server.empty()) {
    return std::unexpected{refusal(ExitCode::usage, "the server has no name yet",
                                   "say how clients reach it: --server vpn.example.org")};
  }
  const config::Remote remote = TRY(argument(config::parse_remote(verb.server)));
  if (remote.any) {
    return std::unexpected{
        refusal(ExitCode::usage, "\"any\" is no name", "write a name or an address")};
  }
  std::vector<config::KeyValue> keys{{"name", config::toml_string(remote.text)},
                                     {"pool", config::toml_strings(TRY(prefixes(verb.pool)))}};
  if (!verb.dns.empty()) keys.push_back({"dns", config::toml_strings(TRY(addresses(verb.dns)))});
  if (!verb.networks.empty()) {
    keys.push_back({"local_nets", config::toml_strings(TRY(prefixes(verb.networks)))});
  }
  keys.push_back({"passwords", "true"});
  auto text = config::append_table(setup.places().config(), setup.text(), "server", keys);
  if (!text) return std::unexpected{failure_of(text.error())};
  setup.replace(setup.places().config(), std::move(*text));
  return remote.text;
}

Outcome<std::string> name_of_server(Setup& setup, const InitVerb& verb) {
  const auto server = TRY(setup.server());
  if (!server) return add_server_table(setup, verb);
  if (verb.server.empty() || verb.server == server->name) return server->name;
  return std::unexpected{
      refusal(ExitCode::configuration,
              fmt::format("the server's name is {} already, in [server]", server->name),
              "change it there, then `caponier init` makes a certificate for the new name")};
}

/// Whether a certificate is there that will do for a while.
Outcome<bool> has_certificate(const std::string& path) {
  const auto content = io::read_file(path);
  if (!content) return std::unexpected{failure_of(content.error())};
  if (!*content) return false;
  const auto certificate = TRY(read_certificate(path, (*content)->reveal()));
  return certificate.not_after > days_later(unix_now(), renewal_days);
}

Outcome<bool> is_there(const std::string& path) {
  const auto content = io::read_file(path);
  if (!content) return std::unexpected{failure_of(content.error())};
  return content->has_value();
}

Outcome<void> check_new(const Places& places, const std::string& user) {
  TRY_VOID(check_name(user));
  if (!TRY(is_there(places.user_certificate(user))) && !TRY(is_there(places.user_password(user)))) {
    return {};
  }
  return std::unexpected{refusal(
      ExitCode::configuration, fmt::format("there is a user {} already", user),
      fmt::format("`caponier export {0} --as KIND` for another device, or `caponier rm user "
                  "{0}` first",
                  user))};
}

/// Certificates name users without regard to case, and whoever is called like the server could pose
/// as it.
Outcome<void> check_distinct(const std::string& user, const std::string& server) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (std::ranges::any_of(user, is_upper)) {
    return std::unexpected{refusal(ExitCode::usage, "names of users have no capital letters",
                                   "write it in small letters")};
  }
  const auto same = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
  if (!std::ranges::equal(user, server, same)) return {};
  return std::unexpected{
      refusal(ExitCode::usage, "that is the name of the server", "choose another")};
}

Outcome<void> check_server(const Setup& setup, const AddUserVerb& verb) {
  const auto server = TRY(setup.server());
  if (!server) {
    return std::unexpected{refusal(ExitCode::configuration, "there is no [server] here",
                                   "caponier init --server NAME")};
  }
  TRY_VOID(check_distinct(verb.name, server->name));
  if (!verb.password || server->passwords) return {};
  return std::unexpected{refusal(ExitCode::configuration, "[server] knows no passwords",
                                 "write passwords = true there")};
}

}  // namespace

Outcome<ExitCode> run_init(const Session& session, const InitVerb& verb) {
  Setup setup = TRY(Setup::open(session));
  const Places& places = setup.places();
  const std::string name = TRY(name_of_server(setup, verb));
  const bool has_authority = TRY(is_there(places.authority_certificate()));
  const auto authority = has_authority ? TRY(CertificateAuthority::open(places))
                                       : TRY(CertificateAuthority::make(setup, name));
  if (!has_authority || !TRY(has_certificate(places.certificate(name)))) {
    TRY_VOID(authority.issue(setup, pki::LeafKind::server, name, server_days));
  }
  if (!has_authority || !TRY(is_there(places.crl()))) TRY_VOID(authority.revoke(setup, {}, {}));
  return setup.finish(Json{{"server", name}},
                      fmt::format("{} is ready: add users with `caponier add user NAME`\n", name));
}

Outcome<ExitCode> run_add_user(const Session& session, const AddUserVerb& verb) {
  Setup setup = TRY(Setup::open(session));
  const Places& places = setup.places();
  TRY_VOID(check_new(places, verb.name));
  TRY_VOID(check_server(setup, verb));
  const auto authority = TRY(CertificateAuthority::open(places));
  Json result{{"name", verb.name}, {"login", verb.password ? "password" : "certificate"}};
  std::string words;
  if (verb.password) {
    io::OsRng rng;
    const base::SecretBytes password = make_password(rng);
    const std::string line = std::string{base::as_text(password.reveal())} + "\n";
    setup.changes().write(places.user_password(verb.name), content_of(line), secret_mode,
                          secret_folder_mode);
    if (!session.dry_run) result["password"] = base::as_text(password.reveal());
    words = fmt::format("password {}", line);
  } else {
    TRY_VOID(authority.issue(setup, pki::LeafKind::user, verb.name,
                             static_cast<std::int64_t>(verb.days)));
  }
  words +=
      fmt::format("caponier export {} --as apple|windows|android|strongswan|caponier\n", verb.name);
  return setup.finish(std::move(result), words);
}

Outcome<ExitCode> run_remove_user(const Session& session, const RemoveVerb& verb) {
  Setup setup = TRY(Setup::open(session));
  const Places& places = setup.places();
  TRY_VOID(check_name(verb.name));
  const std::string path = places.user_certificate(verb.name);
  const auto content = io::read_file(path);
  if (!content) return std::unexpected{failure_of(content.error())};
  if (!*content && !TRY(is_there(places.user_password(verb.name)))) {
    return std::unexpected{
        refusal(ExitCode::not_found, fmt::format("there is no user {}", verb.name),
                fmt::format("see {} and {}", places.users(), places.passwords()))};
  }
  if (*content) {
    const auto certificate = TRY(read_certificate(path, (*content)->reveal()));
    const auto authority = TRY(CertificateAuthority::open(places));
    TRY_VOID(authority.revoke(setup, certificate.serial, verb.name));
  }
  setup.ask_daemon("logout", Json{{"user", verb.name}});
  setup.changes().remove(path);
  setup.changes().remove(places.user_key(verb.name));
  setup.changes().remove(places.user_password(verb.name));
  return setup.finish(Json{{"name", verb.name}}, fmt::format("{} is revoked\n", verb.name));
}

}  // namespace caponier::cli
