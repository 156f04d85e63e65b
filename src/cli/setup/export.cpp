// `export`.

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/qr.h"
#include "cli/setup/authority.h"
#include "cli/setup/password.h"
#include "io/os/rng.h"
#include "profile/profile.h"

namespace caponier::cli {
namespace {

using profile::Kind;

constexpr mode_t secret_mode = 0600;
constexpr mode_t secret_folder_mode = 0700;

/// What goes out, and the password that must go another way.
struct Exported {
  std::vector<profile::File> files;
  base::SecretBytes password;  ///< of the PKCS #12 inside; empty when there is none
};

Outcome<profile::KeyKind> key_kind(const pki::Certificate& certificate) {
  switch (certificate.key.kind) {
    case pki::KeyKind::rsa: return profile::KeyKind::rsa;
    case pki::KeyKind::ecdsa_p256: return profile::KeyKind::ecdsa256;
    case pki::KeyKind::ecdsa_p384: return profile::KeyKind::ecdsa384;
    case pki::KeyKind::ecdsa_p521:
    case pki::KeyKind::ed25519:
    case pki::KeyKind::ed448: break;
  }
  return std::unexpected{refusal(
      ExitCode::configuration,
      fmt::format("devices do not take keys of the kind {}", pki::name_of(certificate.key.kind)),
      "remove the user and add it anew")};
}

/// Devices import what PKCS #12 was in the nineties; the password is 100 bits of chance.
Outcome<profile::CertificateLogin> certificate_login(const Places& places, const std::string& user,
                                                     const std::string& authority_pem,
                                                     base::SecretBytes& password) {
  const std::string path = places.user_certificate(user);
  const auto pem = TRY(needed_file(path));
  auto key = TRY(needed_file(places.user_key(user)));
  const auto certificate = TRY(read_certificate(path, pem.reveal()));
  const std::string text{base::as_text(pem.reveal())};
  io::OsRng rng;
  password = make_password(rng);
  auto pkcs12 = TRY(issued(pki::make_pkcs12(pki::Pkcs12Kind::legacy, user, key.reveal(), text,
                                            std::array{authority_pem}, password.reveal())));
  const profile::KeyKind kind = TRY(key_kind(certificate));
  return profile::CertificateLogin{user, kind, text, std::move(key), std::move(pkcs12)};
}

Outcome<profile::PasswordLogin> password_login(const Places& places, const std::string& user) {
  const auto content = io::read_file(places.user_password(user));
  if (!content) return std::unexpected{failure_of(content.error())};
  if (!*content) {
    return std::unexpected{refusal(ExitCode::not_found, fmt::format("there is no user {}", user),
                                   fmt::format("caponier add user {}", user))};
  }
  base::Bytes password = (*content)->reveal();
  while (!password.empty() && password.back() == std::byte{'\n'}) {
    password = password.first(password.size() - 1);
  }
  return profile::PasswordLogin{base::SecretBytes{password}};
}

/// The last part of our authorities' subjects.
std::string common_name(const pki::Certificate& certificate) {
  constexpr std::string_view attribute = "CN=";
  const std::size_t at = certificate.subject_text.rfind(attribute);
  return at == std::string::npos ? certificate.subject_text
                                 : certificate.subject_text.substr(at + attribute.size());
}

Outcome<profile::Client> make_client(const Setup& setup, const CertificateAuthority& authority,
                                     const Server& server, const std::string& user,
                                     base::SecretBytes& password) {
  const Places& places = setup.places();
  const auto certificate = io::read_file(places.user_certificate(user));
  if (!certificate) return std::unexpected{failure_of(certificate.error())};
  profile::Client client;
  client.server = server.name;
  client.user = user;
  client.authority = common_name(authority.certificate());
  client.authority_der = authority.certificate().der;
  client.authority_pem = authority.pem();
  client.networks = server.networks;
  if (*certificate) {
    client.login = TRY(certificate_login(places, user, authority.pem(), password));
  } else {
    client.login = TRY(password_login(places, user));
  }
  return client;
}

/// Devices show who made a profile when it is signed.
Outcome<void> sign(const Places& places, const CertificateAuthority& authority,
                   const std::string& server, profile::File& file) {
  const auto key = TRY(needed_file(places.key(server)));
  const auto pem = TRY(needed_file(places.certificate(server)));
  const auto made =
      TRY(issued(pki::sign_cms(file.content.reveal(), key.reveal(), base::as_text(pem.reveal()),
                               std::array{authority.pem()}, unix_now())));
  file.content = base::SecretBytes{made};
  return {};
}

/// A tunnel's name is no user's.
Outcome<void> check_user(const Setup& setup, const std::string& name) {
  TRY_VOID(check_name(name));
  const Places& places = setup.places();
  for (const std::string& path : {places.user_certificate(name), places.user_password(name)}) {
    const auto content = io::read_file(path);
    if (!content) return std::unexpected{failure_of(content.error())};
    if (*content) return {};
  }
  const std::string kind = TRY(setup.tunnel_kind(name));
  if (kind.empty()) return {};
  std::string words;
  for (const dialect::TargetName& target : dialect::all_targets()) {
    words += (words.empty() ? "" : ", ") + std::string{target.word};
  }
  return std::unexpected{refusal(ExitCode::usage, fmt::format("{} is a {}, no user", name, kind),
                                 "its peer's side is exported --as one of " + words)};
}

Outcome<Exported> make_export(const Session& session, const ExportVerb& verb, Kind kind) {
  Setup setup = TRY(Setup::open(session));
  TRY_VOID(check_user(setup, verb.name));
  const auto server = TRY(setup.server());
  if (!server) {
    return std::unexpected{refusal(ExitCode::configuration, "there is no [server] here",
                                   "caponier init --server NAME")};
  }
  const auto authority = TRY(CertificateAuthority::open(setup.places()));
  Exported out;
  const auto client = TRY(make_client(setup, authority, *server, verb.name, out.password));
  io::OsRng rng;
  out.files = profile::make_profile(kind, client, rng);
  if (kind == Kind::apple) {
    TRY_VOID(sign(setup.places(), authority, server->name, out.files.front()));
  }
  const bool holds_pkcs12 = kind == Kind::apple || kind == Kind::windows || kind == Kind::android;
  if (!holds_pkcs12) out.password = {};
  return out;
}

std::string_view text_of(const Exported& exported) {
  return base::as_text(exported.files.front().content.reveal());
}

Outcome<void> show_qr(const Session& session, const Exported& exported) {
  const auto code = exported.files.size() == 1 ? make_qr(text_of(exported)) : std::nullopt;
  if (!code) {
    return std::unexpected{
        refusal(ExitCode::usage,
                fmt::format("a QR code holds at most {} octets, this is more", qr_size_max),
                "export to a file, or give the user a password instead of a certificate")};
  }
  print(draw_qr(*code, session.style.colour));
  return {};
}

/// The paths that were written.
Outcome<std::vector<std::string>> write_files(const Session& session, const ExportVerb& verb,
                                              Exported& exported) {
  io::FileChanges changes;
  std::vector<std::string> paths;
  const bool is_single = exported.files.size() == 1;
  const std::string place = !verb.output.empty() ? verb.output
                            : is_single          ? exported.files.front().path
                                                 : verb.name + "-strongswan";
  for (profile::File& file : exported.files) {
    paths.push_back(is_single ? place : place + "/" + file.path);
    changes.write(paths.back(), std::move(file.content), secret_mode, secret_folder_mode);
  }
  if (session.dry_run) return paths;
  const auto applied = changes.apply();
  if (!applied) return std::unexpected{failure_of(applied.error())};
  return paths;
}

}  // namespace

Outcome<ExitCode> run_export(const Session& session, const ExportVerb& verb) {
  if (const auto* target = std::get_if<dialect::Target>(&verb.as)) {
    return run_export_peer(session, verb, *target);
  }
  const Kind kind = std::get<Kind>(verb.as);
  Exported exported = TRY(make_export(session, verb, kind));
  const std::string password{base::as_text(exported.password.reveal())};
  Json result{{"name", verb.name}};
  if (!password.empty()) result["certificate_password"] = password;
  const bool to_stdout = verb.output == "-" || (verb.output.empty() && kind == Kind::caponier);
  if (to_stdout && exported.files.size() > 1) {
    return std::unexpected{
        refusal(ExitCode::usage, "these are several files", "name a folder for them: -o FOLDER")};
  }
  std::string words;
  if (verb.qr) {
    TRY_VOID(show_qr(session, exported));
  } else if (to_stdout && session.json) {
    result["content"] = text_of(exported);
  } else if (to_stdout) {
    words = text_of(exported);
  } else {
    const auto paths = TRY(write_files(session, verb, exported));
    result["files"] = paths;
    for (const std::string& path : paths) {
      words += fmt::format("{} {}\n", session.dry_run ? "would write" : "wrote", path);
    }
  }
  if (session.json) {
    print_json(result);
    return ExitCode::ok;
  }
  print(words);
  if (!password.empty()) {
    remark(
        fmt::format("the certificate inside is imported with the password {}\n"
                    "give that to {} by another way\n",
                    password, verb.name));
  }
  return ExitCode::ok;
}

}  // namespace caponier::cli
