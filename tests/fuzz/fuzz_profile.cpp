// Hostile names in every kind of profile: each syntax gives back exactly what went in, so that no
// name can end its string and say more.

#include <nlohmann/json.hpp>

#include <array>

#include "fuzz/fuzz.h"
#include "profile/escape.h"
#include "profile/profile.h"

namespace {

using namespace caponier;

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string from_xml(std::string text) {
  fuzz::require(text.find('<') == std::string::npos && text.find('>') == std::string::npos,
                "character data has no tags");
  text = replace_all(std::move(text), "&lt;", "<");
  text = replace_all(std::move(text), "&gt;", ">");
  return replace_all(std::move(text), "&amp;", "&");
}

/// As PowerShell's tokenizer reads a string in single quotes; everything must belong to it.
std::string from_powershell(std::string_view text) {
  constexpr std::array<std::string_view, 5> quotes{"'", "\xe2\x80\x98", "\xe2\x80\x99",
                                                   "\xe2\x80\x9a", "\xe2\x80\x9b"};
  const auto quote_at = [&](std::string_view rest) -> std::string_view {
    for (const std::string_view quote : quotes) {
      if (rest.starts_with(quote)) return quote;
    }
    return {};
  };
  fuzz::require(text.starts_with('\''), "a string begins with a quote");
  text.remove_prefix(1);
  std::string out;
  for (;;) {
    fuzz::require(!text.empty(), "a string ends");
    const std::string_view quote = quote_at(text);
    if (quote.empty()) {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    text.remove_prefix(quote.size());
    const std::string_view second = quote_at(text);
    if (second.empty()) break;
    out += second;
    text.remove_prefix(second.size());
  }
  fuzz::require(text.empty(), "nothing stands behind the string");
  return out;
}

std::string from_swanctl(std::string_view text) {
  fuzz::require(text.size() >= 2 && text.front() == '"' && text.back() == '"', "in quotes");
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    fuzz::require(text[i] != '"' && text[i] != '\n', "the string does not end early");
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    i += 1;
    fuzz::require(i < text.size(), "the last quote is not escaped");
    out += text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
  }
  return out;
}

std::string profile_text(profile::Kind kind, const profile::Client& client) {
  base::SeededRng rng{1};
  const auto files = profile::make_profile(kind, client, rng);
  fuzz::require(!files.empty() && !files.front().content.empty(), "there is a profile");
  return std::string{base::as_text(files.front().content.reveal())};
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; ++at) found += 1;
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view hostile = base::as_text(fuzz::bytes_of(data, size));
  const std::string text = profile::printable_text(hostile);
  fuzz::require(profile::printable_text(text) == text, "what is printable stays");
  fuzz::require(from_xml(profile::xml_text(text)) == text, "XML");
  fuzz::require(from_powershell(profile::powershell_string(text)) == text, "PowerShell");
  fuzz::require(from_swanctl(profile::swanctl_string(text)) == text, "swanctl.conf");
  static_cast<void>(profile::read_join(hostile));

  profile::Client client;
  client.server = hostile;
  client.user = hostile;
  client.authority = hostile;
  client.authority_pem = "PEM";
  client.login = profile::PasswordLogin{base::SecretBytes{base::as_bytes(hostile)}};
  const std::string apple = profile_text(profile::Kind::apple, client);
  fuzz::require(count(apple, "<dict>") == 7 && count(apple, "</plist>") == 1, "no more than ours");
  const auto android =
      nlohmann::json::parse(profile_text(profile::Kind::android, client), nullptr, false);
  fuzz::require(android["local"]["eap_id"] == text, "the app reads the name");
  static_cast<void>(profile_text(profile::Kind::windows, client));
  static_cast<void>(profile_text(profile::Kind::strongswan, client));
  const std::string line = profile_text(profile::Kind::caponier, client);
  fuzz::require(count(line, "\n") == 1, "one line");
  const auto join = profile::read_join(
      std::string_view{line}.substr(14, line.size() - 15));  // without "caponier join " and "\n"
  fuzz::require(join.has_value() == (!text.empty() && line.size() < profile::join_size_max),
                "the line reads back");
  if (join) fuzz::require(join->user == text && join->server == text, "with the same names");
  return 0;
}
