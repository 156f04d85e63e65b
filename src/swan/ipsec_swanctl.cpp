// Whole files: conns, authorities, ipsec.secrets, and what is for IKEv1 alone.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/event.h"
#include "swan/ipsec_conn.h"

namespace caponier::swan {

namespace {

using config::Place;
using config::quoted;

void write_authority(const Section& ca, Section& root) {
  Section& to = root.open("authorities").open(ca.name, ca.where);
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> names{
      {{"cacert", "cacert"},
       {"crluri", "crl_uris"},
       {"crluri1", "crl_uris"},
       {"crluri2", "crl_uris"},
       {"ocspuri", "ocsp_uris"},
       {"ocspuri1", "ocsp_uris"},
       {"ocspuri2", "ocsp_uris"},
       {"certuribase", "cert_uri_base"}}};
  for (const auto& [theirs, ours] : names) {
    const Value* const value = ca.find(theirs);
    if (value == nullptr) continue;
    const std::string before{to.text_of(ours)};
    to.set({std::string{ours},
            value->where,
            before.empty() ? value->text : before + "," + value->text,
            false,
            {}});
  }
}

void tell_setup(const Section& setup, Report& report) {
  constexpr std::array<std::string_view, 6> read{"uniqueids",   "strictcrlpolicy", "crl-strict",
                                                 "charondebug", "plutodebug",      "protostack"};
  for (const Value& value : setup.values) {
    if (std::ranges::find(read, value.key) != read.end()) continue;
    report.note(value.where, fmt::format("config setup: {}", value.key),
                "is for the other daemon; see [daemon] in caponier.toml(5)");
  }
}

/// Words of a line; quotes of both kinds keep blanks.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool has_word = false;
  char quote = '\0';
  for (const char c : line) {
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      has_word = true;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      if (has_word || !word.empty()) words.push_back(std::move(word));
      word.clear();
      has_word = false;
    } else {
      word += c;
    }
  }
  if (has_word || !word.empty()) words.push_back(std::move(word));
  return words;
}

struct SecretWord {
  std::string_view word;
  std::string_view section;
  bool is_file;
};
constexpr std::array secret_words = {
    SecretWord{"PSK", "ike", false},      SecretWord{"EAP", "eap", false},
    SecretWord{"XAUTH", "xauth", false},  SecretWord{"NTLM", "ntlm", false},
    SecretWord{"PPKS", "ppk", false},     SecretWord{"PPK", "ppk", false},
    SecretWord{"RSA", "private", true},   SecretWord{"ECDSA", "private", true},
    SecretWord{"PKCS8", "private", true}, SecretWord{"P12", "pkcs12", true},
};

class SecretsReader {
 public:
  SecretsReader(Files& files, Report& report) : files_(files), report_(report) {}
  void read(const std::string& path);
  [[nodiscard]] Section take() { return std::move(secrets_); }

 private:
  void read_line(std::string_view line, const Place& where);

  Files& files_;
  Report& report_;
  Section secrets_{"secrets", {}, {}, {}};
  std::size_t files_read_ = 0;
  unsigned number_ = 0;
};

void SecretsReader::read(const std::string& path) {
  if (++files_read_ > settings_files_max) return;
  auto text = files_.read(path);
  if (!text) return;
  std::string_view rest = *text;
  unsigned number = 0;
  bool in_braces = false;
  while (!rest.empty() && number_ < settings_entries_max) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    // Keys in braces are in libreswan's own form, and public anyway.
    if (in_braces) {
      in_braces = line.find('}') == std::string_view::npos;
      continue;
    }
    in_braces = line.ends_with('{');
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with("include ") || line.starts_with("include\t")) {
      for (const std::string& other :
           files_.glob(path_below(folder_of(path), trimmed(line.substr(8))))) {
        read(other);
      }
      continue;
    }
    read_line(line, {path, number, 1});
  }
  base::wipe(std::as_writable_bytes(std::span{*text}));
}

void SecretsReader::read_line(std::string_view line, const Place& where) {
  const std::vector<std::string> words = words_of(line);
  const auto colon = std::ranges::find(words, ":");
  if (colon == words.end() || colon + 1 == words.end()) {
    return report_.warn(where, "", "this line holds no secret that can be read",
                        "write: ID ID : PSK \"secret\", with blanks around ':'");
  }
  const std::string& word = *(colon + 1);
  const auto* const row = std::ranges::find(secret_words, word, &SecretWord::word);
  if (row == secret_words.end()) {
    return report_.warn(where, "", fmt::format("{} is no kind of secret here", quoted(word)),
                        "write PSK, EAP, XAUTH, RSA, ECDSA, PKCS8 or P12");
  }
  const std::vector<std::string> rest{colon + 2, words.end()};
  if (rest.empty() || rest.front() == "{") return;
  Section& to = secrets_.open(fmt::format("{}-{}", row->section, ++number_), where);
  if (row->is_file) {
    to.set({"file", where, rest.front(), false, {}});
    if (rest.size() > 1) to.set({"secret", where, rest[1], false, {}});
    return;
  }
  to.set({"secret", where, rest.back(), false, {}});
  unsigned id = 0;
  for (auto owner = words.begin(); owner != colon; ++owner) {
    to.set({fmt::format("id-{}", ++id), where, *owner, false, {}});
  }
}

bool is_old(const Section& connection) { return connection.text_of("version") == "1"; }

bool is_xauth(const Section& round) { return round.text_of("auth").starts_with("xauth"); }

}  // namespace

Section swanctl_of(const IpsecFile& file, Dialect dialect, const IpsecOptions& options,
                   Report& report) {
  Section root;
  tell_setup(file.setup, report);
  for (const Section& ca : file.authorities) write_authority(ca, root);
  for (const Section& conn : file.conns) {
    IpsecConn{conn, file.setup, dialect, options, report}.write(root);
  }
  return root;
}

Section load_ipsec_secrets(const std::string& path, Files& files, Report& report) {
  SecretsReader reader{files, report};
  reader.read(path);
  return reader.take();
}

void offer_ike2(Section& root, Report& report) {
  const auto connections = std::ranges::find(root.sections, "connections", &Section::name);
  if (connections == root.sections.end()) return;
  for (Section& connection : connections->sections) {
    if (!is_old(connection)) continue;
    const std::string path = fmt::format("connections.{}", connection.name);
    report.warn(connection.find("version")->where, path + ".version",
                "is for IKEv1, which is obsolete (RFC 9395) and not spoken here; this is the same "
                "with IKEv2",
                "let the other side speak IKEv2 as well: version = 2, or keyexchange=ikev2");
    connection.set({"version", connection.find("version")->where, "2", false, {}});
    std::erase_if(connection.values, [](const Value& value) {
      return value.key == "aggressive" || value.key == "pull" || value.key == "dpd_timeout";
    });
    const auto has_user = std::ranges::find_if(connection.sections, is_xauth);
    if (has_user == connection.sections.end()) continue;
    report.warn(has_user->where, path + "." + has_user->name,
                "XAuth is left out: with IKEv2 users prove themselves by EAP",
                "write auth = eap-mschapv2 for them, on both sides");
    std::erase_if(connection.sections, is_xauth);
  }
}

}  // namespace caponier::swan
