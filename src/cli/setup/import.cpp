// `caponier import`: strongSwan's and libreswan's configurations in our language.

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "cli/setup/places.h"
#include "cli/setup/setup.h"
#include "io/os/swan_files.h"
#include "pki/openssl/provider.h"
#include "swan/source.h"

namespace caponier::cli {
namespace {

std::vector<base::IpAddress> own_addresses() {
  std::vector<base::IpAddress> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    if (one->ifa_addr->sa_family == AF_INET) {
      sockaddr_in address{};
      std::copy_n(static_cast<const char*>(static_cast<const void*>(one->ifa_addr)), sizeof address,
                  static_cast<char*>(static_cast<void*>(&address)));
      found.push_back(base::IpAddress::v4(ntohl(address.sin_addr.s_addr)));
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 address{};
      std::copy_n(static_cast<const char*>(static_cast<const void*>(one->ifa_addr)), sizeof address,
                  static_cast<char*>(static_cast<void*>(&address)));
      found.push_back(
          base::IpAddress::from_bytes(std::as_bytes(std::span{address.sin6_addr.s6_addr})));
    }
  }
  ::freeifaddrs(list);
  return found;
}

/// The file in a folder that is meant by it.
std::string file_in(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return path;
  for (const std::string_view name : {"swanctl.conf", "ipsec.conf"}) {
    std::string inside = fmt::format("{}/{}", path, name);
    if (std::filesystem::exists(inside, error)) return inside;
  }
  return fmt::format("{}/swanctl.conf", path);
}

struct Import {
  swan::Document document;
  swan::Report report;
};

Outcome<Import> translate(const std::string& path, const pki::PkiProvider& pki) {
  io::SwanFiles files;
  const auto text = files.read(path);
  if (!text) {
    return std::unexpected{refusal(ExitCode::not_found,
                                   fmt::format("cannot read {}: {}", path, text.error().message),
                                   "name a swanctl.conf or an ipsec.conf")};
  }
  Import result;
  if (swan::is_ipsec_conf(*text)) {
    result.document = swan::translate_ipsec(path, {own_addresses()}, files, &pki, result.report);
  } else {
    swan::SwanctlFolder folder;
    folder.folder = swan::folder_of(path);
    folder.file = path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
    folder.offers_ike2 = true;
    const std::string settings = swan::path_below(folder.folder, "../strongswan.conf");
    if (files.read(settings)) folder.strongswan_conf = settings;
    result.document = swan::translate_folder(folder, files, &pki, result.report);
  }
  swan::TranslatedSource source{result.document, files, &pki, nullptr, swan::Weak::refused};
  const auto made = swan::make_config(result.document, source);
  if (!made) {
    for (const config::ConfigError& error : made.error()) {
      result.report.error(error.where, "", {error.message, error.fix});
    }
  }
  return result;
}

constexpr mode_t secret_mode = 0600;
constexpr mode_t secret_folder_mode = 0700;

/// Refuses to write over anything else.
Outcome<void> plan(io::FileChanges& changes, const std::string& path, base::SecretBytes content,
                   mode_t mode) {
  const auto before = io::read_file(path);
  if (!before) return std::unexpected{failure_of(before.error())};
  if (*before && !base::equal_constant_time((*before)->reveal(), content.reveal())) {
    return std::unexpected{refusal(ExitCode::generic, fmt::format("{} is there already", path),
                                   "move it away, or write to another folder with --out")};
  }
  changes.write(path, std::move(content), mode,
                mode == secret_mode ? secret_folder_mode : mode_t{0755});
  return {};
}

Outcome<io::FileChanges> plan_all(const std::string& out, const swan::Document& document) {
  const Places places{out};
  io::FileChanges changes;
  for (const auto& [name, secret] : document.secrets) {
    TRY_VOID(plan(changes, places.psk(name), secret->duplicate(), secret_mode));
  }
  for (const auto& [name, password] : document.users) {
    TRY_VOID(plan(changes, places.user_password(name), password->duplicate(), secret_mode));
  }
  constexpr mode_t config_mode = 0644;
  TRY_VOID(plan(changes, out, content_of(document.text()), config_mode));
  return changes;
}

std::string_view word_of(swan::Gravity gravity) {
  switch (gravity) {
    case swan::Gravity::note: return "note";
    case swan::Gravity::warning: return "changed";
    case swan::Gravity::error: return "refused";
  }
  return {};
}

/// The headers of what was translated.
std::vector<std::string> tables_of(const swan::Document& document) {
  std::vector<std::string> tables;
  std::string_view rest = document.text();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (line.starts_with('[')) tables.emplace_back(line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return tables;
}

void tell(const Import& import) {
  for (const swan::Remark& one : import.report.remarks()) {
    remark(fmt::format("{}: {}\n", word_of(one.gravity), one.to_string()));
  }
  std::string tables;
  for (const std::string& table : tables_of(import.document)) {
    tables += (tables.empty() ? "" : ", ") + table;
  }
  remark(fmt::format("translated: {}\n", tables.empty() ? "nothing" : tables));
}

Json json_of(const Import& import) {
  Json remarks = Json::array();
  for (const swan::Remark& one : import.report.remarks()) {
    remarks.push_back({{"kind", word_of(one.gravity)},
                       {"file", one.where.file},
                       {"line", one.where.line},
                       {"key", one.path},
                       {"message", one.message},
                       {"fix", one.fix}});
  }
  return {{"toml", import.document.text()},
          {"tables", tables_of(import.document)},
          {"remarks", std::move(remarks)}};
}

}  // namespace

Outcome<ExitCode> run_import(const Session& session, const ImportVerb& verb) {
  const pki::OpensslPki pki;
  const Import import = TRY(translate(file_in(verb.path), pki));
  if (!session.json) tell(import);
  const std::size_t secrets = import.document.secrets.size() + import.document.users.size();
  if (verb.out.empty()) {
    session.json ? print_json(json_of(import)) : print(import.document.text());
    if (secrets > 0 && !session.json) {
      remark(
          fmt::format("{} secrets are not written; --out FILE puts them beside FILE\n", secrets));
    }
  } else {
    io::FileChanges changes = TRY(plan_all(verb.out, import.document));
    if (!session.dry_run) {
      const auto done = changes.apply();
      if (!done) return std::unexpected{failure_of(done.error())};
    }
    if (session.json) print_json(json_of(import));
    for (const io::FileChange& change : changes.list()) {
      remark(fmt::format("{}{} {}\n", session.dry_run ? "would " : "", change.action, change.path));
    }
  }
  return import.report.error_count() > 0 ? ExitCode::configuration : ExitCode::ok;
}

}  // namespace caponier::cli
